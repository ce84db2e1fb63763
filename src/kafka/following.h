#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "kafka/consumer.h"
#include "kafka/options.h"
#include "registry/registry.h"

namespace tidegate::kafka {

/// A compacted topic of one partition from its beginning on, over a connection and a thread of its own. One
/// that stands still below its end is begun anew where it stands, as a KafkaReader's partition is.
class KafkaFollowing final : public registry::Following {
 public:
  /// On the following's thread; not for tombstones.
  using OnRecord = std::function<void(Offset offset, std::string_view key, std::string_view value)>;
  /// `called`: what messages call the topic. `unavailable` where the broker does not answer.
  static Result<std::unique_ptr<registry::Following>> open(const Options& options, const std::string& topic,
                                                           std::string called, OnRecord on_record,
                                                           registry::Registry::OnCaughtUp on_caught_up);
  ~KafkaFollowing() override;

  [[nodiscard]] bool at_end() const override;
  [[nodiscard]] std::optional<Error> failure() const override;
  /// How often it was begun anew. Any thread.
  [[nodiscard]] std::size_t revived() const;
  /// librdkafka's, for tests; until it is begun anew.
  [[nodiscard]] rd_kafka_t* client() const;

 private:
  struct Follower;
  explicit KafkaFollowing(std::shared_ptr<Follower> follower);
  const std::shared_ptr<Follower> follower_;
  std::thread thread_;
};

}  // namespace tidegate::kafka
