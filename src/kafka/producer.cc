#include "kafka/producer.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "kafka/consumer.h"
#include "kafka/headers.h"

namespace tidegate::kafka {
namespace {

constexpr int kPollMs = 100;     // how late the thread sees that it shall end
constexpr int kPurgeMs = 5'000;  // purged records are answered at once; this is for a broken library

}  // namespace

/// Lives from `send` to its answer and owns the bytes that librdkafka sends.
struct Producer::Sent {
  Outgoing record;
  Done done;
};

Result<std::unique_ptr<Producer>> Producer::open(const Options& options,
                                                 const std::vector<std::string>& topics,
                                                 std::function<void()> after) {
  std::unique_ptr<Producer> producer(new Producer(options, std::move(after)));
  const std::size_t kilobytes = std::clamp<std::size_t>(options.queue_bytes_max / 1024, 1, 2'097'151);
  auto client = open_client(
      options, RD_KAFKA_PRODUCER,
      {{"allow.auto.create.topics", "false"},  // with the broker's defaults it would be a wrong one
       {"enable.idempotence", "true"},
       {"acks", "all"},
       {"linger.ms", "0"},
       {"message.timeout.ms", "0"},
       {"queue.buffering.max.messages", "1000000"},
       {"queue.buffering.max.kbytes", std::to_string(kilobytes)},
       {"retry.backoff.ms", "50"}},
      {.opaque = producer.get(), .delivered = &Producer::delivered, .failed = &Producer::failed});
  if (!client.ok()) return client.error();
  producer->client_ = std::move(*client);
  if (Status status = producer->meet(topics); !status.ok()) return status.error();
  producer->thread_ = std::jthread([raw = producer.get()](const std::stop_token& stop) { raw->poll(stop); });
  return producer;
}

/// A topic that librdkafka first hears of from a record, between its connection and the answer to that
/// connection's first question, would be asked for only by its timer, a second later. And a partition whose
/// broker does not lead it yet, as right after it was made, may refuse a first request and take the second.
Status Producer::meet(const std::vector<std::string>& topics) {
  const Deadline until = std::chrono::steady_clock::now() + options_.answer_timeout;
  for (const std::string& topic : topics) {
    topics_.emplace_back(rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr));
    const auto count = partition_count(options_, client_.get(), topic, options_.answer_timeout);
    if (!count.ok() && count.error().fault != Fault::unavailable) return count.error();
    if (!count.ok()) return {};  // the next would only wait as long again
    for (std::int32_t partition = 0; partition < *count; ++partition) {
      if (!is_led(topic, partition, until)) return {};
    }
  }
  return {};
}

/// Only who leads a partition knows its range. False where nobody answers in time.
bool Producer::is_led(const std::string& topic, std::int32_t partition, Deadline until) const {
  do {
    if (query_watermarks(options_, client_.get(), topic, partition, options_.answer_timeout).ok())
      return true;
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

Producer::~Producer() {
  if (!client_) return;
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  closing_ = true;
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(client_.get(), kPurgeMs);
}

void Producer::poll(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (rd_kafka_poll(client_.get(), kPollMs) > 0 && after_) after_();
  }
}

Status Producer::send(Outgoing record, Done done) {
  if (auto error = failure()) return *error;
  auto sent = std::make_unique<Sent>(Sent{std::move(record), std::move(done)});
  const Outgoing& of = sent->record;
  rd_kafka_headers_t* headers = of.headers ? to_wire(*of.headers) : rd_kafka_headers_new(0);
  void* value = of.value ? const_cast<char*>(of.value->c_str()) : nullptr;
  const std::size_t value_size = of.value ? of.value->size() : 0;
  const void* key = of.key.empty() ? nullptr : of.key.c_str();
  const std::size_t key_size = of.key.size();
  void* opaque = sent.get();
  const auto code = rd_kafka_producev(
      client_.get(), RD_KAFKA_V_TOPIC(of.topic.c_str()), RD_KAFKA_V_PARTITION(of.partition),
      RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_VALUE(value, value_size), RD_KAFKA_V_HEADERS(headers),
      RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_BLOCK), RD_KAFKA_V_END);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    (void)sent.release();  // until its answer
    return {};
  }
  rd_kafka_headers_destroy(headers);
  Error error = error_of(options_, code, "appending to " + of.topic);
  error.fault = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? Fault::invalid : Fault::fatal;
  if (error.fault == Fault::fatal) fail(error);
  return error;
}

void Producer::delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* self = static_cast<Producer*>(opaque);
  const std::unique_ptr<Sent> sent(static_cast<Sent*>(message->_private));
  const bool there = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (there && self->rises(*message)) {
    if (sent->done) sent->done(Offset(message->offset));
    return;
  }
  Error error = error_of(self->options_, message->err, "appending to " + sent->record.topic, "Write");
  if (there)
    error.message =
        "a record to " + sent->record.topic + " was answered without a place of its own and may be missing";
  // A right that is lacking stays so until somebody grants it: a new start would not help.
  if (error.fault != Fault::denied) error.fault = Fault::fatal;
  if (self->closing_) error.fault = Fault::unavailable;
  if (!self->closing_) self->fail(error);
  if (sent->done) sent->done(error);
}

bool Producer::rises(const rd_kafka_message_t& message) {
  const std::string_view topic = rd_kafka_topic_name(message.rkt);
  auto found = last_.find(topic);
  if (found == last_.end()) found = last_.emplace(topic, std::vector<std::int64_t>()).first;
  const auto partition = static_cast<std::size_t>(message.partition);
  if (found->second.size() <= partition) found->second.resize(partition + 1, -1);
  std::int64_t& last = found->second[partition];
  if (message.offset <= last) return false;
  last = message.offset;
  return true;
}

void Producer::failed(rd_kafka_t* client, int code, const char* reason, void* opaque) {
  if (code != RD_KAFKA_RESP_ERR__FATAL) return;  // what passes is retried
  std::array<char, 512> text{};
  rd_kafka_fatal_error(client, text.data(), text.size());
  auto* self = static_cast<Producer*>(opaque);
  self->fail({Fault::fatal, std::string("Kafka producer: ") + (text[0] != '\0' ? text.data() : reason)});
}

void Producer::fail(Error error) {
  std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(error);
}

std::optional<Error> Producer::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace tidegate::kafka
