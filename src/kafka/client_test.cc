#include "kafka/client.h"

#include "kafka/test_broker.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;

TEST(KafkaClient, ACodeDecidesWhatTheCallerDoesNext) {
  const std::vector<std::pair<rd_kafka_resp_err_t, Fault>> faults = {
      {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Fault::not_found},
      {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Fault::not_found},
      {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, Fault::not_found},
      {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Fault::denied},
      {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Fault::denied},
      {RD_KAFKA_RESP_ERR__AUTHENTICATION, Fault::denied},
      {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, Fault::lost},
      {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, Fault::lost},
      {RD_KAFKA_RESP_ERR__FATAL, Fault::fatal},
      {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, Fault::invalid},
      {RD_KAFKA_RESP_ERR__TRANSPORT, Fault::unavailable},
      {RD_KAFKA_RESP_ERR__TIMED_OUT, Fault::unavailable},
      {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, Fault::unavailable},
      {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, Fault::unavailable}};
  Options options;
  options.brokers = "one:1,other:2";
  for (const auto& [code, fault] : faults) {
    EXPECT_TRUE(is(error_of(options, code, "doing"), fault, {"doing: ", "one:1,other:2"}))
        << rd_kafka_err2name(code);
  }
}

TEST(KafkaClient, APropertyThatLibrdkafkaRefusesIsInvalidAndNamed) {
  Options options = options_for({});
  options.properties = {{"no.such.property", "1"}};
  auto client = open_client(options, RD_KAFKA_CONSUMER, {});
  ASSERT_FALSE(client.ok());
  EXPECT_TRUE(is(client.error(), Fault::invalid, {"no.such.property"}));
  options.properties = {{"fetch.wait.max.ms", "soon"}};
  client = open_client(options, RD_KAFKA_CONSUMER, {});
  ASSERT_FALSE(client.ok());
  EXPECT_TRUE(is(client.error(), Fault::invalid, {"fetch.wait.max.ms"}));
  options.properties = {{"security.protocol", "ssl"}, {"ssl.ca.location", "/no/such/file"}};
  client = open_client(options, RD_KAFKA_CONSUMER, {});
  ASSERT_FALSE(client.ok());
  EXPECT_TRUE(is(client.error(), Fault::invalid, {"ssl.ca.location"}));
}

TEST(KafkaClient, PropertiesOfTheOptionsWinOverOurs) {
  Options options = options_for({});
  options.properties = {{"client.id", "theirs"}};
  const Client client = good(open_client(options, RD_KAFKA_CONSUMER, {{"client.id", "ours"}}));
  char value[64];
  std::size_t size = sizeof value;
  ASSERT_EQ(rd_kafka_conf_get(rd_kafka_conf(client.get()), "client.id", value, &size), RD_KAFKA_CONF_OK);
  EXPECT_STREQ(value, "theirs");
}

TEST(KafkaClient, AConsumerIsBoundedAndNeverJumps) {
  Options options;
  options.fetch_bytes_max = 3 << 20;
  const Properties properties = consumer_properties(options);
  EXPECT_EQ(properties.at("queued.max.messages.kbytes"), "3072");
  EXPECT_EQ(properties.at("fetch.max.bytes"), "3145728");
  EXPECT_EQ(properties.at("auto.offset.reset"), "error");
  EXPECT_EQ(properties.at("isolation.level"), "read_committed");
  EXPECT_EQ(properties.at("fetch.min.bytes"), "1") << "or a single record would wait for company";
  options.fetch_bytes_max = 1;
  EXPECT_EQ(consumer_properties(options).at("queued.max.messages.kbytes"), "1");
  EXPECT_EQ(consumer_properties(Options()).at("fetch.max.bytes"), "16777216");
}

TEST(KafkaClient, AMissingTopicIsNotFoundAndAskingDoesNotMakeIt) {
  const Options options = options_for({});
  const Client client =
      good(open_client(options, RD_KAFKA_PRODUCER, {{"allow.auto.create.topics", "false"}}));
  const std::string topic = new_topic();
  for (int i = 0; i < 2; ++i) {
    const auto count = partition_count(options, client.get(), topic, 5s);
    ASSERT_FALSE(count.ok());
    EXPECT_TRUE(is(count.error(), Fault::not_found, {topic}));
  }
  const auto config = topic_config(options, client.get(), topic);
  ASSERT_FALSE(config.ok());
  EXPECT_TRUE(is(config.error(), Fault::not_found, {topic}));
}

TEST(KafkaClient, AMadeTopicIsKnownWhenTheCallReturnsAndMakingItAgainIsFine) {
  const Options options = options_for({});
  const Client client = good(open_client(options, RD_KAFKA_PRODUCER, {}));
  const NewTopic topic{new_topic(), 4, 1, {{"retention.ms", "7200000"}}};
  for (int i = 0; i < 2; ++i) {
    good(create_topic(options, client.get(), topic));
    EXPECT_EQ(good(partition_count(options, client.get(), topic.name, 5s)), 4);
  }
  EXPECT_EQ(good(topic_config(options, client.get(), topic.name)).at("retention.ms"), "7200000");
}

TEST(KafkaClient, AWrongConfigurationOfANewTopicIsInvalid) {
  const Options options = options_for({});
  const Client client = good(open_client(options, RD_KAFKA_PRODUCER, {}));
  const Status status = create_topic(options, client.get(), {new_topic(), 1, 1, {{"no.such", "1"}}});
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(is(status.error(), Fault::invalid, {"making topic", "no.such"}));
}

TEST(KafkaClient, WhereNobodyListensEveryQuestionEndsInTime) {
  const Options options = nobody({});
  const Client client = good(open_client(options, RD_KAFKA_PRODUCER, {}));
  const auto begin = std::chrono::steady_clock::now();
  const Status status = answers(options, client.get(), options.open_timeout);
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(is(status.error(), Fault::unavailable, {"no broker answers", options.brokers}));
  const auto count = partition_count(options, client.get(), "topic", options.open_timeout);
  ASSERT_FALSE(count.ok());
  EXPECT_TRUE(is(count.error(), Fault::unavailable, {"topic", options.brokers}));
  const Status made = create_topic(options, client.get(), {"topic", 1, 1, {}});
  ASSERT_FALSE(made.ok());
  EXPECT_TRUE(is(made.error(), Fault::unavailable, {options.brokers}));
  EXPECT_LT(seconds_since(begin), kInTime);
}

}  // namespace
}  // namespace tidegate::kafka
