// A matcher and two gateways with one real broker between them (rules 4, 9, 10, 14, 15, 29; C8, C9).
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "integration/judge.h"
#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using rig::Tidegate;
using Words = std::vector<std::string>;
using Program = std::unique_ptr<Tidegate>;

const std::string kNewOrders =
    R"("sql":"select id, status, qty, total, note from orders where status = 'new'")";

/// One server and one broker for all tests; a database, a slot and topics for each.
class Scaled : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server = std::make_unique<rig::PostgresServer>();
    broker = std::make_unique<rig::KafkaBroker>();
  }
  static void TearDownTestSuite() {
    broker.reset();
    server.reset();
  }

  Scaled() : name("shop" + std::to_string(++count)), url(server->create_database(name)) {
    Workload::create_table(url);
  }
  ~Scaled() override {
    const auto output = [](const Program& program) {
      if (program) std::cout << program->output();
    };
    if (!HasFailure()) return;
    output(matcher);
    output(first);
    output(second);
  }

  Words command(const std::string& verb, const std::string& database, Words more = {}) const {
    Words words{verb,      "--database",    database, "--kafka", broker->brokers(),
                "--topic", name + ".diffs", "--slot", name};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// Runs setup to its end; its output.
  std::string setup(int exit_code = 0, const Words& more = {}) {
    Tidegate program(command("setup", url, more), {}, false);
    EXPECT_EQ(program.process().wait(), exit_code) << program.output();
    return program.output();
  }
  // No lease ends, and no answer comes late, because a busy machine keeps one of them waiting.
  Program match() const { return std::make_unique<Tidegate>(command("match", url, {"--lease-ms", "60000"})); }
  Program serve() const {
    return std::make_unique<Tidegate>(
        command("serve", url, {"--auth", "none", "--lease-ms", "60000", "--ack-within-ms", "60000"}));
  }
  /// The whole deployment.
  void deploy() {
    setup();
    matcher = match();
    first = serve();
    second = serve();
    for (const Program* each : {&matcher, &first, &second}) (*each)->wait_ready();
  }

  static std::unique_ptr<rig::PostgresServer> server;
  static std::unique_ptr<rig::KafkaBroker> broker;
  static int count;

  const std::string name;
  const std::string url;
  Program matcher;
  Program first;
  Program second;
  client::Loop loop;
};
std::unique_ptr<rig::PostgresServer> Scaled::server;
std::unique_ptr<rig::KafkaBroker> Scaled::broker;
int Scaled::count = 0;

bool says(const std::string& output, const std::string& words) {
  return output.find(words) != std::string::npos;
}

// ---- setup ----

TEST_F(Scaled, setup_makes_publication_slot_and_topics_once_and_says_so) {
  const std::string missing = setup(1, {"--check"});
  EXPECT_TRUE(says(missing, "there is no publication")) << missing;
  rig::Sql sql(url);
  EXPECT_EQ(sql.value("select count(*) from pg_publication"), "0") << "--check changes nothing";

  const std::string made = setup();
  for (const char* words : {"did: CREATE PUBLICATION", "pg_create_logical_replication_slot", "made topic",
                            ".diffs.control", "max_slot_wal_keep_size"}) {
    EXPECT_TRUE(says(made, words)) << words << " is not in\n" << made;
  }
  EXPECT_EQ(sql.value("select relreplident from pg_class where oid = 'orders'::regclass"), "f");
  EXPECT_EQ(sql.value("select plugin from pg_replication_slots where slot_name = '" + name + "'"),
            "pgoutput");

  for (const Words& how : {Words{}, Words{"--check"}}) {
    const std::string again = setup(0, how);
    EXPECT_FALSE(says(again, "did:")) << again;
    EXPECT_FALSE(says(again, "made topic")) << again;
    for (const std::string& words :
         Words{"the publication \"tidegate\" is there", "orders is ready",
               "the replication slot " + name + " is there", "topic " + name + ".diffs is there",
               "topic " + name + ".diffs.control is there"}) {
      EXPECT_TRUE(says(again, words)) << words << " is not in\n" << again;
    }
  }
}

