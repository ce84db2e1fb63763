// C9: kill -9 of each process at each step of a commit's and of a subscription's journey. Clients converge,
// each step of each history is the reference's (nothing doubled, nothing lost), stale data is called stale.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <set>

#include "base/fault_point.h"
#include "integration/deployed.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using Who = Deployment::Who;

/// Diffs of a large row fit, transactions of large_transaction() don't.
const Deployment::Words kMemory{"--transaction-memory-bytes", "8MiB"};

/// Passed once a start, or once a client.
bool once(std::string_view point) {
  for (const char* name :
       {"gateway.half_written", "gateway.control_read", "matcher.slot_taken", "matcher.epoch_decided",
        "matcher.start_written", "matcher.first_progress", "matcher.fenced", "matcher.inherited"}) {
    if (point == name) return true;
  }
  return false;
}

/// Asks for more than a socket holds, and reads nothing: at whatever process listens there now.
class SlowReader {
 public:
  void follow(client::Loop& loop, const Deployment& deployment) {
    const int port = deployment.port(Deployment::first);
    if (port == port_ || !deployment.ready(Deployment::first)) return;
    port_ = port;
    client::Settings settings;
    settings.port = static_cast<std::uint16_t>(port);
    settings.subprotocols = {"tidegate.v1"};
    settings.receive_buffer_bytes = 4096;
    client_ = std::make_unique<client::Client>(loop, std::move(settings), client::Handlers{});
    client_->pause_reading();
    client_->send_text(R"({"op":"subscribe","hashId":"fat","sql":"select id, body from fat"})");
  }

 private:
  int port_ = 0;
  std::unique_ptr<client::Client> client_;
};

class Killed : public Deployed {
 protected:
  static void SetUpTestSuite() {
    // Blocks of what is open are streamed early, so that there are such steps at all.
    server = std::make_unique<rig::PostgresServer>(
        rig::PostgresServer::Settings{{"logical_decoding_work_mem", "64kB"}});
    broker = std::make_unique<rig::KafkaBroker>(
        rig::KafkaBroker::Settings{{"auto.create.topics.enable", "false"}});
  }

  /// Stops the process there, on the first to third passing by chance, and says so.
  bool stop_at(Who who, std::string_view point) {
    return stop_at(who, point, once(point) ? 1 : 1 + random() % 3);
  }
  bool stop_at(Who who, std::string_view point, std::size_t passing) {
    const std::string fault = std::string(point) + ":" + std::to_string(passing);
    // What those who stay and those who visit don't do by themselves.
    std::function<void()> meanwhile;
    if (point.starts_with("spill.")) meanwhile = [this] { large_transaction(); };
    if (point == "gateway.half_written") meanwhile = [this] { slow.follow(loop, *deployment); };
    const bool hit = deployment->stop_at(who, fault, meanwhile);
    say((hit ? "hit   " : "NEVER ") + fault);
    EXPECT_TRUE(hit) << fault << " was never passed";
    return hit;
  }

  /// More than kMemory holds, some of it of every query.
  void large_transaction() const {
    try {
      rig::Sql(url).exec(
          "insert into orders select 20000 + i, 'new', i, i, null from generate_series(1, 300) i on conflict "
          "(id) do update set qty = coalesce(orders.qty, 0) + 1; update fat set body = repeat('y', 500000) "
          "where id <= 10; update orders set total = qty where id > 20000");
    } catch (const rig::SqlError&) {  // a deadlock with a writer
    }
  }

 private:
  SlowReader slow;
};

using Points = std::vector<std::string_view>;

bool of_matcher(std::string_view point) {
  return point.starts_with("matcher.") || point.starts_with("stream.") || point.starts_with("spill.");
}

/// Those of the list that belong to the matcher or to gateways.
Points points_of(bool matcher) {
  Points points;
  for (const FaultPoint& point : kFaultPoints) {
    if (of_matcher(point.name) == matcher) points.push_back(point.name);
  }
  return points;
}

/// A few in `make test`, all with TIDEGATE_LONG=1.
Points few_or_all(Points few) {
  const char* wanted = std::getenv("TIDEGATE_LONG");
  if (wanted == nullptr || std::string_view(wanted) != "1") return few;
  Points all = points_of(true);
  for (const std::string_view point : points_of(false)) all.push_back(point);
  return all;
}

/// On one node there are no leases.
Points of_one_node(Points points) {
  std::erase(points, "gateway.lease_sent");
  return points;
}

Who home_of(std::string_view point) {
  return of_matcher(point) ? Deployment::matcher : Deployment::first;
}

// ---- kill -9 of the process itself ----

