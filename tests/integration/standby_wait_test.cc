// Rules 1, 17 and 18 on one schedule, step by step: a commit is in the log and in the stream, and waits for a
// synchronous standby that is away, so that nobody may see it yet; meanwhile clients come, change and
// restart.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "integration/watcher.h"
#include "integration/workload.h"
#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using rig::Tidegate;
using Words = std::vector<std::string>;
using Program = std::unique_ptr<Tidegate>;
using Rows = std::map<std::string, std::string>;

std::string select(const std::string& condition) {
  return R"("sql":"select id, status, qty, total, note from orders where )" + condition + R"(")";
}
const std::string kAll = select("id > 0");

Rows rows_of(const std::vector<std::pair<int, std::string>>& statuses) {
  Rows rows;
  for (const auto& [id, status] : statuses) {
    const std::string text = std::to_string(id);
    rows["[" + text + "]"] =
        R"({"id":)" + text + R"(,"status":")" + status + R"(","qty":1,"total":"1.00","note":null})";
  }
  return rows;
}

class StandbyWait : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = std::make_unique<rig::PostgresServer>(); }
  static void TearDownTestSuite() { server.reset(); }

  StandbyWait() : name("wait" + std::to_string(++count)), url(server->create_database(name)), sql(url) {
    Workload::create_table(url);
    sql.exec("set synchronous_commit = local");
    sql.exec("insert into orders values (1, 'old', 1, 1, null)");
  }
  ~StandbyWait() override {
    name_absent_standby(sql, false);
    for (const Program* each : {&matcher, &gateway})
      if (HasFailure() && *each) std::cout << (*each)->output();
  }

  void setup() {
    Words words{"setup", "--database", url};
    Tidegate program(with_broker(std::move(words)), {}, false);
    EXPECT_EQ(program.process().wait(), 0) << program.output();
  }
  Words with_broker(Words words) const {
    if (broker) {
      const Words more{"--kafka", broker->brokers(), "--topic", name + ".diffs", "--slot", name};
      words.insert(words.end(), more.begin(), more.end());
    }
    return words;
  }
  Program serve(const Words& environment = {}) const {
    // No snapshot is given twice, so that each falls where the test wants it.
    return std::make_unique<Tidegate>(
        with_broker({"serve", "--database", url, "--auth", "none", "--snapshot-reuse-ms", "0"}), environment);
  }
  Program match() const { return std::make_unique<Tidegate>(with_broker({"match", "--database", url})); }

  std::unique_ptr<Watcher> watch(const std::string& query) {
    return std::make_unique<Watcher>(loop, gateway->port(), query, "json");
  }

  /// A gateway, and a client of it that has the rows of before.
  std::unique_ptr<Watcher> serve_one(std::vector<std::string> environment = {}) {
    setup();
    gateway = serve(std::move(environment));
    gateway->wait_ready();
    auto client = watch(kAll);
    EXPECT_TRUE(client->wait_for(fingerprint(rows_of({{1, "old"}})))) << client->fault();
    return client;
  }

  /// A session's commit of `statement` is streamed, which `witness` shows, and waits.
  void commit_that_waits(const std::string& statement, Watcher& witness, const Rows& after) {
    name_absent_standby(sql, true);
    first_to_wait = session_that_waits();
    int tries = 0;
    ASSERT_TRUE(rig::eventually([&] {
      const std::string message =
          "select pg_logical_emit_message(true, 'test', '" + std::to_string(++tries) + "')";
      first_to_wait->send(message);
      return waits(*first_to_wait, message) || (first_to_wait->finish(), false);
    })) << "the server did not take notice of the standby's name";
    writer = session_that_waits();
    ASSERT_TRUE(rig::eventually([&] { return writer->value("show synchronous_standby_names") == "absent"; }));
    writer->send(statement);
    ASSERT_TRUE(witness.wait_for(fingerprint(after))) << witness.fault();
    EXPECT_EQ(sql.value("select status from orders where id = 1"), "old") << "it is visible already";
  }
  std::unique_ptr<rig::Sql> session_that_waits() const {
    auto session = std::make_unique<rig::Sql>(url);
    session->exec("set synchronous_commit = on");
    return session;
  }
  /// Whether the statement that it was sent waits for a standby, once it waits or is done.
  bool waits(rig::Sql& session, const std::string& statement) {
    std::string state;
    rig::eventually([&] {
      const auto row = sql.exec("select query, state, wait_event from pg_stat_activity where pid = " +
                                std::to_string(session.backend()))[0];
      if (row[0] != statement) return false;
      state = row[2] == "SyncRep" ? "SyncRep" : row[1].value_or("");
      return state == "SyncRep" || state == "idle";
    });
    return state == "SyncRep";
  }
  void let_go() {
    name_absent_standby(sql, false);
    first_to_wait->finish();
    writer->finish();
    EXPECT_EQ(sql.value("select status from orders where id = 1"), "new");
  }
  /// The matcher has handled more, and said so: whatever V would have let through, it has.
  void others_go_on(int id, Watcher& witness, const Rows& after) {
    sql.exec("insert into orders values (" + std::to_string(id) + ", 'more', 1, 1, null)");
    ASSERT_TRUE(witness.wait_for(fingerprint(after))) << witness.fault();
    const Program& reports = matcher ? matcher : gateway;
    const double told = reports->metric("tidegate_matcher_progress_total");
    ASSERT_TRUE(
        rig::eventually([&] { return reports->metric("tidegate_matcher_progress_total") >= told + 2; }));
  }

  static std::unique_ptr<rig::PostgresServer> server;
  static int count;
  std::unique_ptr<rig::KafkaBroker> broker;
  const std::string name;
  const std::string url;
  rig::Sql sql;
  std::unique_ptr<rig::Sql> writer;
  std::unique_ptr<rig::Sql> first_to_wait;
  Program matcher;
  Program gateway;
  client::Loop loop;
};
std::unique_ptr<rig::PostgresServer> StandbyWait::server;
int StandbyWait::count = 0;

