#include "kafka/consumer.h"

namespace tidegate::kafka {

Result<std::unique_ptr<Consumer>> Consumer::open(const Options& options, const Properties& extra) {
  std::unique_ptr<Consumer> consumer(new Consumer(options));
  Properties properties = consumer_properties(options);
  for (const auto& [name, value] : extra) properties[name] = value;
  auto client = open_client(options, RD_KAFKA_CONSUMER, std::move(properties),
                            {.opaque = consumer.get(), .failed = &Consumer::failed});
  if (!client.ok()) return client.error();
  consumer->client_ = std::move(*client);
  consumer->queue_.reset(rd_kafka_queue_new(consumer->client_.get()));
  return consumer;
}

Consumer::~Consumer() {
  // In this order, or the client's end waits for ever: partitions, queue, topics, client.
  for (const auto& [partition, running] : started_) {
    rd_kafka_consume_stop(topics_.at(partition.first).get(), partition.second);
  }
  queue_.reset();
  topics_.clear();
}

void Consumer::failed(rd_kafka_t*, int, const char*, void* opaque) {
  static_cast<Consumer*>(opaque)->suspect_ = true;  // whichever it is, `reachable` finds out
}

rd_kafka_topic_t* Consumer::topic(const std::string& name) {
  auto& topic = topics_[name];
  if (!topic) topic.reset(rd_kafka_topic_new(client_.get(), name.c_str(), nullptr));
  return topic.get();
}

Status Consumer::start(const std::string& name, std::int32_t partition, Offset offset) {
  rd_kafka_topic_t* of = topic(name);
  bool& running = started_[{name, partition}];
  if (running) rd_kafka_consume_stop(of, partition);  // drops what was fetched ahead
  if (rd_kafka_consume_start_queue(of, partition, offset.value(), queue_.get()) != 0) {
    running = false;
    return error_of(options_, rd_kafka_last_error(), "reading topic " + name);
  }
  running = true;
  return {};
}

void Consumer::stop(const std::string& name, std::int32_t partition) {
  const auto started = started_.find({name, partition});
  if (started == started_.end()) return;
  if (started->second) rd_kafka_consume_stop(topic(name), partition);
  started_.erase(started);
}

bool Consumer::runs(const std::string& name, std::int32_t partition) const {
  const auto started = started_.find({name, partition});
  return started != started_.end() && started->second;
}

Message Consumer::next(std::chrono::milliseconds wait) {
  if (wait.count() > 0) rd_kafka_poll(client_.get(), 0);  // serves `failed`
  return Message(rd_kafka_consume_queue(queue_.get(), milliseconds(wait)));
}

Status Consumer::reachable(std::chrono::milliseconds wait) {
  if (!suspect_) return {};
  suspect_ = false;  // before asking: a connection that is lost meanwhile counts
  Status status = answers(options_, client_.get(), wait);
  if (!status.ok()) suspect_ = true;
  return status;
}

Result<std::pair<Offset, Offset>> Consumer::watermarks(const std::string& name, std::int32_t partition,
                                                       std::chrono::milliseconds timeout) {
  return query_watermarks(options_, client_.get(), name, partition, timeout);
}

Result<std::pair<Offset, Offset>> query_watermarks(const Options& options, rd_kafka_t* client,
                                                   const std::string& topic, std::int32_t partition,
                                                   std::chrono::milliseconds timeout) {
  // The question below waits for minutes on a broker that is down, whatever its timeout; this one keeps it.
  if (Status status = answers(options, client, timeout); !status.ok()) return status.error();
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto code =
      rd_kafka_query_watermark_offsets(client, topic.c_str(), partition, &low, &high, milliseconds(timeout));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(options, code, "asking for the range of " + topic + "/" + std::to_string(partition));
  }
  return std::pair(Offset(low), Offset(high));
}

}  // namespace tidegate::kafka
