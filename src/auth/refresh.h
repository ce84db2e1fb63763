#pragma once

#include <chrono>

#include "base/clock.h"

namespace tidegate::auth {

/// When keys are to be fetched from their URL: at once, then every `interval`; earlier where somebody wants
/// them or the last attempt failed, but never within `cooldown` of the last attempt's end. Owned by one
/// thread at a time.
class RefreshSchedule {
 public:
  RefreshSchedule(std::chrono::milliseconds interval, std::chrono::milliseconds cooldown)
      : interval_(interval), cooldown_(cooldown) {}

  /// The next attempt's time; Steady::min() for the first.
  [[nodiscard]] Steady due() const {
    if (!attempted_) return Steady::min();
    return ended_ + (wanted_ || failed_ ? cooldown_ : interval_);
  }
  /// Somebody needs a key that is not here.
  void want() { wanted_ = true; }
  /// What was wanted before is what this attempt is for.
  void began() { wanted_ = false; }
  void ended(Steady now, bool ok) {
    attempted_ = true;
    failed_ = !ok;
    ended_ = now;
  }

 private:
  std::chrono::milliseconds interval_;
  std::chrono::milliseconds cooldown_;
  Steady ended_{};
  bool attempted_ = false;
  bool wanted_ = false;
  bool failed_ = false;
};

}  // namespace tidegate::auth
