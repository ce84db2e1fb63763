// Invariants: a new subscription gets what was read after it, by place and not by LSN; a resume is exact or
// says that it is not; keys are compared whole.

#include <gtest/gtest.h>

#include "feed/testing.h"

namespace tidegate::feed {
namespace {

class PassThroughTest : public testing::Test {
 protected:
  explicit PassThroughTest(Options options = {}) : stage(false, options) {}

  void record(const std::string& key, std::uint64_t lsn, const std::string& value) {
    stage.append(log::Kind::diff, stage.partition_of(key), key, value, lsn);
  }
  /// What was appended so far has been read: a follower of its own key in each partition has seen it.
  void settle() {
    const std::uint64_t mark = ++mark_;
    for (auto& [partition, sentinel] : sentinels_) {
      stage.append(log::Kind::diff, partition, sentinel.second, std::to_string(mark), 1);
    }
    for (auto& [partition, sentinel] : sentinels_) {
      Follower& follower = *sentinel.first;
      stage.until(
          [&] { return !follower.got.empty() && follower.got.back().payload == std::to_string(mark); });
    }
  }
  void start() {
    stage.start();
    for (int i = 0; sentinels_.size() < 2; ++i) {
      const std::string key = "sentinel" + std::to_string(i);
      const Partition partition = stage.partition_of(key);
      if (sentinels_.contains(partition)) continue;
      Follower& follower = stage.subscribe(key, nullptr);
      stage.until_live(follower);
      sentinels_[partition] = {&follower, key};
    }
  }

  Stage stage;
  std::map<Partition, std::pair<Follower*, std::string>> sentinels_;
  std::uint64_t mark_ = 1'000;
};

TEST_F(PassThroughTest, a_subscribe_is_answered_by_the_seeds_empty_snapshot_at_the_head) {
  record("other", 41, "before");
  start();
  record("other", 43, "later");
  settle();
  Follower& follower = stage.subscribe("k", nullptr);
  stage.until_live(follower);
  EXPECT_FALSE(follower.accepted->resumed);
  ASSERT_EQ(follower.snapshots.size(), 1u);
  EXPECT_FALSE(follower.snapshots[0].overflow);
  EXPECT_FALSE(follower.snapshots[0].fence);
  EXPECT_EQ(follower.snapshots[0].spool->parts(), 1u);
  EXPECT_EQ(follower.snapshots[0].spool->in_memory(0), R"(,"version":0,"cursor":{"lsn":"43"},"rows":[]})");
}

TEST_F(PassThroughTest, the_heads_lsn_is_known_from_before_the_start) {
  record("other", 41, "before");
  start();
  Follower& follower = stage.subscribe("k", nullptr);
  stage.until_live(follower);
  EXPECT_NE(follower.snapshots[0].spool->in_memory(0)->find(R"("lsn":"41")"), std::string::npos);
}

TEST_F(PassThroughTest, fault_e_keys_are_compared_whole) {
  start();
  Follower& follower = stage.subscribe("7", nullptr);
  stage.until_live(follower);
  record("q00007", 10, "not ours");
  record("77", 11, "not ours");
  record("", 12, "not ours");
  record("7", 13, "ours");
  settle();
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(13), "ours"}}));
}

TEST_F(PassThroughTest, fault_f_all_records_of_one_lsn_arrive) {
  start();
  Follower& follower = stage.subscribe("k", nullptr);
  stage.until_live(follower);
  for (const char* value : {"a", "b", "c"}) record("k", 10, value);
  settle();
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(10), "a"}, {Lsn(10), "b"}, {Lsn(10), "c"}}));
}

TEST_F(PassThroughTest, fault_g_a_late_lower_lsn_of_another_key_is_delivered) {
  start();
  record("other", 1'000, "far ahead");
  settle();
  Follower& follower = stage.subscribe("k", nullptr);
  stage.until_live(follower);
  record("k", 500, "late and lower");
  settle();
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(500), "late and lower"}}));
}

