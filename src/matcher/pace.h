#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"
#include "matcher/options.h"

namespace tidegate::matcher {

/// When to tell the log where the stream is, when to ask the database what is visible, and when to make it
/// move (rules 1, 3). Pure; one thread.
class Pace {
 public:
  /// Where the reign stands.
  struct Standing {
    Lsn position;
    Lsn visible;
    bool doubtful = false;
    bool queries = false;        ///< any is matched
    std::optional<Lsn> waiting;  ///< the lowest R of a registration that has not yet been told of V >= R
  };
  struct Due {
    bool progress = false;
    bool visibility = false;
    bool nudge = false;
  };

  Pace(const Options& options, Steady now) : options_(options), told_at_(now) {}

  /// What is to be done now; each is then taken as done.
  Due due(Steady now, const Standing& standing);
  /// How long nothing will be due.
  [[nodiscard]] std::chrono::milliseconds patience(Steady now, const Standing& standing) const;
  /// The answer to a question: `inserted` is where the server's own log ends.
  void answered(Steady now, Lsn inserted, Lsn position);

 private:
  [[nodiscard]] Steady progress_at(const Standing& standing) const;
  [[nodiscard]] Steady visibility_at(const Standing& standing) const;
  [[nodiscard]] Steady nudge_at(const Standing& standing) const;

  Options options_;
  Steady told_at_;
  Lsn told_position_;
  Lsn told_visible_;
  bool asked_ = false;  // and not yet answered
  Steady asked_at_{};
  Steady nudged_at_{};
  // The stream was behind the server's log at this position, since then.
  std::optional<Lsn> behind_;
  Steady behind_since_{};
};

/// Time that counts for leases (rule 15): it passes only between two looks that both found the control
/// topic's end, and never more than a second a look, so that a process that was stopped does not wake up to
/// expire everybody.
class LeaseClock {
 public:
  using Time = std::chrono::milliseconds;
  Time look(Steady now, bool at_end);
  [[nodiscard]] Time now() const { return std::chrono::duration_cast<Time>(passed_); }

 private:
  std::optional<Steady> last_;
  Steady::duration passed_{};
};

}  // namespace tidegate::matcher
