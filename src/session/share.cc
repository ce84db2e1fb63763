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

struct HeldSnapshot {
  std::shared_ptr<const void> snapshot;
  Charge charge;
};

}  // namespace

Rate::Wait Rate::spend(std::size_t a_second, Steady now) {
  if (a_second == 0) return std::nullopt;
  const std::int64_t time = now.time_since_epoch().count();
  const auto one = static_cast<std::int64_t>(1'000'000'000 / a_second);
  std::int64_t spent = spent_until_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t next = std::max(spent, time) + one;
    if (next > time + kBurstNs) return rounded_up(next - time - kBurstNs);
    if (spent_until_.compare_exchange_weak(spent, next, std::memory_order_relaxed)) return std::nullopt;
  }
}

void Rate::owe(std::size_t amount, std::size_t a_second, Steady now) {
  if (a_second == 0 || amount == 0) return;
  const std::int64_t time = now.time_since_epoch().count();
  const double all = 1e9 * static_cast<double>(amount) / static_cast<double>(a_second);
  const auto more = static_cast<std::int64_t>(std::min(all, static_cast<double>(kDebtMostNs)));
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