TEST_F(PassThroughTest, fault_h_a_resume_behind_the_head_is_replayed_from_the_log) {
  for (int i = 1; i <= 2'000; ++i)
    record(i % 10 == 0 ? "k" : "other", static_cast<std::uint64_t>(i), std::to_string(i));
  start();
  Follower& follower = stage.subscribe("k", nullptr, {}, Lsn(1'005));
  stage.until([&] { return follower.accepted.has_value(); });
  record("k", 2'010, "live");
  stage.until_live(follower);
  settle();
  EXPECT_TRUE(follower.accepted->resumed);
  EXPECT_EQ(follower.accepted->floor, Lsn(1'005));
  EXPECT_NE(follower.snapshots[0].spool->in_memory(0)->find(R"("lsn":"1005")"), std::string::npos);
  std::vector<Got> expected;
  for (int i = 1'010; i <= 2'000; i += 10)
    expected.push_back({Lsn(static_cast<std::uint64_t>(i)), std::to_string(i)});
  expected.push_back({Lsn(2'010), "live"});
  EXPECT_EQ(follower.got, expected);
}

TEST_F(PassThroughTest, a_resume_of_a_key_without_older_records_is_exact_where_nothing_was_ever_deleted) {
  record("k", 10, "a");
  record("other", 90, "x");
  start();
  Follower& follower = stage.subscribe("k", nullptr, {}, Lsn(5));
  stage.until_live(follower);
  EXPECT_TRUE(follower.accepted->resumed);
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(10), "a"}}));
}

TEST_F(PassThroughTest, a_resume_at_the_head_is_live_from_now_on) {
  record("other", 90, "x");
  start();
  Follower& follower = stage.subscribe("k", nullptr, {}, Lsn(90));
  stage.until_live(follower);
  EXPECT_TRUE(follower.accepted->resumed);
  EXPECT_EQ(follower.accepted->floor, Lsn(90));
  record("k", 95, "live");
  settle();
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(95), "live"}}));
}

TEST_F(PassThroughTest, a_resume_is_served_from_the_tail_where_that_reaches_back) {
  start();
  Follower& first = stage.subscribe("k", nullptr);
  stage.until_live(first);
  for (std::uint64_t lsn : {10, 20, 20, 30}) record("k", lsn, "v" + std::to_string(lsn));
  settle();
  Follower& back = stage.subscribe("k", nullptr, {}, Lsn(10));
  stage.until_live(back);
  EXPECT_EQ(back.got, std::vector<Got>({{Lsn(20), "v20"}, {Lsn(20), "v20"}, {Lsn(30), "v30"}}));
}

TEST_F(PassThroughTest, records_without_a_usable_lsn_tombstones_and_keyless_ones_are_counted_and_dropped) {
  start();
  Follower& follower = stage.subscribe("k", nullptr);
  stage.until_live(follower);
  log::Append bad{stage.partition_of("k"), "k", "no lsn", {}};
  stage.append_raw(bad);
  bad.headers.malformed = true;
  bad.headers.lsn = Lsn(5);
  stage.append_raw(bad);
  record("k", 10, "good");
  settle();
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(10), "good"}}));
  EXPECT_TRUE(stage.has_metric(R"(tidegate_feed_dropped_total{reason="malformed"})"));
}

