#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "feed/events.h"
#include "feed/options.h"
#include "feed/snapshot_queue.h"
#include "source/source.h"

namespace tidegate::feed {

/// Why a snapshot that the database gave is not there.
enum class Unspooled : std::uint8_t {
  too_large,  ///< above `snapshot_bytes_max`
  late,       ///< it took longer than `snapshot_timeout`
  budget,     ///< the spools' files hold as much as they may
  disk,       ///< the directory is full, or can't be written
};
inline constexpr int kUnspooled = 4;

struct SnapshotResult {
  std::uint64_t flight = 0;
  ChannelId channel;
  Status status;
  std::optional<Unspooled> unspooled;  ///< where that is the reason of `status`
  std::shared_ptr<const Spool> spool;
  source::SnapshotInfo info;
};

/// Threads with a SnapshotReader each: a query's rows as the database gives them, into a spool's parts, as
/// fast as it gives them (rule 20). Which comes next, and how many wait: SnapshotQueue.
class SnapshotPool {
 public:
  /// `done` is called on a thread of the pool's.
  SnapshotPool(source::Source& source, const Options& options, std::shared_ptr<Budget> memory, Clock& clock,
               std::function<void(SnapshotResult)> done);
  /// Ends what is under way at its next row, and joins.
  ~SnapshotPool();
  SnapshotPool(const SnapshotPool&) = delete;
  SnapshotPool& operator=(const SnapshotPool&) = delete;

  /// Refused where as many wait as may.
  [[nodiscard]] std::optional<SnapshotRefusal> start(SnapshotJob job);
  [[nodiscard]] std::size_t waiting();
  /// Without threads: takes the oldest that waits, on the caller's. False where none does.
  bool work();

 private:
  void run();
  [[nodiscard]] std::optional<SnapshotJob> next();
  void finish(const SnapshotJob& job, Steady began);
  void take(const SnapshotJob& job, std::unique_ptr<source::SnapshotReader>& reader);

  source::Source& source_;
  const Options& options_;
  const SpoolRoom room_;
  Clock& clock_;
  const std::function<void(SnapshotResult)> done_;
  std::mutex mutex_;
  std::condition_variable ready_;
  SnapshotQueue queue_;  // guarded by mutex_
  std::atomic<bool> stopping_{false};
  std::unique_ptr<source::SnapshotReader> reader_;  // of `work`
  std::vector<std::jthread> threads_;
};

}  // namespace tidegate::feed