TEST_F(Scaled, setup_refuses_topics_that_would_forget) {
  broker->create_topic(name + ".diffs", 1, {{"cleanup.policy", "compact"}});
  const std::string refused = setup(1);
  EXPECT_TRUE(says(refused, "cleanup.policy=delete")) << refused;
}

// ---- the stream ----

TEST_F(Scaled, every_gateway_gets_every_diff_of_one_activation) {
  deploy();
  Workload::fill_table(url);
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (const Program* each : {&first, &second, &first, &second}) {
    watchers.push_back(std::make_unique<Watcher>(loop, (*each)->port(), kNewOrders, "json"));
    ASSERT_TRUE(watchers.back()->wait_whole()) << watchers.back()->fault();
  }
  constexpr std::size_t kDiffs = 40;
  rig::Sql sql(url);
  for (std::size_t i = 0; i < kDiffs; ++i) {
    sql.exec("insert into orders values (" + std::to_string(1000 + i) + ", 'new', 1, 1, null)");
  }
  for (const auto& watcher : watchers) {
    EXPECT_TRUE(rig::eventually([&] { return watcher->counts().diffs == kDiffs; }))
        << watcher->counts().diffs;
    EXPECT_EQ(watcher->counts().snapshots, 1u);
    ASSERT_TRUE(watcher->cursor());
    EXPECT_EQ(watcher->cursor()->activation, watchers[0]->cursor()->activation);
    EXPECT_EQ(watcher->cursor()->epoch, watchers[0]->cursor()->epoch);
  }
  // One query, whoever asked for it; the table's first rows may come behind its registration.
  EXPECT_GE(matcher->metric("tidegate_matcher_diffs_total"), kDiffs);
  EXPECT_LE(matcher->metric("tidegate_matcher_diffs_total"), kDiffs + 1);
  const auto timed = [](const Program& at, const std::string& stage) {
    return rig::eventually(
        [&] { return at->metric("tidegate_stage_seconds_count{stage=\"" + stage + "\"}") >= 1; });
  };
  for (const char* stage : {"received", "appended", "acknowledged"})
    EXPECT_TRUE(timed(matcher, stage)) << stage;
  for (const char* stage : {"logged", "taken", "written"}) EXPECT_TRUE(timed(first, stage)) << stage;
}

TEST_F(Scaled, c1_every_client_of_either_gateway_holds_the_reference_s_rows_after_every_diff) {
  deploy();
  const Verdict verdict = judge_under_load(url, {first->port(), second->port()}, Load{});
  EXPECT_EQ(verdict.faults, 0u) << verdict.first;
  EXPECT_GE(verdict.snapshots, 200u);
  EXPECT_GT(verdict.diffs, 10'000u) << "the load was too thin to show anything";
}

TEST_F(Scaled, c8_a_cursor_of_one_gateway_is_good_at_the_other) {
  deploy();
  Watcher stays(loop, second->port(), kNewOrders, "json");
  Watcher moves(loop, first->port(), kNewOrders, "json");
  ASSERT_TRUE(stays.wait_whole()) << stays.fault();
  ASSERT_TRUE(moves.wait_whole()) << moves.fault();
  rig::Sql sql(url);
  sql.exec("insert into orders values (1, 'new', 1, 1, null)");
  ASSERT_TRUE(rig::eventually([&] { return moves.rows().size() == 1; }));
  // Which cursor it comes with, the snapshot's or one behind the filter, is up to the next progress.
  ASSERT_TRUE(rig::eventually([&] { return stays.rows().size() == 1; }));
  moves.reconnect(second->port());
  ASSERT_TRUE(rig::eventually([&] { return moves.resumed(); })) << moves.fault();
  sql.exec("insert into orders values (2, 'new', 1, 1, null)");
  ASSERT_TRUE(rig::eventually([&] { return moves.rows().size() == 2; }));
  EXPECT_EQ(moves.counts().snapshots, 1u);
  EXPECT_EQ(moves.counts().diffs, 2u);
}

// ---- who may take part ----

TEST_F(Scaled, rule_29_a_gateway_or_matcher_of_another_database_refuses) {
  deploy();
  Watcher watcher(loop, first->port(), kNewOrders, "json");
  ASSERT_TRUE(watcher.wait_whole()) << watcher.fault();
  rig::PostgresServer elsewhere;  // a cluster of its own
  const std::string other = elsewhere.create_database(name);
  Workload::create_table(other);
  Tidegate prepare(command("setup", other), {}, false);
  ASSERT_EQ(prepare.process().wait(), 0) << prepare.output();

  Tidegate gateway(command("serve", other, {"--auth", "none", "--listen", "127.0.0.1:0"}), {}, false);
  EXPECT_EQ(gateway.process().wait(), 1) << gateway.output();
  EXPECT_TRUE(says(gateway.output(), "database is not the matcher's")) << gateway.output();
  Tidegate stranger(command("match", other, {"--listen", "127.0.0.1:0"}), {}, false);
  EXPECT_EQ(stranger.process().wait(), 1) << stranger.output();
  EXPECT_TRUE(says(stranger.output(), "belong to another database")) << stranger.output();

  rig::Sql(url).exec("insert into orders values (1, 'new', 1, 1, null)");
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 1; })) << watcher.fault();
  EXPECT_EQ(watcher.counts().snapshots, 1u);
}