TEST_F(PassThroughTest, frames_carry_the_value_byte_for_byte_behind_the_header_that_was_asked_for) {
  start();
  Follower& raw = stage.subscribe("k", nullptr);
  Follower& v1 = stage.subscribe("k", nullptr, {}, {}, protocol::Encoding::v1);
  Follower& base64 = stage.subscribe("k", nullptr, {}, {}, protocol::Encoding::base64);
  for (Follower* follower : {&raw, &v1, &base64}) stage.until_live(*follower);
  const std::string value = std::string("\0\xff", 2) + std::string(70'000, 'x');
  record("k", 10, value);
  settle();
  EXPECT_EQ(raw.got.at(0).payload, value);
  EXPECT_EQ(v1.got.at(0).payload.size(), 10 + protocol::kDataHeaderSize + value.size());
  EXPECT_EQ(base64.got.at(0).payload, R"(,"b64":")" + base64_encode(value) + R"("})");
}

class ShortTailTest : public PassThroughTest {
 protected:
  static Options short_tail() {
    Options options;
    options.tail_bytes_max = 6'000;
    options.replay_bytes_max = 20'000;
    return options;
  }
  ShortTailTest() : PassThroughTest(short_tail()) {}
};

TEST_F(ShortTailTest, fault_h_a_resume_that_cant_be_shown_to_be_exact_says_overflow) {
  record("k", 1, "old");
  for (std::uint64_t lsn = 2; lsn <= 600; ++lsn) record("k", lsn, std::string(1'000, 'x'));
  start();
  Follower& follower = stage.subscribe("k", nullptr, {}, Lsn(50));
  stage.until_live(follower);
  EXPECT_FALSE(follower.accepted->resumed);
  ASSERT_EQ(follower.snapshots.size(), 1u);
  EXPECT_TRUE(follower.snapshots[0].overflow);
  EXPECT_NE(follower.snapshots[0].spool->in_memory(0)->find(R"("lsn":"600")"), std::string::npos);
}

TEST_F(ShortTailTest, who_lags_behind_the_tail_is_told_overflow_and_goes_on_from_the_head) {
  start();
  Follower& follower = stage.subscribe("k", nullptr);
  stage.until_live(follower);
  follower.live = false;
  for (std::uint64_t lsn = 1; lsn <= 20; ++lsn) {
    record("k", lsn, std::string(1'000, 'x'));
    settle();
  }
  stage.catch_up(follower);
  stage.until_live(follower);
  ASSERT_EQ(follower.snapshots.size(), 2u);
  EXPECT_TRUE(follower.snapshots[1].overflow);
  record("k", 30, "live");
  settle();
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(30), "live"}}));
}

/// Replays are done when the test says so.
class ReplayedTest : public PassThroughTest {
 protected:
  explicit ReplayedTest(std::size_t history_bytes_max = 64 << 20, std::size_t tail_bytes_max = 64 << 20)
      : PassThroughTest({.tail_bytes_max = tail_bytes_max,
                         .snapshot_threads = 0,
                         .history_bytes_max = history_bytes_max}) {}
  /// Ten records, of which all above 5 are missing to who comes back.
  void SetUp() override {
    for (std::uint64_t lsn = 1; lsn <= 10; ++lsn) record("k", lsn, value(lsn));
    start();
  }
  static std::string value(std::uint64_t lsn) { return std::string(1'000, static_cast<char>('a' + lsn)); }
  Follower& resume(protocol::Encoding encoding = protocol::Encoding::raw) {
    return stage.subscribe("k", nullptr, {}, Lsn(5), encoding);
  }
  /// All that was asked for so far is known to the feed.
  void asked() { stage.until_live(stage.subscribe("another", nullptr)); }
  static std::vector<Got> up_to(std::uint64_t lsn) {
    std::vector<Got> got;
    for (std::uint64_t each = 6; each <= lsn; ++each) got.push_back({Lsn(each), value(each)});
    return got;
  }
  void expect_exact(Follower& follower, std::uint64_t lsn = 10) {
    stage.until_live(follower);
    EXPECT_TRUE(follower.accepted->resumed);
    EXPECT_EQ(follower.got, up_to(lsn));
  }
  void expect_overflow(Follower& follower) {
    stage.until_live(follower);
    EXPECT_FALSE(follower.accepted->resumed);
    ASSERT_EQ(follower.snapshots.size(), 1u);
    EXPECT_TRUE(follower.snapshots[0].overflow);
    EXPECT_TRUE(follower.got.empty());
  }
};

TEST_F(ReplayedTest, fault_h_who_comes_back_with_the_same_lsn_shares_one_replay_and_its_records) {
  stage.hold = true;  // as an outbox does
  std::vector<Follower*> followers;
  for (int i = 0; i < 100; ++i) followers.push_back(&resume());
  asked();
  ASSERT_TRUE(stage.feed->work());
  for (Follower* follower : followers) expect_exact(*follower);
  std::set<const FrameBatch*> batches;
  for (const FrameRun& run : stage.held) batches.insert(run.batch.get());
  EXPECT_EQ(batches.size(), 1u);
  EXPECT_FALSE(stage.feed->work());
}

TEST_F(ReplayedTest, fault_h_who_joins_a_replay_gets_what_was_read_meanwhile_behind_it_once) {
  Follower& first = resume();
  asked();
  record("k", 11, value(11));
  settle();
  Follower& second = resume();
  asked();
  record("k", 12, value(12));
  settle();
  ASSERT_TRUE(stage.feed->work());
  expect_exact(first, 12);
  expect_exact(second, 12);
  record("k", 13, value(13));
  settle();
  for (const Follower* each : {&first, &second}) EXPECT_EQ(each->got, up_to(13));
}

TEST_F(ReplayedTest, who_leaves_and_comes_back_while_the_log_is_read_is_answered_once) {
  Follower& left = resume();
  Follower& other = resume(protocol::Encoding::v1);
  asked();
  stage.unsubscribe(left);
  Follower& back = resume();
  asked();
  ASSERT_TRUE(stage.feed->work());
  expect_exact(back);
  stage.until_live(other);
  EXPECT_EQ(other.got.size(), 5u);
  EXPECT_FALSE(left.accepted);
}

TEST_F(ReplayedTest, fault_d_what_was_replayed_and_dropped_from_the_outbox_is_an_overflow) {
  Follower& follower = resume();
  asked();
  ASSERT_TRUE(stage.feed->work());
  expect_exact(follower);
  record("k", 11, value(11));
  settle();
  // Rule 27: memory is short, and its place goes back behind the second record, which was written.
  follower.place = follower.whole = FeedSeq(follower.accepted->after.value() + 2);
  stage.catch_up(follower);
  stage.until([&] { return follower.live || follower.snapshots.size() == 2; });
  ASSERT_EQ(follower.snapshots.size(), 2u) << "the tail has none of it";
  EXPECT_TRUE(follower.snapshots[1].overflow);
  stage.until_live(follower);
  record("k", 12, value(12));
  settle();
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(12), value(12)}}));
  EXPECT_EQ(follower.snapshots.size(), 2u);
}

