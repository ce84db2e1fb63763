// The cost of a change is its own subscribers: counted, not timed.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <functional>
#include <iostream>

#include "integration/reference.h"
#include "integration/watcher.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

constexpr int kSessions = 10'000;
constexpr int kAtOnce = 500;  // handshakes under way, so that no backlog of the kernel's overflows

/// A shop with 10,000 orders, and a gateway over it.
class ManyQueries : public ::testing::Test {
 protected:
  ManyQueries() : url(server.create_database("shop")), sql(url) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    EXPECT_GT(files.rlim_cur, static_cast<rlim_t>(kSessions + 100))
        << "this machine lets a process open too few files";
    sql.exec("create table orders (id integer primary key, status text not null)");
    sql.exec("insert into orders select i, 'new' from generate_series(1, 10000) i");
    rig::Tidegate setup({"setup", "--database", url}, {}, false);
    EXPECT_EQ(setup.process().wait(), 0) << setup.output();
    // Nothing is written that only time brings: however long it takes to open all sessions.
    gateway = std::make_unique<rig::Tidegate>(std::vector<std::string>{
        "serve", "--database", url, "--auth", "none", "--ping-interval-ms", "3600000", "--idle-timeout-ms",
        "7200000", "--progress-interval-ms", "3600000", "--stale-after-ms", "3600000"});
    gateway->wait_ready();
  }

  /// Opens sessions, the next one's query from `query(number)`, and waits until all are live.
  void open(int sessions, const std::function<std::string(int)>& query) {
    for (int number = 1; number <= sessions; ++number) {
      watchers.push_back(
          std::make_unique<Watcher>(loop, gateway->port(), R"("sql":")" + query(number) + R"(")", ""));
      if (number <= kAtOnce) continue;
      Watcher& earlier = *watchers[static_cast<std::size_t>(number - kAtOnce - 1)];
      ASSERT_TRUE(earlier.wait_whole()) << earlier.fault();
    }
    for (const auto& watcher : watchers) ASSERT_TRUE(watcher->wait_whole()) << watcher->fault();
    ASSERT_TRUE(rig::eventually([&] { return metric("tidegate_caught_up_total") == sessions; }));
  }

  [[nodiscard]] double metric(std::string_view name) const { return gateway->metric(name); }

  rig::PostgresServer server;
  std::string url;
  rig::Sql sql;
  std::unique_ptr<rig::Tidegate> gateway;
  client::Loop loop;
  std::vector<std::unique_ptr<Watcher>> watchers;
};

TEST_F(ManyQueries, of_10000_sessions_on_10000_queries_one_change_reaches_one) {
  open(kSessions, [](int id) { return "select id, status from orders where id = " + std::to_string(id); });
  EXPECT_EQ(metric("tidegate_connections"), kSessions);
  EXPECT_EQ(metric("tidegate_matcher_queries"), kSessions);

  const double evaluations = metric("tidegate_matcher_evaluations_total");
  const double encoded = metric("tidegate_feed_frames_encoded_total");
  const double probed = metric("tidegate_subscriptions_probed_total");
  const double delivered = metric("tidegate_frames_delivered_total");
  const double sends = metric("tidegate_sends_total");
  sql.exec("update orders set status = 'paid' where id = 777");
  ASSERT_TRUE(watchers[776]->wait_for(fingerprint({{"[777]", R"({"id":777,"status":"paid"})"}})));
  EXPECT_LE(metric("tidegate_matcher_evaluations_total") - evaluations, 2) << "the old row and the new one";
  EXPECT_EQ(metric("tidegate_feed_frames_encoded_total") - encoded, 1);
  EXPECT_EQ(metric("tidegate_subscriptions_probed_total") - probed, 1);
  EXPECT_EQ(metric("tidegate_frames_delivered_total") - delivered, 1);
  EXPECT_LE(metric("tidegate_sends_total") - sends, 1);
}

TEST_F(ManyQueries, of_500_sessions_on_one_query_a_record_is_encoded_once_and_written_with_its_neighbours) {
  constexpr int kReaders = 500;
  constexpr int kChanges = 100;
  open(kReaders, [](int) { return "select id, status from orders where id <= 3"; });
  EXPECT_EQ(metric("tidegate_matcher_queries"), 1);
  EXPECT_LE(metric("tidegate_feed_snapshots_total"), kReaders) << "one flight for all who wait";
  const double encoded = metric("tidegate_feed_frames_encoded_total");
  const double delivered = metric("tidegate_frames_delivered_total");
  const double sends = metric("tidegate_sends_total");
  for (int i = 0; i < kChanges; ++i)
    sql.exec("update orders set status = '" + std::to_string(i) + "' where id = 2");
  const auto last = fingerprint({{"[1]", R"({"id":1,"status":"new"})"},
                                 {"[2]", R"({"id":2,"status":"99"})"},
                                 {"[3]", R"({"id":3,"status":"new"})"}});
  for (const auto& watcher : watchers) ASSERT_TRUE(watcher->wait_for(last)) << watcher->fault();
  EXPECT_EQ(metric("tidegate_feed_frames_encoded_total") - encoded, kChanges);
  EXPECT_EQ(metric("tidegate_frames_delivered_total") - delivered, kReaders * kChanges);
  const double calls = metric("tidegate_sends_total") - sends;
  std::cout << kReaders * kChanges << " frames in " << calls << " writes\n";
  EXPECT_LE(calls, kReaders * kChanges);
}

}  // namespace
}  // namespace tidegate::test
