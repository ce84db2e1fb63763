#pragma once

#include <cstddef>
#include <utility>

#include "session/probe.h"

namespace tidegate::session {

/// What a shard's connections have sent since it was told last: counted without atomics, once a turn for the
/// metrics. The shard's thread.
class Sends {
 public:
  void sent(std::size_t bytes) {
    sends_ += bytes > 0 ? 1 : 0;
    bytes_ += bytes;
  }
  void blocked() { ++blocked_; }
  void tell(Probe& probe) {
    if (sends_ > 0) probe.sent(std::exchange(sends_, 0), std::exchange(bytes_, 0));
    if (blocked_ > 0) probe.blocked(std::exchange(blocked_, 0));
  }

 private:
  std::size_t sends_ = 0;
  std::size_t bytes_ = 0;
  std::size_t blocked_ = 0;
};

}  // namespace tidegate::session
