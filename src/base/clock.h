#pragma once

#include <chrono>

namespace tidegate {

using Steady = std::chrono::steady_clock::time_point;
using Wall = std::chrono::system_clock::time_point;

/// SEAM. Time, so that a simulation can own it. Both calls from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  /// For intervals: leases, timeouts, rates.
  [[nodiscard]] virtual Steady steady() const = 0;
  /// For people and for records that leave the process.
  [[nodiscard]] virtual Wall wall() const = 0;
};

/// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Steady steady() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] Wall wall() const override { return std::chrono::system_clock::now(); }
};

/// Microseconds since 1970-01-01 UTC.
inline std::int64_t unix_us(Wall time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace tidegate
