#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/ids.h"

namespace tidegate::matcher {

/// Up to which position everything that was appended is acknowledged. Pure; one thread.
class Ledger {
 public:
  explicit Ledger(Lsn start) : acknowledged_(start) {}
  /// Everything up to `lsn` lies in the appends up to `number`. Both rise.
  void reached(std::uint64_t number, Lsn lsn);
  /// `number`: Appender::acknowledged().
  Lsn acknowledged(std::uint64_t number);

 private:
  struct Line {
    std::uint64_t number;
    Lsn lsn;
  };
  std::deque<Line> lines_;
  Lsn acknowledged_;
};

/// The last position of each partition whose `progress` is acknowledged and noted in the control topic (rule
/// 10): Postgres is never told more, so that a matcher that finds the slot above it knows that the slot is
/// another one.
class Checkpoints {
 public:
  explicit Checkpoints(std::int32_t partitions) : noted_(static_cast<std::size_t>(partitions)) {}
  void noted(Partition partition, Lsn lsn);
  /// The lowest; nothing while a partition has none.
  [[nodiscard]] std::optional<Lsn> lowest() const;

 private:
  std::vector<std::optional<Lsn>> noted_;
};

}  // namespace tidegate::matcher
