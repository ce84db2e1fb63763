#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "feed/options.h"
#include "feed/worker.h"
#include "log/log.h"

namespace tidegate::feed {

/// A pass-through resume: what the log holds of `key` above `from`, below where the feed has read.
struct ReplayJob {
  SubscriptionId subscription;
  std::string key;
  Lsn from;
  std::vector<Offset> ends;  ///< one a partition, exclusive
  Steady deadline;
};

struct ReplayedRecord {
  Partition partition;
  Offset offset;
  Lsn lsn;
  std::optional<Xid> xid;
  std::uint32_t part = 0;
  bool last = true;
  std::string value;
};

struct ReplayResult {
  SubscriptionId subscription;
  bool exact = false;
  /// Above `from`, by (LSN, position). Shared by those who asked for the same key.
  std::vector<std::shared_ptr<const ReplayedRecord>> records;
};

/// Reads the log again, backwards in growing windows, for all resumes that wait at that moment together. A
/// resume is exact where the key's records that lie before what was read are known to be at or below its LSN:
/// a record of the key at or below it was found in every partition that showed any of the key, or the
/// partition was read from its very first record on. (A partition that shows none of the key, while another
/// one has it, is taken not to have it: a key has one partition.) Bounded in bytes a partition and in time;
/// beyond that a resume is not exact.
class Replay {
 public:
  /// `done` is called on the replay's thread.
  Replay(log::Log& log, Clock& clock, const Options& options, std::function<void(ReplayResult)> done);

  /// False where too many wait.
  [[nodiscard]] bool start(ReplayJob job) { return worker_.start(std::move(job)); }
  static constexpr std::size_t kJobsMax = 4'096;
  /// Without a thread: does what waits, on the caller's. False where nothing does.
  bool work() { return worker_.work(); }

 private:
  const std::function<void(ReplayResult)> done_;
  Worker<ReplayJob> worker_;
};

}  // namespace tidegate::feed
