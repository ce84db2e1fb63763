#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tidegate::sqlite {

struct Options {
  /// The database file. It must exist; its directory must be writable, since SQLite keeps its `-wal` beside
  /// it.
  std::string path;
  /// Other processes' commits are noticed by inotify; this often we look all the same (network file systems,
  /// inotify's limits).
  std::chrono::milliseconds poll_interval{100};
  /// Journal rows that stay behind the confirmed position, for a second reader of the same file. At least 1.
  std::int64_t journal_rows_kept = 10'000;
  /// The triggers themselves drop what is older than this many rows, so that the file does not grow without
  /// bound while nobody reads. A reader that is further behind is `lost`. About 40 bytes a row.
  std::int64_t journal_rows_max = 1'000'000;
  /// How long our own writes (triggers, pruning) wait for another process's write transaction.
  std::chrono::milliseconds busy_timeout{5'000};
  /// What may wait for the stream's `next`. A snapshot that would add to more is `unavailable`
  /// (tidegate_sqlite_snapshots_refused_total).
  std::size_t queue_bytes_max = 64 << 20;
};

}  // namespace tidegate::sqlite
