// What everything stands on is lost, or stands still: a broker without its disk, a database that is stopped
// with its connections open. Clients are told that their data is stale, and converge when it is over.
#include <gtest/gtest.h>
#include <signal.h>

#include "integration/deployed.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

class Lost : public Deployed {
 protected:
  static void SetUpTestSuite() {
    // However long it stands still, it takes nobody for gone when it goes on.
    server =
        std::make_unique<rig::PostgresServer>(rig::PostgresServer::Settings{{"wal_sender_timeout", "0"}});
    broker = std::make_unique<rig::KafkaBroker>();
  }
  bool says(Who who, const std::string& words) const {
    return rig::eventually([&] { return deployment->readyz(who).find(words) != std::string::npos; });
  }
};

// A broker's default makes topics for whoever asks for one: nobody of ours may.
TEST_F(Lost, c9_rule_10_a_broker_that_lost_its_disk_is_set_up_anew_and_is_a_new_epoch) {
  ASSERT_NO_FATAL_FAILURE(deploy());
  const auto crowd = gather();
  const auto epoch = epoch_of(*crowd);
  const auto told = crowd->told_stale();
  broker->kill();
  broker->lose_disk();
  EXPECT_TRUE(crowd->wait_stale(told)) << "c10: stale data is called stale";
  say("is called stale");
  broker->start();
  say("is back, and empty");
  for (const Who who : {Deployment::first, Deployment::second}) {
    EXPECT_TRUE(says(who, "tidegate setup --kafka")) << deployment->readyz(who);
  }
  EXPECT_TRUE(rig::eventually([&] {
    return deployment->output(Deployment::matcher).find("run `tidegate setup") != std::string::npos;
  }));
  say("is told what to type");
  deployment->setup();
  wait_ready();
  say("ready");
  expect_exact(*crowd);
  EXPECT_NE(epoch_of(*crowd), epoch);
}

TEST_F(Lost, c10_a_database_that_stands_still_is_told_as_one_that_is_away_and_goes_on) {
  ASSERT_NO_FATAL_FAILURE(deploy({"--database-silence-ms", "1000"}));
  const auto crowd = gather();
  const auto epoch = epoch_of(*crowd);
  for (int round = 0; round < 2; ++round) {
    const auto told = crowd->told_stale();
    server->freeze();
    EXPECT_TRUE(crowd->wait_stale(told)) << "c10: stale data is called stale";
    EXPECT_TRUE(says(Deployment::matcher, "has said nothing for")) << deployment->readyz(Deployment::matcher);
    say("is called stale");
    server->thaw();
    wait_ready();
    say("ready");
  }
  expect_exact(*crowd);
  EXPECT_EQ(epoch_of(*crowd), epoch);
  EXPECT_EQ(deployment->metric(Deployment::matcher, "tidegate_postgres_stream_breaks_total"), 0)
      << "nothing was lost, so nothing begins anew";
}

// Its slot would be gone with the connection.
TEST_F(Lost, c10_rule_28_on_one_node_a_database_that_stands_still_costs_nobody_a_snapshot) {
  ASSERT_NO_FATAL_FAILURE(deploy_one_node({"--database-silence-ms", "1000", "--stale-after-ms", "2000"}));
  const auto crowd = gather(1);
  const auto epoch = epoch_of(*crowd);
  const auto told = crowd->told_stale();
  server->freeze();
  EXPECT_TRUE(crowd->wait_stale(told)) << "c10: stale data is called stale";
  server->thaw();
  EXPECT_TRUE(deployment->wait_ready(Deployment::first));
  expect_exact(*crowd);
  EXPECT_EQ(epoch_of(*crowd), epoch);
  EXPECT_EQ(deployment->resets("epoch"), 0);
}

}  // namespace
}  // namespace tidegate::test
