#include "kafka/setup.h"

#include "kafka/bulletin.h"
#include "kafka/client.h"
#include "kafka/registry.h"
#include "kafka/test_broker.h"

namespace tidegate::kafka {
namespace {

/// A setup and what it said.
struct Said {
  Status status;
  std::vector<std::string> lines;

  [[nodiscard]] int saying(const std::string& text) const {
    int count = 0;
    for (const std::string& line : lines) count += line.find(text) != std::string::npos ? 1 : 0;
    return count;
  }
};

Said set_up(const Options& options, const SetupOptions& wanted = {}) {
  Said said;
  said.status = setup(options, wanted, [&](const std::string& line) { said.lines.push_back(line); });
  return said;
}

Said check(const std::string& topic) {
  return set_up(options_for({topic}), {.check_only = true});
}

/// The topics with these configurations, made by somebody else; that of revocations as the control topic.
std::string made(const rig::KafkaBroker::Settings& diff, const rig::KafkaBroker::Settings& control,
                 int control_partitions = 1) {
  const std::string topic = created_topic(2, diff);
  broker().create_topic(control_topic(topic), control_partitions, control);
  broker().create_topic(revocation_topic(topic), 1, control);
  return topic;
}

const rig::KafkaBroker::Settings kCompact = {{"cleanup.policy", "compact"}};

Client any_client() {
  return good(open_client(options_for({}), RD_KAFKA_PRODUCER, {{"allow.auto.create.topics", "false"}}));
}

TEST(KafkaSetup, MakesAllTopicsAsTheyMustBe) {
  const std::string topic = new_topic();
  const Options options = options_for({topic});
  const Said said = set_up(options, {.partitions = 5, .replicas = 1});
  ASSERT_TRUE(said.status.ok()) << said.status.error().message;
  EXPECT_EQ(said.saying("made topic " + topic + " with 5 partitions"), 1);
  EXPECT_EQ(said.saying("made topic " + control_topic(topic) + " with 1 partition"), 1);
  const Client client = any_client();
  EXPECT_EQ(good(partition_count(options, client.get(), topic, options.open_timeout)), 5);
  EXPECT_EQ(good(topic_config(options, client.get(), topic)).at("cleanup.policy"), "delete");
  for (const std::string& compacted : {control_topic(topic), revocation_topic(topic)}) {
    EXPECT_EQ(good(partition_count(options, client.get(), compacted, options.open_timeout)), 1);
    EXPECT_EQ(good(topic_config(options, client.get(), compacted)).at("cleanup.policy"), "compact");
  }
}

TEST(KafkaSetup, AgainItFindsEverythingThereAndChangesNothing) {
  const std::string topic = new_topic();
  ASSERT_TRUE(set_up(options_for({topic}), {.partitions = 3}).status.ok());
  const Said again = set_up(options_for({topic}), {.partitions = 7});
  ASSERT_TRUE(again.status.ok());
  EXPECT_EQ(again.saying("topic " + topic + " is there, with 3 partitions"), 1);
  EXPECT_EQ(again.saying("topic " + control_topic(topic) + " is there, with 1 partition"), 1);
  EXPECT_EQ(again.saying("made"), 0);
  EXPECT_TRUE(check(topic).status.ok());
}

TEST(KafkaSetup, ACheckMakesNothingAndSaysWhatToType) {
  const std::string topic = new_topic();
  const Said said = check(topic);
  ASSERT_FALSE(said.status.ok());
  EXPECT_TRUE(is(said.status.error(), Fault::not_found,
                 {"topic " + topic + " does not exist",
                  "tidegate setup --kafka " + broker().brokers() + " --topic " + topic}));
  const Client client = any_client();
  const auto count = partition_count(options_for({}), client.get(), topic, std::chrono::seconds(5));
  ASSERT_FALSE(count.ok());
  EXPECT_EQ(count.error().fault, Fault::not_found);
}

TEST(KafkaSetup, ACheckMissesTheControlTopicToo) {
  const std::string topic = created_topic();
  const Said said = check(topic);
  ASSERT_FALSE(said.status.ok());
  EXPECT_TRUE(is(said.status.error(), Fault::not_found, {control_topic(topic), "tidegate setup --kafka"}));
}

TEST(KafkaSetup, Rule9RefusesADiffTopicThatCompacts) {
  for (const std::string policy : {"compact", "compact,delete"}) {
    const std::string topic = made({{"cleanup.policy", policy}}, kCompact);
    for (const bool check_only : {false, true}) {
      const Said said = set_up(options_for({topic}), {.check_only = check_only});
      ASSERT_FALSE(said.status.ok());
      EXPECT_TRUE(is(said.status.error(), Fault::invalid,
                     {topic, "compacts", "kafka-configs.sh --bootstrap-server " + broker().brokers(),
                      "--entity-name " + topic, "cleanup.policy=delete"}));
    }
  }
}

TEST(KafkaSetup, RefusesAControlTopicThatForgets) {
  for (const std::string policy : {"delete", "compact,delete"}) {
    const std::string topic = made({}, {{"cleanup.policy", policy}});
    const Said said = check(topic);
    ASSERT_FALSE(said.status.ok());
    EXPECT_TRUE(is(said.status.error(), Fault::invalid,
                   {control_topic(topic), "does not only compact", "--entity-name " + control_topic(topic),
                    "cleanup.policy=compact"}));
  }
}

TEST(KafkaSetup, RefusesAControlTopicOfSeveralPartitions) {
  const std::string topic = made({}, kCompact, 2);
  const Said said = set_up(options_for({topic}));
  ASSERT_FALSE(said.status.ok());
  EXPECT_TRUE(is(said.status.error(), Fault::invalid,
                 {control_topic(topic) + " has 2 partitions", "it must have one",
                  "kafka-topics.sh --bootstrap-server", "--delete --topic " + control_topic(topic)}));
}

TEST(KafkaSetup, WarnsOfShortRetentionOnly) {
  const std::vector<std::pair<std::string, int>> cases = {
      {"60000", 1}, {"3599999", 1}, {"3600000", 0}, {"-1", 0}};
  for (const auto& [retention, warnings] : cases) {
    const std::string topic = made({{"retention.ms", retention}}, kCompact);
    const Said said = check(topic);
    ASSERT_TRUE(said.status.ok());
    EXPECT_EQ(said.saying("warning: topic " + topic + " keeps records for"), warnings) << retention;
    EXPECT_EQ(said.saying("retention.ms=86400000"), warnings) << "it says what to type";
  }
}

TEST(KafkaSetup, WarnsOfASingleReplicaInSyncForEachTopic) {
  const std::string single = made({}, kCompact);
  Said said = check(single);
  ASSERT_TRUE(said.status.ok()) << said.status.error().message;
  EXPECT_EQ(said.saying("warning: topic " + single + " acknowledges a record when one replica has it"), 1);
  EXPECT_EQ(said.saying("warning: topic " + control_topic(single) + " acknowledges"), 1);
  EXPECT_EQ(said.saying("--add-config min.insync.replicas=2"), 3);
  const std::string safe =
      made({{"min.insync.replicas", "2"}}, {{"cleanup.policy", "compact"}, {"min.insync.replicas", "2"}});
  said = check(safe);
  ASSERT_TRUE(said.status.ok()) << said.status.error().message;
  EXPECT_EQ(said.saying("warning: "), 0);
}

TEST(KafkaSetup, WarnsOfTopicsThatHaveFewerReplicasThanAreWanted) {
  const std::string topic = made({}, kCompact);
  Said said = set_up(options_for({topic}), {.replicas = 3, .check_only = true});
  ASSERT_TRUE(said.status.ok()) << said.status.error().message;
  for (const std::string& each : {topic, control_topic(topic), revocation_topic(topic)})
    EXPECT_EQ(said.saying("warning: topic " + each + " has 1 replica, 3 are wanted"), 1) << each;
  EXPECT_EQ(said.saying("kafka-reassign-partitions.sh --bootstrap-server " + broker().brokers()), 3);
  said = set_up(options_for({topic}), {.replicas = 1});
  ASSERT_TRUE(said.status.ok()) << said.status.error().message;
  EXPECT_EQ(said.saying("are wanted"), 0);
}

TEST(KafkaSetup, WarnsOfAnUncleanElection) {
  const std::string topic = made({{"unclean.leader.election.enable", "true"}}, kCompact);
  const Said said = check(topic);
  ASSERT_TRUE(said.status.ok()) << said.status.error().message;
  EXPECT_EQ(said.saying("warning: topic " + topic + " may elect a leader that lacks"), 1);
  EXPECT_EQ(said.saying("warning: topic " + control_topic(topic) + " may elect"), 0);
}

TEST(KafkaSetup, NamesWhatCannotBeMade) {
  Said said = set_up(options_for({new_topic()}), {.replicas = 3});
  ASSERT_FALSE(said.status.ok()) << "there is one broker";
  EXPECT_TRUE(
      is(said.status.error(), Fault::invalid, {"making topic", "replication factor", broker().brokers()}));
  said = set_up(options_for({"a/b"}));
  ASSERT_FALSE(said.status.ok());
  EXPECT_TRUE(is(said.status.error(), Fault::invalid, {"topic a/b"}));
  said = set_up(options_for({}));
  ASSERT_FALSE(said.status.ok());
  EXPECT_TRUE(is(said.status.error(), Fault::invalid, {"--topic"}));
}

TEST(KafkaSetup, WithoutABrokerItIsUnavailableInTimeAndNamesIt) {
  const Options options = nobody({"topic"});
  const auto begin = std::chrono::steady_clock::now();
  const Said said = set_up(options);
  ASSERT_FALSE(said.status.ok());
  EXPECT_TRUE(is(said.status.error(), Fault::unavailable, {options.brokers}));
  EXPECT_LT(seconds_since(begin), kInTime);
  EXPECT_TRUE(said.lines.empty());
}

}  // namespace
}  // namespace tidegate::kafka
