#include "matcher/pace.h"

#include <algorithm>

namespace tidegate::matcher {

using std::chrono::milliseconds;

namespace {

/// Between two questions, and between two `progress` that wake somebody: a commit is visible some
/// milliseconds after it was streamed.
constexpr milliseconds kHurried{2};
/// Between two questions while nobody waits: V then only frees WAL and moves floors.
constexpr milliseconds kUnhurried{20};
/// After this an answer is taken as lost with its connection.
constexpr milliseconds kAnswer{1'000};
/// The stream may be behind the server's log for so long before it is made to move, and is again at most so
/// often.
constexpr milliseconds kStandstill{1'000};

}  // namespace

Steady Pace::progress_at(const Standing& standing) const {
  if (standing.waiting && standing.visible >= *standing.waiting) return told_at_ + kHurried;
  const bool moved = standing.position != told_position_ || standing.visible != told_visible_;
  return told_at_ + (moved ? options_.progress_busy : options_.progress_idle);
}

Steady Pace::visibility_at(const Standing& standing) const {
  if (!standing.doubtful && !standing.queries) return Steady::max();
  if (asked_) return asked_at_ + kAnswer;
  // Without a doubt the answer still tells whether the stream is behind an open filter's H.
  if (!standing.doubtful) return asked_at_ + kStandstill;
  return asked_at_ + (standing.waiting ? kHurried : kUnhurried);
}

Steady Pace::nudge_at(const Standing& standing) const {
  if (!behind_ || *behind_ != standing.position) return Steady::max();
  return std::max(behind_since_, nudged_at_) + kStandstill;
}

Pace::Due Pace::due(Steady now, const Standing& standing) {
  Due due;
  if (now >= progress_at(standing)) {
    due.progress = true;
    told_at_ = now;
    told_position_ = standing.position;
    told_visible_ = standing.visible;
  }
  if (now >= visibility_at(standing)) {
    due.visibility = true;
    asked_ = true;
    asked_at_ = now;
  }
  if (now >= nudge_at(standing)) {
    due.nudge = true;
    nudged_at_ = now;
  }
  return due;
}

milliseconds Pace::patience(Steady now, const Standing& standing) const {
  const Steady next = std::min({progress_at(standing), visibility_at(standing), nudge_at(standing)});
  if (next <= now) return milliseconds{0};
  return std::chrono::ceil<milliseconds>(next - now);
}

void Pace::answered(Steady now, Lsn inserted, Lsn position) {
  asked_ = false;
  if (inserted <= position) {
    behind_.reset();
  } else if (behind_ != position) {
    behind_ = position;
    behind_since_ = now;
  }
}

LeaseClock::Time LeaseClock::look(Steady now, bool at_end) {
  constexpr Steady::duration look_max = std::chrono::seconds(1);
  if (last_ && at_end) passed_ += std::min(now - *last_, look_max);
  last_ = at_end ? std::optional(now) : std::nullopt;
  return this->now();
}

}  // namespace tidegate::matcher
