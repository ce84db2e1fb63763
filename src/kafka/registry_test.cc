#include "kafka/registry.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "kafka/following.h"
#include "kafka/log.h"
#include "kafka/setup.h"
#include "kafka/test_broker.h"
#include "log/conformance.h"
#include "registry/conformance.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;

struct KafkaRegistryWorld {
  registry::Registry& open() {
    topic = new_topic();
    const Status made = setup(options_for({topic}), {.partitions = 1}, [](const std::string&) {});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return again();
  }
  registry::Registry& again() {
    auto opened = KafkaRegistry::open(options_for({topic}));
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    registries.push_back(std::move(*opened));
    return *registries.back();
  }
  std::string topic;
  std::vector<std::unique_ptr<KafkaRegistry>> registries;
};

using registry::append_and_wait;
using registry::checkpoint;
using registry::Collected;

/// A pair of topics, the control topic with this configuration too.
std::string created_pair(rig::KafkaBroker::Settings control = {}, int control_partitions = 1) {
  const std::string topic = created_topic();
  control.emplace_back("cleanup.policy", "compact");
  broker().create_topic(control_topic(topic), control_partitions, control);
  return topic;
}

registry::Registration registration(const std::string& routing_key, bool ended) {
  return {.incarnation = Incarnation(9),
          .routing_key = routing_key,
          .canonical = ended ? "" : "q",
          .ended = ended};
}

TEST(KafkaRegistry, WithoutItsTopicItSaysWhatToType) {
  const std::string topic = created_topic();
  const auto opened = KafkaRegistry::open(options_for({topic}));
  ASSERT_FALSE(opened.ok());
  EXPECT_TRUE(
      is(opened.error(), Fault::not_found,
         {control_topic(topic), "tidegate setup --kafka " + broker().brokers() + " --topic " + topic}));
  EXPECT_EQ(KafkaRegistry::open(options_for({})).error().fault, Fault::invalid);
}

TEST(KafkaRegistry, AControlTopicOfTwoPartitionsIsInvalid) {
  const std::string topic = created_pair({}, 2);
  const auto opened = KafkaRegistry::open(options_for({topic}));
  ASSERT_FALSE(opened.ok());
  EXPECT_TRUE(
      is(opened.error(), Fault::invalid, {control_topic(topic) + " has 2 partitions", "must have one"}));
}

TEST(KafkaRegistry, AFirstAppendDoesNotWaitForTheLibrarysTimer) {
  const Options options = options_for({created_pair()});
  append_and_wait(*good(KafkaRegistry::open(options)), checkpoint(0, 1));
  EXPECT_TRUE(no_timer_is_waited_for([&] {
    const auto registry = good(KafkaRegistry::open(options));
    const auto begin = std::chrono::steady_clock::now();
    append_and_wait(*registry, checkpoint(0, 2));
    return seconds_since(begin);
  }));
}

TEST(KafkaRegistry, ARecordThatEndsItsKeyIsFollowedByATombstone) {
  const std::string topic = created_pair();
  const auto registry = good(KafkaRegistry::open(options_for({topic})));
  append_and_wait(*registry, registration("r", false));
  append_and_wait(*registry, registration("r", true));
  append_and_wait(*registry, checkpoint(0, 1));
  const auto log = good(KafkaLog::open(options_for({control_topic(topic)})));
  const auto reader = good(log->open_reader({{Partition(0), Offset(0)}}));
  std::vector<std::pair<std::string, bool>> read;
  while (read.size() < 4) {
    const auto batch = good(reader->read(log::kPatience, log::kPlenty));
    ASSERT_FALSE(batch.records.empty());
    for (const log::Record& record : batch.records) read.emplace_back(record.key, record.tombstone);
  }
  const std::string key = control_key(registry::ControlRecord(registration("r", true)));
  EXPECT_EQ(read[0], std::pair(key, false));
  EXPECT_EQ(read[1], std::pair(key, false));
  EXPECT_EQ(read[2], std::pair(key, true));
  EXPECT_FALSE(read[3].second);
}

