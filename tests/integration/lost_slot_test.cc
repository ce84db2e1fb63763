// Issue 5's point 8: a slot that lost its WAL, or that somebody dropped, costs everybody a snapshot, few at a
// time, and nothing else; and an idle database keeps no WAL that others of its server write.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "integration/deployed.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

constexpr int kClients = 40;
constexpr int kSnapshotsAtOnce = 2 * 4;  // two gateways, `--snapshot-threads` each

class LostSlot : public Deployed {
 protected:
  static void SetUpTestSuite() {
    server = std::make_unique<rig::PostgresServer>(rig::PostgresServer::Settings{
        {"max_slot_wal_keep_size", "96MB"}, {"min_wal_size", "32MB"}, {"max_wal_size", "64MB"}});
    broker = std::make_unique<rig::KafkaBroker>();
    server->create_database("elsewhere");
  }

  /// Each with a query that nobody else has.
  void watch(std::size_t gateways) {
    sql.exec("insert into orders select i, 'new', i, i, null from generate_series(1, 20) i");
    for (int i = 0; i < kClients; ++i) {
      const int port = deployment->port(static_cast<Who>(static_cast<std::size_t>(i) % gateways));
      watchers.push_back(std::make_unique<Watcher>(
          loop, port, R"("sql":"select id from orders where id <> -)" + std::to_string(i + 1) + '"', "json"));
    }
    for (const auto& each : watchers) ASSERT_TRUE(each->wait_whole()) << each->standing();
  }
  /// Others write until the slot of that name is lost, or gone since it was.
  void lose(const std::string& slot) {
    rig::Sql elsewhere(server->url("elsewhere"));
    const std::string there = "select count(*) from pg_replication_slots where slot_name like '" + slot +
                              "' and wal_status <> 'lost'";
    ASSERT_EQ(sql.value(there), "1");
    for (int i = 0; i < 60 && sql.value(there) != "0"; ++i) {
      elsewhere.exec("select pg_logical_emit_message(false, 'x', repeat('x', 10000000)); checkpoint");
    }
    ASSERT_EQ(sql.value(there), "0");
  }
  void expect_everybody_holds(int rows) {
    for (const auto& each : watchers) {
      const auto there = [&] {
        return each->counts().snapshots >= 2 && each->rows().size() == static_cast<std::size_t>(rows);
      };
      EXPECT_TRUE(rig::eventually(there)) << each->standing();
    }
  }

  rig::Sql sql{url};
  std::vector<std::unique_ptr<Watcher>> watchers;
};

TEST_F(LostSlot, an_idle_database_keeps_no_wal_that_others_write) {
  ASSERT_NO_FATAL_FAILURE(deploy());
  rig::Sql elsewhere(server->url("elsewhere"));
  elsewhere.exec("select pg_logical_emit_message(true, 'x', repeat('x', 10000000))");
  const std::string written = elsewhere.value("select pg_current_wal_lsn()");
  const auto passed = [&](const std::string& column) {
    return sql.value("select " + column + " >= '" + written +
                     "' from pg_replication_slots where slot_name = '" + name + "'") == "t";
  };
  EXPECT_TRUE(rig::eventually([&] { return passed("confirmed_flush_lsn"); }));
  EXPECT_TRUE(rig::eventually([&] {
    elsewhere.exec("checkpoint");  // restart_lsn moves where the server notes who is running
    return passed("restart_lsn");
  }));
}

TEST_F(LostSlot, rule_10_a_slot_that_was_dropped_is_made_anew_and_everybody_is_exact_afterwards) {
  ASSERT_NO_FATAL_FAILURE(deploy());
  const auto crowd = gather();
  const auto epoch = epoch_of(*crowd);
  const std::string of_slot = "from pg_replication_slots where slot_name = '" + name + "'";
  const auto dropped = [&] {
    sql.exec("select pg_terminate_backend(active_pid) " + of_slot + " and active");
    try {
      return !sql.exec("select pg_drop_replication_slot(slot_name) " + of_slot).empty();
    } catch (const rig::SqlError&) {
      return false;  // it is active still, or again
    }
  };
  ASSERT_TRUE(rig::eventually(dropped));
  say("is dropped");
  EXPECT_TRUE(rig::eventually([&] {
    return deployment->output(Deployment::matcher).find(name + " was dropped") != std::string::npos;
  }));
  EXPECT_TRUE(rig::eventually([&] {
    return std::all_of(crowd->stayers().begin(), crowd->stayers().end(),
                       [&](const auto& each) { return each.watcher->cursor()->epoch != epoch; });
  }));
  say("is a new epoch");
  wait_ready();
  expect_exact(*crowd);
  EXPECT_NE(epoch_of(*crowd), epoch);
}

TEST_F(LostSlot, rule_10_a_slot_that_lost_its_wal_is_made_anew_and_snapshots_come_few_at_a_time) {
  ASSERT_NO_FATAL_FAILURE(deploy());
  ASSERT_NO_FATAL_FAILURE(watch(2));
  const Epoch epoch = watchers[0]->cursor()->epoch;
  deployment->supervise(Deployment::matcher, false);
  deployment->signal(Deployment::matcher, SIGSTOP);
  sql.exec("insert into orders select i, 'new', i, i, null from generate_series(21, 30) i");
  ASSERT_NO_FATAL_FAILURE(lose(name));
  sql.exec("insert into orders select i, 'new', i, i, null from generate_series(31, 35) i");
  deployment->signal(Deployment::matcher, SIGCONT);
  EXPECT_EQ(deployment->wait_ended(Deployment::matcher), 1) << "what it has read of the slot is not whole";
  const std::string said = deployment->output(Deployment::matcher);
  EXPECT_NE(said.find("fell behind max_slot_wal_keep_size"), std::string::npos) << said;

  // Whoever takes a snapshot now waits for the table.
  rig::Sql locker(url);
  locker.exec("begin; lock table orders in access exclusive mode");
  deployment->supervise(Deployment::matcher, true);
  int most = 0;
  const auto waiting = [&] {
    const int now = std::stoi(
        sql.value("select count(*) from pg_locks where not granted and relation = 'orders'::regclass"));
    most = std::max(most, now);
    return now == kSnapshotsAtOnce;
  };
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(rig::eventually(waiting));
  EXPECT_EQ(most, kSnapshotsAtOnce) << "the database must not have to take all of them at once";
  locker.exec("commit");
  expect_everybody_holds(35);
  for (const auto& each : watchers) EXPECT_NE(each->cursor()->epoch, epoch);
  EXPECT_GE(deployment->resets("epoch"), kClients);
}

TEST_F(LostSlot, rule_10_a_slot_that_was_dropped_while_no_matcher_ran_is_made_anew_too) {
  ASSERT_NO_FATAL_FAILURE(deploy());
  ASSERT_NO_FATAL_FAILURE(watch(2));
  const Epoch epoch = watchers[0]->cursor()->epoch;
  deployment->supervise(Deployment::matcher, false);
  deployment->signal(Deployment::matcher, SIGTERM);
  EXPECT_EQ(deployment->wait_ended(Deployment::matcher), 0);
  // The server notices a moment later that the matcher has gone.
  const std::string of_slot = "from pg_replication_slots where slot_name = '" + name + "'";
  ASSERT_TRUE(rig::eventually([&] { return sql.value("select active " + of_slot) == "f"; }));
  sql.exec("select pg_drop_replication_slot('" + name + "')");
  sql.exec("insert into orders values (21, 'new', 1, 1, null)");
  deployment->supervise(Deployment::matcher, true);
  expect_everybody_holds(21);
  for (const auto& each : watchers) EXPECT_NE(each->cursor()->epoch, epoch);
}

TEST_F(LostSlot, rule_28_on_one_node_it_begins_anew_at_the_same_port) {
  ASSERT_NO_FATAL_FAILURE(deploy_one_node());
  ASSERT_NO_FATAL_FAILURE(watch(1));
  const int port = deployment->port(Deployment::first);
  deployment->signal(Deployment::first, SIGSTOP);
  sql.exec("insert into orders values (21, 'new', 1, 1, null)");
  ASSERT_NO_FATAL_FAILURE(lose("tidegate\\_%"));
  deployment->signal(Deployment::first, SIGCONT);
  for (const auto& each : watchers) {
    EXPECT_TRUE(rig::eventually([&] { return !each->fault().empty(); })) << "is told to come back";
  }
  EXPECT_TRUE(deployment->wait_ready(Deployment::first));
  EXPECT_EQ(deployment->port(Deployment::first), port);
  for (const auto& each : watchers) each->reconnect(port);
  expect_everybody_holds(21);
}

}  // namespace
}  // namespace tidegate::test