const std::string kChange = "update orders set status = 'new' where id = 1";

TEST_F(StandbyWait, rule_18_who_joins_a_query_then_gets_the_commit_behind_its_snapshot) {
  const auto early = serve_one();
  const Rows changed = rows_of({{1, "new"}});
  commit_that_waits(kChange, *early, changed);
  const auto joins = watch(kAll);
  ASSERT_TRUE(joins->wait_for(fingerprint(changed))) << joins->fault();
  EXPECT_EQ(joins->spans().at(0).fingerprint, fingerprint(rows_of({{1, "old"}}))) << "what was visible";
  EXPECT_EQ(joins->counts().diffs, 1u);
  let_go();
  const Rows end = rows_of({{1, "new"}, {2, "more"}});
  others_go_on(2, *early, end);
  EXPECT_TRUE(joins->wait_for(fingerprint(end))) << joins->fault();
  for (const auto* each : {&early, &joins}) EXPECT_EQ((*each)->counts().snapshots, 1u);
}

TEST_F(StandbyWait, a_fence_by_lsn_alone_loses_the_commit) {
  const auto early = serve_one({"TIDEGATE_UNSAFE_LSN_FENCE=true"});
  commit_that_waits(kChange, *early, rows_of({{1, "new"}}));
  const auto joins = watch(kAll);
  ASSERT_TRUE(joins->wait_whole()) << joins->fault();
  let_go();
  others_go_on(2, *early, rows_of({{1, "new"}, {2, "more"}}));
  EXPECT_TRUE(joins->wait_for(fingerprint(rows_of({{1, "old"}, {2, "more"}}))))
      << "this schedule can't see the fault that the fence by xid closes";
}