TEST_F(Killed, c9_a_matcher_killed_at_each_of_its_steps_loses_and_doubles_nothing) {
  ASSERT_NO_FATAL_FAILURE(deploy(kMemory));
  const auto crowd = gather();
  const auto epoch = epoch_of(*crowd);
  for (const std::string_view point : points_of(true)) {
    if (stop_at(Deployment::matcher, point)) deployment->signal(Deployment::matcher, SIGKILL);
  }
  EXPECT_TRUE(deployment->wait_ready(Deployment::matcher));
  expect_exact(*crowd);
  EXPECT_EQ(epoch_of(*crowd), epoch) << "rule 10: a death must not cost everybody a snapshot";
  EXPECT_EQ(deployment->resets("activation"), 0) << "rule 14: open activations are kept";
  EXPECT_GT(deployment->dropped("seen_before"), 0) << "rule 4: what is streamed again is given once";
}

TEST_F(Killed, rule_06_a_matcher_killed_in_a_large_transaction_streams_it_again_and_gives_it_once) {
  ASSERT_NO_FATAL_FAILURE(deploy(kMemory));
  const auto crowd = gather();
  const auto epoch = epoch_of(*crowd);
  // In its first block, in a later one, early and late in its matching, and when it was appended.
  for (const auto& [point, passing] :
       std::initializer_list<std::pair<std::string_view, std::size_t>>{{"spill.filed", 1},
                                                                       {"spill.written", 10},
                                                                       {"spill.read", 2},
                                                                       {"spill.read", 30},
                                                                       {"spill.closed", 1}}) {
    if (stop_at(Deployment::matcher, point, passing)) deployment->signal(Deployment::matcher, SIGKILL);
  }
  EXPECT_TRUE(deployment->wait_ready(Deployment::matcher));
  expect_exact(*crowd);
  EXPECT_EQ(epoch_of(*crowd), epoch);
  EXPECT_GT(deployment->dropped("seen_before"), 0) << "it was given before the last kill, and streamed again";
}

TEST_F(Killed, c9_a_gateway_killed_at_each_of_its_steps_loses_and_doubles_nothing) {
  ASSERT_NO_FATAL_FAILURE(deploy(kMemory));
  const auto crowd = gather();
  for (const std::string_view point : points_of(false)) {
    if (stop_at(Deployment::first, point)) deployment->signal(Deployment::first, SIGKILL);
  }
  EXPECT_TRUE(deployment->wait_ready(Deployment::first));
  expect_exact(*crowd);
  EXPECT_GT(deployment->metric(Deployment::second, "tidegate_feed_resumes_held_total"), 0)
      << "c8: a cursor of one gateway is good at the other";
}

// ---- what they all stand on ----

TEST_F(Killed, c9_a_broker_killed_at_a_step_of_ours_loses_and_doubles_nothing) {
  ASSERT_NO_FATAL_FAILURE(deploy(kMemory));
  const auto crowd = gather();
  const auto epoch = epoch_of(*crowd);
  for (const std::string_view point : few_or_all({"matcher.between_parts", "gateway.lease_sent"})) {
    if (!stop_at(home_of(point), point)) continue;
    const auto told = crowd->told_stale();
    broker->kill();
    deployment->signal(home_of(point), SIGCONT);
    EXPECT_TRUE(crowd->wait_stale(told)) << "c10: stale data is called stale";
    say("is called stale");
    broker->start();
    say("is back");
    EXPECT_TRUE(deployment->wait_ready(home_of(point)));
    say("ready");
  }
  expect_exact(*crowd);
  EXPECT_EQ(epoch_of(*crowd), epoch);
}

TEST_F(Killed, c9_a_database_that_crashes_at_a_step_of_ours_loses_and_doubles_nothing) {
  ASSERT_NO_FATAL_FAILURE(deploy(kMemory));
  const auto crowd = gather();
  const auto epoch = epoch_of(*crowd);
  for (const std::string_view point :
       few_or_all({"stream.received", "matcher.visibility_asked", "matcher.confirming", "snapshot.locked",
                   "snapshot.begun"})) {
    if (!stop_at(home_of(point), point)) continue;
    const auto told = crowd->told_stale();
    server->stop(rig::PostgresServer::Stop::immediate);
    deployment->signal(home_of(point), SIGCONT);
    EXPECT_TRUE(crowd->wait_stale(told)) << "c10: stale data is called stale";
    server->start();
    EXPECT_TRUE(deployment->wait_ready(Deployment::matcher));
    EXPECT_TRUE(deployment->wait_ready(home_of(point)));
  }
  expect_exact(*crowd);
  EXPECT_EQ(epoch_of(*crowd), epoch);
}

