#include "kafka/bulletin.h"

#include <condition_variable>
#include <utility>

#include "kafka/following.h"
#include "kafka/producer.h"

namespace tidegate::kafka {
namespace {

/// The answer to one record, which may come after nobody waits for it any more.
struct Answer {
  std::mutex mutex;
  std::condition_variable given;
  std::optional<Status> status;  // guarded by mutex
};

}  // namespace

std::string revocation_topic(const std::string& diff_topic) {
  return diff_topic + ".revocations";
}

Bulletin::Bulletin(Options options, std::string topic)
    : options_(std::move(options)), topic_(std::move(topic)) {}
Bulletin::~Bulletin() = default;

Result<std::unique_ptr<Bulletin>> Bulletin::open(Options options, std::string topic, OnRecord on_record,
                                                 std::function<void()> on_caught_up) {
  std::unique_ptr<Bulletin> bulletin(new Bulletin(std::move(options), std::move(topic)));
  const Options& settled = bulletin->options_;
  auto client = open_client(settled, RD_KAFKA_CONSUMER, consumer_properties(settled));
  if (!client) return client.error();
  if (Status there = answers(settled, client->get(), settled.open_timeout); !there) return there.error();
  const auto count = partition_count(settled, client->get(), bulletin->topic_, settled.open_timeout);
  if (!count && count.error().fault == Fault::not_found) {
    return Error{Fault::not_found, "the topic " + bulletin->topic_ + " does not exist (Kafka at " +
                                       settled.brokers + ")" + what_to_type(settled)};
  }
  if (!count) return count.error();
  auto following = KafkaFollowing::open(
      settled, bulletin->topic_, "the topic",
      [take = std::move(on_record)](Offset, std::string_view key, std::string_view value) {
        take(key, value);
      },
      std::move(on_caught_up));
  if (!following) return following.error();
  bulletin->following_ = std::move(*following);
  return bulletin;
}

std::optional<Error> Bulletin::failure() const {
  return following_->failure();
}

Status Bulletin::append(std::string key, std::string value, const std::vector<std::string>& obsolete,
                        std::chrono::milliseconds timeout) {
  std::shared_ptr<Producer> producer;
  {
    const std::lock_guard lock(mutex_);
    if (!producer_ || producer_->failure()) {  // one that has failed has for good
      auto opened = Producer::open(options_, {topic_}, {});
      if (!opened) return opened.error();
      producer_ = std::move(*opened);
    }
    producer = producer_;
  }
  const auto answer = std::make_shared<Answer>();
  const Status sent = producer->send({.topic = topic_, .key = std::move(key), .value = std::move(value)},
                                     [answer](const Result<Offset>& at) {
                                       const std::lock_guard lock(answer->mutex);
                                       answer->status = at ? Status() : Status(at.error());
                                       answer->given.notify_one();
                                     });
  if (!sent) return sent;
  for (const std::string& old : obsolete) {
    if (Status gone = producer->send({.topic = topic_, .key = old}, {}); !gone) break;  // it only takes room
  }
  std::unique_lock lock(answer->mutex);
  if (!answer->given.wait_for(lock, timeout, [&] { return answer->status.has_value(); })) {
    return Error{Fault::unavailable, "the topic " + topic_ + " has not acknowledged it yet"};
  }
  return *answer->status;
}

}  // namespace tidegate::kafka