TEST(KafkaRegistry, WhatNobodyCanReadIsPassedOverAndCounted) {
  const std::string topic = created_pair();
  const auto registry = good(KafkaRegistry::open(options_for({topic})));
  append_and_wait(*registry, checkpoint(0, 1));
  rig::KafkaProducer producer(broker().brokers());
  const std::string control = control_topic(topic);
  producer.produce({.topic = control, .key = "checkpoint/0", .value = "{"});
  producer.produce({.topic = control, .key = "unknown", .value = "{}"});
  producer.produce({.topic = control, .key = "", .value = ""});
  producer.produce({.topic = control, .key = std::string("\xff\0", 2), .value = std::string(1000, '\xff')});
  producer.produce({.topic = control, .key = "checkpoint/1"});
  producer.flush();
  append_and_wait(*registry, checkpoint(0, 2));
  Collected collected;
  const auto following = good(registry->follow(collected.on_entry(), collected.on_caught_up()));
  ASSERT_TRUE(collected.wait_for_caught_up());
  ASSERT_EQ(collected.entries().size(), 2U);
  EXPECT_EQ(std::get<registry::Checkpoint>(collected.entries()[1].record).lsn, Lsn(2));
  EXPECT_EQ(registry->unreadable(), 4U) << "a tombstone is no fault";
}

TEST(KafkaRegistry, AFailedDeliveryIsToldAndForGood) {
  Options options = options_for({created_pair()});
  options.properties = {{"message.timeout.ms", "5000"}};  // ours never gives up
  const auto registry = good(KafkaRegistry::open(options));
  append_and_wait(*registry, checkpoint(0, 1));
  std::mutex mutex;
  std::condition_variable told;
  std::vector<Fault> faults;
  const auto append = [&](std::size_t count) {
    registry->append(checkpoint(0, 2), [&](const Result<Offset>& offset) {
      const std::lock_guard lock(mutex);
      faults.push_back(offset.ok() ? Fault::invalid : offset.error().fault);
      told.notify_all();
    });
    std::unique_lock lock(mutex);
    return told.wait_for(lock, registry::kPatience, [&] { return faults.size() == count; });
  };
  {
    Outage outage;
    EXPECT_TRUE(append(1));
  }
  ASSERT_TRUE(registry->failure().has_value());
  EXPECT_EQ(registry->failure()->fault, Fault::fatal);
  EXPECT_TRUE(append(2)) << "also where it isn't even taken";
  EXPECT_EQ(faults, (std::vector<Fault>{Fault::fatal, Fault::fatal}));
}

TEST(KafkaRegistry, WhatIsUnderWayIsAnsweredWhenTheRegistryGoes) {
  auto registry = good(KafkaRegistry::open(options_for({created_pair()})));
  append_and_wait(*registry, checkpoint(0, 1));
  int answers = 0;
  Outage outage;
  for (int i = 0; i < 5; ++i) {
    registry->append(checkpoint(0, 2), [&](const Result<Offset>& offset) {
      EXPECT_EQ(offset.error().fault, Fault::unavailable);
      ++answers;
    });
  }
  registry.reset();
  EXPECT_EQ(answers, 5);
}

bool fails(const registry::Following& following) {
  const auto begin = std::chrono::steady_clock::now();
  while (!following.failure() && seconds_since(begin) < 120) std::this_thread::yield();
  return following.failure().has_value();
}

TEST(KafkaRegistry, Rule10AControlTopicThatIsGoneIsLostAndItSaysWhatToType) {
  const std::string topic = created_pair();
  Options options = options_for({topic});
  options.partitions_checked_every = 200ms;
  const auto registry = good(KafkaRegistry::open(options));
  append_and_wait(*registry, checkpoint(0, 1));
  Collected collected;
  const auto following = good(registry->follow(collected.on_entry(), collected.on_caught_up()));
  ASSERT_TRUE(collected.wait_for_caught_up());
  EXPECT_FALSE(following->failure());
  broker().delete_topic(control_topic(topic));
  ASSERT_TRUE(fails(*following));
  EXPECT_TRUE(is(*following->failure(), Fault::lost, {control_topic(topic), "tidegate setup --kafka"}));
  EXPECT_FALSE(following->at_end()) << "rule 15: no lease may end here";
}

TEST(KafkaRegistry, Rule10AControlTopicMadeAnewIsNotTakenForTheOneBefore) {
  const std::string topic = created_pair();
  const auto registry = good(KafkaRegistry::open(options_for({topic})));
  for (std::uint64_t i = 0; i < 10; ++i) append_and_wait(*registry, checkpoint(0, i));
  Collected collected;
  const auto following = good(registry->follow(collected.on_entry(), collected.on_caught_up()));
  ASSERT_TRUE(collected.wait_for_caught_up());
  broker().delete_topic(control_topic(topic));
  broker().create_topic(control_topic(topic), 1, {{"cleanup.policy", "compact"}});
  ASSERT_TRUE(fails(*following)) << "it waits for offset 10 of a topic that has none";
  EXPECT_EQ(following->failure()->fault, Fault::lost);
}