TEST_F(StandbyWait, rule_17_a_new_query_waits_for_v_and_nobody_else_does) {
  const auto early = serve_one();
  commit_that_waits(kChange, *early, rows_of({{1, "new"}}));
  const auto late = watch(select("qty = 1"));
  others_go_on(2, *early, rows_of({{1, "new"}, {2, "more"}}));
  others_go_on(3, *early, rows_of({{1, "new"}, {2, "more"}, {3, "more"}}));
  EXPECT_EQ(late->counts().snapshots, 0u) << "V has not passed its registration";
  if (std::getenv("TIDEGATE_LONG") != nullptr) {  // it is told each half minute
    EXPECT_TRUE(rig::eventually([&] { return late->waits() > 0; }));
    EXPECT_EQ(late->counts().snapshots, 0u);
  }
  let_go();
  const Rows end = rows_of({{1, "new"}, {2, "more"}, {3, "more"}});
  EXPECT_TRUE(late->wait_for(fingerprint(end))) << late->fault();
  EXPECT_EQ(late->spans().at(0).fingerprint, fingerprint(end));
}

TEST_F(StandbyWait, a_gateway_that_restarts_then_is_ready_when_the_commit_is_seen) {
  const auto early = serve_one();
  commit_that_waits(kChange, *early, rows_of({{1, "new"}}));
  gateway->process().signal(SIGKILL);
  EXPECT_EQ(gateway->process().wait(), 128 + SIGKILL);
  gateway = serve();
  EXPECT_TRUE(rig::eventually([&] {
    return sql.value("select count(*) from pg_replication_slots where temporary and active") == "1";
  }));
  EXPECT_EQ(rig::http(gateway->admin_port(), "GET", "/readyz").status, 503)
      << "its slot waits for the transaction";
  let_go();
  gateway->wait_ready();
  early->reconnect(gateway->port());
  const Rows end = rows_of({{1, "new"}, {2, "more"}});
  sql.exec("insert into orders values (2, 'more', 1, 1, null)");
  EXPECT_TRUE(early->wait_for(fingerprint(end))) << early->fault();
}

TEST_F(StandbyWait, rule_1_a_matcher_and_gateway_that_restart_then_lose_nothing) {
  broker = std::make_unique<rig::KafkaBroker>();
  setup();
  matcher = match();
  gateway = serve();
  matcher->wait_ready();
  gateway->wait_ready();
  const auto early = watch(kAll);
  ASSERT_TRUE(early->wait_for(fingerprint(rows_of({{1, "old"}})))) << early->fault();
  Rows now = rows_of({{1, "new"}});
  commit_that_waits(kChange, *early, now);
  const std::string commit = std::to_string(early->spans().at(0).diffs.at(0).lsn.value());
  for (const int signal : {SIGTERM, SIGKILL}) {
    SCOPED_TRACE(signal);
    const int id = 2 + 2 * (signal == SIGKILL ? 1 : 0);
    now.merge(rows_of({{id, "more"}}));
    others_go_on(id, *early, now);
    matcher->process().signal(signal);
    EXPECT_EQ(matcher->process().wait(), signal == SIGTERM ? 0 : 128 + SIGKILL) << matcher->output();
    EXPECT_TRUE(rig::eventually([&] {
      return sql.value("select not active from pg_replication_slots where slot_name = '" + name + "'") == "t";
    }));
    EXPECT_EQ(sql.value("select confirmed_flush_lsn <= '0/0'::pg_lsn + " + commit +
                        " from pg_replication_slots where slot_name = '" + name + "'"),
              "t")
        << "the slot is confirmed above V";
    matcher = match();
    matcher->wait_ready();
    const auto late = watch(select("qty = 1 and id <> " + std::to_string(signal + 100)));
    now.merge(rows_of({{id + 1, "more"}}));
    others_go_on(id + 1, *early, now);
    EXPECT_EQ(late->counts().snapshots, 0u) << "the new reign does not know that the commit is doubtful";
  }
  EXPECT_EQ(early->counts().snapshots, 1u);
  gateway->process().signal(SIGKILL);
  EXPECT_EQ(gateway->process().wait(), 128 + SIGKILL);
  gateway = serve();
  gateway->wait_ready();
  early->reconnect(gateway->port());
  const auto late = watch(select("qty = 1"));
  let_go();
  EXPECT_TRUE(early->wait_for(fingerprint(now))) << early->fault();
  EXPECT_TRUE(late->wait_for(fingerprint(now))) << late->fault();
}

}  // namespace
}  // namespace tidegate::test
