#include "kafka/reader.h"

#include <map>
#include <random>
#include <thread>

#include "base/testing.h"
#include "kafka/log.h"
#include "kafka/test_broker.h"
#include "log/conformance.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;
using log::kPlenty;
using log::read_error;
using log::read_some;
using log::record_of;

std::vector<std::string> values(const std::vector<log::Copy>& copies) {
  std::vector<std::string> values;
  for (const log::Copy& copy : copies) values.push_back(copy.value);
  return values;
}

/// A log of some topics, and what a test does with it.
class KafkaReading : public testing::Test {
 protected:
  void open_topics(std::vector<std::string> topics) { open(options_for(std::move(topics))); }
  void open(const Options& options) { log_ = good(KafkaLog::open(options)); }
  std::unique_ptr<log::Reader> reader(std::int32_t partition, std::int64_t offset) {
    return good(log_->open_reader({{Partition(partition), Offset(offset)}}));
  }
  /// "0", "1", … into a partition.
  void append(std::int32_t partition, int count) {
    const auto appender = good(log_->open_appender());
    for (int i = 0; i < count; ++i)
      good(appender->append(record_of(Partition(partition), "k", std::to_string(i))));
    good(appender->flush(log::kPatience));
  }
  std::unique_ptr<KafkaLog> log_;
};

TEST_F(KafkaReading, APartitionThatStandsStillBelowItsEndIsBegunAnew) {
  Options options = options_for({created_topic(2)});
  options.stalled_after = 100ms;
  open(options);
  const auto opened = good(log_->open_reader({{Partition(0), Offset(0)}, {Partition(1), Offset(0)}}));
  auto& reader = dynamic_cast<KafkaReader&>(*opened);
  append(0, 2);
  EXPECT_EQ(values(read_some(reader, 2)), (std::vector<std::string>{"0", "1"}));
  // What librdkafka may do by itself after an outage: it fetches a partition no more.
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, options.topics[0].c_str(), 0);
  EXPECT_EQ(rd_kafka_pause_partitions(reader.client(), list), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_partition_list_destroy(list);
  append(0, 3);
  append(1, 1);
  std::size_t came = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (came < 4 && seconds_since(begin) < 120) came += good(reader.read(50ms, kPlenty)).records.size();
  EXPECT_EQ(came, 4U);
  EXPECT_GE(reader.revived(), 1U);
  const std::size_t revived = reader.revived();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(good(reader.read(100ms, kPlenty)).records.empty());
  EXPECT_EQ(reader.revived(), revived) << "at its end it may be silent";
}

class KafkaTransactions : public KafkaReading {
 protected:
  KafkaTransactions() : topic_(created_topic()), producer_(broker().brokers(), topic_ + "-writer") {
    open_topics({topic_});
  }
  void produce(const std::string& value) { producer_.produce({.topic = topic_, .key = "k", .value = value}); }
  const std::string topic_;
  rig::KafkaProducer producer_;
};

TEST_F(KafkaTransactions, Rule9AbortedRecordsAreNeverSeenAndOffsetsHaveGaps) {
  const auto seed = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<std::string> committed;
  for (int transaction = 0; transaction < 40; ++transaction) {
    const bool commits = random() % 3 != 0;
    producer_.begin();
    for (auto i = 1 + random() % 5; i > 0; --i) {
      const std::string value = (commits ? "c" : "a") + std::to_string(transaction) + "." + std::to_string(i);
      produce(value);
      if (commits) committed.push_back(value);
    }
    if (commits) {
      producer_.commit();
    } else {
      producer_.flush();  // so that they are in the log
      producer_.abort();
    }
  }
  producer_.begin();
  produce("last");
  producer_.commit();
  committed.emplace_back("last");
  const auto read = read_some(*reader(0, 0), committed.size());
  EXPECT_EQ(values(read), committed);
  for (std::size_t i = 1; i < read.size(); ++i) EXPECT_LT(read[i - 1].offset, read[i].offset);
  EXPECT_GT(read.back().offset.value(), static_cast<std::int64_t>(committed.size()) + 30)
      << "markers take offsets";
  const auto middle = read[read.size() / 2].offset;
  EXPECT_EQ(read_some(*reader(0, middle.value()), read.size() - read.size() / 2)[0].offset, middle);
}

TEST_F(KafkaTransactions, APositionOnAMarkerOrAnAbortedRecordGivesTheNextCommittedOne) {
  producer_.begin();
  produce("aborted");  // 0
  producer_.flush();
  producer_.abort();  // 1
  producer_.begin();
  produce("first");    // 2
  producer_.commit();  // 3
  producer_.begin();
  produce("second");  // 4
  producer_.commit();
  for (std::int64_t offset = 0; offset <= 2; ++offset) {
    EXPECT_EQ(read_some(*reader(0, offset), 2)[0].offset, Offset(2)) << offset;
  }
  EXPECT_EQ(read_some(*reader(0, 3), 1)[0].value, "second");
  EXPECT_EQ(read_some(*reader(0, 4), 1)[0].value, "second");
}

