#include "kafka/registry.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "kafka/following.h"
#include "kafka/producer.h"

namespace tidegate::kafka {
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
  auto take = [on_entry = std::move(on_entry), unreadable = state_->unreadable](
                  Offset offset, std::string_view key, std::string_view value) {
    auto record = registry::decode_control(key, value);
    if (record.ok()) {
      on_entry({offset, std::move(*record)});
    } else {
      ++*unreadable;
    }
  };
  return KafkaFollowing::open(state_->options, state_->topic, "the control topic", std::move(take),
                              std::move(on_caught_up));
}

std::uint64_t KafkaRegistry::unreadable() const {
  return *state_->unreadable;
}
std::optional<Error> KafkaRegistry::failure() const {
  return state_->producer->failure();
}

}  // namespace tidegate::kafka
