#pragma once

#include <chrono>
#include <cstdint>

#include "base/ids.h"
#include "metrics/metrics.h"
#include "metrics/stages.h"

namespace tidegate::matcher {

/// The matcher's metrics, as events.
class Probe {
 public:
  explicit Probe(metrics::Registry& registry);

  void transaction(std::size_t changes, std::size_t evaluations);
  void netted(std::size_t bytes, std::size_t given_up) {
    netting_bytes_.set(static_cast<std::int64_t>(bytes));
    given_up_.add(given_up);
  }
  void repeated() { repeated_.add(); }
  /// How old a transaction was when it was received, and what its matching took.
  void committed(std::chrono::microseconds age, std::chrono::nanoseconds matching);
  void appended_after(metrics::Stages::Time time) { stages_.took(metrics::Stage::appended, time); }
  /// Any thread.
  void acknowledged_after(metrics::Stages::Time time) { stages_.took(metrics::Stage::acknowledged, time); }
  void diff(std::uint32_t parts);
  void reset() { resets_.add(); }
  void refused() { refusals_.add(); }
  void progress() { progress_.add(); }
  void nudged() { nudges_.add(); }
  void standing(Lsn position, Lsn visible, std::size_t doubtful, std::size_t queries);
  /// A commit was seen visible so long after it had been streamed (a sample: one at a time is watched).
  void visible_after(std::chrono::duration<double, std::milli> time) { visible_after_.observe(time.count()); }
  void confirmed(Lsn lsn) { confirmed_.set(static_cast<std::int64_t>(lsn.value())); }

 private:
  metrics::Counter& transactions_;
  metrics::Counter& repeated_;
  metrics::Counter& changes_;
  metrics::Counter& evaluations_;
  metrics::Counter& diffs_;
  metrics::Counter& parts_;
  metrics::Counter& resets_;
  metrics::Counter& given_up_;
  metrics::Counter& refusals_;
  metrics::Counter& progress_;
  metrics::Counter& nudges_;
  metrics::Gauge& netting_bytes_;
  metrics::Gauge& queries_;
  metrics::Gauge& doubtful_;
  metrics::Gauge& position_;
  metrics::Gauge& visible_lag_;
  metrics::Gauge& confirmed_;
  metrics::Gauge& commit_lag_ms_;
  metrics::Histogram& visible_after_;
  metrics::Stages stages_;
};

}  // namespace tidegate::matcher