TEST_F(KafkaTransactions, TheEndBehindAMarkerIsTold) {
  producer_.begin();
  produce("one");  // 0
  producer_.commit();
  // A commit is answered before its marker is written.
  const auto begin = std::chrono::steady_clock::now();
  const auto end = [&] { return good(log_->watermarks(Partition(0))).end; };
  while (end() == Offset(0) && seconds_since(begin) < 60) std::this_thread::yield();
  EXPECT_EQ(end(), Offset(2));
  const auto from_start = reader(0, 0);
  std::vector<log::Start> ends;  // one alone does not end a read's waiting
  while (ends.empty() && seconds_since(begin) < 120) ends = good(from_start->read(500ms, kPlenty)).ends;
  ASSERT_FALSE(ends.empty());
  EXPECT_EQ(ends[0].offset, Offset(2)) << "though the last record is at 0";
}

TEST_F(KafkaTransactions, WhatIsNotCommittedYetIsNeitherReadNorBelowTheEnd) {
  producer_.begin();
  produce("before");
  producer_.commit();
  auto following = reader(0, 0);
  read_some(*following, 1);
  producer_.begin();
  produce("open");
  producer_.flush();
  EXPECT_TRUE(good(following->read(200ms, kPlenty)).records.empty());
  EXPECT_EQ(good(log_->watermarks(Partition(0))).end, Offset(2))
      << "a reader there has everything that it can get";
  producer_.commit();
  EXPECT_EQ(read_some(*following, 1)[0].value, "open");
}

TEST_F(KafkaReading, TombstonesAndKeylessRecordsAreToldFromEmptyOnes) {
  const std::string topic = created_topic();
  open_topics({topic});
  rig::KafkaProducer producer(broker().brokers());
  producer.produce({.topic = topic, .key = "k"});
  producer.produce({.topic = topic, .key = "k", .value = ""});
  producer.produce({.topic = topic, .value = "v"});
  producer.produce({.topic = topic, .key = "", .value = "v"});
  producer.produce({.topic = topic});
  producer.flush();
  auto following = reader(0, 0);
  std::vector<std::pair<bool, bool>> read;
  while (read.size() < 5) {
    const auto batch = good(following->read(log::kPatience, kPlenty));
    ASSERT_FALSE(batch.records.empty());
    for (const log::Record& record : batch.records) read.emplace_back(record.tombstone, record.keyless);
  }
  const std::vector<std::pair<bool, bool>> expected = {
      {true, false}, {false, false}, {false, true}, {false, true}, {true, true}};
  EXPECT_EQ(read, expected);
}

/// Reads everything of three partitions, and checks each one's order on the way.
void follow_in_order(log::Reader& reader, int count) {
  std::map<Partition, int> next;
  int total = 0;
  while (total < count) {
    const auto batch = good(reader.read(log::kPatience, kPlenty));
    ASSERT_FALSE(batch.records.empty()) << total << " of " << count;
    for (const log::Record& record : batch.records) {
      const int expected = next[record.partition]++;
      ASSERT_EQ(record.value, std::to_string(expected * 3 + record.partition.value()));
      ASSERT_EQ(record.offset, Offset(expected));
    }
    total += static_cast<int>(batch.records.size());
  }
  EXPECT_EQ(total, count);
}

TEST_F(KafkaReading, AHundredThousandRecordsReachEachOfTwoReadersInOrder) {
  constexpr int kCount = 100'000;
  open_topics({created_topic(3)});
  const std::vector<log::Start> starts = {
      {Partition(0), Offset(0)}, {Partition(1), Offset(0)}, {Partition(2), Offset(0)}};
  const auto one = good(log_->open_reader(starts));
  const auto other = good(log_->open_reader(starts));
  std::thread first([&] { follow_in_order(*one, kCount); });
  std::thread second([&] { follow_in_order(*other, kCount); });
  const auto appender = good(log_->open_appender());
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(appender->append(record_of(Partition(i % 3), "k", std::to_string(i))).ok());
  }
  EXPECT_TRUE(appender->flush(120s).ok());
  EXPECT_EQ(appender->acknowledged(), static_cast<std::uint64_t>(kCount));
  first.join();
  second.join();
}

