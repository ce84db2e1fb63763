// A gateway reads the partitions that its clients' queries lie in, and no others (rules 4, 17, 19).
#include <gtest/gtest.h>

#include <iostream>

#include "integration/judge.h"
#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using Words = std::vector<std::string>;

constexpr int kPartitions = 64;
constexpr int kRows = 200;  // a query each: nearly every partition has one

class Partitions : public ::testing::Test {
 protected:
  Partitions() : url(server.create_database("shop")) {
    Workload::create_table(url);
    broker.create_topic("shop.diffs", kPartitions);
    rig::Tidegate setup(command("setup"), {}, false);
    EXPECT_EQ(setup.process().wait(), 0) << setup.output();
    matcher = std::make_unique<rig::Tidegate>(command("match", {"--lease-ms", "60000"}));
    matcher->wait_ready();
  }
  Words command(const std::string& verb, const Words& more = {}) const {
    Words words{verb,      "--database", url,      "--kafka", broker.brokers(),
                "--topic", "shop.diffs", "--slot", "shop"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::unique_ptr<rig::Tidegate> serve(const Words& more = {}) const {
    Words flags{"--auth", "none", "--lease-ms", "60000", "--ack-within-ms", "60000"};
    flags.insert(flags.end(), more.begin(), more.end());
    auto gateway = std::make_unique<rig::Tidegate>(command("serve", flags));
    gateway->wait_ready();
    return gateway;
  }

  rig::PostgresServer server;
  rig::KafkaBroker broker;
  const std::string url;
  std::unique_ptr<rig::Tidegate> matcher;
  client::Loop loop;
};

std::string one_order(int id) {
  return R"("sql":"select id, qty from orders where id = )" + std::to_string(id) + "\"";
}

TEST_F(Partitions, only_those_of_a_gateway_s_own_queries_are_read) {
  rig::Sql sql(url);
  sql.exec("insert into orders select i, 'new', 0, 1, null from generate_series(1, " + std::to_string(kRows) +
           ") i");
  const auto some = serve();
  const auto every = serve();
  const auto all = serve({"--read-all-partitions"});
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int id = 1; id <= kRows; ++id) {
    watchers.push_back(std::make_unique<Watcher>(loop, every->port(), one_order(id), "json"));
  }
  for (const auto& watcher : watchers) ASSERT_TRUE(watcher->wait_whole()) << watcher->fault();
  Watcher one(loop, some->port(), one_order(kRows), "json");
  Watcher same(loop, all->port(), one_order(kRows), "json");
  ASSERT_TRUE(one.wait_whole()) << one.fault();
  ASSERT_TRUE(same.wait_whole()) << same.fault();
  EXPECT_LE(some->metric("tidegate_feed_partitions"), 2);
  EXPECT_GT(every->metric("tidegate_feed_partitions"), kPartitions / 2);
  EXPECT_EQ(all->metric("tidegate_feed_partitions"), kPartitions);

  const double before = some->metric("tidegate_feed_bytes_total");
  const double before_of_all = all->metric("tidegate_feed_bytes_total");
  constexpr int kUpdates = 20;
  for (int i = 1; i <= kUpdates; ++i) sql.exec("update orders set qty = " + std::to_string(i));
  const std::string last = R"({"id":200,"qty":20})";
  const auto has_all = [&](const Watcher& watcher) {
    return rig::eventually([&] {
      const auto rows = watcher.rows();
      return rows.size() == 1 && rows.begin()->second == last;
    });
  };
  EXPECT_TRUE(has_all(one) && has_all(same) && has_all(*watchers.back())) << one.standing();
  const double read = some->metric("tidegate_feed_bytes_total") - before;
  const double read_of_all = all->metric("tidegate_feed_bytes_total") - before_of_all;
  std::cout << kUpdates << " transactions of " << kRows << " diffs in " << kPartitions
            << " partitions: " << static_cast<long>(read) << " bytes read for one query, "
            << static_cast<long>(read_of_all) << " where all partitions are\n";
  EXPECT_LT(read * 8, read_of_all);
}

TEST_F(Partitions, rule_19_whoever_comes_and_goes_beside_commits_has_every_diff) {
  // Without lingering a partition is closed as soon as its last client has left.
  const auto first = serve({"--linger-ms", "50"});
  const auto second = serve({"--linger-ms", "50"});
  const Verdict verdict =
      judge_under_load(url, {first->port(), second->port()}, {.subscriptions = 150, .clients_max = 4});
  EXPECT_EQ(verdict.faults, 0u) << verdict.first;
  EXPECT_GT(verdict.diffs, 100u);
  EXPECT_GT(first->metric("tidegate_feed_partitions_opened_total"), 20);
  EXPECT_LT(first->metric("tidegate_feed_partitions"), kPartitions / 2);
}

}  // namespace
}  // namespace tidegate::test
