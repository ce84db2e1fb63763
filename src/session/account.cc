#include "session/account.h"

#include <algorithm>
#include <utility>

namespace tidegate::session {
namespace {

using std::chrono::milliseconds;
using What = Limit::What;

/// Who holds too much may ask again then: it depends on how soon its clients read.
constexpr milliseconds kHeldRetry{1'000};

constexpr std::array<std::string_view, 4> kOfNames{"connection", "principal", "tenant", "address"};
// In the order of Limit::What.
constexpr std::array<std::string_view, 10> kWhatNames{
    "messages",    "subscribes",     "connections", "subscriptions", "snapshot_rows",
    "snapshot_ms", "replayed_bytes", "held_bytes",  "handshakes",    "openings"};

constexpr bool exists(Limit::Of of, What what) {
  const bool rate = what == What::messages || what == What::subscribes || what == What::snapshot_rows ||
                    what == What::snapshot_ms || what == What::replayed_bytes;
  const bool of_address = what == What::handshakes || what == What::openings;
  if (of == Limit::Of::address) return of_address;
  if (of == Limit::Of::connection) return rate || what == What::subscriptions;
  return !of_address;
}

}  // namespace

std::string name_of(Limit limit) {
  return std::string(kOfNames.at(static_cast<std::size_t>(limit.of))) + "_" +
         std::string(kWhatNames.at(static_cast<std::size_t>(limit.what)));
}

LimitCounters::LimitCounters(metrics::Registry& metrics, const Options::Limits::Of& of_each)
    : of_connection(of_each) {
  for (std::size_t of = 0; of < kOf; ++of) {
    for (std::size_t what = 0; what < kWhat; ++what) {
      const Limit limit{static_cast<Limit::Of>(of), static_cast<What>(what)};
      if (!exists(limit.of, limit.what)) continue;
      counters_.at(of).at(what) = &metrics.counter(
          "tidegate_limited_total", "What was refused because of a limit", {{"limit", name_of(limit)}});
    }
  }
}

Limited LimitCounters::count(Limit limit, milliseconds retry) const {
  counters_.at(static_cast<std::size_t>(limit.of)).at(static_cast<std::size_t>(limit.what))->add();
  return {limit, retry};
}

ConnectionAccount::ConnectionAccount(std::shared_ptr<const LimitCounters> counters,
                                     std::shared_ptr<Share> principal, std::shared_ptr<Share> tenant)
    : counters_(std::move(counters)), principal_(std::move(principal)), tenant_(std::move(tenant)) {
  if (principal_) principal_held_ = Charge(principal_->held);
  if (tenant_) tenant_held_ = Charge(tenant_->held);
}

std::array<ConnectionAccount::Level, 3> ConnectionAccount::levels() {
  std::array<Level, 3> levels{Level{Limit::Of::connection, &rates_, &counters_->of_connection}};
  if (principal_) levels[1] = {Limit::Of::principal, &principal_->rates, &principal_->of};
  if (tenant_) levels[2] = {Limit::Of::tenant, &tenant_->rates, &tenant_->of};
  return levels;
}

// ---- rates ----

void ConnectionAccount::owe(Rate Rates::* rate, std::size_t Share::Of::* a_second, std::size_t amount,
                            Steady now) {
  for (const Level& level : levels()) {
    if (level.rates != nullptr) (level.rates->*rate).owe(amount, level.of->*a_second, now);
  }
}

void ConnectionAccount::owe_reading(std::chrono::nanoseconds took, Steady now) {
  const auto ms = static_cast<std::size_t>(std::chrono::ceil<milliseconds>(took).count());
  owe(&Rates::snapshot_ms, &Share::Of::snapshot_ms, ms, now);
}

void ConnectionAccount::owe_rows(std::size_t rows, Steady now) {
  owe(&Rates::snapshot_rows, &Share::Of::snapshot_rows, rows, now);
}

void ConnectionAccount::owe_replayed(std::size_t bytes, Steady now) {
  owe(&Rates::replayed_bytes, &Share::Of::replayed_bytes, bytes, now);
}

std::optional<Limited> ConnectionAccount::replay_debt(Steady now) {
  for (const Level& level : levels()) {
    if (level.rates == nullptr) continue;
    if (const auto retry = level.rates->replayed_bytes.owes(now))
      return Limited{{level.name, What::replayed_bytes}, *retry};
  }
  return std::nullopt;
}

bool ConnectionAccount::may_replay(Steady now) {
  return !replay_debt(now);
}

void ConnectionAccount::count_waiting(Steady now) {
  if (const auto over = held_over()) return static_cast<void>(counters_->count(*over));
  if (const auto debt = replay_debt(now)) counters_->count(debt->limit);
}

std::optional<Limited> ConnectionAccount::spend(Rate Rates::* rate, std::size_t Share::Of::* a_second,
                                                What what, std::size_t amount, Steady now) {
  const auto all = levels();
  const auto refuses = std::find_if(all.begin(), all.end(), [&](const Level& level) {
    return level.rates != nullptr && (level.rates->*rate).spend(amount, level.of->*a_second, now);
  });
  if (refuses == all.end()) return std::nullopt;
  for (auto level = all.begin(); level != refuses; ++level) {
    if (level->rates != nullptr) (level->rates->*rate).give_back(amount, level->of->*a_second);
  }
  // Another thread may have given back since what this one was refused for.
  Limited longest{{refuses->name, what}, milliseconds(1)};
  for (const Level& level : all) {
    if (level.rates == nullptr) continue;
    const auto retry = (level.rates->*rate).lacks(amount, level.of->*a_second, now);
    if (retry > longest.retry) longest = {{level.name, what}, *retry};
  }
  return counters_->count(longest.limit, longest.retry);
}

std::optional<Limited> ConnectionAccount::debt(std::size_t more, Steady now) {
  for (const Level& level : levels()) {
    if (level.rates == nullptr) continue;
    if (const auto retry = level.rates->snapshot_rows.owes(now))
      return counters_->count({level.name, What::snapshot_rows}, *retry);
    if (const auto retry = level.rates->snapshot_ms.owes(now))
      return counters_->count({level.name, What::snapshot_ms}, *retry);
  }
  if (const auto debt = replay_debt(now)) return counters_->count(debt->limit, debt->retry);
  if (const auto over = held_over(more)) return counters_->count(*over, kHeldRetry);
  return std::nullopt;
}

// ---- what is held ----

void ConnectionAccount::hold_own(std::size_t outbox, std::size_t unfinished) {
  outbox_ = outbox;
  unfinished_ = unfinished;
  if (principal_) principal_held_.set(outbox_ + unfinished_);
  if (tenant_) tenant_held_.set(outbox_ + unfinished_);
}

bool ConnectionAccount::hold_unfinished(std::size_t bytes) {
  const bool more = bytes > unfinished_;
  hold_own(outbox_, bytes);
  const auto over = more ? held_over() : std::nullopt;
  if (over) counters_->count(*over);
  return !over;
}

std::shared_ptr<const void> ConnectionAccount::hold(std::shared_ptr<const void> snapshot, std::size_t bytes) {
  if (!principal_) return snapshot;
  using Both = std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>;
  return std::make_shared<Both>(principal_->hold(snapshot, bytes), tenant_->hold(snapshot, bytes));
}

std::optional<Limit> ConnectionAccount::held_over(std::size_t more) const {
  const auto over = [more](const Share* share) {
    return share != nullptr && share->held->used() + more > share->held->bytes_max();
  };
  if (over(principal_.get())) return Limit{Limit::Of::principal, What::held_bytes};
  if (over(tenant_.get())) return Limit{Limit::Of::tenant, What::held_bytes};
  return std::nullopt;
}

bool ConnectionAccount::holds_too_much() const {
  return held_over().has_value();
}

}  // namespace tidegate::session
