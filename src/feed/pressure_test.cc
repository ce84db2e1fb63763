// Rules 19, 20, 26 and 27: what the feed holds for whom, and what it gives up in which order.
#include "feed/pressure.h"

#include <gtest/gtest.h>

#include "feed/testing.h"

namespace tidegate::feed {
namespace {

/// A feed with a tail of four kilobytes, and one subscriber whose snapshot is being read.
class PinnedTest : public ::testing::Test {
 protected:
  void make(std::size_t memory_bytes = std::size_t{1} << 30) {
    memory = std::make_shared<Budget>(memory_bytes);
    stage.emplace(true, Options{.tail_bytes_max = 4'000, .replay_bytes_max = 3'000});
    stage->memory = memory;
    stage->start();
    follower = &stage->subscribe(key, query);
    stage->active(key, *query, 0xabc, 100);
    stage->progress(100, 100);
    stage->source.wait_begun(1);
  }
  void write(int count) {
    for (int i = 0; i < count; ++i) {
      stage->diff(key, ++lsn, std::string(1'000, 'x'));
      // Each in a batch of its own: only whole batches go.
      stage->settle(lsn, lsn);
    }
  }
  /// The time for a round of relief comes, and is used.
  void relieve() {
    stage->clock.advance(std::chrono::milliseconds(100));
    for (int i = 0; i < 2; ++i, ++lsn) stage->settle(lsn + 1, lsn + 1);  // the second comes after the round
  }
  void land() { stage->source.release({.fence = {Lsn(100), std::nullopt}}); }

  const std::shared_ptr<const query::Query> query = query_for(1);
  const std::string key = "t/things/1";
  std::shared_ptr<Budget> memory;
  std::optional<Stage> stage;
  Follower* follower = nullptr;
  std::uint64_t lsn = 100;
};

TEST_F(PinnedTest, rule_19_what_came_since_the_flight_began_is_kept_beyond_the_tails_bound) {
  make();
  write(30);
  land();
  stage->until_live(*follower);
  EXPECT_EQ(follower->got.size(), 30u);
  EXPECT_EQ(stage->source.begun(), 1);
}

TEST_F(PinnedTest, rule_20_it_is_kept_until_everybody_has_joined_and_no_longer) {
  make();
  follower->stalls = true;  // it has its snapshot, and does not fetch the rest
  land();
  stage->until([&] { return !follower->snapshots.empty(); });
  write(30);
  EXPECT_GT(memory->used(), 30'000u);
  follower->stalls = false;
  stage->catch_up(*follower);
  stage->until_live(*follower);
  EXPECT_EQ(follower->got.size(), 30u);
  EXPECT_EQ(stage->source.begun(), 1);
  write(1);
  EXPECT_LT(memory->used(), 10'000u);
}

TEST_F(PinnedTest, rule_19_a_pin_of_one_that_leaves_is_gone_with_it) {
  make();
  follower->stalls = true;
  land();
  stage->until([&] { return !follower->snapshots.empty(); });
  write(10);
  stage->unsubscribe(*follower);
  write(10);
  EXPECT_LT(memory->used(), 10'000u);
}

TEST_F(PinnedTest, rule_20_who_loses_two_races_is_told_to_come_back_later) {
  make(20'000);
  for (int race = 1; race <= 2; ++race) {
    stage->source.wait_begun(race);
    write(40);
    relieve();
    land();
  }
  stage->until([&] { return follower->refused.has_value(); });
  EXPECT_EQ(follower->refused->code, protocol::ErrorCode::unavailable);
  EXPECT_TRUE(follower->refused->retry_ms.has_value());
  EXPECT_TRUE(follower->snapshots.empty());
  EXPECT_TRUE(stage->has_metric(R"(tidegate_memory_relief_total{step="tails"})"));
}

TEST_F(PinnedTest, rule_20_who_loses_the_tail_twice_after_its_snapshot_is_told_to_come_back_later) {
  make(20'000);
  follower->stalls = true;
  for (std::size_t race = 1; race <= 2; ++race) {
    land();
    stage->until([&] { return follower->snapshots.size() == race; });
    write(40);
    relieve();
    stage->catch_up(*follower);
  }
  stage->until([&] { return follower->refused.has_value(); });
  EXPECT_EQ(follower->refused->code, protocol::ErrorCode::unavailable);
  EXPECT_TRUE(follower->refused->retry_ms.has_value());
}

TEST_F(PinnedTest, rule_26_shards_are_told_of_batches_that_somebody_may_still_hold) {
  make();
  land();
  stage->until_live(*follower);
  stage->hold = true;  // as an outbox does
  write(10);
  ASSERT_FALSE(stage->evicted.empty());
  stage->hold = false;
  stage->held.clear();
  write(10);  // nobody holds these
  const std::size_t told = stage->evicted.size();
  write(10);
  EXPECT_EQ(stage->evicted.size(), told);
}

// Each step is taken only where the one before it was not enough.
TEST_F(PinnedTest, rule_27_pressure_is_met_in_its_order) {
  make(50'000);
  land();
  stage->until_live(*follower);
  const auto steps = [&] {
    std::string taken;
    for (const char* step : {"tails", "places", "spools", "refused", "debtors"}) {
      if (!stage->has_metric(std::string(R"(tidegate_memory_relief_total{step=")") + step + "\"} 0"))
        taken += step + std::string(" ");
    }
    return taken;
  };
  write(1);
  relieve();
  EXPECT_EQ(steps(), "");
  Charge others(memory);
  others.set(49'000);
  write(1);
  relieve();
  EXPECT_EQ(steps(), "tails ");
  EXPECT_LE(memory->used(), 50'000u);
  others.set(60'000);  // what no tail can give
  relieve();
  EXPECT_EQ(steps(), "tails places ");
  ASSERT_EQ(stage->relieved.size(), 1u);
  EXPECT_FALSE(stage->relieved[0].cut);
  relieve();
  EXPECT_EQ(steps(), "tails places spools ");
  relieve();
  Follower& late = stage->subscribe("t/things/2", query_for(2));
  stage->active("t/things/2", *query_for(2), 0xdef, lsn);
  stage->progress(lsn, lsn);
  stage->until([&] { return late.refused.has_value(); });
  EXPECT_EQ(late.refused->code, protocol::ErrorCode::unavailable);
  EXPECT_TRUE(late.refused->retry_ms.has_value());
  EXPECT_EQ(steps(), "tails places spools refused ");
  relieve();
  EXPECT_EQ(steps(), "tails places spools refused debtors ");
  EXPECT_TRUE(stage->relieved.back().cut);
  others.set(0);
  relieve();
  const std::size_t relieved = stage->relieved.size();
  relieve();
  EXPECT_EQ(stage->relieved.size(), relieved) << "and nothing any more";
}

class SpoolingTest : public ::testing::Test {
 protected:
  /// A snapshot of about 100 kB begins.
  void begin(const Options& options) {
    stage.emplace(true, options);
    stage->start();
    const auto query = query_for(1);
    follower = &stage->subscribe("t/things/1", query);
    stage->active("t/things/1", *query, 0xabc, 100);
    stage->progress(100, 100);
    stage->source.wait_begun(1);
  }
  void end() {
    ScriptedSource::Answer answer{.fence = {Lsn(100), std::nullopt}};
    for (int i = 0; i < 100; ++i) answer.rows.push_back(thing(i, std::string(1'000, 'x')));
    stage->source.release(std::move(answer));
  }
  void expect_unavailable(const std::string& reason) {
    stage->until([&] { return follower->refused.has_value(); });
    EXPECT_EQ(follower->refused->code, protocol::ErrorCode::unavailable);
    EXPECT_TRUE(follower->refused->retry_ms.has_value());
    EXPECT_TRUE(stage->has_metric("tidegate_feed_snapshots_unspooled_total{reason=\"" + reason + "\"} 1"));
  }
  std::optional<Stage> stage;
  Follower* follower = nullptr;
};

TEST_F(SpoolingTest, rule_20_a_snapshot_above_the_bound_is_served_out_of_its_file) {
  begin({.spool_memory_bytes = 25'000, .snapshot_part_bytes = 10'000});
  end();
  stage->until_live(*follower);
  const Spool& spool = *follower->snapshots.at(0).spool;
  EXPECT_GE(spool.parts(), 10u);
  EXPECT_LE(spool.memory_bytes(), 25'000u);
  std::string rows;
  for (std::size_t part = 0; part < spool.parts(); ++part) {
    if (const auto held = spool.in_memory(part)) {
      rows += *held;
    } else {
      ASSERT_TRUE(spool.read(part, rows).ok());
    }
  }
  std::size_t titles = 0;
  for (std::size_t at = 0; (at = rows.find("xxx\"", at)) != std::string::npos; ++at) ++titles;
  EXPECT_EQ(titles, 100u);
}

TEST_F(SpoolingTest, rule_20_beyond_the_budget_of_all_files_a_snapshot_is_unavailable) {
  begin({.spool_memory_bytes = 0, .spool_bytes_max = 50'000, .snapshot_part_bytes = 10'000});
  end();
  expect_unavailable("budget");
}

TEST_F(SpoolingTest,
       rule_20_a_snapshot_that_nobody_reads_gives_its_room_back_when_it_serves_nobody_any_more) {
  begin({.spool_memory_bytes = 0, .spool_bytes_max = 150'000, .snapshot_part_bytes = 10'000});
  end();
  stage->until_live(*follower);
  const std::weak_ptr<const Spool> first = follower->snapshots.at(0).spool;
  follower->snapshots.clear();  // written
  EXPECT_FALSE(first.expired()) << "who comes soon is served by it";
  stage->clock.advance(std::chrono::milliseconds(5'001));
  const auto query = query_for(2);
  Follower& other = stage->subscribe("t/things/2", query);
  stage->active("t/things/2", *query, 0xdef, 100);
  stage->progress(100, 100);
  stage->source.wait_begun(2);
  EXPECT_TRUE(first.expired());
  end();
  stage->until([&] { return other.live || other.refused; });
  EXPECT_TRUE(other.live) << "there is no room for two";
}

TEST_F(SpoolingTest, rule_20_a_snapshot_that_is_read_for_a_minute_is_given_up) {
  begin({});
  stage->clock.advance(std::chrono::seconds(60));
  end();
  expect_unavailable("late");
}

TEST(FeedStartTest, rule_20_a_directory_for_spools_that_is_not_there_is_named_at_the_start) {
  Stage stage(true);
  Feed feed({stage.log, &stage.registry, &stage.source, stage.clock, stage.metrics, {stage.shard.port()}},
            {.spool_directory = "/no/such/directory"});
  const Status status = feed.start();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("/no/such/directory"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::feed
