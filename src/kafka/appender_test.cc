#include "kafka/appender.h"

#include <librdkafka/rdkafka_mock.h>

#include "kafka/log.h"
#include "kafka/test_broker.h"
#include "log/conformance.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;
using log::record_of;

TEST(KafkaAppender, AFirstAppendDoesNotWaitForTheLibrarysTimer) {
  const auto log = good(KafkaLog::open(options_for({created_topic(2)})));
  const auto append_first = [&] {
    const auto appender = good(log->open_appender());
    const auto begin = std::chrono::steady_clock::now();
    good(appender->append(record_of(Partition(0), "k", "v")));
    good(appender->flush(log::kPatience));
    return seconds_since(begin);
  };
  append_first();  // a broker that has just started is slow with its first producer id
  EXPECT_TRUE(no_timer_is_waited_for(append_first));
}

TEST(KafkaAppender, ATopicThatIsGoneFailsItsOpening) {
  const std::string topic = created_topic();
  const auto log = good(KafkaLog::open(options_for({topic})));
  broker().delete_topic(topic);
  Result<std::unique_ptr<log::Appender>> appender = Error{};
  const auto begin = std::chrono::steady_clock::now();
  do {  // the broker forgets it a moment later
    appender = log->open_appender();
  } while (appender.ok() && seconds_since(begin) < 120);
  ASSERT_FALSE(appender.ok());
  EXPECT_TRUE(is(appender.error(), Fault::not_found, {topic, broker().brokers()}));
}

/// librdkafka's own broker, which can be told what to answer.
class KafkaAnswers : public testing::Test {
 protected:
  KafkaAnswers() {
    rd_kafka_mock_topic_create(cluster_.get(), "mock", 1, 1);
    rd_kafka_mock_broker_set_rtt(cluster_.get(), 1, 100);
    Options options = options_for({"mock"});
    options.brokers = rd_kafka_mock_cluster_bootstraps(cluster_.get());
    options.properties = {{"batch.num.messages", "1"}};  // so that several requests are under way
    Places places;
    places.add("mock", 1);
    appender_ = good(KafkaAppender::open(options, places));
  }
  void next_answer_is(rd_kafka_resp_err_t error) {
    constexpr std::int16_t kProduce = 0;  // the protocol's number
    rd_kafka_mock_push_request_errors(cluster_.get(), kProduce, 1, error);
  }
  void append(const std::string& value) { good(appender_->append(record_of(Partition(0), "k", value))); }
  void expect_failure() {
    const Status flushed = appender_->flush(log::kPatience);
    ASSERT_FALSE(flushed.ok());
    EXPECT_TRUE(is(flushed.error(), Fault::fatal, {"mock", "may be missing"}));
  }

  const Client owner_ = good(open_client(options_for({}), RD_KAFKA_PRODUCER, {}));
  const std::unique_ptr<rd_kafka_mock_cluster_t, decltype(&rd_kafka_mock_cluster_destroy)> cluster_{
      rd_kafka_mock_cluster_new(owner_.get(), 1), &rd_kafka_mock_cluster_destroy};
  std::unique_ptr<log::Appender> appender_;
};

TEST_F(KafkaAnswers, Rule4ARecordThatABrokerTakesForARepetitionIsNotAcknowledged) {
  append("first");
  ASSERT_TRUE(appender_->flush(log::kPatience).ok());
  next_answer_is(RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER);
  append("second");
  expect_failure();
  EXPECT_EQ(appender_->acknowledged(), 1U);
}

/// A broker that has forgotten a producer takes its second request where it refused the first, and librdkafka
/// infers from the second's answer that the first is there too.
TEST_F(KafkaAnswers, Rule4ARecordThatALaterOnesAnswerAcknowledgesIsNot) {
  next_answer_is(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  for (int i = 0; i < 100; ++i) append(std::to_string(i));
  expect_failure();
  EXPECT_EQ(appender_->acknowledged(), 0U);
}

TEST(KafkaAppender, ARecordThatIsTooLargeIsInvalidAndTheRestGoesOn) {
  const auto log = good(KafkaLog::open(options_for({created_topic()})));
  const auto appender = good(log->open_appender());
  EXPECT_EQ(good(appender->append(record_of(Partition(0), "k", "before"))), 1U);
  const auto large = appender->append(record_of(Partition(0), "k", std::string(2 << 20, 'x')));
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().fault, Fault::invalid);
  EXPECT_FALSE(appender->failure().has_value());
  EXPECT_EQ(good(appender->append(record_of(Partition(0), "k", "after"))), 2U);
  EXPECT_TRUE(appender->flush(log::kPatience).ok());
  const auto reader = good(log->open_reader({{Partition(0), Offset(0)}}));
  const auto read = log::read_some(*reader, 2);
  EXPECT_EQ(read[0].value, "before");
  EXPECT_EQ(read[1].value, "after");
}

