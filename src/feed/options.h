#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tidegate::feed {

struct Options {
  /// What all tails together may hold; the oldest batches go first.
  std::size_t tail_bytes_max = 64 << 20;
  /// One CaughtUp carries at most about this much, so that an outbox has room for it.
  std::size_t catch_up_bytes = 256 << 10;
  /// Clients that want the last states alone: what one answer to a lagging one puts together at most, and
  /// what is put together before the log is read on.
  std::size_t latest_bytes_max = 4 << 20;
  /// Bytes posted to a shard and not yet handled, above which the feed reads no further.
  std::size_t shard_backlog_bytes_max = 64 << 20;
  /// Managed, where gateways have leases: also partitions that no query here lies in.
  bool read_all_partitions = false;
  /// Bytes of one read of the log.
  std::size_t read_bytes = 4 << 20;
  /// Commands of shards that wait for the feed; above it a subscribe is answered `unavailable`.
  std::size_t commands_bytes_max = 64 << 20;
  /// A channel stays after its last subscriber, so that a client that comes back finds its tail.
  std::chrono::milliseconds linger{60'000};
  /// Threads that take snapshots, and how large one may be. With 0 there are no threads at all: a
  /// caller that owns time (the simulator) does what waits by Feed::work.
  int snapshot_threads = 4;
  /// Snapshots that wait for a thread; above it they are `unavailable`.
  std::size_t snapshot_queue_max = 65'536;
  /// Of the threads and of the queue, in percent, what one tenant may have; what all tenants share counts as
  /// one more. At least one thread and one place.
  int snapshot_tenant_percent = 50;
  std::size_t snapshot_bytes_max = std::size_t{1} << 30;
  /// Rule 20: what of one spool lies in memory; the rest is in a file without a name in this directory.
  std::size_t spool_memory_bytes = 8 << 20;
  std::string spool_directory = "/var/tmp";
  /// All spools' files together; above it a snapshot is `unavailable`.
  std::size_t spool_bytes_max = std::size_t{4} << 30;
  /// Rule 20: no snapshot is read for longer.
  std::chrono::milliseconds snapshot_timeout{60'000};
  /// A finished snapshot serves later arrivals for so long, as far as the tail reaches back to it.
  std::chrono::milliseconds snapshot_reuse{5'000};
  /// A snapshot's rows are cut into parts of about this size.
  std::size_t snapshot_part_bytes = 256 << 10;
  /// Rule 16: the ack waits for the resume's answer for so long; `status waiting` is sent this often.
  std::chrono::milliseconds ack_within{5'000};
  std::chrono::milliseconds waiting_interval{30'000};
  /// Nothing from upstream for so long is stale.
  std::chrono::milliseconds stale_after{5'000};
  /// Managed: what a walk over a partition's past may read for those who share it, and one subscription have
  /// read until it is live again. Pass-through: what is read of each partition, backwards from the end.
  std::size_t replay_bytes_max = 64 << 20;
  /// What was read again and not yet delivered, over all subscriptions.
  std::size_t history_bytes_max = 64 << 20;
  /// Wrong on purpose: fences snapshots by LSN instead of transaction ids, which loses and doubles changes.
  /// For the test that shows so.
  bool unsafe_lsn_fence = false;
  /// A gateway's lease (rule 15), renewed at a third.
  std::chrono::milliseconds lease{10'000};
};

}  // namespace tidegate::feed
