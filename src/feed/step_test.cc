// A feed that is stepped by its caller, without a thread of its own: what the simulator stands on.

#include "feed/testing.h"

namespace tidegate::feed {
namespace {

using namespace std::chrono_literals;

TEST(FeedStepTest, asking_for_a_snapshot_reading_it_and_handing_it_on_are_three_steps) {
  Stage stage(true, {.snapshot_threads = 0});
  Feed feed({stage.log, &stage.registry, &stage.source, stage.clock, stage.metrics, {stage.shard.port()}},
            {.snapshot_threads = 0});
  ASSERT_TRUE(feed.start().ok());
  const auto query = query_for(1);
  ASSERT_TRUE(feed.post(SubscribeCommand{subscription_id(0, 1), "t/things/1", query}));
  EXPECT_FALSE(feed.work()) << "nothing waits before the query is active";
  ASSERT_TRUE(feed.step(0ms).ok());
  stage.active("t/things/1", *query, 5, 100);
  stage.progress(100, 100);
  while (stage.source.begun() == 0) {
    ASSERT_TRUE(feed.step(0ms).ok());
    stage.source.release({{Lsn(100), XidSnapshot{Xid(1), Xid(1), {}}}, {thing(1, "a")}});
    if (feed.work()) break;
  }
  EXPECT_EQ(stage.source.begun(), 1);
  const auto snapshot_has_come = [&stage] {
    bool come = false;
    while (!stage.shard.empty()) come |= std::holds_alternative<SnapshotReady>(stage.shard.next());
    return come;
  };
  EXPECT_FALSE(snapshot_has_come()) << "read, and not yet handled";
  ASSERT_TRUE(feed.step(0ms).ok());
  EXPECT_TRUE(snapshot_has_come());
  EXPECT_FALSE(feed.work());
}

TEST(FeedStepTest, a_replay_waits_for_its_step) {
  Stage stage(false);
  Feed feed({stage.log, nullptr, nullptr, stage.clock, stage.metrics, {stage.shard.port()}},
            {.snapshot_threads = 0});
  ASSERT_TRUE(feed.start().ok());
  stage.append(log::Kind::diff, Partition(0), "k", "a", 10);
  ASSERT_TRUE(feed.step(0ms).ok());
  ASSERT_TRUE(feed.post(
      SubscribeCommand{.subscription = subscription_id(0, 1), .routing_key = "k", .resume_from = Lsn(1)}));
  EXPECT_FALSE(feed.work());
  ASSERT_TRUE(feed.step(0ms).ok());
  EXPECT_TRUE(feed.work());
  EXPECT_FALSE(feed.work());
}

}  // namespace
}  // namespace tidegate::feed
