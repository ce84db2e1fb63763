#include "kafka/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "kafka/aside.h"
#include "kafka/headers.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;
constexpr auto kProbe = 300ms;               // how long a broker is asked
constexpr std::size_t kRecordsMax = 10'000;  // a batch's, so that tiny records don't make it endless

/// Keeps a batch's messages, and the consumer that they refer to until they are gone.
struct Storage {
  explicit Storage(std::shared_ptr<Consumer> of) : consumer(std::move(of)) {}
  std::shared_ptr<Consumer> consumer;
  std::vector<Message> messages;  // destroyed first
};

Result<std::unique_ptr<Consumer>> open_consumer(const Options& options) {
  return Consumer::open(options, {{"enable.partition.eof", "true"}});
}

std::string_view view(const void* bytes, std::size_t size) {
  return bytes == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(bytes), size);
}

}  // namespace

KafkaReader::KafkaReader(Options options, Places places, std::shared_ptr<Consumer> consumer)
    : options_(std::move(options)),
      places_(std::move(places)),
      consumer_(std::move(consumer)),
      counted_(std::chrono::steady_clock::now()) {}

/// Else the consumer might end on the thread that asks, while the process ends.
KafkaReader::~KafkaReader() {
  if (counts_.valid()) counts_.wait_for(kProbe);
  if (range_.valid()) range_.wait_for(kProbe);
}

Result<std::unique_ptr<log::Reader>> KafkaReader::open(const Options& options, const Places& places,
                                                       const std::vector<log::Start>& starts) {
  auto consumer = open_consumer(options);
  if (!consumer.ok()) return consumer.error();
  std::unique_ptr<KafkaReader> reader(new KafkaReader(options, places, std::move(*consumer)));
  for (const log::Start& start : starts) {
    if (Status status = reader->seek(start); !status.ok()) return status.error();
  }
  return std::unique_ptr<log::Reader>(std::move(reader));
}

Status KafkaReader::seek(log::Start start) {
  const auto named = places_.named(start.partition);
  if (!named) {
    return Error{Fault::invalid, fmt::format("partition {} does not exist, the log has {}",
                                             start.partition.value(), places_.total())};
  }
  if (start.offset < Offset(0)) {
    return Error{Fault::invalid, fmt::format("offset {} is below 0", start.offset.value())};
  }
  // librdkafka's events don't say of which start they are: what it has yet to say of a position that is void
  // would count for the new one.
  if (faults_.contains(start.partition) && consumer_->runs(named->first, named->second)) {
    if (Status status = begin_anew(); !status.ok()) return status;
  }
  if (next_ && number(*next_) == start.partition) next_.reset();
  faults_.erase(start.partition);
  positions_[start.partition] = start.offset;
  sought_ = std::chrono::steady_clock::now();
  standings_[start.partition] = {start.offset, sought_};
  return consumer_->start(named->first, named->second, start.offset);
}

void KafkaReader::pause(Partition partition) {
  if (positions_.erase(partition) == 0) return;
  if (next_ && number(*next_) == partition) next_.reset();
  faults_.erase(partition);
  standings_.erase(partition);
  const auto named = places_.named(partition);
  consumer_->stop(named->first, named->second);
}

Result<log::Batch> KafkaReader::read(std::chrono::milliseconds wait, std::size_t bytes_max) {
  if (Status status = faults(); !status.ok()) return status.error();
  if (Status status = count_partitions(); !status.ok()) return status.error();
  revive();
  log::Batch batch;
  auto storage = std::make_shared<Storage>(consumer_);
  // A batch call of librdkafka's would wait until it is full or the time is over: so one message first, and
  // then what is there already. An end alone does not end the waiting.
  const auto until = std::chrono::steady_clock::now() + wait;
  Message message = next_ ? std::move(next_) : consumer_->next(wait);
  while (message && take(std::move(message), bytes_max, batch, storage->messages)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    message =
        consumer_->next(batch.records.empty() ? std::max(left, std::chrono::milliseconds::zero()) : 0ms);
  }
  batch.storage = std::move(storage);
  note_reached(batch);
  if (!batch.records.empty()) return batch;
  if (Status status = faults(); !status.ok()) return status.error();
  if (Status status = consumer_->reachable(kProbe); !status.ok()) return status.error();
  return batch;
}

/// False where the batch is full.
bool KafkaReader::take(Message message, std::size_t bytes_max, log::Batch& batch,
                       std::vector<Message>& kept) {
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (const auto partition = number(*message); partition && positions_.contains(*partition)) {
      batch.ends.push_back({*partition, Offset(message->offset)});
    }
    return true;
  }
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    note(*message);
    return faults_.empty();
  }
  const std::size_t bytes = message->key_len + message->len;
  if (!batch.records.empty() && (batch.bytes + bytes > bytes_max || batch.records.size() >= kRecordsMax)) {
    next_ = std::move(message);
    return false;
  }
  const auto partition = number(*message);
  const Offset offset(message->offset);
  const auto position = partition ? positions_.find(*partition) : positions_.end();
  if (position == positions_.end() || offset < position->second || faults_.contains(*partition)) return true;
  position->second = offset.next();
  batch.records.push_back({.partition = *partition,
                           .offset = offset,
                           .key = view(message->key, message->key_len),
                           .value = view(message->payload, message->len),
                           .tombstone = message->payload == nullptr,
                           .keyless = message->key == nullptr || message->key_len == 0,
                           .headers = from_wire(*message)});
  batch.bytes += bytes;
  kept.push_back(std::move(message));
  return true;
}

