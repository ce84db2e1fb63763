#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "feed/channel.h"
#include "feed/options.h"
#include "feed/worker.h"
#include "log/log.h"
#include "protocol/frames.h"

namespace tidegate::feed {

/// A pass-through resume, or several of the same kind: what the log holds of `key` above `from`, below where
/// the feed has read.
struct ReplayJob {
  std::uint64_t ticket = 0;
  ChannelId channel;
  std::string key;
  Lsn from;
  FeedSeq after;  ///< behind it is room for the records' seqs (Numbering::reserve)
  protocol::Encoding encoding = protocol::Encoding::raw;
  std::vector<Offset> ends;  ///< one a partition, exclusive
  Steady deadline;
};

struct ReplayResult {
  std::uint64_t ticket = 0;
  std::shared_ptr<History> history;  ///< above `from`, by (LSN, position); null: it can't be exact
  bool bound = false;                ///< because there is no room for it
};

/// Reads the log again, backwards in growing windows, for all resumes that wait at that moment together. A
/// resume is exact where the key's records that lie before what was read are known to be at or below its LSN:
/// a record of the key at or below it was found in every partition that showed any of the key, or the
/// partition was read from its very first record on. (A partition that shows none of the key, while another
/// one has it, is taken not to have it: a key has one partition.) Bounded in bytes a partition and in time,
/// and in bytes held by all histories that have not been delivered yet; beyond that a resume is not exact.
class Replay {
 public:
  /// `done` is called on the replay's thread.
  Replay(log::Log& log, Clock& clock, const Options& options, std::function<void(ReplayResult)> done);

  /// False where too many wait.
  [[nodiscard]] bool start(ReplayJob job) { return worker_.start(std::move(job)); }
  static constexpr std::size_t kJobsMax = 4'096;
  /// Without a thread: does what waits, on the caller's. False where nothing does.
  bool work() { return worker_.work(); }
  [[nodiscard]] std::size_t held_bytes() const { return *held_; }

 private:
  const std::function<void(ReplayResult)> done_;
  const HeldBytes held_ = std::make_shared<std::atomic<std::size_t>>(0);
  Worker<ReplayJob> worker_;  // last: it uses all of the above
};

}  // namespace tidegate::feed
