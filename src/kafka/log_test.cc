#include "kafka/log.h"

#include "kafka/test_broker.h"
#include "log/conformance.h"

namespace tidegate::kafka {
namespace {

using log::kPatience;
using log::kPlenty;
using log::record_of;

struct KafkaWorld {
  log::Log& open(std::int32_t partitions) {
    topic = new_topic();
    broker().create_topic(topic, partitions);
    auto opened = KafkaLog::open(options_for({topic}));
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    log = std::move(*opened);
    return *log;
  }
  void forget(Partition partition) const {
    broker().delete_records_below(topic, partition.value(), log->watermarks(partition)->end.value());
  }
  std::string topic;
  std::unique_ptr<KafkaLog> log;
};

TEST(KafkaLog, MakesAMissingTopicOnlyWhereItIsToldTo) {
  Options options = options_for({new_topic()});
  const auto missing = KafkaLog::open(options);
  ASSERT_FALSE(missing.ok());
  EXPECT_TRUE(is(missing.error(), Fault::not_found,
                 {options.topics[0], "tidegate setup --kafka " + options.brokers + " --topic"}));
  EXPECT_FALSE(KafkaLog::open(options).ok()) << "asking for it made it";
  options.make_topics = true;
  EXPECT_TRUE(KafkaLog::open(options).ok());
}

}  // namespace
}  // namespace tidegate::kafka

namespace tidegate::log {
INSTANTIATE_TYPED_TEST_SUITE_P(Kafka, LogConformance, tidegate::kafka::KafkaWorld);
}  // namespace tidegate::log
