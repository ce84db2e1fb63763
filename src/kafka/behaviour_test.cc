// What an operator may see a broker do: a partition moves, records are huge, a topic is much larger than what
// may be fetched ahead. (Restarts, lost disks, topics made anew or truncated: outage_test.cc,
// reader_test.cc.)
#include <librdkafka/rdkafka.h>
// Behind what it needs.
#include <librdkafka/rdkafka_mock.h>

#include <iostream>
#include <string>

#include "kafka/consumer.h"
#include "kafka/log.h"
#include "kafka/test_broker.h"
#include "log/conformance.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;
using log::read_some;
using log::record_of;

/// Two of librdkafka's own brokers, between which a partition can be moved.
class KafkaMoves : public testing::Test {
 protected:
  KafkaMoves() {
    rd_kafka_mock_topic_create(cluster_.get(), "mock", 1, 2);
    lead(1);
    Options options = options_for({"mock"});
    options.brokers = rd_kafka_mock_cluster_bootstraps(cluster_.get());
    log_ = good(KafkaLog::open(options));
  }
  void lead(std::int32_t broker) {
    ASSERT_EQ(rd_kafka_mock_partition_set_leader(cluster_.get(), "mock", 0, broker),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  const Client owner_ = good(open_client(options_for({}), RD_KAFKA_PRODUCER, {}));
  const std::unique_ptr<rd_kafka_mock_cluster_t, decltype(&rd_kafka_mock_cluster_destroy)> cluster_{
      rd_kafka_mock_cluster_new(owner_.get(), 2), &rd_kafka_mock_cluster_destroy};
  std::unique_ptr<KafkaLog> log_;
};

TEST_F(KafkaMoves, APartitionThatMovesToAnotherBrokerIsAppendedToAndReadWithoutLossOrDouble) {
  const auto appender = good(log_->open_appender());
  const auto reader = good(log_->open_reader({{Partition(0), Offset(0)}}));
  constexpr int kEach = 20;
  for (int move = 0; move < 4; ++move) {
    lead(1 + move % 2);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kEach; ++i)
      good(appender->append(record_of(Partition(0), "k", std::to_string(move * kEach + i))));
    ASSERT_TRUE(appender->flush(log::kPatience).ok());
    const auto read = read_some(*reader, kEach);
    for (std::size_t i = 0; i < read.size(); ++i) {
      EXPECT_EQ(read[i].value, std::to_string(move * kEach + static_cast<int>(i)));
    }
    std::cout << "appended and read " << seconds_since(begin) << " s after the move\n";
  }
}

TEST_F(KafkaMoves, ABrokerThatStandsStillHoldsUpNoPartitionOfAnother) {
  rd_kafka_mock_topic_create(cluster_.get(), "two", 2, 1);
  for (const int partition : {0, 1})
    rd_kafka_mock_partition_set_leader(cluster_.get(), "two", partition, partition + 1);
  Options options = options_for({"two"});
  options.brokers = rd_kafka_mock_cluster_bootstraps(cluster_.get());
  options.stalled_after = 1ms;  // so that both are asked for their ends all the time
  const auto log = good(KafkaLog::open(options));
  const auto appender = good(log->open_appender());
  const auto reader = good(log->open_reader({{Partition(0), Offset(0)}, {Partition(1), Offset(0)}}));
  const auto append_and_read = [&](int partition, int i) {
    good(appender->append(record_of(Partition(partition), "k", std::to_string(i))));
    const auto read = read_some(*reader, 1);
    return read.size() == 1 && read[0].partition == Partition(partition) &&
           read[0].value == std::to_string(i);
  };
  ASSERT_TRUE(append_and_read(0, 0));
  ASSERT_TRUE(append_and_read(1, 0));
  constexpr int kForEver = 3'600'000;
  rd_kafka_mock_broker_set_rtt(cluster_.get(), 2, kForEver);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 1; i < 200; ++i) {
    ASSERT_TRUE(append_and_read(0, i)) << i;
    ASSERT_LT(seconds_since(begin), 50) << i << ": librdkafka waits for a minute at least";
  }
}

TEST(KafkaLimits, ARecordLargerThanAnyFetchIsReadAndTheRestGoesOn) {
  Options options = options_for({created_topic(1, {{"max.message.bytes", "30000000"}})});
  options.properties = {{"message.max.bytes", "30000000"}};
  options.fetch_bytes_max = 1 << 20;
  const auto log = good(KafkaLog::open(options));
  const auto appender = good(log->open_appender());
  const std::string huge(20 << 20, 'x');
  for (const std::string& value : {std::string("before"), huge, std::string("after")}) {
    good(appender->append(record_of(Partition(0), "k", value)));
  }
  ASSERT_TRUE(appender->flush(log::kPatience).ok());
  const auto reader = good(good(KafkaLog::open(options))->open_reader({{Partition(0), Offset(0)}}));
  const auto read = read_some(*reader, 3);
  ASSERT_EQ(read.size(), 3U);
  EXPECT_TRUE(read[1].value == huge);
  EXPECT_EQ(read[2].value, "after");
}

TEST(KafkaLimits, ManyPartitionsAreFetchedAheadWithinOneBoundTogether) {
  constexpr int kPartitions = 16;
  constexpr std::size_t kValue = 20'000;
  constexpr std::size_t kBound = 4 << 20;
  Options options = options_for({created_topic(kPartitions)});
  const auto log = good(KafkaLog::open(options));
  const auto appender = good(log->open_appender());
  const std::string value(kValue, 'x');  // 64 MB of them
  for (int i = 0; i < kPartitions * 200; ++i) {
    good(appender->append(record_of(Partition(i % kPartitions), "k", value)));
  }
  ASSERT_TRUE(appender->flush(log::kPatience).ok());
  options.fetch_bytes_max = kBound;
  const auto consumer = good(Consumer::open(options));
  for (int each = 0; each < kPartitions; ++each) {
    ASSERT_TRUE(consumer->start(options.topics.front(), each, Offset(0)).ok());
  }
  // Each question is answered behind a fetch that was under way on the same connection.
  const auto ask = [&] { good(consumer->watermarks(options.topics.front(), 0, 10s)); };
  const auto begin = std::chrono::steady_clock::now();
  while (consumer->queued() * kValue < kBound && seconds_since(begin) < 60) ask();
  EXPECT_GE(consumer->queued() * kValue, kBound);
  for (int i = 0; i < 20; ++i) ask();
  EXPECT_LE(consumer->queued() * kValue, 2 * kBound + (1 << 20)) << "what one more fetch brings comes on top";
}

}  // namespace
}  // namespace tidegate::kafka
