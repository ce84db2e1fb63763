#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "base/clock.h"

namespace tidegate {

/// Whom the work for one client is put down to: the client and those with whom it shares its limits. What
/// something costs is known when it has been done; it is owed then, and who owes too much waits. Any thread,
/// but for `hold_own`.
class Account {
 public:
  virtual ~Account() = default;

  /// Its snapshot was read, for so long; of one that several wait for, its part.
  virtual void owe_reading(std::chrono::nanoseconds took, Steady now) = 0;
  virtual void owe_rows(std::size_t rows, Steady now) = 0;
  /// Of what it had missed.
  virtual void owe_replayed(std::size_t bytes, Steady now) = 0;
  /// Whether it may have more of what it missed.
  [[nodiscard]] virtual bool may_replay(Steady now) = 0;

  /// So many bytes are held for it alone. One thread at a time.
  virtual void hold_own(std::size_t bytes) = 0;
  /// A snapshot in memory is held for it as long as what is returned lives, and so is the snapshot. Those
  /// with whom it shares a limit hold it once, however many wait for it.
  [[nodiscard]] virtual std::shared_ptr<const void> hold(std::shared_ptr<const void> snapshot,
                                                         std::size_t bytes) = 0;
  /// More is held for those with whom it shares a limit than may be.
  [[nodiscard]] virtual bool holds_too_much() const = 0;
  /// Something waits because of one of these two: it is counted.
  virtual void count_waiting(Steady now) = 0;
};

}  // namespace tidegate
