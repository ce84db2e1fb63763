#include "kafka/following.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "kafka/client.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;
constexpr auto kWait = 200ms;   // how long the follower's thread waits for a record before it looks around
constexpr auto kProbe = 300ms;  // how long it asks whether a lost broker is back

constexpr std::size_t kFetchMax = 8 << 20;  // a compacted topic of small records is soon read

Result<std::unique_ptr<Consumer>> open_consumer(const Options& options) {
  Options small = options;
  small.fetch_bytes_max = std::min(options.fetch_bytes_max, kFetchMax);
  return Consumer::open(small, {{"enable.partition.eof", "true"}});
}

}  // namespace

struct KafkaFollowing::Follower {
  OnRecord on_record;
  registry::Registry::OnCaughtUp on_caught_up;
  Options options;
  std::string topic;
  std::string called;
  std::unique_ptr<Consumer> consumer;  // changed under mutex, and by the thread alone
  std::atomic<bool> ended = false;
  std::atomic<bool> at_end = false;
  std::atomic<std::size_t> revived = 0;
  std::mutex mutex;
  std::optional<Error> failure;  // guarded by mutex
  // The thread's:
  Offset next;  // to be given
  Offset end;   // of the log when following began
  bool caught_up = false;
  bool out_of_reach = false;
  std::chrono::steady_clock::time_point asked = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point heard = asked;  // or looked whether there is more

  void run() {
    catch_up();
    while (!ended) {
      const Message message = consumer->next(kWait);
      if (ended) return;
      if (message) heard = std::chrono::steady_clock::now();
      if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        give(*message);
      } else if (message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        next = std::max(next, Offset(message->offset));
        at_end = true;
      } else if (const Status there = message ? status_of(*message) : look_around(); !there.ok()) {
        return lose(there.error());
      }
      catch_up();
    }
  }

  /// What comes in a record's place: the position may be above the end of a topic that was made anew, or
  /// nobody lets us read it. All else passes by itself.
  [[nodiscard]] Status status_of(const rd_kafka_message_t& event) const {
    Error error = error_of(options, event.err, "reading " + called + " " + topic, "Read");
    const bool lost = error.fault == Fault::lost || error.fault == Fault::not_found;
    return lost || error.fault == Fault::denied ? Status(std::move(error)) : Status();
  }

  void lose(const Error& error) {
    at_end = false;
    const std::lock_guard lock(mutex);
    if (error.fault == Fault::denied) {
      failure = error;
      return;
    }
    failure = Error{Fault::lost,
                    error.message + ": " + called + " is gone or was made anew" + what_to_type(options)};
  }

  void give(const rd_kafka_message_t& message) {
    at_end = false;
    next = Offset(message.offset).next();
    if (message.payload == nullptr) return;  // a tombstone: its key has ended before
    const std::string_view key(static_cast<const char*>(message.key), message.key_len);
    const std::string_view value(static_cast<const char*>(message.payload), message.len);
    on_record(Offset(message.offset), key, value);
  }

  /// Nothing came: the log may be out of reach, and then nobody knows whether this is its end (rule 15).
  Status look_around() {
    if (!consumer->reachable(kProbe).ok()) {
      out_of_reach = true;
      at_end = false;
      return {};
    }
    if (const Status there = is_there(); !there.ok()) return there;
    if (!out_of_reach) return revive();
    const auto range = consumer->watermarks(topic, 0, kProbe);
    if (!range.ok()) return {};
    out_of_reach = false;
    at_end = next >= range->second;
    return {};
  }

  /// librdkafka 2.0 may fetch a partition no more after a broker's restart, without a word. Over a client of
  /// its own, since nothing is known of what ails the old one; where that fails, it is tried again later.
  Status revive() {
    const auto now = std::chrono::steady_clock::now();
    if (now - heard < options.stalled_after) return {};
    heard = now;
    const auto range = consumer->watermarks(topic, 0, kProbe);
    if (!range.ok() || range->second <= next) return {};
    at_end = false;
    auto fresh = open_consumer(options);
    if (!fresh.ok() || !(*fresh)->start(topic, 0, next).ok()) return {};
    {
      const std::lock_guard lock(mutex);
      consumer.swap(*fresh);
    }
    ++revived;
    return {};
  }

  /// Asked now and then, and when a lost broker is back: librdkafka itself says nothing for half a minute, or
  /// for ever where the topic comes back meanwhile.
  Status is_there() {
    const auto now = std::chrono::steady_clock::now();
    if (!out_of_reach && now - asked < options.partitions_checked_every) return {};
    asked = now;
    const auto count = partition_count(options, consumer->client(), topic, kProbe);
    return count.ok() || count.error().fault != Fault::not_found ? Status() : Status(count.error());
  }

  void catch_up() {
    if (caught_up || ended || (next < end && !at_end)) return;
    caught_up = true;
    if (on_caught_up) on_caught_up();
  }
};

Result<std::unique_ptr<registry::Following>> KafkaFollowing::open(
    const Options& options, const std::string& topic, std::string called, OnRecord on_record,
    registry::Registry::OnCaughtUp on_caught_up) {
  auto follower = std::make_shared<Follower>();
  auto consumer = open_consumer(options);
  if (!consumer.ok()) return consumer.error();
  follower->consumer = std::move(*consumer);
  const auto range = follower->consumer->watermarks(topic, 0, options.open_timeout);
  if (!range.ok()) return range.error();
  follower->options = options;
  follower->topic = topic;
  follower->next = range->first;
  follower->end = range->second;
  follower->at_end = range->first >= range->second;
  follower->called = std::move(called);
  follower->on_record = std::move(on_record);
  follower->on_caught_up = std::move(on_caught_up);
  if (Status status = follower->consumer->start(topic, 0, range->first); !status.ok()) return status.error();
  return std::unique_ptr<registry::Following>(new KafkaFollowing(std::move(follower)));
}

KafkaFollowing::KafkaFollowing(std::shared_ptr<Follower> follower) : follower_(std::move(follower)) {
  thread_ = std::thread([of = follower_] { of->run(); });
}

KafkaFollowing::~KafkaFollowing() {
  follower_->ended = true;
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();  // a callback ends its own following: the thread returns from it and is over
    return;
  }
  {
    const std::lock_guard lock(follower_->mutex);
    follower_->consumer->wake();
  }
  thread_.join();
}

bool KafkaFollowing::at_end() const {
  return follower_->at_end;
}
std::optional<Error> KafkaFollowing::failure() const {
  const std::lock_guard lock(follower_->mutex);
  return follower_->failure;
}
std::size_t KafkaFollowing::revived() const {
  return follower_->revived;
}
rd_kafka_t* KafkaFollowing::client() const {
  const std::lock_guard lock(follower_->mutex);
  return follower_->consumer->client();
}

}  // namespace tidegate::kafka
