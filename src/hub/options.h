#pragma once

#include <chrono>
#include <cstddef>

namespace tidegate::hub {

struct Options {
  /// An outbox above this takes no more data: its subscriptions lag.
  std::size_t outbox_bytes_max = 1 << 20;
  /// A lagging subscription asks to catch up when the outbox is below this.
  std::size_t outbox_bytes_low = 256 << 10;
  /// Control messages may pass the limit, up to here; above it the session is cut (`debtor`).
  std::size_t outbox_bytes_hard = 4 << 20;
  std::size_t subscriptions_max = 1'000;  ///< a session
  std::chrono::milliseconds progress_interval{30'000};
};

}  // namespace tidegate::hub
