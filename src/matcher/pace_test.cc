// Rules 1, 3, 15: when the log is told, when the database is asked, when the stream is pushed, which time
// counts.

#include "matcher/pace.h"

#include <gtest/gtest.h>

namespace tidegate::matcher {
namespace {

using std::chrono::milliseconds;

class PaceTest : public testing::Test {
 protected:
  Pace::Due after(int ms) {
    now_ += milliseconds(ms);
    return pace_.due(now_, standing_);
  }
  Steady now_{std::chrono::hours(1)};
  Pace pace_{Options{}, now_};
  Pace::Standing standing_;
};

TEST_F(PaceTest, Rule3ProgressComesEachSecondWhenIdleAndTenTimesAsOftenWhenNot) {
  EXPECT_FALSE(after(999).progress);
  EXPECT_EQ(pace_.patience(now_, standing_), milliseconds(1));
  EXPECT_TRUE(after(1).progress);
  standing_.position = standing_.visible = Lsn(5);
  EXPECT_FALSE(after(99).progress);
  EXPECT_TRUE(after(1).progress);
  EXPECT_FALSE(after(999).progress);
}

TEST_F(PaceTest, Rule3ProgressComesAtOnceWhenItIsWhatARegistrationWaitsFor) {
  standing_.position = Lsn(10);
  standing_.visible = Lsn(8);
  standing_.waiting = Lsn(9);
  EXPECT_FALSE(after(50).progress) << "V does not help it yet";
  standing_.visible = Lsn(9);
  EXPECT_EQ(pace_.patience(now_, standing_), milliseconds(0));
  EXPECT_TRUE(after(0).progress);
}

TEST_F(PaceTest, WithNothingDoubtfulAndNoQueriesNobodyIsAsked) {
  EXPECT_FALSE(after(5'000).visibility);
}

TEST_F(PaceTest, OneQuestionIsUnderWayAndTheNextOneKeepsItsDistance) {
  standing_.doubtful = true;
  EXPECT_TRUE(after(0).visibility);
  EXPECT_FALSE(after(500).visibility);
  pace_.answered(now_, Lsn(0), Lsn(0));
  EXPECT_TRUE(after(0).visibility);
  pace_.answered(now_, Lsn(0), Lsn(0));
  EXPECT_FALSE(after(19).visibility);
  EXPECT_TRUE(after(1).visibility);
  pace_.answered(now_, Lsn(0), Lsn(0));
  standing_.waiting = Lsn(1);
  EXPECT_FALSE(after(1).visibility);
  EXPECT_TRUE(after(1).visibility);
}

TEST_F(PaceTest, ALostAnswerIsAskedForAgain) {
  standing_.doubtful = true;
  EXPECT_TRUE(after(0).visibility);
  EXPECT_FALSE(after(999).visibility);
  EXPECT_TRUE(after(1).visibility);
}

TEST_F(PaceTest, Rule3AStreamThatStandsStillBelowTheServersLogIsPushedOnceASecond) {
  standing_.queries = true;
  standing_.position = Lsn(10);
  EXPECT_TRUE(after(0).visibility);
  pace_.answered(now_, Lsn(50), Lsn(10));
  EXPECT_FALSE(after(999).nudge);
  EXPECT_TRUE(after(1).nudge);
  EXPECT_FALSE(after(999).nudge);
  EXPECT_TRUE(after(1).nudge);
  standing_.position = Lsn(60);
  EXPECT_FALSE(after(5'000).nudge);
}

TEST_F(PaceTest, Rule3AStreamThatMovesIsNotPushed) {
  standing_.queries = true;
  for (std::uint64_t step = 1; step < 10; ++step) {
    standing_.position = Lsn(step);
    pace_.answered(now_, Lsn(100), Lsn(step));
    EXPECT_FALSE(after(900).nudge);
  }
  pace_.answered(now_, Lsn(9), Lsn(9));
  EXPECT_FALSE(after(5'000).nudge);
}

TEST(LeaseClock, Rule15OnlyRunsAtTheControlTopicsEnd) {
  LeaseClock clock;
  Steady now{std::chrono::hours(1)};
  EXPECT_EQ(clock.look(now, true), milliseconds(0));
  EXPECT_EQ(clock.look(now += milliseconds(300), true), milliseconds(300));
  EXPECT_EQ(clock.look(now += milliseconds(300), false), milliseconds(300));
  EXPECT_EQ(clock.look(now += milliseconds(300), true), milliseconds(300));
  EXPECT_EQ(clock.look(now += milliseconds(100), true), milliseconds(400));
}

TEST(LeaseClock, Rule15AProcessThatWasStoppedDoesNotExpireEverybody) {
  LeaseClock clock;
  Steady now{std::chrono::hours(1)};
  clock.look(now, true);
  EXPECT_EQ(clock.look(now += std::chrono::minutes(10), true), milliseconds(1'000));
}

}  // namespace
}  // namespace tidegate::matcher
