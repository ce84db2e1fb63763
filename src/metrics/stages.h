#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "metrics/metrics.h"

namespace tidegate::metrics {

/// The stages of a change's journey (docs/ARCHITECTURE.md), in their order. `received` and `logged` are
/// differences of two machines' clocks, and no better than these agree.
enum class Stage : std::uint8_t {
  received,      ///< from the commit to the matcher, which has the whole transaction
  appended,      ///< until its last record is handed to the log
  acknowledged,  ///< until the log has acknowledged that one; readers don't wait for it
  logged,        ///< from a matcher's handing over to a gateway's reading, of `progress` records
  posted,        ///< from a gateway's reading of a batch until it is encoded and posted to the shards
  taken,         ///< until a shard takes it
  written,       ///< until that shard has written to every connection that got something and takes it now
};
inline constexpr int kStages = 7;

/// How long each takes: `tidegate_stage_seconds{stage}`, and `tidegate_commit_to_written_seconds` for the
/// whole. Observed once a transaction, a record of the matcher's own or a batch, never once a delivered
/// frame. Any thread.
class Stages {
 public:
  using Time = std::chrono::duration<double>;
  explicit Stages(Registry& registry);
  /// Where two clocks disagree it may seem negative, and counts as 0.
  void took(Stage stage, Time time);
  void written_after_commit(Time time);

 private:
  std::array<Histogram*, kStages> stages_{};
  Histogram& whole_;
};

}  // namespace tidegate::metrics
