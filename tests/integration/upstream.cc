#include "integration/upstream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>

namespace tidegate::test {
namespace {

std::string next_topic() {
  static std::atomic<int> number{0};
  return "cdc." + std::to_string(++number);
}

}  // namespace

std::string lsn_bytes(std::uint64_t lsn) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(lsn >> shift & 0xff));
  return bytes;
}

Upstream::Upstream(rig::KafkaBroker& broker, int partitions)
    : broker_(broker), partitions_(partitions), topic_(next_topic()), producer_(broker.brokers()) {
  broker_.create_topic(topic_, partitions_);
}

int Upstream::partition_of(const std::string& key) const {
  return static_cast<int>(std::hash<std::string>()(key) % static_cast<std::size_t>(partitions_));
}

void Upstream::queue(const std::string& key, std::uint64_t lsn, const std::string& value) {
  producer_.produce({topic_, partition_of(key), key, value, {{"lsn", lsn_bytes(lsn)}}});
}

void Upstream::produce(const std::string& key, std::uint64_t lsn, const std::string& value) {
  queue(key, lsn, value);
  flush();
}

void Upstream::produce_raw(std::optional<std::string> key, std::optional<std::string> lsn,
                           std::optional<std::string> value) {
  rig::KafkaRecord record{topic_, partition_of(key.value_or("")), std::move(key), std::move(value), {}};
  if (lsn) record.headers.emplace_back("lsn", std::move(lsn));
  producer_.produce(record);
  flush();
}

std::vector<std::string> Upstream::environment() const {
  return {"KAFKA_BROKERS=" + broker_.brokers(), "KAFKA_TOPICS=" + topic_, "KAFKA_GROUP=one-group-for-all"};
}

std::unique_ptr<rig::Tidegate> Upstream::serve(const std::vector<std::string>& flags) const {
  std::vector<std::string> arguments{"serve"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  auto gateway = std::make_unique<rig::Tidegate>(std::move(arguments), environment());
  gateway->wait_ready();
  return gateway;
}

Mark::Mark(client::Loop& loop, int port, Upstream& upstream, int partitions)
    : upstream_(upstream), client_(loop, port) {
  std::vector<bool> covered(static_cast<std::size_t>(partitions));
  for (int i = 0; keys_.size() < covered.size(); ++i) {
    const std::string key = "mark" + std::to_string(i);
    const auto partition = static_cast<std::size_t>(upstream.partition_of(key));
    if (covered[partition]) continue;
    covered[partition] = true;
    keys_.push_back(key);
    EXPECT_TRUE(client_.subscribed(key)) << client_.failure();
  }
}

bool Mark::passed() {
  // The lowest LSN, so that the head's stays what it was.
  for (const std::string& key : keys_) upstream_.queue(key, 1, "mark");
  upstream_.flush();
  marks_ += keys_.size();
  return client_.wait_binaries(marks_);
}

bool Mark::passed(SeedClient& client) {
  // With one shard the mark comes behind what is due to `client`; with several the order between them is
  // open, so these tests run one.
  return passed() && client.settle();
}

}  // namespace tidegate::test
