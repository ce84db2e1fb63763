#pragma once

#include <array>

#include "metrics/metrics.h"
#include "metrics/stages.h"
#include "protocol/errors.h"

namespace tidegate::hub {

/// A hub's events as metrics. Counted once an event, not once a frame.
class Probe {
 public:
  explicit Probe(metrics::Registry& registry);
  void subscribed() { subscriptions_.add(1); }
  void unsubscribed(std::size_t count = 1) { subscriptions_.add(-static_cast<std::int64_t>(count)); }
  void outbox_bytes(std::int64_t delta) { outbox_bytes_.add(delta); }
  void frames_delivered(std::size_t frames) { delivered_.add(frames); }
  void frames_contained(std::size_t frames) { contained_.add(frames); }
  void lagged() { lagged_.add(); }
  void given_back() { given_back_.add(); }
  void caught_up() { caught_up_.add(); }
  void snapshot_started() { snapshots_.add(); }
  void reset() { resets_.add(); }
  void debtor() { debtors_.add(); }
  void error(protocol::ErrorCode code) { errors_[static_cast<std::size_t>(code)]->add(); }
  void taken_after(metrics::Stages::Time time) { stages_.took(metrics::Stage::taken, time); }
  void written_after(metrics::Stages::Time time) { stages_.took(metrics::Stage::written, time); }
  void written_after_commit(metrics::Stages::Time time) { stages_.written_after_commit(time); }
  /// Looked at for one delivery: the cost of a record is its own subscribers.
  void subscriptions_probed(std::size_t count) { probed_.add(count); }

 private:
  metrics::Gauge& subscriptions_;
  metrics::Gauge& outbox_bytes_;
  metrics::Counter& delivered_;
  metrics::Counter& contained_;
  metrics::Counter& lagged_;
  metrics::Counter& given_back_;
  metrics::Counter& caught_up_;
  metrics::Counter& snapshots_;
  metrics::Counter& resets_;
  metrics::Counter& debtors_;
  metrics::Counter& probed_;
  metrics::Stages stages_;
  std::array<metrics::Counter*, protocol::kErrorCodes> errors_{};
};

}  // namespace tidegate::hub
