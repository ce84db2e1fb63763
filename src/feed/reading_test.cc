// Which partitions are read, and when reading one may begin (rules 4, 17).
#include "feed/reading.h"

#include <gtest/gtest.h>

#include "feed/testing.h"

namespace tidegate::feed {
namespace {

constexpr Partition kHome{0};
constexpr Partition kOther{1};

class ReadingTest : public testing::Test {
 protected:
  ReadingTest() {
    options.snapshot_threads = 0;  // questions are answered by `work`
    reader = *log.open_reader({{kHome, Offset(0)}});
    reading = std::make_unique<Reading>(log, *reader, options,
                                        [this](EndResult result) { answers.push_back(std::move(result)); });
    reading->begin(kHome);
    appender = *log.open_appender();
  }
  void append(Partition partition) { ASSERT_TRUE(appender->append({partition, "key", "value", {}}).ok()); }
  /// Whether the next answer was the one that was waited for.
  bool answer() {
    reading->work();
    return reading->answered(answers.back(), [this] { return ++marks; }, clock.steady());
  }
  std::vector<Partition> tick(std::chrono::milliseconds by) {
    clock.advance(by);
    return reading->on_time(clock.steady(), [this] { return ++marks; });
  }
  void open(Partition partition) {
    reading->join(partition, clock.steady());
    ASSERT_TRUE(answer());
    for (const log::Start& start : reading->reached(marks)) ASSERT_TRUE(reader->seek(start).ok());
    ASSERT_TRUE(reading->reads(partition));
  }

  log::MemoryLog log{3, 1 << 20};
  Options options;
  ManualClock clock;
  std::unique_ptr<log::Reader> reader;
  std::unique_ptr<log::Appender> appender;
  std::vector<EndResult> answers;
  std::unique_ptr<Reading> reading;
  std::uint64_t marks = 0;
};

TEST_F(ReadingTest, rule_17_nothing_is_registered_before_the_partition_s_end_is_known) {
  append(kOther);
  reading->join(kOther, clock.steady());
  EXPECT_FALSE(reading->registers(kOther));
  EXPECT_TRUE(answer());
  EXPECT_TRUE(reading->registers(kOther));
  append(kOther);  // the answer to a registration
  const auto starts = reading->reached(marks);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].offset, Offset(1)) << "below what came after the registration";
}

TEST_F(ReadingTest,
       rule_4_reading_begins_when_the_control_topic_was_read_up_to_a_mark_set_after_the_end_was_known) {
  reading->join(kOther, clock.steady());
  EXPECT_EQ(marks, 0u);
  EXPECT_TRUE(answer());
  EXPECT_EQ(marks, 1u);
  EXPECT_FALSE(reading->reads(kOther));
  EXPECT_TRUE(reading->reached(0).empty());
  EXPECT_EQ(reading->reached(1).size(), 1u);
  EXPECT_TRUE(reading->reads(kOther));
}

TEST_F(ReadingTest, a_mark_that_is_not_reached_is_set_again) {
  reading->join(kOther, clock.steady());
  EXPECT_TRUE(answer());
  tick(std::chrono::milliseconds(1'001));
  EXPECT_EQ(marks, 2u);
  EXPECT_EQ(reading->reached(2).size(), 1u) << "the first may have been refused";
}

TEST_F(ReadingTest, a_mark_counts_however_long_it_takes) {
  reading->join(kOther, clock.steady());
  EXPECT_TRUE(answer());
  for (int i = 0; i < 3; ++i) tick(std::chrono::milliseconds(1'001));
  EXPECT_EQ(reading->reached(1).size(), 1u);
}

TEST_F(ReadingTest, rule_19_a_partition_with_a_channel_is_read_however_long_nothing_happens) {
  open(kOther);
  open(Partition(2));
  EXPECT_EQ(tick(options.linger * 2), std::vector{kHome}) << "nobody needs it as a heartbeat any more";
  EXPECT_TRUE(reading->reads(kOther));
  EXPECT_EQ(reading->count(), 2);
}

TEST_F(ReadingTest, the_last_one_is_read_also_without_a_channel) {
  EXPECT_TRUE(tick(options.linger * 2).empty());
  open(kOther);
  reading->leave(kOther, clock.steady());
  EXPECT_EQ(tick(options.linger).size(), 1u);
  EXPECT_TRUE(tick(options.linger * 2).empty());
  EXPECT_EQ(reading->count(), 1);
}

TEST_F(ReadingTest, a_closed_partition_is_opened_at_its_end_of_then) {
  open(kOther);
  reading->leave(kOther, clock.steady());
  open(Partition(2));
  EXPECT_EQ(tick(options.linger), (std::vector{kHome, kOther}));
  append(kOther);
  append(kHome);
  EXPECT_TRUE(reader->read(std::chrono::milliseconds(0), 1 << 20)->records.empty());
  reading->join(kOther, clock.steady());
  EXPECT_FALSE(reading->registers(kOther)) << "it is asked again";
  EXPECT_TRUE(answer());
  EXPECT_EQ(reading->reached(marks).front().offset, Offset(1));
}

TEST_F(ReadingTest, what_was_asked_of_a_log_that_was_lost_does_not_count) {
  reading->join(kOther, clock.steady());
  EXPECT_TRUE(answer());
  reading->lost();
  EXPECT_FALSE(reading->registers(kOther));
  EXPECT_TRUE(reading->reached(marks).empty());
  EXPECT_FALSE(reading->answered(answers.front(), [this] { return ++marks; }, clock.steady()));
  EXPECT_TRUE(answer());
}

}  // namespace
}  // namespace tidegate::feed