TEST_F(KafkaReading, SeveralTopicsAreOneLogOfAllTheirPartitions) {
  const std::string one = created_topic(2);
  const std::string other = created_topic(3);
  open_topics({one, other});
  ASSERT_EQ(log_->partitions(), 5);
  EXPECT_EQ(log_->named(Partition(1)), std::pair(one, 1));
  EXPECT_EQ(log_->named(Partition(2)), std::pair(other, 0));
  rig::KafkaProducer producer(broker().brokers());
  producer.produce({.topic = other, .partition = 0, .key = "k", .value = "foreign"});
  producer.flush();
  for (int partition = 0; partition < 5; ++partition) append(partition, partition + 1);
  EXPECT_EQ(good(log_->watermarks(Partition(2))).end, Offset(4));
  EXPECT_EQ(good(log_->watermarks(Partition(4))).end, Offset(5));
  const auto all = good(log_->open_reader({{Partition(1), Offset(0)}, {Partition(2), Offset(0)}}));
  std::map<Partition, std::vector<std::string>> read;
  for (const log::Copy& copy : read_some(*all, 6)) read[copy.partition].push_back(copy.value);
  EXPECT_EQ(read[Partition(1)], (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(read[Partition(2)], (std::vector<std::string>{"foreign", "0", "1", "2"}));
}

TEST_F(KafkaReading, AMissingTopicIsMadeForWhoeverFillsItLater) {
  Options options = options_for({new_topic()});
  options.make_topics = true;
  open(options);
  EXPECT_EQ(log_->partitions(), 1) << "the broker's default";
  append(0, 1);
  EXPECT_EQ(read_some(*reader(0, 0), 1)[0].value, "0");
}

TEST_F(KafkaReading, Rule11AChangedPartitionCountIsFatalAndSaysBoth) {
  const std::string topic = created_topic(2);
  Options options = options_for({topic});
  options.partitions_checked_every = 50ms;
  open(options);
  auto following = reader(0, 0);
  EXPECT_TRUE(good(following->read(100ms, kPlenty)).records.empty());
  broker().add_partitions(topic, 3);
  EXPECT_TRUE(is(read_error(*following), Fault::fatal, {topic + " has 3 partitions now", "it had 2"}));
}

TEST_F(KafkaReading, Rule9ADeletedTopicIsLostAndOneMadeAnewCanBeSought) {
  const std::string topic = created_topic();
  Options options = options_for({topic});
  options.partitions_checked_every = 50ms;
  open(options);
  append(0, 5);
  auto following = reader(0, 0);
  read_some(*following, 5);
  broker().delete_topic(topic);
  EXPECT_TRUE(is(read_error(*following), Fault::lost, {"partition 0", "made anew"}));
  broker().create_topic(topic, 1);
  const auto again = following->read(10ms, kPlenty);
  ASSERT_FALSE(again.ok()) << "it is so until it is sought";
  EXPECT_EQ(again.error().fault, Fault::lost);
  rig::KafkaProducer producer(broker().brokers());
  producer.produce({.topic = topic, .key = "k", .value = "new"});
  producer.flush();
  good(following->seek({Partition(0), Offset(0)}));
  EXPECT_EQ(read_some(*following, 1)[0].value, "new");
}

TEST_F(KafkaReading, Rule9APositionAboveATopicMadeAnewIsLost) {
  const std::string topic = created_topic();
  open_topics({topic});
  append(0, 50);
  broker().delete_topic(topic);
  broker().create_topic(topic, 1);
  EXPECT_EQ(read_error(*reader(0, 50)).fault, Fault::lost);
}

TEST_F(KafkaReading, Rule9WhatRetentionTookIsLostBelowAndReadFromTheStart) {
  const std::string topic = created_topic(2);
  open_topics({topic});
  append(0, 20);
  append(1, 1);
  broker().delete_records_below(topic, 0, 8);
  const auto range = good(log_->watermarks(Partition(0)));
  EXPECT_EQ(range.start, Offset(8));
  EXPECT_EQ(range.end, Offset(20));
  auto following = reader(0, 7);
  EXPECT_TRUE(is(read_error(*following), Fault::lost, {"offset 7 of partition 0"}));
  EXPECT_EQ(following->read(10ms, kPlenty).error().fault, Fault::lost) << "it does not pass by itself";
  good(following->seek({Partition(1), Offset(0)}));
  EXPECT_EQ(following->read(10ms, kPlenty).error().fault, Fault::lost)
      << "another partition's seek does not mend it";
  good(following->seek({Partition(0), range.start}));
  std::map<Partition, std::vector<std::int64_t>> read;
  for (const log::Copy& copy : read_some(*following, 13)) read[copy.partition].push_back(copy.offset.value());
  EXPECT_EQ(read[Partition(1)].size(), 1U);
  ASSERT_EQ(read[Partition(0)].size(), 12U);
  EXPECT_EQ(read[Partition(0)].front(), 8);
  EXPECT_EQ(read[Partition(0)].back(), 19);
}

TEST_F(KafkaReading, ANegativePositionIsInvalid) {
  open_topics({created_topic()});
  EXPECT_TRUE(is(log_->open_reader({{Partition(0), Offset(-1)}}).error(), Fault::invalid, {"offset -1"}));
  EXPECT_EQ(reader(0, 0)->seek({Partition(0), Offset(-2)}).error().fault, Fault::invalid);
}

TEST_F(KafkaReading, ASlowReaderFetchesAheadWithinItsBoundAndLosesNothing) {
  Options options = options_for({created_topic()});
  options.fetch_bytes_max = 100'000;
  open(options);
  const auto appender = good(log_->open_appender());
  const std::string value(10'000, 'x');
  for (int i = 0; i < 500; ++i) good(appender->append(record_of(Partition(0), std::to_string(i), value)));
  good(appender->flush(log::kPatience));
  const auto read = read_some(*reader(0, 0), 500, 25'000);
  for (std::size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i].key, std::to_string(i));
}

}  // namespace
}  // namespace tidegate::kafka
