#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "feed/channel.h"
#include "feed/options.h"
#include "feed/order.h"
#include "feed/probe.h"
#include "feed/worker.h"
#include "log/log.h"
#include "registry/registry.h"

namespace tidegate::feed {

/// Somebody's place in a managed channel below its tail: everything with an LSN up to `lsn` is held, and all
/// else lies behind `offset`.
struct RereadJob {
  SubscriptionId subscription;
  std::uint64_t ticket = 0;  ///< which question of that subscription's
  std::string key;
  ChannelId channel;
  Epoch epoch;
  QueryHash query;
  Activation activation;
  Partition partition;
  FeedSeq zero;  ///< the partition's seq of offset -1
  Fences fences;
  Offset offset;
  Lsn lsn;
  /// The record at `offset` has an LSN up to this one, or the log is not the one that the place is of.
  Lsn record_lsn_max;
  Offset to;  ///< the tail has what lies behind
  protocol::Encoding encoding = protocol::Encoding::raw;
};

struct RereadResult {
  SubscriptionId subscription;
  std::uint64_t ticket = 0;
  std::shared_ptr<const History> history;  ///< reaches back to the job's place; or
  Refusal refusal = Refusal::broken;       ///< why there is none
  std::size_t bytes = 0;                   ///< what was read for it
};

/// Rule 12: reads a managed topic's past again, for all that wait at that moment together: one walk a
/// partition, from the lowest place to where the tails begin. Each channel's records are held against rules
/// 4, 5, 10 and 14 as if they were read live; whatever breaks the span of matching ends the resume. Bounded
/// in bytes read a walk, and in bytes held by all histories that have not been delivered yet.
class Reread {
 public:
  /// `done` is called on the worker's thread.
  Reread(log::Log& log, Probe& probe, const Options& options, std::function<void(RereadResult)> done);

  /// False where too many wait.
  [[nodiscard]] bool start(RereadJob job) { return worker_.start(std::move(job)); }
  /// Without a thread: does what waits, on the caller's. False where nothing does.
  bool work() { return worker_.work(); }
  static constexpr std::size_t kJobsMax = 65'536;
  [[nodiscard]] std::size_t held_bytes() const { return *held_; }

 private:
  void walk(std::vector<RereadJob> jobs, const std::atomic<bool>& stopping);

  log::Log& log_;
  Probe& probe_;
  const Options& options_;
  const std::function<void(RereadResult)> done_;
  const HeldBytes held_ = std::make_shared<std::atomic<std::size_t>>(0);
  Worker<RereadJob> worker_;  // last: it uses all of the above
};

}  // namespace tidegate::feed
