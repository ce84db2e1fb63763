#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kafka/options.h"
#include "log/log.h"

namespace tidegate::kafka {

/// The log in Kafka. Its partitions are those of `options.topics` in that order, so with topics of 2 and 3
/// partitions number 2 is the second topic's first. Readers have connections of their own and need no
/// consumer group: each gets everything. Records of transactions that were not committed are never seen, and
/// offsets have gaps.
///
/// A topic that was deleted or made anew is `lost` to a reader where the broker tells: while it is gone, and
/// when the position lies above the new one's end. One that has already grown beyond the position can't be
/// told from the old one by its offsets; the epoch in its records tells.
class KafkaLog final : public log::Log {
 public:
  /// Asks for the topics. A missing one is made where `options.make_topics` says so, else `not_found` with
  /// what to type. `unavailable`, naming the brokers, if none answers within `open_timeout`.
  static Result<std::unique_ptr<KafkaLog>> open(Options options);
  ~KafkaLog() override;

  [[nodiscard]] std::int32_t partitions() const override;
  Result<log::Watermarks> watermarks(Partition partition) override;
  Result<std::unique_ptr<log::Reader>> open_reader(const std::vector<log::Start>& starts) override;
  Result<std::unique_ptr<log::Appender>> open_appender() override;
  /// 10 to 40 ms for each of about log2(records / 256) probes, and one fetch. Opens a connection for it.
  Result<Offset> seek(Partition partition, Generation generation, Lsn lsn) override;
  Status reachable() override;

  /// Which topic and partition of it a number means; it must exist.
  [[nodiscard]] std::pair<std::string, std::int32_t> named(Partition partition) const;

 private:
  struct State;
  explicit KafkaLog(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace tidegate::kafka