TEST(KafkaRegistry, Rule15AControlTopicThatStandsStillBelowItsEndIsBegunAnew) {
  const std::string topic = created_pair();
  Options options = options_for({topic});
  options.stalled_after = 100ms;
  const auto registry = good(KafkaRegistry::open(options));
  Collected collected;
  const auto opened = good(registry->follow(collected.on_entry(), collected.on_caught_up()));
  const auto& following = dynamic_cast<const KafkaFollowing&>(*opened);
  append_and_wait(*registry, checkpoint(0, 1));
  ASSERT_TRUE(collected.wait_for(1));
  // What librdkafka may do by itself after an outage: it fetches a partition no more.
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, control_topic(topic).c_str(), 0);
  EXPECT_EQ(rd_kafka_pause_partitions(following.client(), list), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_partition_list_destroy(list);
  for (std::uint64_t lsn = 2; lsn <= 4; ++lsn) append_and_wait(*registry, checkpoint(0, lsn));
  EXPECT_TRUE(collected.wait_for(4));
  EXPECT_GE(following.revived(), 1U);
  std::uint64_t lsn = 0;
  for (const registry::Entry& entry : collected.entries())
    EXPECT_EQ(std::get<registry::Checkpoint>(entry.record).lsn, Lsn(++lsn)) << "each once, in order";
}

/// What a new follower is given until it has caught up.
std::vector<registry::Entry> all(registry::Registry& registry) {
  Collected collected;
  const auto following = good(registry.follow(collected.on_entry(), collected.on_caught_up()));
  EXPECT_TRUE(collected.wait_for_caught_up());
  return collected.entries();
}

TEST(KafkaRegistry, AfterCompactionTheLastOfEachKeyIsLeftAndWhatEndedIsGone) {
  const std::string topic = created_pair({{"segment.ms", "100"},
                                          {"min.cleanable.dirty.ratio", "0.01"},
                                          {"max.compaction.lag.ms", "200"},
                                          {"delete.retention.ms", "0"}});
  const auto registry = good(KafkaRegistry::open(options_for({topic})));
  constexpr std::uint64_t kRounds = 200;
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    for (int partition = 0; partition < 3; ++partition) registry->append(checkpoint(partition, round), {});
    const std::string key = "r" + std::to_string(round % 10);
    registry->append(registration(key, false), {});
    registry->append(registration(key, round % 10 != 7), {});
  }
  append_and_wait(*registry, registry::MatcherStart{1});
  // Only closed segments are cleaned, and appending closes them.
  const auto begin = std::chrono::steady_clock::now();
  std::vector<registry::Entry> left;
  std::uint64_t filler = 2;
  do {
    append_and_wait(*registry, registry::MatcherStart{filler++});
    left = all(*registry);
  } while (left.size() > kRounds && seconds_since(begin) < 120);
  ASSERT_LE(left.size(), kRounds) << "the cleaner has not run";
  const auto content = registry::content(left);
  for (int partition = 0; partition < 3; ++partition) {
    const auto& last = content.at(control_key(registry::ControlRecord(checkpoint(partition, kRounds))));
    EXPECT_EQ(std::get<registry::Checkpoint>(last).lsn, Lsn(kRounds));
  }
  EXPECT_FALSE(std::get<registry::Registration>(content.at(control_key(registration("r7", false)))).ended);
  EXPECT_EQ(std::get<registry::MatcherStart>(content.at("start")).process, filler - 1);
  for (const auto& [key, record] : content) {
    const auto* query = std::get_if<registry::Registration>(&record);
    EXPECT_TRUE(query == nullptr || query->routing_key == "r7" || query->ended) << key;
  }
  for (std::size_t i = 1; i < left.size(); ++i) EXPECT_LT(left[i - 1].offset, left[i].offset);
}

}  // namespace
}  // namespace tidegate::kafka

namespace tidegate::registry {
INSTANTIATE_TYPED_TEST_SUITE_P(Kafka, RegistryConformance, tidegate::kafka::KafkaRegistryWorld);
}  // namespace tidegate::registry