class ReplayedBeyondTailTest : public ReplayedTest {
 protected:
  ReplayedBeyondTailTest() : ReplayedTest(64 << 20, 3'000) {}
};

TEST_F(ReplayedBeyondTailTest, fault_h_a_replay_whose_continuation_the_tail_has_lost_is_not_joined) {
  Follower& first = resume();
  asked();
  for (std::uint64_t lsn = 11; lsn <= 20; ++lsn) {
    record("k", lsn, value(lsn));
    settle();  // each in a batch of its own: only whole batches go
  }
  Follower& second = resume();
  asked();
  ASSERT_TRUE(stage.feed->work());
  expect_exact(second, 20);
  stage.until([&] { return first.snapshots.size() == 2; });
  EXPECT_TRUE(first.snapshots[1].overflow);
}

class LittleReplayedTest : public ReplayedTest {
 protected:
  LittleReplayedTest() : ReplayedTest(8'000) {}  // 5 values once, and not twice
};

TEST_F(LittleReplayedTest, fault_h_what_is_held_of_replays_is_bounded_over_all_subscriptions) {
  Follower& first = resume();
  asked();
  ASSERT_TRUE(stage.feed->work());
  first.stalls = true;  // its socket takes nothing
  stage.until([&] { return !first.snapshots.empty(); });
  Follower& second = stage.subscribe("k", nullptr, {}, Lsn(4));
  asked();
  ASSERT_TRUE(stage.feed->work());
  expect_overflow(second);
  EXPECT_TRUE(stage.has_metric("tidegate_feed_replays_refused_total 1"));
  stage.catch_up(first);
  expect_exact(first);
  Follower& third = stage.subscribe("k", nullptr, {}, Lsn(4));
  asked();
  ASSERT_TRUE(stage.feed->work());
  stage.until_live(third);
  EXPECT_EQ(third.got.size(), 6u) << "there is room again";
}

TEST_F(LittleReplayedTest, fault_h_where_there_is_room_for_the_values_alone_each_is_encoded_as_it_goes) {
  for (const auto encoding :
       {protocol::Encoding::v1, protocol::Encoding::base64, protocol::Encoding::raw_deflated}) {
    Follower& follower = resume(encoding);
    asked();
    ASSERT_TRUE(stage.feed->work());
    stage.until_live(follower);
    EXPECT_TRUE(follower.accepted->resumed);
    EXPECT_EQ(follower.got.size(), 5u);
  }
}

TEST(PassThroughLostTest, records_that_left_the_log_unread_are_an_overflow) {
  // A log so small that it drops what the feed has not read, while the feed is kept from reading.
  Stage stage(false, {}, 1, 4'000);
  stage.start();
  Follower& follower = stage.subscribe("k", nullptr);
  stage.until_live(follower);
  stage.shard.set_backlog(std::size_t{1} << 40);
  Follower& second = stage.subscribe("k", nullptr);
  stage.until_live(second);
  Follower& third = stage.subscribe("k", nullptr);
  stage.until_live(third);  // whatever read was under way is over
  for (std::uint64_t lsn = 1; lsn <= 50; ++lsn) {
    stage.append(log::Kind::diff, Partition(0), "k", std::string(500, 'x'), lsn);
  }
  stage.shard.set_backlog(0);
  stage.until([&] { return follower.snapshots.size() == 2 && follower.live; });
  EXPECT_TRUE(follower.snapshots[1].overflow);
  stage.append(log::Kind::diff, Partition(0), "k", "live", 60);
  stage.until([&] { return !follower.got.empty(); });
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(60), "live"}}));
}

}  // namespace
}  // namespace tidegate::feed
