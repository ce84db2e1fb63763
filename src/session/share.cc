#include "session/share.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tidegate::session {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::int64_t kBurstNs = nanoseconds(Rate::kBurst).count();
/// However much somebody owes at once, it is no more than this.
constexpr std::int64_t kDebtMostNs = nanoseconds(std::chrono::hours(1)).count();
constexpr std::size_t kSweepAtLeast = 16;

milliseconds rounded_up(std::int64_t ns) {
  return milliseconds(ns / 1'000'000 + 1);
}

/// How long so many take.
std::int64_t time_of(std::size_t amount, std::size_t a_second) {
  const double all = 1e9 * static_cast<double>(amount) / static_cast<double>(a_second);
  return static_cast<std::int64_t>(std::min(all, static_cast<double>(kDebtMostNs)));
}

/// How long until what takes `more` may be spent by who has spent all up to `spent`; not above 0: it may now.
std::int64_t wait_for(std::int64_t more, std::int64_t spent, std::int64_t time) {
  return std::max(spent, time) + std::min(more, kBurstNs) - time - kBurstNs;
}

struct HeldSnapshot {
  std::shared_ptr<const void> snapshot;
  Charge charge;
};

}  // namespace

Rate::Wait Rate::spend(std::size_t amount, std::size_t a_second, Steady now) {
  if (a_second == 0 || amount == 0) return std::nullopt;
  const std::int64_t time = now.time_since_epoch().count();
  const std::int64_t more = time_of(amount, a_second);
  std::int64_t spent = spent_until_.load(std::memory_order_relaxed);
  for (;;) {
    if (const auto wait = wait_for(more, spent, time); wait > 0) return rounded_up(wait);
    const std::int64_t next = std::max(spent, time) + more;
    if (spent_until_.compare_exchange_weak(spent, next, std::memory_order_relaxed)) return std::nullopt;
  }
}

Rate::Wait Rate::lacks(std::size_t amount, std::size_t a_second, Steady now) const {
  if (a_second == 0 || amount == 0) return std::nullopt;
  const auto wait = wait_for(time_of(amount, a_second), spent_until_.load(std::memory_order_relaxed),
                             now.time_since_epoch().count());
  if (wait <= 0) return std::nullopt;
  return rounded_up(wait);
}

void Rate::give_back(std::size_t amount, std::size_t a_second) {
  if (a_second == 0 || amount == 0) return;
  spent_until_.fetch_sub(time_of(amount, a_second), std::memory_order_relaxed);
}

void Rate::owe(std::size_t amount, std::size_t a_second, Steady now) {
  if (a_second == 0 || amount == 0) return;
  const std::int64_t time = now.time_since_epoch().count();
  const std::int64_t more = time_of(amount, a_second);
  std::int64_t spent = spent_until_.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do {
    next = std::min(std::max(spent, time) + more, time + kDebtMostNs);
  } while (!spent_until_.compare_exchange_weak(spent, next, std::memory_order_relaxed));
}

Rate::Wait Rate::owes(Steady now) const {
  const std::int64_t owed =
      spent_until_.load(std::memory_order_relaxed) - now.time_since_epoch().count() - kBurstNs;
  if (owed <= 0) return std::nullopt;
  return rounded_up(owed);
}

bool Rates::are_full(Steady now) const {
  return messages.is_full(now) && subscribes.is_full(now) && snapshot_rows.is_full(now) &&
         snapshot_ms.is_full(now) && replayed_bytes.is_full(now);
}

Share::Share(const Of& limits)
    : of(limits),
      held(std::make_shared<Budget>(limits.held_bytes > 0 ? limits.held_bytes
                                                          : std::numeric_limits<std::size_t>::max())) {}

std::shared_ptr<const void> Share::hold(std::shared_ptr<const void> snapshot, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (snapshots_.size() >= sweep_at_) {
    std::erase_if(snapshots_, [](const auto& one) { return one.second.expired(); });
    sweep_at_ = std::max(kSweepAtLeast, 2 * snapshots_.size());
  }
  auto& known = snapshots_[snapshot.get()];
  if (auto already = known.lock()) return already;
  auto made = std::make_shared<HeldSnapshot>(HeldSnapshot{std::move(snapshot), Charge(held)});
  made->charge.set(bytes);
  known = made;
  return made;
}

}  // namespace tidegate::session
