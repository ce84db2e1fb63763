// `"deliver":"latest"` (rule 26): what a lagging client missed is put together out of the tail and the log,
// of whole transactions that are all to be delivered.

#include <gtest/gtest.h>

#include "feed/testing.h"

namespace tidegate::feed {
namespace {

class LatestTest : public testing::Test {
 protected:
  explicit LatestTest(Options options = {}) : stage(true, options, 1) {}

  /// One that has the snapshot, up to 100.
  Follower& join(protocol::Encoding encoding = protocol::Encoding::v1) {
    Follower& follower = stage.subscribe(key, query, {}, {}, encoding);
    follower.latest = true;
    stage.active(key, *query, 0xabc, 100);
    stage.progress(100, 100);
    stage.source.release({.fence = {Lsn(100), std::nullopt}});
    stage.until_live(follower);
    return follower;
  }
  void write(std::uint64_t lsn) {
    const protocol::Diff diff{
        query->hash(), Lsn(lsn), Xid(lsn), 0, {{protocol::ChangeKind::update, R"(["1"])", row(lsn)}}};
    stage.diff(key, lsn, protocol::encode_diff(diff));
  }
  static std::string row(std::uint64_t lsn) { return R"({"id":"1","title":")" + std::to_string(lsn) + "\"}"; }
  static std::string row_of(const Got& got) {
    const auto diff = protocol::decode_diff(got.payload);
    return diff && diff->changes.size() == 1 ? diff->changes[0].row : "not one change";
  }
  void lag(Follower& follower, std::uint64_t first, std::uint64_t last) {
    follower.live = false;
    for (std::uint64_t lsn = first; lsn <= last; ++lsn) write(lsn);
    stage.settle(last, last);
  }

  std::string key = "t/things/1";
  std::shared_ptr<const query::Query> query = query_for(1);
  Stage stage;
};

TEST_F(LatestTest, rule_26_who_wants_the_last_states_gets_one_frame_of_all_that_it_missed_and_is_live) {
  stage.start();
  Follower& follower = join();
  lag(follower, 101, 120);
  stage.catch_up(follower);
  stage.until_live(follower);
  ASSERT_EQ(follower.got.size(), 1u);
  EXPECT_EQ(row_of(follower.got[0]), row(120));
  EXPECT_EQ(follower.got[0].lsn, Lsn(101)) << "who gives it back asks for all of them";
  EXPECT_EQ(protocol::decode_diff(follower.got[0].payload)->lsn, Lsn(120));
  EXPECT_EQ(follower.floor, Lsn(120));
  write(121);
  stage.settle(121, 121);
  ASSERT_EQ(follower.got.size(), 2u);
  EXPECT_EQ(row_of(follower.got[1]), row(121));
  EXPECT_TRUE(stage.has_metric("tidegate_feed_conflated_frames_total 1"));
  EXPECT_TRUE(stage.has_metric("tidegate_feed_conflated_transactions_total 20"));
}

TEST_F(LatestTest, rule_26_its_header_and_its_text_are_the_last_transaction_s) {
  stage.start();
  Follower& text = join(protocol::Encoding::json);
  lag(text, 101, 105);
  stage.catch_up(text);
  stage.until_live(text);
  ASSERT_EQ(text.got.size(), 1u);
  const std::string& said = text.got[0].payload;
  EXPECT_NE(said.find(R"("version":105)"), std::string::npos) << said;
  EXPECT_NE(said.find(R"("lsn":"105")"), std::string::npos) << said;
  EXPECT_NE(said.find(R"("title":"105")"), std::string::npos) << said;
  EXPECT_EQ(said.find(R"("title":"104")"), std::string::npos) << said;
}

TEST_F(LatestTest, rule_18_what_may_be_contained_is_not_put_together) {
  stage.start();
  Follower& follower = join();
  lag(follower, 101, 120);
  follower.floor = Lsn(110);  // the filter decides up to here
  stage.catch_up(follower);
  stage.until_live(follower);
  ASSERT_EQ(follower.got.size(), 11u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(row_of(follower.got[i]), row(101 + i));
  EXPECT_EQ(row_of(follower.got[10]), row(120));
}

TEST_F(LatestTest, rule_26_who_lags_from_the_same_place_shares_it) {
  stage.start();
  Follower& one = join();
  Follower& another = stage.subscribe(key, query);
  another.latest = true;
  stage.until_live(another);
  another.live = false;
  lag(one, 101, 110);
  stage.hold = true;
  stage.catch_up(one);
  stage.until_live(one);
  stage.catch_up(another);
  stage.until_live(another);
  EXPECT_EQ(one.got.back().payload, another.got.back().payload);
  EXPECT_TRUE(stage.has_metric("tidegate_feed_conflated_frames_total 1"));
}

class LittleAtOnce : public LatestTest {
 protected:
  LittleAtOnce() : LatestTest({.latest_bytes_max = 3'000}) {}
};

TEST_F(LittleAtOnce, rule_26_an_answer_puts_together_no_more_than_it_may_and_the_next_goes_on) {
  stage.start();
  Follower& follower = join();
  lag(follower, 101, 200);
  stage.catch_up(follower);
  stage.until_live(follower);
  EXPECT_GT(follower.conflated, 5);
  EXPECT_LT(follower.got.size(), 50u);
  Lsn last;
  for (const Got& got : follower.got) {
    EXPECT_GT(got.lsn, last);
    last = protocol::decode_diff(got.payload)->lsn;
  }
  EXPECT_EQ(row_of(follower.got.back()), row(200));
}

class SmallTail : public LatestTest {
 protected:
  SmallTail() : LatestTest({.tail_bytes_max = 2'000}) {}
};

TEST_F(SmallTail, rule_12_what_the_tail_has_lost_is_put_together_out_of_the_log) {
  stage.start();
  Follower& follower = join();
  follower.live = false;
  for (std::uint64_t lsn = 101; lsn <= 120; ++lsn) {
    write(lsn);
    stage.settle(lsn, lsn);
  }
  stage.catch_up(follower);
  stage.until_live(follower);
  EXPECT_EQ(follower.snapshots.size(), 1u);
  EXPECT_LT(follower.got.size(), 10u);
  EXPECT_EQ(row_of(follower.got.back()), row(120));
  EXPECT_TRUE(stage.has_metric("tidegate_feed_catch_ups_from_log_total 1"));
  EXPECT_FALSE(stage.has_metric("tidegate_feed_conflated_frames_total 0"));
}

}  // namespace
}  // namespace tidegate::feed
