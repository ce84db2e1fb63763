#include "kafka/registry.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "kafka/consumer.h"
#include "kafka/producer.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;
constexpr auto kWait = 200ms;   // how long the follower's thread waits for a record before it looks around
constexpr auto kProbe = 300ms;  // how long it asks whether a lost broker is back

struct Follower {
  registry::Registry::OnEntry on_entry;
  registry::Registry::OnCaughtUp on_caught_up;
  Options options;
  std::string topic;
  std::shared_ptr<std::atomic<std::uint64_t>> unreadable;
  std::unique_ptr<Consumer> consumer;
  std::atomic<bool> ended = false;
  std::atomic<bool> at_end = false;
  std::mutex mutex;
  std::optional<Error> failure;  // guarded by mutex
  // The thread's:
  Offset next;  // to be given
  Offset end;   // of the log when following began
  bool caught_up = false;
  bool out_of_reach = false;
  std::chrono::steady_clock::time_point asked = std::chrono::steady_clock::now();

  void run() {
    catch_up();
    while (!ended) {
      const Message message = consumer->next(kWait);
      if (ended) return;
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

  /// What comes in a record's place: the position may be above the end of a topic that was made anew. All
  /// else passes by itself.
  [[nodiscard]] Status status_of(const rd_kafka_message_t& event) const {
    Error error = error_of(options, event.err, "reading the control topic " + topic);
    const bool lost = error.fault == Fault::lost || error.fault == Fault::not_found;
    return lost ? Status(std::move(error)) : Status();
  }

  void lose(const Error& error) {
    at_end = false;
    const std::lock_guard lock(mutex);
    failure = Error{Fault::lost,
                    error.message + ": the control topic is gone or was made anew" + what_to_type(options)};
  }

  void give(const rd_kafka_message_t& message) {
    at_end = false;
    next = Offset(message.offset).next();
    if (message.payload == nullptr) return;  // a tombstone: its key has ended before
    const std::string_view key(static_cast<const char*>(message.key), message.key_len);
    const std::string_view value(static_cast<const char*>(message.payload), message.len);
    auto record = registry::decode_control(key, value);
    if (record.ok()) {
      on_entry({Offset(message.offset), std::move(*record)});
    } else {
      ++*unreadable;
    }
  }

  /// Nothing came: the log may be out of reach, and then nobody knows whether this is its end (rule 15).
  Status look_around() {
    if (!consumer->reachable(kProbe).ok()) {
      out_of_reach = true;
      at_end = false;
      return {};
    }
    if (const Status there = is_there(); !there.ok()) return there;
    if (!out_of_reach) return {};
    const auto range = consumer->watermarks(topic, 0, kProbe);
    if (!range.ok()) return {};
    out_of_reach = false;
    at_end = next >= range->second;
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

class KafkaFollowing final : public registry::Following {
 public:
  explicit KafkaFollowing(std::shared_ptr<Follower> follower) : follower_(std::move(follower)) {
    thread_ = std::thread([of = follower_] { of->run(); });
  }
  ~KafkaFollowing() override {
    follower_->ended = true;
    if (thread_.get_id() == std::this_thread::get_id()) {
      thread_.detach();  // a callback ends its own following: the thread returns from it and is over
      return;
    }
    follower_->consumer->wake();
    thread_.join();
  }
  [[nodiscard]] bool at_end() const override { return follower_->at_end; }
  [[nodiscard]] std::optional<Error> failure() const override {
    const std::lock_guard lock(follower_->mutex);
    return follower_->failure;
  }

 private:
  const std::shared_ptr<Follower> follower_;
  std::thread thread_;
};

}  // namespace

struct KafkaRegistry::State {
  Options options;
  std::string topic;
  std::shared_ptr<std::atomic<std::uint64_t>> unreadable = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::mutex mutex;  // a record and its tombstone go together
  std::unique_ptr<Producer> producer;
};

std::string control_topic(const std::string& diff_topic) {
  return diff_topic + ".control";
}

KafkaRegistry::KafkaRegistry(std::unique_ptr<State> state) : state_(std::move(state)) {}
KafkaRegistry::~KafkaRegistry() = default;

Result<std::unique_ptr<KafkaRegistry>> KafkaRegistry::open(Options options) {
  if (options.topics.empty()) return Error{Fault::invalid, "no topic is named"};
  auto state = std::make_unique<State>();
  state->topic = control_topic(options.topics.front());
  auto client = open_client(options, RD_KAFKA_CONSUMER, consumer_properties(options));
  if (!client.ok()) return client.error();
  if (Status status = answers(options, client->get(), options.open_timeout); !status.ok())
    return status.error();
  const auto count = partition_count(options, client->get(), state->topic, options.open_timeout);
  if (!count.ok() && count.error().fault == Fault::not_found) {
    return Error{Fault::not_found, "the control topic " + state->topic + " does not exist (Kafka at " +
                                       options.brokers + ")" + what_to_type(options)};
  }
  if (!count.ok()) return count.error();
  if (*count != 1) {
    return Error{Fault::invalid,
                 "the control topic " + state->topic + " has " + std::to_string(*count) +
                     " partitions, it must have one: delete it and run `tidegate setup --kafka`"};
  }
  auto producer = Producer::open(options, {state->topic}, {});
  if (!producer.ok()) return producer.error();
  state->producer = std::move(*producer);
  state->options = std::move(options);
  return std::unique_ptr<KafkaRegistry>(new KafkaRegistry(std::move(state)));
}

void KafkaRegistry::append(registry::ControlRecord record, Appended done) {
  Outgoing outgoing{.topic = state_->topic,
                    .key = registry::control_key(record),
                    .value = registry::encode_control(record)};
  // `done` is needed twice: by the answer, or here if the record is not taken.
  auto answer = std::make_shared<Appended>(std::move(done));
  Status sent;
  {
    std::lock_guard lock(state_->mutex);
    const std::string key = outgoing.key;
    sent = state_->producer->send(std::move(outgoing), [answer](Result<Offset> offset) {
      if (*answer) (*answer)(std::move(offset));
    });
    if (sent.ok() && registry::ends_its_key(record)) {
      (void)state_->producer->send({.topic = state_->topic, .key = key}, {})
          .ok();  // a failure shows in failure()
    }
  }
  if (!sent.ok() && *answer) (*answer)(sent.error());
}

Result<std::unique_ptr<registry::Following>> KafkaRegistry::follow(OnEntry on_entry,
                                                                   OnCaughtUp on_caught_up) {
  auto follower = std::make_shared<Follower>();
  auto consumer = Consumer::open(state_->options, {{"enable.partition.eof", "true"}});
  if (!consumer.ok()) return consumer.error();
  follower->consumer = std::move(*consumer);
  const auto range = follower->consumer->watermarks(state_->topic, 0, state_->options.open_timeout);
  if (!range.ok()) return range.error();
  follower->options = state_->options;
  follower->topic = state_->topic;
  follower->next = range->first;
  follower->end = range->second;
  follower->at_end = range->first >= range->second;
  follower->unreadable = state_->unreadable;
  follower->on_entry = std::move(on_entry);
  follower->on_caught_up = std::move(on_caught_up);
  if (Status status = follower->consumer->start(state_->topic, 0, range->first); !status.ok())
    return status.error();
  return std::unique_ptr<registry::Following>(std::make_unique<KafkaFollowing>(std::move(follower)));
}

std::uint64_t KafkaRegistry::unreadable() const {
  return *state_->unreadable;
}
std::optional<Error> KafkaRegistry::failure() const {
  return state_->producer->failure();
}

}  // namespace tidegate::kafka
