// The cost of a change is its own subscribers: counted, not timed.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "integration/reference.h"
#include "integration/watcher.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

constexpr int kSessions = 10'000;
constexpr int kAtOnce = 500;  // handshakes under way, so that no backlog of the kernel's overflows

TEST(ManyQueries, of_10000_sessions_on_10000_queries_one_change_reaches_one) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  ASSERT_GT(files.rlim_cur, static_cast<rlim_t>(kSessions + 100))
      << "this machine lets a process open too few files";

  rig::PostgresServer server;
  const std::string url = server.create_database("shop");
  rig::Sql sql(url);
  sql.exec("create table orders (id integer primary key, status text not null)");
  sql.exec("insert into orders select i, 'new' from generate_series(1, 10000) i");
  rig::Tidegate setup({"setup", "--database", url}, {}, false);
  ASSERT_EQ(setup.process().wait(60s), 0) << setup.output();
  rig::Tidegate gateway({"serve", "--database", url, "--auth", "none"});
  gateway.wait_ready();

  client::Loop loop;
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int id = 1; id <= kSessions; ++id) {
    const std::string query =
        R"("sql":"select id, status from orders where id = )" + std::to_string(id) + R"(")";
    watchers.push_back(std::make_unique<Watcher>(loop, gateway.port(), query, ""));
    if (id > kAtOnce) {
      Watcher& earlier = *watchers[static_cast<std::size_t>(id - kAtOnce - 1)];
      ASSERT_TRUE(earlier.wait_whole(60s)) << earlier.fault();
    }
  }
  for (const auto& watcher : watchers) ASSERT_TRUE(watcher->wait_whole(60s)) << watcher->fault();
  ASSERT_TRUE(rig::eventually([&] { return gateway.metric("tidegate_caught_up_total") == kSessions; }, 60s));
  EXPECT_EQ(gateway.metric("tidegate_connections"), kSessions);
  EXPECT_EQ(gateway.metric("tidegate_matcher_queries"), kSessions);

  const double evaluations = gateway.metric("tidegate_matcher_evaluations_total");
  const double encoded = gateway.metric("tidegate_feed_frames_encoded_total");
  const double probed = gateway.metric("tidegate_subscriptions_probed_total");
  const double delivered = gateway.metric("tidegate_frames_delivered_total");
  const double sends = gateway.metric("tidegate_sends_total");
  sql.exec("update orders set status = 'paid' where id = 777");
  ASSERT_TRUE(watchers[776]->wait_for(fingerprint({{"[777]", R"({"id":777,"status":"paid"})"}}), 20s));
  EXPECT_LE(gateway.metric("tidegate_matcher_evaluations_total") - evaluations, 2)
      << "the old row and the new one";
  EXPECT_EQ(gateway.metric("tidegate_feed_frames_encoded_total") - encoded, 1);
  EXPECT_EQ(gateway.metric("tidegate_subscriptions_probed_total") - probed, 1);
  EXPECT_EQ(gateway.metric("tidegate_frames_delivered_total") - delivered, 1);
  EXPECT_LE(gateway.metric("tidegate_sends_total") - sends, 1);
}

}  // namespace
}  // namespace tidegate::test
