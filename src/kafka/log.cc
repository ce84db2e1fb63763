#include "kafka/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <stop_token>
#include <thread>
#include <utility>

#include "kafka/appender.h"
#include "kafka/consumer.h"
#include "kafka/headers.h"
#include "kafka/reader.h"
#include "log/bisect.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;
constexpr auto kAskedEvery = 1s;  // whether a broker answers, which may take as long

/// Reads single records for a bisection, and neighbours without starting anew.
class Probe {
 public:
  Probe(const Options& options, std::pair<std::string, std::int32_t> at, std::unique_ptr<Consumer> consumer)
      : options_(options), at_(std::move(at)), consumer_(std::move(consumer)) {}

  Result<std::optional<log::Place>> place_at(Offset offset) {
    if (next_ != offset) {
      if (Status status = consumer_->start(at_.first, at_.second, offset); !status.ok())
        return status.error();
      next_ = offset;
    }
    const auto until = std::chrono::steady_clock::now() + options_.answer_timeout;
    while (std::chrono::steady_clock::now() < until) {
      const Message message =
          consumer_->next(std::min<std::chrono::milliseconds>(options_.answer_timeout, 200ms));
      if (!message) continue;
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return std::optional<log::Place>{};
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return error_of(options_, message->err, fmt::format("seeking in {}/{}", at_.first, at_.second));
      }
      next_ = Offset(message->offset).next();
      const log::Headers headers = from_wire(*message);
      if (!headers.generation || !headers.lsn) continue;
      return std::optional(log::Place{Offset(message->offset), *headers.generation, *headers.lsn});
    }
    return error_of(options_, RD_KAFKA_RESP_ERR__TIMED_OUT,
                    fmt::format("seeking in {}/{}", at_.first, at_.second));
  }

 private:
  const Options& options_;
  const std::pair<std::string, std::int32_t> at_;
  std::unique_ptr<Consumer> consumer_;
  Offset next_{-1};
};

}  // namespace

struct KafkaLog::State {
  Options options;
  Places places;
  std::unique_ptr<Consumer> consumer;  // for questions only
  std::mutex mutex;
  Status reached;       // guarded by mutex; of the last question
  std::jthread asking;  // last: it uses what is above

  void ask(const std::stop_token& stop) {
    std::mutex alone;  // there is nothing to wait for but time, or the end
    std::unique_lock lock(alone);
    std::condition_variable_any ending;
    while (true) {
      ending.wait_for(lock, stop, kAskedEvery, [] { return false; });
      if (stop.stop_requested()) return;
      Status now = answers(options, consumer->client(), kAskedEvery);
      const std::lock_guard guard(mutex);
      std::swap(reached, now);
    }
  }
};

KafkaLog::KafkaLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
KafkaLog::~KafkaLog() = default;

Result<std::unique_ptr<KafkaLog>> KafkaLog::open(Options options) {
  auto state = std::make_unique<State>();
  auto consumer = Consumer::open(options);
  if (!consumer.ok()) return consumer.error();
  state->consumer = std::move(*consumer);
  rd_kafka_t* client = state->consumer->client();
  if (Status status = answers(options, client, options.open_timeout); !status.ok()) return status.error();
  for (const std::string& topic : options.topics) {
    auto count = partition_count(options, client, topic, options.open_timeout);
    if (!count.ok() && count.error().fault == Fault::not_found) {
      if (!options.make_topics) {
        return Error{Fault::not_found, "the topic " + topic + " does not exist (Kafka at " + options.brokers +
                                           ")" + what_to_type(options)};
      }
      if (Status made = create_topic(options, client, {.name = topic}); !made.ok()) return made.error();
      count = partition_count(options, client, topic, options.open_timeout);
    }
    if (!count.ok()) return count.error();
    state->places.add(topic, *count);
  }
  state->options = std::move(options);
  state->asking = std::jthread([of = state.get()](const std::stop_token& stop) { of->ask(stop); });
  return std::unique_ptr<KafkaLog>(new KafkaLog(std::move(state)));
}

std::int32_t KafkaLog::partitions() const {
  return state_->places.total();
}

std::pair<std::string, std::int32_t> KafkaLog::named(Partition partition) const {
  const auto named = state_->places.named(partition);
  assert(named);
  return *named;
}

Result<log::Watermarks> KafkaLog::watermarks(Partition partition) {
  const auto named = state_->places.named(partition);
  if (!named) {
    return Error{Fault::invalid,
                 fmt::format("partition {} does not exist, the log has {}", partition.value(), partitions())};
  }
  auto range = state_->consumer->watermarks(named->first, named->second, state_->options.answer_timeout);
  if (!range.ok()) return range.error();
  return log::Watermarks{range->first, range->second};
}

Result<std::unique_ptr<log::Reader>> KafkaLog::open_reader(const std::vector<log::Start>& starts) {
  return KafkaReader::open(state_->options, state_->places, starts);
}

Result<std::unique_ptr<log::Appender>> KafkaLog::open_appender() {
  return KafkaAppender::open(state_->options, state_->places);
}

Result<Offset> KafkaLog::seek(Partition partition, Generation generation, Lsn lsn) {
  const auto range = watermarks(partition);
  if (!range.ok()) return range.error();
  if (range->start == range->end && range->start == Offset(0)) return range->end;
  // A probe throws away what it fetched ahead, so it fetches little, and never waits at the end.
  auto consumer = Consumer::open(state_->options, {{"enable.partition.eof", "true"},
                                                   {"fetch.wait.max.ms", "1"},
                                                   {"queued.max.messages.kbytes", "1024"},
                                                   {"fetch.message.max.bytes", "65536"}});
  if (!consumer.ok()) return consumer.error();
  Probe probe(state_->options, named(partition), std::move(*consumer));
  return log::bisect(*range, generation, lsn, [&probe](Offset offset) { return probe.place_at(offset); });
}

Status KafkaLog::reachable() {
  const std::lock_guard lock(state_->mutex);
  return state_->reached;
}

}  // namespace tidegate::kafka