TEST(KafkaAppender, AcknowledgedIsAPrefixAlsoAcrossPartitions) {
  constexpr std::uint64_t kCount = 6000;
  const auto log = good(KafkaLog::open(options_for({created_topic(3)})));
  auto appender = good(log->open_appender());
  std::vector<char> answered(kCount + 1);  // the log's thread, and this one when that is over
  std::uint64_t holes = 0;
  std::uint64_t highest = 0;
  appender->set_on_acknowledged([&, raw = appender.get()] {
    for (; highest < raw->acknowledged(); ++highest) holes += answered[highest + 1] == 0 ? 1 : 0;
  });
  for (std::uint64_t i = 1; i <= kCount; ++i) {
    const Partition partition(static_cast<std::int32_t>(i * i % 3));
    good(appender->append(record_of(partition, "k", std::string(1 + i % 700, 'x')),
                          [&, i](Offset) { answered[i] = 1; }));
  }
  EXPECT_TRUE(appender->flush(120s).ok());
  EXPECT_EQ(appender->acknowledged(), kCount);
  appender.reset();  // no callback runs after that
  EXPECT_EQ(highest, kCount);
  for (std::uint64_t i = 1; i <= kCount; ++i) ASSERT_EQ(answered[i], 1) << i;
  EXPECT_EQ(holes, 0U);
}

TEST(KafkaAppender, Rule4AFailedDeliveryIsForGood) {
  const std::string topic = created_topic();
  {
    // The first idempotent producer of a new broker waits long.
    const auto log = good(KafkaLog::open(options_for({topic})));
    const auto first = good(log->open_appender());
    good(first->append(record_of(Partition(0), "k", "first")));
    EXPECT_TRUE(first->flush(log::kPatience).ok());
  }
  Options options = options_for({topic});
  options.properties = {{"message.timeout.ms", "5000"}};  // ours never gives up
  const auto log = good(KafkaLog::open(options));
  const auto appender = good(log->open_appender());
  good(appender->append(record_of(Partition(0), "k", "stored")));
  EXPECT_TRUE(appender->flush(log::kPatience).ok());
  std::atomic<int> acknowledged = 0;
  {
    Outage outage;
    good(appender->append(record_of(Partition(0), "k", "lost"), [&](Offset) { ++acknowledged; }));
    const Status flushed = appender->flush(log::kPatience);
    ASSERT_FALSE(flushed.ok());
    EXPECT_TRUE(is(flushed.error(), Fault::fatal, {topic, broker().brokers()}));
  }
  ASSERT_TRUE(appender->failure().has_value());
  EXPECT_EQ(appender->failure()->fault, Fault::fatal);
  EXPECT_EQ(appender->append(record_of(Partition(0), "k", "next")).error().fault, Fault::fatal)
      << "or a record would follow one that is missing";
  EXPECT_EQ(acknowledged, 0);
  EXPECT_EQ(appender->acknowledged(), 1U);
}

TEST(KafkaAppender, ACallersMistakeTakesNoNumber) {
  const auto log = good(KafkaLog::open(options_for({created_topic()})));
  const auto appender = good(log->open_appender());
  good(appender->append(record_of(Partition(0), "k", "v")));
  EXPECT_TRUE(appender->flush(log::kPatience).ok());
  EXPECT_EQ(appender->append(record_of(Partition(3), "k", "v")).error().fault, Fault::invalid);
  EXPECT_FALSE(appender->failure().has_value()) << "a caller's mistake is no failure of the log";
  EXPECT_EQ(good(appender->append(record_of(Partition(0), "k", "v"))), 2U) << "and takes no number";
  EXPECT_TRUE(appender->flush(log::kPatience).ok());
}

}  // namespace
}  // namespace tidegate::kafka
