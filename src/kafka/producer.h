#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.h"
#include "kafka/client.h"
#include "log/log.h"

namespace tidegate::kafka {

/// A record for the wire.
struct Outgoing {
  std::string topic;
  std::int32_t partition = 0;
  std::string key;
  std::optional<std::string> value;  ///< none: a tombstone
  std::optional<log::Headers> headers;
};

/// An idempotent producer with all acknowledgements, no lingering and no timeout (rule 4): a record is
/// delivered, or the producer has failed for good. It has failed too where a broker answers with an offset
/// that is not above the partition's last one, or with none: that is what it says of a record that it takes
/// for a repetition of another and throws away (librdkafka issues 3712 and 4134). Its thread calls what is to
/// be called. Any thread sends; one thread's records keep their order.
class Producer {
 public:
  using Done = std::function<void(Result<Offset>)>;
  /// `after` runs on the producer's thread after every round of answers. Asks for `topics`, which are all
  /// that will be sent to, so that a first record need not wait: `not_found` or `denied` if one is so.
  /// Brokers that don't answer within `answer_timeout` are no error here; records wait for them.
  static Result<std::unique_ptr<Producer>> open(const Options& options,
                                                const std::vector<std::string>& topics,
                                                std::function<void()> after);
  /// What is not acknowledged yet may or may not be in the log; its `done` is called with an error.
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Blocks while `queue_bytes_max` are unacknowledged. Without an error `done` is called once.
  Status send(Outgoing record, Done done);
  [[nodiscard]] std::optional<Error> failure() const;

 private:
  struct Sent;
  using Deadline = std::chrono::steady_clock::time_point;
  Producer(Options options, std::function<void()> after)
      : options_(std::move(options)), after_(std::move(after)) {}
  static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  static void failed(rd_kafka_t* client, int code, const char* reason, void* opaque);
  Status meet(const std::vector<std::string>& topics);
  bool is_led(const std::string& topic, std::int32_t partition, Deadline until) const;
  void fail(Error error);
  bool rises(const rd_kafka_message_t& message);
  void poll(const std::stop_token& stop);

  const Options options_;
  const std::function<void()> after_;
  mutable std::mutex mutex_;
  std::optional<Error> failure_;  // guarded by mutex_
  bool closing_ = false;          // the producer's thread, and the destructor after it has ended
  Client client_;
  std::vector<Owned<rd_kafka_topic_t>> topics_;  // keeps librdkafka's knowledge of them
  /// The last acknowledged offset of each topic's partitions; the producer's thread.
  std::map<std::string, std::vector<std::int64_t>, std::less<>> last_;
  std::jthread thread_;
};

}  // namespace tidegate::kafka
