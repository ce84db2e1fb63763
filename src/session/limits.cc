#include "session/limits.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace tidegate::session {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kSweepInterval{1};

// In the order of Limit.
constexpr std::array<std::string_view, kLimits> kNames{
    "connection_messages",   "connection_subscribes",   "principal_messages", "principal_subscribes",
    "principal_connections", "principal_subscriptions", "tenant_messages",    "tenant_subscribes",
    "tenant_connections",    "tenant_subscriptions",    "address_handshakes", "address_openings"};

bool over(const std::atomic<std::size_t>& count, std::size_t max) {
  return max > 0 && count.load(std::memory_order_relaxed) >= max;
}

/// IPv4 whole, also where it comes as IPv6; of IPv6 the /64, which one customer has whole.
std::string key_of(const boost::asio::ip::address& address) {
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    return {bytes.begin(), bytes.end()};
  }
  const auto bytes = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped()) return {bytes.begin() + 12, bytes.end()};
  return {bytes.begin(), bytes.begin() + 8};
}

template <class Slices>
auto& slice_of(Slices& slices, const std::string& key) {
  return slices[std::hash<std::string>()(key) % slices.size()];
}

}  // namespace

std::string_view name_of(Limit limit) {
  return kNames.at(static_cast<std::size_t>(limit));
}

std::optional<milliseconds> Rate::spend(std::size_t a_second, Steady now) {
  if (a_second == 0) return std::nullopt;
  const std::int64_t time = now.time_since_epoch().count();
  const auto one = static_cast<std::int64_t>(1'000'000'000 / a_second);
  const std::int64_t burst = std::chrono::nanoseconds(kBurst).count();
  std::int64_t spent = spent_until_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t next = std::max(spent, time) + one;
    if (next > time + burst) return milliseconds((next - time - burst) / 1'000'000 + 1);
    if (spent_until_.compare_exchange_weak(spent, next, std::memory_order_relaxed)) return std::nullopt;
  }
}

// ---- one connection ----

Admission::~Admission() {
  subscriptions(0);
  for (const auto& share : {principal_, tenant_}) {
    if (share) share->connections.fetch_sub(1, std::memory_order_relaxed);
  }
}

std::optional<Limited> Admission::message(Steady now) {
  const auto& options = limits_.options();
  if (const auto retry = messages_.spend(options.connection.messages, now))
    return limits_.count(Limit::connection_messages, *retry);
  if (!principal_) return std::nullopt;
  if (const auto retry = principal_->messages.spend(options.principal.messages, now))
    return limits_.count(Limit::principal_messages, *retry);
  if (const auto retry = tenant_->messages.spend(options.tenant.messages, now))
    return limits_.count(Limit::tenant_messages, *retry);
  return std::nullopt;
}

std::optional<Limited> Admission::subscribe(Steady now) {
  const auto& options = limits_.options();
  if (const auto retry = subscribes_.spend(options.connection.subscribes, now))
    return limits_.count(Limit::connection_subscribes, *retry);
  if (!principal_) return std::nullopt;
  if (over(principal_->subscriptions, options.principal.subscriptions))
    return limits_.count(Limit::principal_subscriptions);
  if (over(tenant_->subscriptions, options.tenant.subscriptions))
    return limits_.count(Limit::tenant_subscriptions);
  if (const auto retry = principal_->subscribes.spend(options.principal.subscribes, now))
    return limits_.count(Limit::principal_subscribes, *retry);
  if (const auto retry = tenant_->subscribes.spend(options.tenant.subscribes, now))
    return limits_.count(Limit::tenant_subscribes, *retry);
  return std::nullopt;
}

void Admission::subscriptions(std::size_t count) {
  for (const auto& share : {principal_, tenant_}) {
    if (share) share->subscriptions.fetch_add(count - subscriptions_, std::memory_order_relaxed);
  }
  subscriptions_ = count;
}

// ---- all ----

Limits::Limits(Options options, metrics::Registry& metrics) : options_(options) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    counters_.at(i) = &metrics.counter("tidegate_limited_total", "What was refused because of a limit",
                                       {{"limit", std::string(kNames.at(i))}});
  }
}

std::optional<Limited> Limits::count(Limit limit, milliseconds retry) {
  counters_.at(static_cast<std::size_t>(limit))->add();
  return Limited{limit, retry};
}

/// Of those that nobody has any more, the ones that are `gone`, once there are twice as many as were left the
/// last time. As many as there may be are not looked through for each that comes.
template <class Value, class Gone>
void Limits::forget(Slice<Value>& slice, Steady now, Gone gone) {
  if (slice.known.size() < slice.sweep_at || now < slice.swept + kSweepInterval) return;
  std::erase_if(slice.known,
                [&](const auto& one) { return one.second.use_count() == 1 && gone(*one.second); });
  slice.sweep_at = std::clamp<std::size_t>(2 * slice.known.size(), 64, kAddressesMax);
  slice.swept = now;
}

std::shared_ptr<Share> Limits::share(const std::string& key, Steady now) {
  auto& slice = slice_of(shares_, key);
  const std::lock_guard lock(slice.mutex);
  forget(slice, now,
         [now](const Share& share) { return share.messages.is_full(now) && share.subscribes.is_full(now); });
  auto& found = slice.known[key];
  if (!found) found = std::make_shared<Share>();
  return found;
}

std::shared_ptr<Address> Limits::address(const std::string& key, Steady now) {
  auto& slice = slice_of(addresses_, key);
  const std::lock_guard lock(slice.mutex);
  forget(slice, now, [now](const Address& address) { return address.handshakes.is_full(now); });
  const auto found = slice.known.find(key);
  if (found != slice.known.end()) return found->second;
  if (slice.known.size() >= kAddressesMax) return other_addresses_;
  return slice.known.emplace(key, std::make_shared<Address>()).first->second;
}

std::optional<Limited> Limits::handshake(const boost::asio::ip::address& from, Steady now) {
  if (options_.address_handshakes == 0) return std::nullopt;
  const auto retry = address(key_of(from), now)->handshakes.spend(options_.address_handshakes, now);
  return retry ? count(Limit::address_handshakes, *retry) : std::nullopt;
}

std::optional<AddressOpening> Limits::open(const boost::asio::ip::address& from, Steady now) {
  if (options_.address_openings == 0) return AddressOpening(nullptr);
  auto known = address(key_of(from), now);
  const bool over = known->openings.fetch_add(1, std::memory_order_relaxed) >= options_.address_openings;
  AddressOpening opening(std::move(known));
  if (!over) return opening;
  static_cast<void>(count(Limit::address_openings));
  return std::nullopt;
}

std::shared_ptr<Admission> Limits::admit(const auth::Principal* principal, Steady now, Limited& why) {
  if (!principal) return std::make_shared<Admission>(*this, nullptr, nullptr);
  auto one = share("p" + principal->tenant + '\0' + principal->subject, now);
  auto all = share("t" + principal->tenant, now);
  // Taken first, so that two who come together can't both have the last place.
  one->connections.fetch_add(1, std::memory_order_relaxed);
  all->connections.fetch_add(1, std::memory_order_relaxed);
  const bool one_over =
      options_.principal.connections > 0 && one->connections > options_.principal.connections;
  const bool all_over = options_.tenant.connections > 0 && all->connections > options_.tenant.connections;
  auto admission = std::make_shared<Admission>(*this, std::move(one), std::move(all));
  if (!one_over && !all_over) return admission;
  why = *count(one_over ? Limit::principal_connections : Limit::tenant_connections, std::chrono::seconds(5));
  return nullptr;
}

}  // namespace tidegate::session