/// What comes in a record's place. What is not about the position passes by itself.
void KafkaReader::note(const rd_kafka_message_t& event) {
  const auto partition = number(event);
  if (!partition || !positions_.contains(*partition)) return;
  Error error = error_of(
      options_, event.err,
      fmt::format("offset {} of partition {}", positions_[*partition].value(), partition->value()), "Read");
  if (error.fault == Fault::not_found) error = lost(*partition, error);
  if (error.fault == Fault::lost || error.fault == Fault::denied)
    faults_.insert_or_assign(*partition, std::move(error));
}

Status KafkaReader::faults() const {
  if (faults_.empty()) return {};
  return faults_.begin()->second;
}

std::optional<Partition> KafkaReader::number(const rd_kafka_message_t& message) const {
  if (message.rkt == nullptr) return std::nullopt;
  return places_.number(rd_kafka_topic_name(message.rkt), message.partition);
}

/// By the last answer. One of before a topic was sought again says nothing of whether it is gone.
Status KafkaReader::count_partitions() {
  ask_counts();
  if (!is_there(counts_)) return {};
  const auto counts = counts_.get();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const Places::Topic& topic = places_.topics[i];
    const Result<std::int32_t>& count = counts[i];
    if (!count.ok() && count.error().fault == Fault::not_found) {
      if (sought_ <= counted_) gone(topic, count.error());
      continue;
    }
    if (!count.ok() || *count == topic.count) continue;  // what is out of reach shows elsewhere
    return Error{Fault::fatal,
                 fmt::format("topic {} has {} partitions now, it had {} at the start: start again",
                             topic.name, *count, topic.count)};
  }
  return faults();
}

void KafkaReader::ask_counts() {
  const auto now = std::chrono::steady_clock::now();
  if (counts_.valid() || now - counted_ < options_.partitions_checked_every) return;
  counted_ = now;
  counts_ = aside([options = options_, topics = places_.topics, consumer = consumer_]() mutable {
    std::vector<Result<std::int32_t>> counts;
    for (const Places::Topic& topic : topics)
      counts.push_back(partition_count(options, consumer->client(), topic.name, kProbe));
    consumer.reset();  // before the answer is there: whose consumer it is, ends it
    return counts;
  });
}

/// Once a batch and run of one partition's records, not once a record.
void KafkaReader::note_reached(const log::Batch& batch) {
  const auto now = std::chrono::steady_clock::now();
  const auto note = [&](Partition partition, Offset offset) {
    Standing& standing = standings_[partition];
    standing = {std::max(standing.reached, offset), now};
  };
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    const log::Record& record = batch.records[i];
    const bool last = i + 1 == batch.records.size() || batch.records[i + 1].partition != record.partition;
    if (last) note(record.partition, record.offset.next());
  }
  for (const log::Start& end : batch.ends) note(end.partition, end.offset);
}

/// After a broker's restart librdkafka 2.0 sometimes fetches a partition no more, without a word
/// (rust-rdkafka issue 597). One that has given nothing for a while is compared with its end, unless it has
/// moved since that was asked for.
void KafkaReader::revive() {
  if (!range_.valid()) return ask_end();
  if (!is_there(range_)) return;
  const auto range = range_.get();
  const auto silent = standings_.find(silent_);
  if (silent == standings_.end() || silent->second.since != looked_) return;
  if (range.ok() && range->second > silent->second.reached && begin_anew().ok()) ++revived_;
}

/// Of who has been silent for longest; one at a time.
void KafkaReader::ask_end() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < options_.stalled_after / 10) return;
  looked_ = now;
  const auto silent =
      std::min_element(standings_.begin(), standings_.end(),
                       [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
  if (silent == standings_.end() || now - silent->second.since < options_.stalled_after) return;
  silent_ = silent->first;
  silent->second.since = now;
  range_ = aside([named = *places_.named(silent_), consumer = consumer_]() mutable {
    auto range = consumer->watermarks(named.first, named.second, kProbe);
    consumer.reset();  // before the answer is there: whose consumer it is, ends it
    return range;
  });
}

/// All whose position is not void, over a client of its own, since nothing is known of what ails the old one.
/// Where that fails nothing has changed.
Status KafkaReader::begin_anew() {
  auto fresh = open_consumer(options_);
  if (!fresh.ok()) return fresh.error();
  for (const auto& [partition, position] : positions_) {
    if (faults_.contains(partition)) continue;
    const auto named = places_.named(partition);
    if (Status status = (*fresh)->start(named->first, named->second, position); !status.ok()) return status;
    standings_[partition].since = std::chrono::steady_clock::now();
  }
  next_.reset();
  std::shared_ptr<Consumer> consumer = std::move(*fresh);
  consumer->wake();  // a wake of the old one may be meant for the read that follows
  {
    const std::lock_guard lock(mutex_);
    consumer_.swap(consumer);
  }
  (void)aside([old = std::move(consumer)]() mutable { old.reset(); });  // which may take seconds to end
  return {};
}

/// librdkafka itself says so half a minute later at the earliest (topic.metadata.propagation.max.ms).
void KafkaReader::gone(const Places::Topic& topic, const Error& error) {
  for (const auto& [partition, position] : positions_) {
    const std::int32_t of_topic = partition.value() - topic.first;
    if (of_topic < 0 || of_topic >= topic.count) continue;
    faults_.insert_or_assign(partition, lost(partition, error));
  }
}

Error KafkaReader::lost(Partition partition, const Error& error) {
  return {Fault::lost, fmt::format("partition {}: {}: the topic is gone, or was made anew", partition.value(),
                                   error.message)};
}

}  // namespace tidegate::kafka
