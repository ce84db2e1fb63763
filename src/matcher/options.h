#pragma once

#include <chrono>
#include <cstddef>

namespace tidegate::matcher {

struct Options {
  /// `progress` records (rule 3): this often when idle, and when busy; at once when a registration waits for
  /// V.
  std::chrono::milliseconds progress_idle{1'000};
  std::chrono::milliseconds progress_busy{100};
  /// A gateway's lease (rule 15).
  std::chrono::milliseconds lease{10'000};
  /// A query that nobody registers any more is matched for so long.
  std::chrono::milliseconds linger{10'000};
  /// A diff above this becomes a `reset` record (rule 5).
  std::size_t diff_bytes_max = 64 << 20;
  /// What is held to net one transaction, over all queries; above it the largest become `reset` records (rule
  /// 6).
  std::size_t netting_bytes_max = 64 << 20;
  /// A diff above this is cut into parts of so much (rule 5): what a broker takes as one record, with room
  /// for headers. Smaller only where parts are to be seen.
  std::size_t part_bytes = 900'000;
};

}  // namespace tidegate::matcher
