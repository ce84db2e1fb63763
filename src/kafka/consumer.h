#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/ids.h"
#include "kafka/client.h"

namespace tidegate::kafka {

/// librdkafka's simple consumer: partitions of one's choice into one queue, without a group and its
/// coordinator. One thread uses it; `wake` and `watermarks` are for any. Messages refer to it: it must
/// outlive them.
class Consumer {
 public:
  /// `extra` over what every consumer is.
  static Result<std::unique_ptr<Consumer>> open(const Options& options, const Properties& extra = {});
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// From an absolute offset on; one that is being followed begins anew there.
  Status start(const std::string& topic, std::int32_t partition, Offset offset);
  /// Follows it no more, and drops what was fetched ahead.
  void stop(const std::string& topic, std::int32_t partition);
  /// It is being followed.
  [[nodiscard]] bool runs(const std::string& topic, std::int32_t partition) const;
  /// A message or an event (`err` is set), or nothing within `wait` or when woken.
  Message next(std::chrono::milliseconds wait);
  /// Messages and events that were fetched ahead and not taken. Any thread.
  [[nodiscard]] std::size_t queued() const { return rd_kafka_queue_length(queue_.get()); }
  void wake() { rd_kafka_queue_yield(queue_.get()); }

  /// Whether a connection has been lost and no broker has answered since. Asks for at most `wait` if one was
  /// lost.
  Status reachable(std::chrono::milliseconds wait);
  Result<std::pair<Offset, Offset>> watermarks(const std::string& topic, std::int32_t partition,
                                               std::chrono::milliseconds timeout);
  [[nodiscard]] rd_kafka_t* client() const { return client_.get(); }

 private:
  explicit Consumer(Options options) : options_(std::move(options)) {}
  static void failed(rd_kafka_t*, int code, const char*, void* opaque);
  rd_kafka_topic_t* topic(const std::string& name);

  const Options options_;
  std::atomic<bool> suspect_ = false;
  Client client_;
  Owned<rd_kafka_queue_t> queue_;
  std::map<std::string, Owned<rd_kafka_topic_t>> topics_;
  std::map<std::pair<std::string, std::int32_t>, bool> started_;
};

/// First and next offset; `unavailable` after `timeout`.
Result<std::pair<Offset, Offset>> query_watermarks(const Options& options, rd_kafka_t* client,
                                                   const std::string& topic, std::int32_t partition,
                                                   std::chrono::milliseconds timeout);

}  // namespace tidegate::kafka