TEST_F(Scaled, a_second_matcher_ends_with_an_error_and_clients_go_on) {
  deploy();
  Watcher watcher(loop, first->port(), kNewOrders, "json");
  ASSERT_TRUE(watcher.wait_whole()) << watcher.fault();
  Tidegate again(command("match", url, {"--listen", "127.0.0.1:0"}), {}, false);
  EXPECT_EQ(again.process().wait(), 1) << again.output();
  EXPECT_TRUE(says(again.output(), "end the other matcher")) << again.output();
  rig::Sql(url).exec("insert into orders values (1, 'new', 1, 1, null)");
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 1; })) << watcher.fault();
  EXPECT_EQ(watcher.counts().snapshots, 1u);
  EXPECT_TRUE(matcher->process().running());
}

// ---- restarts ----

/// Clients of both gateways, writers, and something that happens half way; then the judgement.
template <class Interruption>
Verdict judge_through(const std::string& url, const std::vector<int>& ports, Interruption interruption,
                      std::vector<Watched>& watched, client::Loop& loop) {
  const std::uint32_t seed = new_seed();
  std::mt19937 random(seed);
  Reference reference(url, "public.orders", render_order);
  Workload::fill_table(url);
  for (std::size_t i = 0; i < 20; ++i) watched.push_back(watch_random(loop, ports[i % ports.size()], random));
  for (const Watched& one : watched) EXPECT_TRUE(one.watcher->wait_whole()) << one.watcher->fault();
  Workload workload(url, 4, 400, seed);
  workload.wait_committed(workload.total() / 3);
  interruption();
  workload.join();
  reference.read();
  Verdict verdict;
  for (const Watched& one : watched) judge(one, reference, verdict);
  return verdict;
}

