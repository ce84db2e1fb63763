#include "session/limits.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace tidegate::session {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kSweepInterval{1};

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

// ---- one connection ----

Admission::Admission(Limits& limits, std::shared_ptr<Share> principal, std::shared_ptr<Share> tenant)
    : account_(
          std::make_shared<ConnectionAccount>(limits.counters(), std::move(principal), std::move(tenant))) {}

Admission::~Admission() {
  subscriptions(0);
  account_->hold_own(0);
  static_cast<void>(account_->hold_unfinished(0));
  for (const auto& share : {account_->principal(), account_->tenant()}) {
    if (share) share->connections.fetch_sub(1, std::memory_order_relaxed);
  }
}

std::optional<Limited> Admission::message(Steady now) {
  return account_->spend(&Rates::messages, &Share::Of::messages, Limit::What::messages, 1, now);
}

std::optional<Limited> Admission::subscribe(bool again, std::size_t more, Steady now) {
  const std::size_t of_connection = account_->counters().of_connection.subscriptions;
  if (!again && of_connection > 0 && subscriptions_ >= of_connection)
    return account_->counters().count({Limit::Of::connection, Limit::What::subscriptions});
  const Share* const principal = account_->principal().get();
  const Share* const tenant = account_->tenant().get();
  if (!again && principal != nullptr && over(principal->subscriptions, principal->of.subscriptions))
    return account_->counters().count({Limit::Of::principal, Limit::What::subscriptions});
  if (!again && tenant != nullptr && over(tenant->subscriptions, tenant->of.subscriptions))
    return account_->counters().count({Limit::Of::tenant, Limit::What::subscriptions});
  if (const auto debt = account_->debt(more, now)) return debt;
  return account_->spend(&Rates::subscribes, &Share::Of::subscribes, Limit::What::subscribes, 1, now);
}

std::optional<Limited> Admission::subscribe_anew(std::size_t count, Steady now) {
  return account_->spend(&Rates::subscribes, &Share::Of::subscribes, Limit::What::subscribes, count, now);
}

void Admission::subscriptions(std::size_t count) {
  for (const auto& share : {account_->principal(), account_->tenant()}) {
    if (share) share->subscriptions.fetch_add(count - subscriptions_, std::memory_order_relaxed);
  }
  subscriptions_ = count;
}

// ---- all ----

Limits::Limits(Options options, metrics::Registry& metrics)
    : options_(options), counters_(std::make_shared<LimitCounters>(metrics, options.connection)) {}

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

std::shared_ptr<Share> Limits::share(const std::string& key, const Share::Of& of, Steady now) {
  auto& slice = slice_of(shares_, key);
  const std::lock_guard lock(slice.mutex);
  forget(slice, now, [now](const Share& share) { return share.rates.are_full(now); });
  auto& found = slice.known[key];
  if (!found) found = std::make_shared<Share>(of);
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
  const auto retry = address(key_of(from), now)->handshakes.spend(1, options_.address_handshakes, now);
  if (!retry) return std::nullopt;
  return counters_->count({Limit::Of::address, Limit::What::handshakes}, *retry);
}

std::optional<AddressOpening> Limits::open(const boost::asio::ip::address& from, Steady now) {
  if (options_.address_openings == 0) return AddressOpening(nullptr);
  auto known = address(key_of(from), now);
  const bool over = known->openings.fetch_add(1, std::memory_order_relaxed) >= options_.address_openings;
  AddressOpening opening(std::move(known));
  if (!over) return opening;
  counters_->count({Limit::Of::address, Limit::What::openings});
  return std::nullopt;
}

std::shared_ptr<Admission> Limits::admit(const auth::Principal* principal, Steady now, Limited& why) {
  if (!principal) return std::make_shared<Admission>(*this, nullptr, nullptr);
  auto one = share("p" + principal->tenant + '\0' + principal->subject, options_.principal, now);
  auto all = share("t" + principal->tenant, options_.tenant, now);
  // Taken first, so that two who come together can't both have the last place.
  one->connections.fetch_add(1, std::memory_order_relaxed);
  all->connections.fetch_add(1, std::memory_order_relaxed);
  const bool one_over =
      options_.principal.connections > 0 && one->connections > options_.principal.connections;
  const bool all_over = options_.tenant.connections > 0 && all->connections > options_.tenant.connections;
  auto admission = std::make_shared<Admission>(*this, std::move(one), std::move(all));
  if (!one_over && !all_over) return admission;
  why = counters_->count({one_over ? Limit::Of::principal : Limit::Of::tenant, Limit::What::connections},
                         std::chrono::seconds(5));
  return nullptr;
}

}  // namespace tidegate::session
