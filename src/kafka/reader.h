#pragma once

#include <chrono>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "kafka/consumer.h"
#include "kafka/places.h"
#include "log/log.h"

namespace tidegate::kafka {

/// Follows partitions over a consumer of its own. Batches refer to librdkafka's messages and keep the
/// consumer alive, so nothing is copied; the connection closes with the last of them. What has to be asked of
/// the brokers now and then is asked aside, and no record waits for it.
class KafkaReader final : public log::Reader {
 public:
  static Result<std::unique_ptr<log::Reader>> open(const Options& options, const Places& places,
                                                   const std::vector<log::Start>& starts);
  /// Waits for an answer that is due, and no longer.
  ~KafkaReader() override;
  KafkaReader(const KafkaReader&) = delete;
  KafkaReader& operator=(const KafkaReader&) = delete;

  Result<log::Batch> read(std::chrono::milliseconds wait, std::size_t bytes_max) override;
  Status seek(log::Start start) override;
  void pause(Partition partition) override;
  void wake() override {
    const std::lock_guard lock(mutex_);
    consumer_->wake();
  }
  /// How often all was begun anew because a partition had stood still below its end.
  [[nodiscard]] std::size_t revived() const { return revived_; }
  /// librdkafka's, for tests.
  [[nodiscard]] rd_kafka_t* client() const { return consumer_->client(); }

 private:
  KafkaReader(Options options, Places places, std::shared_ptr<Consumer> consumer);
  Status count_partitions();
  void ask_counts();
  void note_reached(const log::Batch& batch);
  void revive();
  void ask_end();
  Status begin_anew();
  void gone(const Places::Topic& topic, const Error& error);
  static Error lost(Partition partition, const Error& error);
  bool take(Message message, std::size_t bytes_max, log::Batch& batch, std::vector<Message>& kept);
  void note(const rd_kafka_message_t& event);
  [[nodiscard]] std::optional<Partition> number(const rd_kafka_message_t& message) const;
  [[nodiscard]] Status faults() const;

  const Options options_;
  const Places places_;
  std::mutex mutex_;                       // of who wakes
  std::shared_ptr<Consumer> consumer_;     // is another one after a standstill; changed under mutex_
  Message next_;                           // did not fit the last batch
  std::map<Partition, Offset> positions_;  // what each will give next
  std::map<Partition, Error> faults_;      // until that partition is sought again
  std::future<std::vector<Result<std::int32_t>>> counts_;  // each topic's, asked at counted_
  std::chrono::steady_clock::time_point counted_;
  std::chrono::steady_clock::time_point sought_;
  /// What a partition has reached, an end without records included, and when that last moved or was looked
  /// at.
  struct Standing {
    Offset reached;
    std::chrono::steady_clock::time_point since;
  };
  std::map<Partition, Standing> standings_;
  std::future<Result<std::pair<Offset, Offset>>> range_;  // of silent_, asked at looked_
  Partition silent_;
  std::chrono::steady_clock::time_point looked_{};
  std::size_t revived_ = 0;
};

}  // namespace tidegate::kafka
