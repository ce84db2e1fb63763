#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "log/log.h"

namespace tidegate::log {

/// The log in this process's memory: each partition keeps its newest records, `bytes_max` of them (keys,
/// values and what it costs to hold a record), and drops its oldest beyond that. An append never blocks, is
/// acknowledged before it returns, and its callbacks run on the appender's thread without a lock held. A
/// record above `bytes_max` is kept alone. Records are shared with the batches that hold them and never
/// copied. Readers and appenders may outlive the log and each other.
class MemoryLog final : public Log {
 public:
  MemoryLog(std::int32_t partitions, std::size_t bytes_max);

  [[nodiscard]] std::int32_t partitions() const override;
  Result<Watermarks> watermarks(Partition partition) override;
  Result<std::unique_ptr<Reader>> open_reader(const std::vector<Start>& starts) override;
  Result<std::unique_ptr<Appender>> open_appender() override;
  Result<Offset> seek(Partition partition, Generation generation, Lsn lsn) override;
  Status reachable() override { return {}; }

  /// Records that were dropped to keep within `bytes_max`, over all partitions. Any thread.
  [[nodiscard]] std::uint64_t dropped() const;
  /// Bytes held by the log itself, over all partitions. Any thread.
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct State;
  class MemoryReader;
  class MemoryAppender;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::log