TEST_F(Scaled, c9_a_restarted_matcher_goes_on_without_loss_or_double) {
  deploy();
  for (const int signal : {SIGTERM, SIGKILL}) {
    SCOPED_TRACE(signal);
    std::vector<Watched> watched;
    const Verdict verdict = judge_through(
        url, {first->port(), second->port()},
        [&] {
          matcher->process().signal(signal);
          EXPECT_EQ(matcher->process().wait(), signal == SIGTERM ? 0 : 128 + SIGKILL) << matcher->output();
          // A killed one's server process may hold the slot for a moment.
          rig::Sql sql(url);
          EXPECT_TRUE(rig::eventually([&] {
            return sql.value("select not active from pg_replication_slots where slot_name = '" + name +
                             "'") == "t";
          }));
          matcher = match();
          matcher->wait_ready();
        },
        watched, loop);
    EXPECT_EQ(verdict.faults, 0u) << verdict.first;
    EXPECT_EQ(verdict.snapshots, watched.size()) << "the same epoch and activations: nobody was reset\n"
                                                 << first->metrics() << second->metrics();
    EXPECT_GT(verdict.diffs, 1'000u);
    for (const Watched& one : watched)
      EXPECT_EQ(one.watcher->cursor()->epoch, watched[0].watcher->cursor()->epoch);
    rig::Sql(url).exec("delete from orders");
  }
}

TEST_F(Scaled, a_client_of_a_restarted_gateway_comes_back_with_its_cursor_and_converges) {
  deploy();
  std::vector<Watched> watched;
  const Verdict verdict = judge_through(
      url, {first->port(), second->port()},
      [&] {
        first->process().signal(SIGTERM);
        EXPECT_EQ(first->process().wait(), 0) << first->output();
        first = serve();
        first->wait_ready();
        for (std::size_t i = 0; i < watched.size(); i += 2) watched[i].watcher->reconnect(first->port());
      },
      watched, loop);
  EXPECT_EQ(verdict.faults, 0u) << verdict.first;
}

TEST_F(Scaled, readyz_tells_of_the_broker_s_and_the_matcher_s_absence) {
  deploy();
  Watcher watcher(loop, first->port(), kNewOrders, "json");
  ASSERT_TRUE(watcher.wait_whole()) << watcher.fault();
  const auto status = [&] { return rig::http(first->admin_port(), "GET", "/readyz").status; };
  broker->stop();
  EXPECT_TRUE(rig::eventually([&] { return status() == 503; }));
  EXPECT_EQ(rig::http(first->port(), "GET", "/healthz").status, 200);
  broker->start();
  EXPECT_TRUE(rig::eventually([&] { return status() == 200; }))
      << rig::http(first->admin_port(), "GET", "/readyz").body;
  rig::Sql(url).exec("insert into orders values (1, 'new', 1, 1, null)");
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 1; })) << watcher.fault();

  matcher->process().signal(SIGTERM);
  EXPECT_EQ(matcher->process().wait(), 0) << matcher->output();
  EXPECT_TRUE(rig::eventually([&] { return status() == 503; }));
  matcher = match();
  EXPECT_TRUE(rig::eventually([&] { return status() == 200; }));
}

// ---- how long it takes ----

std::string median_ms(std::vector<std::chrono::nanoseconds> times) {
  std::sort(times.begin(), times.end());
  const auto of = [&](std::size_t i) { return std::chrono::duration<double, std::milli>(times[i]).count(); };
  return std::to_string(of(times.size() / 2)) + " ms (" + std::to_string(of(0)) + " to " +
         std::to_string(of(times.size() - 1)) + ")";
}

/// Prints; the bounds are loose, a minute's load of the machine must not fail them.
TEST_F(Scaled, is_quick_on_an_idle_system) {
  deploy();
  Workload::fill_table(url);
  rig::Sql sql(url);
  using Time = std::chrono::steady_clock;
  std::vector<std::chrono::nanoseconds> rows;
  std::vector<std::chrono::nanoseconds> diffs;
  for (int i = 0; i < 50; ++i) {
    const auto begin = Time::now();
    const std::string query =
        R"("sql":"select id from orders where qty < 100 and id <> )" + std::to_string(-i - 1) + '"';
    Watcher watcher(loop, (i % 2 == 0 ? first : second)->port(), query, "json");
    ASSERT_TRUE(watcher.wait_whole()) << watcher.fault();
    rows.push_back(Time::now() - begin);
    const auto expected = watcher.rows();
    auto after = expected;
    after["[" + std::to_string(5000 + i) + "]"] = "{\"id\":" + std::to_string(5000 + i) + "}";
    sql.exec("insert into orders values (" + std::to_string(5000 + i) + ", 'x', 1, 1, null)");
    const auto committed = Time::now();
    ASSERT_TRUE(watcher.wait_for(fingerprint(after)));
    diffs.push_back(Time::now() - committed);
  }
  std::cout << "subscribe to rows, a new query each: median " << median_ms(rows) << "\n"
            << "commit to diff: median " << median_ms(diffs) << "\n";
  std::sort(diffs.begin(), diffs.end());
  EXPECT_LT(diffs[25], 1s);
}

}  // namespace
}  // namespace tidegate::test
