// What an operator sees: health, readiness, metrics, log lines, the terminal client, an orderly end.
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <mutex>
#include <sstream>

#include "client/client.h"
#include "integration/reference.h"
#include "integration/watcher.h"
#include "rig/postgres.h"
#include "rig/process.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

class Outside : public ::testing::Test {
 protected:
  Outside() : url(server.create_database("shop")), sql(url) {
    sql.exec("create table orders (id integer primary key, status text not null)");
    sql.exec("insert into orders values (1, 'new')");
    rig::Tidegate setup({"setup", "--database", url}, {}, false);
    EXPECT_EQ(setup.process().wait(), 0) << setup.output();
  }

  std::vector<std::string> serve() const { return {"serve", "--database", url, "--auth", "none"}; }

  rig::PostgresServer server;
  std::string url;
  rig::Sql sql;
};

TEST_F(Outside, is_healthy_at_once_and_ready_when_the_database_is_there) {
  server.stop();
  rig::Tidegate gateway(serve());
  EXPECT_EQ(rig::http(gateway.port(), "GET", "/healthz").status, 200);
  const auto waiting = rig::http(gateway.admin_port(), "GET", "/readyz");
  EXPECT_EQ(waiting.status, 503);
  EXPECT_NE(waiting.body.find("not ready"), std::string::npos);
  server.start();
  gateway.wait_ready();
}

TEST_F(Outside, rule_28_readyz_names_the_transactions_that_the_slot_waits_for) {
  rig::Sql open(url);
  open.exec("begin; insert into orders values (2, 'new')");
  rig::Tidegate gateway(serve());
  const std::string named = "server process " + std::to_string(open.backend());
  EXPECT_TRUE(rig::eventually([&] {
    const auto waiting = rig::http(gateway.admin_port(), "GET", "/readyz");
    return waiting.status == 503 && waiting.body.find(named) != std::string::npos;
  }));
  open.exec("commit");
  gateway.wait_ready();
}

TEST_F(Outside, goes_on_after_the_database_was_restarted) {
  rig::Tidegate gateway(serve());
  gateway.wait_ready();
  server.restart(rig::PostgresServer::Stop::immediate);
  gateway.wait_ready();
  rig::Sql again(url);
  again.exec("insert into orders values (2, 'new')");
  ASSERT_TRUE(rig::eventually([&] {
    client::Loop loop;
    Watcher watcher(loop, gateway.port(), R"("sql":"select id, status from orders")", "json");
    return watcher.wait_whole(5s) && watcher.rows().size() == 2;
  }));
}

TEST_F(Outside, counts_what_happens) {
  rig::Tidegate gateway(serve());
  gateway.wait_ready();
  client::Loop loop;
  Watcher good(loop, gateway.port(), R"("sql":"select id, status from orders")", "json");
  Watcher bad(loop, gateway.port(), R"("sql":"select id from nowhere")", "json");
  ASSERT_TRUE(good.wait_whole()) << good.fault();
  sql.exec("insert into orders values (2, 'new')");
  ASSERT_TRUE(rig::eventually([&] { return good.rows().size() == 2; }));
  ASSERT_TRUE(rig::eventually([&] { return bad.fault() == "error unknown_table"; }));
  EXPECT_EQ(gateway.metric("tidegate_connections"), 2);
  EXPECT_EQ(gateway.metric("tidegate_subscriptions"), 1);
  EXPECT_GE(gateway.metric("tidegate_frames_delivered_total"), 1);
  EXPECT_GE(gateway.metric("tidegate_snapshots_delivered_total"), 1);
  EXPECT_EQ(gateway.metric("tidegate_errors_total"), 1);
}

TEST_F(Outside, every_stage_of_a_commit_s_journey_is_timed) {
  rig::Tidegate gateway(serve());
  gateway.wait_ready();
  client::Loop loop;
  Watcher watcher(loop, gateway.port(), R"("sql":"select id, status from orders")", "json");
  ASSERT_TRUE(watcher.wait_whole()) << watcher.fault();
  for (int id = 2; id <= 4; ++id) {
    sql.exec("insert into orders values (" + std::to_string(id) + ", 'new')");
    ASSERT_TRUE(rig::eventually([&] { return watcher.rows().size() == static_cast<std::size_t>(id); }));
  }
  const auto count = [&](const std::string& stage) {
    return gateway.metric("tidegate_stage_seconds_count{stage=\"" + stage + "\"}");
  };
  for (const char* stage : {"received", "appended", "acknowledged", "logged", "posted", "taken", "written"}) {
    EXPECT_TRUE(rig::eventually([&] { return count(stage) >= 3; })) << stage;
  }
  EXPECT_EQ(gateway.metric("tidegate_commit_to_written_seconds_count"), 3);
  EXPECT_GT(gateway.metric("tidegate_commit_to_written_seconds_sum"), 0);
}

TEST_F(Outside, writes_its_log_as_json_lines) {
  rig::Tidegate gateway(serve());
  gateway.wait_ready();
  std::istringstream lines(gateway.output());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    boost::json::error_code failed;
    const auto value = boost::json::parse(line, failed);
    ASSERT_FALSE(failed) << line;
    for (const char* field : {"time", "level", "message"})
      EXPECT_TRUE(value.as_object().contains(field)) << line;
  }
  EXPECT_GE(count, 2);
}

TEST_F(Outside, tail_prints_the_rows_and_every_change) {
  rig::Tidegate gateway(serve());
  gateway.wait_ready();
  rig::Tidegate tail({"tail", "--url", "ws://" + gateway.address(), "--sql",
                      "select id, status from orders where status = 'new'"},
                     {}, false);
  ASSERT_TRUE(tail.process().wait_for_output(R"(= {"id":1,"status":"new"})")) << tail.output();
  sql.exec("insert into orders values (2, 'new')");
  ASSERT_TRUE(tail.process().wait_for_output(R"(+ {"id":2,"status":"new"})")) << tail.output();
  sql.exec("update orders set status = 'paid' where id = 1");
  ASSERT_TRUE(tail.process().wait_for_output("- [1]")) << tail.output();
  tail.process().signal(SIGTERM);
  EXPECT_EQ(tail.process().wait(), 0);
}

TEST_F(Outside, sigterm_drains_and_closes_with_1012) {
  rig::Tidegate gateway(serve());
  gateway.wait_ready();
  client::Loop loop;
  Watcher watcher(loop, gateway.port(), R"("sql":"select id, status from orders")", "json");
  ASSERT_TRUE(watcher.wait_whole()) << watcher.fault();
  gateway.process().signal(SIGTERM);
  EXPECT_EQ(gateway.process().wait(), 0) << gateway.output();
  ASSERT_TRUE(rig::eventually([&] { return !watcher.fault().empty(); }));
  EXPECT_EQ(watcher.fault(), "closed with 1012");
  EXPECT_TRUE(rig::eventually([&] { return sql.value("select count(*) from pg_replication_slots") == "0"; }))
      << "a temporary slot is gone with its process";
}

TEST_F(Outside, auth_none_listens_on_loopback_only) {
  rig::Tidegate open({"serve", "--database", url, "--auth", "none", "--listen", "0.0.0.0:0"}, {}, false);
  EXPECT_EQ(open.process().wait(), 2);
  EXPECT_NE(open.output().find("--listen 127.0.0.1:0"), std::string::npos) << open.output();
}

}  // namespace
}  // namespace tidegate::test
