#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/budget.h"
#include "base/clock.h"
#include "session/options.h"

namespace tidegate::session {

/// So many a second, ten seconds' worth at once. Any thread, without a lock: it holds the moment up to which
/// everything is spent.
class Rate {
 public:
  static constexpr std::chrono::seconds kBurst{10};
  using Wait = std::optional<std::chrono::milliseconds>;
  /// Spends so many of `a_second` (0: there is no limit), or nothing, and how long until they are there. More
  /// than ten seconds' worth never is: that is spent once nothing else is, and the rest is owed.
  [[nodiscard]] Wait spend(std::size_t amount, std::size_t a_second, Steady now);
  /// What `spend` would wait for.
  [[nodiscard]] Wait lacks(std::size_t amount, std::size_t a_second, Steady now) const;
  /// What `spend` has spent is there again.
  void give_back(std::size_t amount, std::size_t a_second);
  /// Spends so many, whether they are there or not: what was done is done.
  void owe(std::size_t amount, std::size_t a_second, Steady now);
  /// How long until nothing is owed; nothing where nothing is.
  [[nodiscard]] Wait owes(Steady now) const;
  [[nodiscard]] bool is_full(Steady now) const { return spent_until_ <= now.time_since_epoch().count(); }

 private:
  std::atomic<std::int64_t> spent_until_{0};  // ns
};

/// What is counted by the second.
struct Rates {
  Rate messages;
  Rate subscribes;
  Rate snapshot_rows;
  Rate snapshot_ms;
  Rate replayed_bytes;
  [[nodiscard]] bool are_full(Steady now) const;
};

/// What the connections of one principal, or of one tenant, have together. Any thread.
class Share {
 public:
  using Of = Options::Limits::Of;
  explicit Share(const Of& of);

  const Of of;
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> subscriptions{0};
  Rates rates;
  /// Bytes that are held for them.
  const std::shared_ptr<Budget> held;
  /// Account's: counted once for all of them.
  [[nodiscard]] std::shared_ptr<const void> hold(std::shared_ptr<const void> snapshot, std::size_t bytes);

 private:
  std::mutex mutex_;
  std::unordered_map<const void*, std::weak_ptr<const void>> snapshots_;  // guarded by mutex_
  std::size_t sweep_at_ = 16;                                             // likewise
};

}  // namespace tidegate::session
