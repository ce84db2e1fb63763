// Invariants: no tenant has more threads or places than its share; whoever has less than its share of the
// threads is taken before another gets its next; a tenant's own come in their order; nothing is lost (rule
// 20).

#include "feed/snapshot_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "base/testing.h"
#include "feed/testing.h"

namespace tidegate::feed {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

SnapshotJob job(const std::string& tenant, std::uint64_t number = 0) {
  return {.flight = number, .tenant = tenant};
}
Options sizes(int threads, std::size_t waiting, int percent) {
  Options options;
  options.snapshot_threads = threads;
  options.snapshot_queue_max = waiting;
  options.snapshot_tenant_percent = percent;
  return options;
}
bool waits(SnapshotQueue& queue, const std::string& tenant, std::uint64_t number = 0) {
  return !queue.push(job(tenant, number));
}
std::string taken(SnapshotQueue& queue) {
  const auto next = queue.take();
  return next ? next->tenant : "nobody";
}

TEST(SnapshotQueueTest, rule_20_a_tenant_has_its_share_of_the_threads_and_the_others_go_on) {
  SnapshotQueue queue(sizes(4, 100, 50));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(waits(queue, "greedy"));
  EXPECT_EQ(taken(queue), "greedy");
  EXPECT_EQ(taken(queue), "greedy");
  EXPECT_EQ(taken(queue), "nobody") << "two threads are free for others";
  ASSERT_TRUE(waits(queue, "modest"));
  EXPECT_EQ(taken(queue), "modest");
  queue.done("greedy", milliseconds(5));
  EXPECT_EQ(taken(queue), "greedy");
  EXPECT_EQ(queue.waiting(), 7u);
}

TEST(SnapshotQueueTest, rule_20_tenants_come_in_turn_and_each_one_s_own_in_their_order) {
  SnapshotQueue queue(sizes(1, 100, 100));
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(waits(queue, "a", i));
  ASSERT_TRUE(waits(queue, "b"));
  ASSERT_TRUE(waits(queue, "c"));
  std::string order;
  std::uint64_t of_a = 0;
  while (const auto next = queue.take()) {
    order += next->tenant;
    if (next->tenant == "a") {
      EXPECT_EQ(next->flight, of_a++);
    }
    queue.done(next->tenant, milliseconds(1));
  }
  EXPECT_EQ(order, "abcaa");
}

TEST(SnapshotQueueTest, rule_20_a_tenant_s_share_of_the_places_is_bounded_and_so_are_all) {
  SnapshotQueue queue(sizes(2, 6, 50));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(waits(queue, "a"));
  const auto share = queue.push(job("a"));
  ASSERT_TRUE(share);
  EXPECT_TRUE(share->tenant);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(waits(queue, std::to_string(i)));
  const auto all = queue.push(job("late"));
  ASSERT_TRUE(all);
  EXPECT_FALSE(all->tenant);
  ASSERT_NE(taken(queue), "nobody");
  EXPECT_TRUE(waits(queue, "late"));
}

TEST(SnapshotQueueTest, rule_20_the_time_to_come_again_is_what_the_queue_takes) {
  SnapshotQueue queue(sizes(2, 20, 50));
  ASSERT_TRUE(waits(queue, "a"));
  ASSERT_EQ(taken(queue), "a");
  queue.done("a", milliseconds(2'000));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(waits(queue, "a"));
  EXPECT_EQ(queue.push(job("a"))->retry, milliseconds(20'000)) << "ten of 2 s on its one thread";
  ASSERT_EQ(taken(queue), "a");
  queue.done("a", milliseconds(1'000'000));
  ASSERT_TRUE(waits(queue, "a"));
  EXPECT_EQ(queue.push(job("a"))->retry, milliseconds(60'000)) << "at most a minute";
  SnapshotQueue quick(sizes(2, 1, 50));
  ASSERT_TRUE(waits(quick, "a"));
  EXPECT_EQ(quick.push(job("b"))->retry, milliseconds(1'000)) << "at least a second";
}

TEST(SnapshotQueueTest, rule_20_random_tenants_keep_to_their_shares_and_lose_nothing) {
  const unsigned seed = test_seed();
  std::mt19937 random(seed);
  SnapshotQueue queue(sizes(5, 40, 40));
  ASSERT_EQ(queue.tenant_threads(), 2u);
  ASSERT_EQ(queue.tenant_waiting_max(), 16u);
  std::map<std::string, std::deque<std::uint64_t>> waiting;
  std::map<std::string, std::size_t> running;
  std::uint64_t number = 0;
  for (int step = 0; step < 50'000; ++step) {
    const std::string tenant(1, static_cast<char>('a' + random() % 6));
    if (random() % 5 < 3) {
      const std::size_t all = queue.waiting();
      const bool room = all < 40 && waiting[tenant].size() < 16;
      ASSERT_EQ(waits(queue, tenant, ++number), room) << "seed " << seed;
      if (room) waiting[tenant].push_back(number);
    } else if (random() % 2 == 0) {
      const auto next = queue.take();
      if (!next) {
        for (const auto& [name, jobs] : waiting) ASSERT_TRUE(jobs.empty() || running[name] == 2u) << name;
        continue;
      }
      ASSERT_EQ(waiting[next->tenant].front(), next->flight) << "seed " << seed;
      waiting[next->tenant].pop_front();
      ASSERT_LE(++running[next->tenant], 2u) << "seed " << seed;
    } else if (running[tenant] > 0) {
      --running[tenant];
      queue.done(tenant, milliseconds(random() % 100));
    }
  }
}

// ---- seen by subscriptions ----

class SharesTest : public testing::Test {
 protected:
  explicit SharesTest(int threads = 2, std::size_t waiting = 4) : stage(true, sizes(threads, waiting, 50)) {
    stage.start();
    stage.progress(100, 100);
  }
  /// A query of its own for each number, of a tenant; its snapshot is asked for.
  Follower& ask(const std::string& tenant, int number) {
    const auto query = query_for(number);
    const std::string key = tenant + "/things/" + std::to_string(number);
    Follower& follower = stage.subscribe(key, query);
    stage.active(key, *query, static_cast<std::uint64_t>(number), 100);
    stage.progress(100, 100);
    stage.until([&] { return follower.accepted || follower.refused; });
    return follower;
  }
  void land() { stage.source.release({.fence = {Lsn(100), std::nullopt}}); }

  Stage stage;
};

TEST_F(SharesTest,
       rule_20_a_tenant_that_asks_for_many_snapshots_is_told_when_to_come_again_and_others_are_served) {
  std::vector<Follower*> greedy;
  for (int i = 1; i <= 4; ++i) {
    greedy.push_back(&ask("greedy", i));
    stage.source.wait_begun(1);
  }
  stage.until([&] { return greedy.back()->refused.has_value(); });
  EXPECT_EQ(greedy.back()->refused->code, protocol::ErrorCode::unavailable);
  EXPECT_NE(greedy.back()->refused->message.find("tenant"), std::string::npos);
  EXPECT_GE(greedy.back()->refused->retry_ms.value_or(0), 1'000);
  EXPECT_TRUE(stage.has_metric(R"(tidegate_feed_snapshots_refused_total{share="tenant"} 1)"));
  EXPECT_EQ(stage.source.begun(), 1) << "the other thread is not its";
  Follower& modest = ask("modest", 5);
  stage.source.wait_begun(2);
  for (int i = 0; i < 4; ++i) land();  // whichever of those that have begun gets it
  stage.until_live(modest);
  for (int i = 0; i < 3; ++i) stage.until_live(*greedy[static_cast<std::size_t>(i)]);
  EXPECT_EQ(stage.source.begun(), 4);
}

class PayingAccount final : public Account {
 public:
  void owe_reading(std::chrono::nanoseconds took, Steady) override { paid += took.count(); }
  void owe_rows(std::size_t, Steady) override {}
  void owe_replayed(std::size_t, Steady) override {}
  [[nodiscard]] bool may_replay(Steady) override { return true; }
  void hold_own(std::size_t) override {}
  [[nodiscard]] std::shared_ptr<const void> hold(std::shared_ptr<const void> snapshot, std::size_t) override {
    return snapshot;
  }
  [[nodiscard]] bool holds_too_much() const override { return false; }
  void count_waiting(Steady) override {}
  std::atomic<std::int64_t> paid{0};  // ns
};

TEST_F(SharesTest, trust_who_waits_for_a_snapshot_pays_its_part_of_the_time_also_who_leaves) {
  const auto first = std::make_shared<PayingAccount>();
  const auto second = std::make_shared<PayingAccount>();
  const auto query = query_for(1);
  stage.account = first;
  Follower& leaves = stage.subscribe("t/things/1", query);
  stage.account = second;
  Follower& stays = stage.subscribe("t/things/1", query);
  stage.active("t/things/1", *query, 1, 100);
  stage.progress(100, 100);
  stage.source.wait_begun(1);
  stage.unsubscribe(leaves);
  stage.clock.advance(4s);
  land();
  stage.until_live(stays);
  EXPECT_EQ(first->paid, std::chrono::nanoseconds(2s).count());
  EXPECT_EQ(second->paid, std::chrono::nanoseconds(2s).count());
  stage.account = nullptr;
  stage.until_live(stage.subscribe("t/things/1", query));
  EXPECT_EQ(second->paid, std::chrono::nanoseconds(2s).count()) << "what is reused costs nobody any time";
}

TEST_F(SharesTest, rule_20_above_the_queue_a_snapshot_is_unavailable_for_everybody) {
  std::vector<Follower*> asked;
  int number = 0;
  for (const char* tenant : {"a", "b", "c", "d", "e", "f"}) {
    asked.push_back(&ask(tenant, ++number));
    stage.source.wait_begun(std::min(number, 2));
  }
  Follower& late = ask("g", ++number);
  stage.until([&] { return late.refused.has_value(); });
  EXPECT_EQ(late.refused->code, protocol::ErrorCode::unavailable);
  EXPECT_TRUE(late.refused->retry_ms.has_value());
  EXPECT_TRUE(stage.has_metric(R"(tidegate_feed_snapshots_refused_total{share="all"} 1)"));
  for (int i = 0; i < 6; ++i) land();
  for (Follower* follower : asked) stage.until_live(*follower);
}

}  // namespace
}  // namespace tidegate::feed
