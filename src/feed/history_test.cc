// Invariant: whoever comes back with a cursor, or lags behind the tail, gets every diff that it lacks, each
// once and in order, out of the log; or a fresh snapshot, never less.

#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"
#include "feed/testing.h"

namespace tidegate::feed {
namespace {

constexpr std::uint64_t kActivation = 0xabc;

/// A log of one partition that was filled before this gateway came: its feed begins at the end.
class HistoryTest : public testing::Test {
 protected:
  explicit HistoryTest(Options options = {}, std::size_t log_bytes = std::size_t{64} << 20)
      : stage(true, options, 1, log_bytes) {
    stage.progress(100, 100);  // offset 0
  }
  /// A cursor of another gateway.
  protocol::Cursor cursor(std::int64_t offset, std::uint64_t lsn) const {
    return {stage.epoch, query->hash(), Activation(kActivation), Partition(0), Offset(offset), Lsn(lsn), {}};
  }
  Follower& resume(const protocol::Cursor& from, protocol::Encoding encoding = protocol::Encoding::v1) {
    return stage.subscribe(key, query, from, {}, encoding);
  }
  void active(std::uint64_t r) {
    stage.active(key, *query, kActivation, r);
    stage.progress(r, r);
  }
  void expect_held(Follower& follower, const std::vector<Got>& missed) {
    stage.until_live(follower);
    EXPECT_TRUE(follower.accepted->resumed);
    EXPECT_TRUE(follower.snapshots.empty());
    EXPECT_EQ(follower.got, missed);
  }
  /// It gets a snapshot, for this reason.
  void expect_refused(Follower& follower, const std::string& reason, std::uint64_t h = 1'000) {
    stage.source.release({.fence = {Lsn(h), XidSnapshot{Xid(1), Xid(1), {}}}});
    stage.until_live(follower);
    EXPECT_FALSE(follower.accepted->resumed);
    EXPECT_EQ(follower.snapshots.size(), 1u);
    EXPECT_TRUE(stage.has_metric("tidegate_feed_resumes_refused_total{reason=\"" + reason + "\"} 1"))
        << stage.metrics.text();
  }
  /// One who lacks twenty records of a kilobyte.
  void expect_much_refused(const std::string& reason) {
    for (std::uint64_t lsn = 110; lsn < 130; ++lsn) stage.diff(key, lsn, std::string(1'000, 'x'));
    stage.start();
    Follower& back = resume(cursor(1, 110));
    active(130);
    expect_refused(back, reason);
  }

  std::string key = "t/things/1";
  std::shared_ptr<const query::Query> query = query_for(1);
  Stage stage;
};

TEST_F(HistoryTest, rule_12_a_cursor_of_another_gateway_is_served_from_the_log_and_then_live) {
  stage.diff(key, 110, "a");
  stage.diff("t/things/2", 115, "of another query");
  stage.diff(key, 120, "b");
  stage.diff(key, 130, "c");
  stage.start();
  Follower& back = resume(cursor(1, 110));
  active(130);
  expect_held(back, {{Lsn(120), "b"}, {Lsn(130), "c"}});
  stage.diff(key, 140, "live");
  stage.settle(140, 140);
  EXPECT_EQ(back.got.back(), (Got{Lsn(140), "live"}));
  EXPECT_EQ(back.got.size(), 3u);
  EXPECT_TRUE(stage.has_metric(R"(tidegate_feed_resumes_held_total{from="log"} 1)"));
  EXPECT_EQ(stage.source.begun(), 0);
}

TEST_F(HistoryTest, rule_18_a_cursor_that_carries_a_fence_keeps_it) {
  stage.diff(key, 110, "doubtful");
  stage.diff(key, 120, "b");
  stage.start();
  protocol::Cursor fenced = cursor(0, 99);
  fenced.fence = Fence{Lsn(115), XidSnapshot{Xid(1), Xid(1), {}}};
  Follower& back = resume(fenced);
  active(120);
  expect_held(back, {{Lsn(110), "doubtful"}, {Lsn(120), "b"}});
  EXPECT_EQ(back.accepted->fence, fenced.fence);
  EXPECT_EQ(back.accepted->floor, Lsn(99));
}

TEST_F(HistoryTest,
       rule_4_what_a_dethroned_matcher_wrote_does_not_count_and_what_is_streamed_again_counts_once) {
  stage.diff(key, 110, "a");
  stage.diff(key, 120, "b");
  stage.generation = Generation(5);
  stage.progress(90, 90);
  stage.diff(key, 110, "a");
  stage.generation = Generation(1);
  stage.diff(key, 125, "of a matcher that was overthrown");
  stage.generation = Generation(5);
  stage.diff(key, 120, "b");
  stage.diff(key, 130, "c");
  stage.start();
  Follower& back = resume(cursor(1, 110));
  active(130);
  expect_held(back, {{Lsn(120), "b"}, {Lsn(130), "c"}});
}

TEST_F(HistoryTest, rule_4_the_place_is_of_a_generation_and_lower_ones_behind_it_do_not_count) {
  stage.generation = Generation(5);
  stage.diff(key, 110, "a");
  stage.generation = Generation(1);
  stage.diff(key, 120, "of a matcher that was overthrown");
  stage.generation = Generation(5);
  stage.diff(key, 130, "c");
  stage.start();
  Follower& back = resume(cursor(1, 110));
  active(130);
  expect_held(back, {{Lsn(130), "c"}});
}

TEST_F(HistoryTest, rule_5_parts_of_an_unfinished_transaction_are_begun_again_by_the_next_generation) {
  stage.append(log::Kind::diff, Partition(0), key, "x0", 110, Xid(1), 0, false);
  stage.generation = Generation(2);
  stage.append(log::Kind::diff, Partition(0), key, "y0", 110, Xid(1), 0, false);
  stage.append(log::Kind::diff, Partition(0), key, "y1", 110, Xid(1), 1, true);
  stage.append(log::Kind::diff, Partition(0), key, "y1", 110, Xid(1), 1, true);
  stage.start();
  Follower& back = resume(cursor(0, 100));
  active(110);
  expect_held(back, {{Lsn(110), "x0", 0}, {Lsn(110), "y0", 0}, {Lsn(110), "y1", 1}});
}

TEST_F(HistoryTest, rule_5_parts_without_their_first_end_the_resume) {
  stage.append(log::Kind::diff, Partition(0), key, "x1", 110, Xid(1), 1, true);
  stage.start();
  Follower& back = resume(cursor(0, 100));
  active(110);
  expect_refused(back, "broken");
}

TEST_F(HistoryTest, rule_5_text_is_made_of_all_parts) {
  protocol::Diff diff{query->hash(), Lsn(110), Xid(1), 0, {}};
  for (int i = 0; i < 200; ++i) {
    diff.changes.push_back(
        {protocol::ChangeKind::insert, "[\"" + std::to_string(i) + "\"]",
         R"({"id":")" + std::to_string(i) + R"(","title":")" + std::string(5'000, 'x') + R"("})"});
  }
  const std::string whole = protocol::encode_diff(diff);
  stage.append(log::Kind::diff, Partition(0), key, whole.substr(0, 900'000), 110, Xid(1), 0, false);
  stage.append(log::Kind::diff, Partition(0), key, whole.substr(900'000), 110, Xid(1), 1, true);
  stage.start();
  Follower& text = resume(cursor(0, 100), protocol::Encoding::json);
  Follower& raw = resume(cursor(0, 100));
  active(110);
  stage.until_live(text);
  stage.until_live(raw);
  ASSERT_GE(text.got.size(), 4u);
  EXPECT_NE(text.got.back().payload.find(R"("last":true)"), std::string::npos);
  EXPECT_NE(text.got.back().payload.find(R"("offset":2)"), std::string::npos);
  ASSERT_EQ(raw.got.size(), 2u);
  EXPECT_EQ(raw.got[0].payload + raw.got[1].payload, whole);
}

TEST_F(HistoryTest, rule_14_the_end_of_its_own_activation_ends_the_resume_and_anothers_does_not) {
  stage.closed(key, 0xdef, 105);
  stage.diff(key, 110, "a");
  stage.closed(key, kActivation, 115);
  stage.diff(key, 120, "b");
  stage.start();
  Follower& before = resume(cursor(0, 100));
  Follower& behind = resume(cursor(4, 120));
  active(130);
  stage.until_live(behind);
  EXPECT_TRUE(behind.accepted->resumed);
  expect_refused(before, "broken");
}

TEST_F(HistoryTest, rule_14_another_activation_in_between_ends_the_resume) {
  stage.append(
      log::Kind::active, Partition(0), key,
      R"({"activation":")" + Stage::hex(0xdef) + R"(","r":"105","query":")" + query->hash().hex() + R"("})",
      105);
  stage.diff(key, 110, "a");
  stage.start();
  Follower& back = resume(cursor(0, 100));
  active(110);
  expect_refused(back, "broken");
}

TEST_F(HistoryTest, rule_13_a_reset_or_a_state_in_between_ends_the_resume) {
  stage.append(log::Kind::state, Partition(0), key, "{}", 110);
  stage.start();
  Follower& back = resume(cursor(0, 100));
  active(110);
  expect_refused(back, "broken");
}

TEST_F(HistoryTest, rule_10_a_place_whose_record_is_not_the_cursors_is_of_another_log) {
  stage.diff(key, 110, "a");
  stage.diff(key, 120, "b");
  stage.start();
  Follower& later = resume(cursor(2, 110));  // the record there is at 120
  active(120);
  expect_refused(later, "gone");
}

TEST_F(HistoryTest, rule_9_a_place_above_the_end_is_of_another_log) {
  stage.start();
  Follower& back = resume(cursor(500, 100));
  active(120);
  expect_refused(back, "gone");
}

class SmallLog : public HistoryTest {
 protected:
  SmallLog() : HistoryTest({}, 4'000) {}
};

TEST_F(SmallLog, rule_9_a_place_that_retention_took_gets_a_snapshot) {
  expect_much_refused("retention");
}

class LittleRead : public HistoryTest {
 protected:
  LittleRead() : HistoryTest({.replay_bytes_max = 5'000}) {}
};

TEST_F(LittleRead, rule_12_what_would_cost_more_than_it_may_gets_a_snapshot) {
  expect_much_refused("bound");
}

class LittleHeld : public HistoryTest {
 protected:
  LittleHeld() : HistoryTest({.history_bytes_max = 5'000}) {}
};

TEST_F(LittleHeld, rule_12_what_would_hold_more_than_it_may_gets_a_snapshot) {
  expect_much_refused("bound");
}

class NoThreads : public HistoryTest {
 protected:
  NoThreads() : HistoryTest({.snapshot_threads = 0}) {}
};

TEST_F(NoThreads, rule_16_a_log_that_is_not_read_in_time_is_answered_within_five_seconds) {
  stage.diff(key, 110, "a");
  stage.start();
  Follower& back = resume(cursor(0, 100));
  active(110);
  stage.settle(120, 120);
  EXPECT_FALSE(back.accepted);
  stage.clock.advance(std::chrono::seconds(5));
  stage.until([&] { return back.accepted.has_value(); });
  EXPECT_FALSE(back.accepted->resumed);
  EXPECT_TRUE(stage.has_metric(R"(tidegate_feed_resumes_refused_total{reason="late"} 1)"));
}

TEST_F(NoThreads, rule_12_who_holds_less_and_stands_later_is_not_taken_for_who_holds_more) {
  stage.diff(key, 110, "a");  // 1
  stage.diff(key, 130, "c");  // 2
  stage.generation = Generation(5);
  stage.progress(100, 100);   // 3: where somebody of a new gateway stands, with everything up to 100
  stage.diff(key, 110, "a");  // 4
  stage.diff(key, 130, "c");
  stage.diff(key, 140, "d");
  stage.start();
  Follower& more = resume(cursor(2, 130));
  Follower& less = resume(cursor(3, 100));
  active(140);
  stage.settle(150, 140);
  ASSERT_TRUE(stage.feed->work()) << "both in one walk";
  expect_held(more, {{Lsn(140), "d"}});
  expect_held(less, {{Lsn(110), "a"}, {Lsn(130), "c"}, {Lsn(140), "d"}});
}

TEST_F(NoThreads, rule_14_a_channel_that_was_reset_while_the_log_was_read_voids_the_answer) {
  stage.diff(key, 110, "a");
  stage.start();
  Follower& back = resume(cursor(0, 100));
  active(110);
  stage.settle(120, 120);
  stage.append(log::Kind::reset, Partition(0), key, "{}", 130);
  stage.settle(140, 120);
  ASSERT_TRUE(stage.feed->work()) << "the log is read now";
  stage.until([&] { return back.accepted.has_value(); });
  EXPECT_FALSE(back.accepted->resumed);
  stage.settle(150, 120);
  stage.settle(160, 120);  // the answer lies before what is read now
  EXPECT_FALSE(back.live);
}

TEST_F(HistoryTest, rule_12_a_storm_of_reconnects_shares_its_walks) {
  std::vector<std::shared_ptr<const query::Query>> queries;
  for (int i = 0; i < 20; ++i) queries.push_back(query_for(i));
  const auto name = [](std::size_t i) { return "t/things/" + std::to_string(i); };
  std::uint64_t lsn = 100;
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < queries.size(); ++i) stage.diff(name(i), ++lsn, "x");
  }
  stage.start();
  std::vector<Follower*> followers;
  for (int each = 0; each < 50; ++each) {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      protocol::Cursor from = cursor(0, 100);
      from.query = queries[i]->hash();
      followers.push_back(&stage.subscribe(name(i), queries[i], from));
    }
  }
  for (std::size_t i = 0; i < queries.size(); ++i) stage.active(name(i), *queries[i], kActivation, lsn);
  stage.progress(lsn, lsn);
  for (Follower* follower : followers) {
    stage.until_live(*follower);
    EXPECT_EQ(follower->got.size(), 10u);
  }
  const std::string text = stage.metrics.text();
  const std::string metric = "\ntidegate_feed_rereads_total ";
  const auto at = text.find(metric);
  ASSERT_NE(at, std::string::npos);
  EXPECT_LE(std::stoi(text.substr(at + metric.size())), 40) << "a thousand resumes of twenty queries";
}

TEST(LaggingTest, rule_12_who_lags_behind_the_tail_catches_up_from_the_log_in_the_middle_of_parts_too) {
  Options options;
  options.tail_bytes_max = 6'000;
  options.catch_up_bytes = 2'500;
  Stage stage(true, options, 1);
  stage.start();
  const auto query = query_for(1);
  const std::string key = "t/things/1";
  Follower& follower = stage.subscribe(key, query);
  stage.active(key, *query, kActivation, 100);
  stage.progress(100, 100);
  stage.source.release({.fence = {Lsn(100), std::nullopt}});
  stage.until_live(follower);
  follower.live = false;  // its outbox is full
  std::vector<Got> all;
  for (std::uint64_t lsn = 101; lsn <= 110; ++lsn) {
    for (std::uint32_t part = 0; part < 3; ++part) {
      all.push_back({Lsn(lsn), std::string(1'000, static_cast<char>('a' + part)), part});
      stage.append(log::Kind::diff, Partition(0), key, all.back().payload, lsn, Xid(lsn), part, part == 2);
    }
    stage.settle(lsn, lsn);  // a batch each: only whole ones go
  }
  stage.catch_up(follower);
  stage.until_live(follower);
  EXPECT_EQ(follower.got, all);
  EXPECT_EQ(follower.unsolicited, 0);
  EXPECT_EQ(follower.snapshots.size(), 1u);
  EXPECT_GE(follower.chunks, 5);
  EXPECT_FALSE(stage.has_metric("tidegate_feed_catch_ups_from_log_total 0"));
}

/// Whatever generations, repetitions, parts and zombies the log holds.
TEST(RandomHistories, rule_12_every_cursor_gets_exactly_what_it_lacks) {
  const auto seed = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    Stage stage(true, {}, 1);
    const auto query = query_for(1);
    const std::string key = "t/things/1";
    std::vector<std::pair<Offset, Lsn>> places;  // where somebody who has read everything stands
    std::uint64_t top = 100;
    std::int64_t offset = 0;
    const auto append = [&](log::Kind kind, const std::string& to, const std::string& value,
                            std::uint64_t lsn, std::uint32_t part = 0, bool last = true) {
      stage.append(kind, Partition(0), to, value, lsn, Xid(lsn), part, last);
      ++offset;
    };
    stage.progress(top, top);
    places.emplace_back(Offset(offset++), Lsn(top));
    std::uint64_t reached = top;
    for (std::int64_t generation = 1; generation <= 4; ++generation) {
      stage.generation = Generation(generation * 10);
      reached -= generation > 1 ? random() % 8 : 0;
      reached = std::max<std::uint64_t>(reached, 100);
      for (unsigned i = 0, count = 5 + random() % 20; i < count; ++i) {
        const std::uint64_t lsn = ++reached;
        const bool parts = lsn % 5 == 0;
        if (parts) append(log::Kind::diff, key, std::to_string(lsn) + "/", lsn, 0, false);
        if (parts && i + 1 == count && generation < 4) {  // it died in the middle
          --reached;
          break;
        }
        append(log::Kind::diff, key, std::to_string(lsn), lsn, parts ? 1 : 0);
        if (lsn > top) {
          top = lsn;
          places.emplace_back(Offset(offset - 1), Lsn(lsn));
        }
        if (generation > 1 && random() % 5 == 0) {
          stage.generation = Generation(generation * 10 - 10);
          append(log::Kind::diff, key, "zombie", top + 1);
          stage.generation = Generation(generation * 10);
        }
        if (random() % 4 == 0) append(log::Kind::diff, "t/things/2", "other", lsn);
      }
    }
    while (reached < top) {
      ++reached;
      append(log::Kind::diff, key, std::to_string(reached), reached);
    }
    stage.start();
    std::vector<std::pair<Follower*, Lsn>> followers;
    for (const auto& [at, lsn] : places) {
      followers.emplace_back(
          &stage.subscribe(key, query,
                           protocol::Cursor{stage.epoch, query->hash(), Activation(kActivation), Partition(0),
                                            at, lsn, std::nullopt}),
          lsn);
    }
    stage.active(key, *query, kActivation, top);
    for (const auto& [follower, lsn] : followers) {
      stage.until_live(*follower);
      ASSERT_TRUE(follower->accepted->resumed) << lsn.value() << " in round " << round;
      std::vector<Lsn> whole;
      for (const Got& got : follower->got) {
        ASSERT_NE(got.payload, "zombie");
        if (got.payload.back() != '/') whole.push_back(got.lsn);
      }
      ASSERT_EQ(whole.size(), top - lsn.value()) << "from " << lsn.value() << " in round " << round;
      for (std::size_t i = 0; i < whole.size(); ++i) ASSERT_EQ(whole[i].value(), lsn.value() + i + 1);
    }
  }
}

}  // namespace
}  // namespace tidegate::feed