// ---- stalled, and two of them ----

TEST_F(Killed, rule_4_a_second_matcher_is_refused_and_a_stalled_one_says_nothing_after_its_successor) {
  ASSERT_NO_FATAL_FAILURE(deploy(kMemory));
  const auto crowd = gather();
  const auto mistake = deployment->beside(Deployment::matcher);
  EXPECT_EQ(mistake->process().wait(), 1) << mistake->output();
  for (const std::string_view point :
       {"matcher.start_written", "matcher.matched", "matcher.between_parts", "matcher.activation_stored"}) {
    if (!stop_at(Deployment::matcher, point)) continue;
    deployment->supervise(Deployment::matcher, false);
    rig::Sql sql(url);
    const std::string slot = "from pg_replication_slots where slot_name = '" + name + "'";
    // Again and again: the server may take its START_REPLICATION up only now.
    EXPECT_TRUE(rig::eventually([&] {
      sql.exec("select pg_terminate_backend(active_pid) " + slot + " and active");
      return sql.value("select not active " + slot) == "t";
    }));
    const auto successor = deployment->beside(Deployment::matcher);
    EXPECT_TRUE(successor->process().wait_for_output("\"ready\"")) << successor->output();
    deployment->signal(Deployment::matcher, SIGCONT);
    EXPECT_EQ(deployment->wait_ended(Deployment::matcher), 1) << point;
    EXPECT_TRUE(successor->process().running()) << successor->output();
    successor->process().signal(SIGKILL);
    deployment->supervise(Deployment::matcher, true);
  }
  EXPECT_TRUE(deployment->wait_ready(Deployment::matcher));
  expect_exact(*crowd);
  EXPECT_GT(deployment->dropped("old_generation"), 0);
}

TEST_F(Killed, rule_15_a_gateway_stalled_for_longer_than_its_lease_begins_anew) {
  ASSERT_NO_FATAL_FAILURE(deploy(kMemory));
  const auto crowd = gather();
  crowd->end_visits();
  std::set<std::string> wanted;
  for (const Watched& each : crowd->stayers()) wanted.insert(each.query.sql);
  // More queries of its own than the others have, so that their count tells that these are gone.
  std::vector<std::unique_ptr<Watcher>> only;
  while (only.size() <= wanted.size()) {
    const std::string query =
        "select id, status from orders where id <> -" + std::to_string(1'000'000 + only.size());
    only.push_back(std::make_unique<Watcher>(loop, deployment->port(Deployment::first),
                                             R"("sql":")" + query + '"', "json"));
    ASSERT_TRUE(only.back()->wait_whole()) << only.back()->fault();
  }
  const auto queries = [&] { return deployment->metric(Deployment::matcher, "tidegate_matcher_queries"); };
  const auto all = static_cast<double>(wanted.size() + only.size());
  ASSERT_TRUE(rig::eventually([&] { return queries() <= all; })) << "the visitors' are matched still";
  deployment->signal(Deployment::first, SIGSTOP);
  EXPECT_TRUE(rig::eventually([&] { return queries() < static_cast<double>(only.size()); }))
      << "its lease does not end";
  deployment->signal(Deployment::first, SIGCONT);
  for (const auto& each : only) {
    EXPECT_TRUE(rig::eventually([&] { return each->counts().snapshots >= 2; })) << each->standing();
  }
  EXPECT_TRUE(deployment->wait_ready(Deployment::first));
  expect_exact(*crowd);
  EXPECT_GT(deployment->resets("lease"), 0);
}

// ---- one node ----

TEST_F(Killed, c9_on_one_node_clients_get_fresh_snapshots) {
  ASSERT_NO_FATAL_FAILURE(deploy_one_node(kMemory));
  const auto crowd = gather(1);
  for (const std::string_view point : of_one_node(few_or_all(
           {"matcher.matched", "matcher.active_appended", "gateway.encoded", "snapshot.spooled"}))) {
    if (stop_at(Deployment::first, point)) deployment->signal(Deployment::first, SIGKILL);
  }
  for (const std::string_view point : of_one_node(few_or_all({"stream.whole", "snapshot.begun"}))) {
    if (!stop_at(Deployment::first, point)) continue;
    server->stop(rig::PostgresServer::Stop::immediate);
    deployment->signal(Deployment::first, SIGCONT);
    server->start();
  }
  EXPECT_TRUE(deployment->wait_ready(Deployment::first));
  expect_exact(*crowd);
}

}  // namespace
}  // namespace tidegate::test
