#pragma once

#include <memory>

#include "base/budget.h"
#include "feed/channels.h"
#include "feed/delivery.h"
#include "feed/probe.h"
#include "feed/tail.h"

namespace tidegate::feed {

/// Rule 27: what is given up, and in which order, while the process holds more for its clients than it may.
/// Each round takes one step; as long as it does not suffice the next round takes the next. The feed's
/// thread.
class Pressure {
 public:
  /// `memory` may be null: there is no bound then.
  Pressure(std::shared_ptr<Budget> memory, Channels& channels, Tail& tail, Delivery& delivery, Probe& probe)
      : memory_(std::move(memory)), channels_(channels), tail_(tail), delivery_(delivery), probe_(probe) {}

  /// Between batches, some times a second.
  void round();
  /// New snapshots would only make it worse.
  [[nodiscard]] bool refuses_snapshots() const { return next_ > Relief::refused; }

 private:
  const std::shared_ptr<Budget> memory_;
  Channels& channels_;
  Tail& tail_;
  Delivery& delivery_;
  Probe& probe_;
  Relief next_ = Relief::places;
};

}  // namespace tidegate::feed
