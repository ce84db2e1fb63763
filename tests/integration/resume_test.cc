// Resume anywhere (C8, rules 10 to 12, 14, 18): clients go away while others write, something happens, and
// they come back with their cursors to the same gateway or to another one. Each gets exactly what it missed,
// or a fresh snapshot where that can't be shown; the reference judges.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <iostream>

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

constexpr int kClients = 24;
constexpr int kPartitions = 8;  // what setup makes

/// One server and one broker for all tests; a database, a slot and topics for each, a matcher and two
/// gateways.
class ResumeAnywhere : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server = std::make_unique<rig::PostgresServer>();
    broker = std::make_unique<rig::KafkaBroker>();
  }
  static void TearDownTestSuite() {
    broker.reset();
    server.reset();
  }

  ResumeAnywhere() : name("shop" + std::to_string(++count)), topic(name + ".diffs") {
    url = server->create_database(name);
    Workload::create_table(url);
  }
  ~ResumeAnywhere() override {
    if (!HasFailure()) return;
    for (const Program* each : {&matcher, &first, &second}) {
      if (*each) std::cout << (*each)->output();
    }
  }

  Words command(const std::string& verb, Words more = {}) const {
    Words words{verb, "--database", url, "--kafka", broker->brokers(), "--topic", topic, "--slot", name};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// Longer than a busy machine keeps one of them waiting: no lease ends here, and no answer comes late.
  static Words patient(const Words& more, Words flags) {
    flags.insert(flags.end(), {"--lease-ms", "60000"});
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  }
  void setup() {
    Tidegate program(command("setup"), {}, false);
    ASSERT_EQ(program.process().wait(), 0) << program.output();
  }
  void match() {
    matcher = std::make_unique<Tidegate>(command("match", patient(match_flags, {})));
    matcher->wait_ready();
  }
  void serve() {
    const Words flags = patient(serve_flags, {"--auth", "none", "--ack-within-ms", "60000"});
    first = std::make_unique<Tidegate>(command("serve", flags));
    second = std::make_unique<Tidegate>(command("serve", flags));
    first->wait_ready();
    second->wait_ready();
  }
  void end_matcher(int signal) {
    matcher->process().signal(signal);
    ASSERT_TRUE(matcher->process().wait()) << matcher->output();
    rig::Sql sql(url);  // a killed one's server process may hold the slot for a moment
    ASSERT_TRUE(rig::eventually([&] {
      return sql.value("select not active from pg_replication_slots where slot_name = '" + name + "'") == "t";
    }));
  }

  enum class Expected { resumed, snapshot };

  /// Clients come, go, and come back after `meanwhile`, under load. One half returns to its own gateway.
  template <class Meanwhile>
  void come_back_after(Expected expected, Meanwhile meanwhile) {
    if (!matcher) {
      setup();
      match();
      serve();
    }
    const std::uint32_t seed = new_seed();
    std::mt19937 random(seed);
    Reference reference(url, "public.orders", render_order);
    Workload::fill_table(url);
    std::vector<Watched> watched;
    for (int i = 0; i < kClients; ++i) watched.push_back(watch_random(loop, port(i % 2), random));
    for (const Watched& one : watched) ASSERT_TRUE(one.watcher->wait_whole()) << one.watcher->fault();
    Workload workload(url, 4, 300, seed);
    workload.wait_committed(workload.total() / 5);
    for (const Watched& one : watched) one.watcher->close();
    workload.wait_committed(2 * workload.total() / 5);
    meanwhile(watched);
    std::size_t elsewhere = 0;
    for (int i = 0; i < kClients; ++i) {
      const bool moves = random() % 2 == 0;
      elsewhere += moves ? 1 : 0;
      watched[static_cast<std::size_t>(i)].watcher->reconnect(port((i + (moves ? 1 : 0)) % 2));
    }
    std::size_t resumed = 0;
    for (const Watched& one : watched) {
      EXPECT_TRUE(rig::eventually([&] { return one.watcher->acknowledged(); })) << one.watcher->fault();
      resumed += one.watcher->resumed() ? 1 : 0;
    }
    workload.join();
    reference.read();
    Verdict verdict;
    for (const Watched& one : watched) judge(one, reference, verdict);
    EXPECT_EQ(verdict.faults, 0u) << verdict.first;
    EXPECT_GT(verdict.diffs, 100u) << "the load was too thin to show anything";
    std::cout << kClients << " came back, " << elsewhere << " to the other gateway; "
              << (expected == Expected::resumed ? kClients : 0) << " could resume, " << resumed << " did, "
              << verdict.snapshots << " snapshots, " << verdict.diffs << " diffs, " << verdict.faults
              << " faults, " << metric("tidegate_feed_rereads_total") << " walks over the log\n";
    EXPECT_EQ(resumed, expected == Expected::resumed ? static_cast<std::size_t>(kClients) : 0u) << refusals();
  }

  int port(int gateway) const { return (gateway == 0 ? first : second)->port(); }
  double metric(const std::string& of) const { return first->metric(of) + second->metric(of); }
  std::string refusals() const {
    std::string all;
    for (const Program* each : {&first, &second}) {
      std::istringstream lines((*each)->metrics());
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("tidegate_feed_resumes") && !line.ends_with(" 0")) all += line + "\n";
      }
    }
    return all;
  }
  /// What was committed so far is in the log, and behind it a record of every partition at least.
  void wait_logged() const {
    const double told = matcher->metric("tidegate_matcher_progress_total");
    EXPECT_TRUE(
        rig::eventually([&] { return matcher->metric("tidegate_matcher_progress_total") >= told + 2; }));
    rig::Sql sql(url);
    const std::string written = sql.value("select pg_current_wal_lsn()");
    EXPECT_TRUE(rig::eventually([&] {
      return sql.value("select confirmed_flush_lsn >= '" + written +
                       "' from pg_replication_slots where slot_name = '" + name + "'") == "t";
    }));
  }
  /// Both gateways have let their channels go.
  void wait_forgotten() {
    EXPECT_TRUE(rig::eventually([&] { return metric("tidegate_feed_channels") == 0; }));
  }

  static std::unique_ptr<rig::PostgresServer> server;
  static std::unique_ptr<rig::KafkaBroker> broker;
  static int count;

  const std::string name;
  const std::string topic;
  std::string url;
  Words match_flags;
  Words serve_flags;
  Program matcher;
  Program first;
  Program second;
  client::Loop loop;
};
std::unique_ptr<rig::PostgresServer> ResumeAnywhere::server;
std::unique_ptr<rig::KafkaBroker> ResumeAnywhere::broker;
int ResumeAnywhere::count = 0;

TEST_F(ResumeAnywhere, c8_after_seconds_a_resume_holds) {
  come_back_after(Expected::resumed, [](auto&) {});
}

TEST_F(ResumeAnywhere, c8_after_the_channels_linger_a_resume_holds_out_of_the_log) {
  serve_flags = {"--linger-ms", "100"};
  come_back_after(Expected::resumed, [&](auto&) { wait_forgotten(); });
  EXPECT_GT(metric("tidegate_feed_rereads_total"), 0);
}

TEST_F(ResumeAnywhere, rule_14_after_a_lapsed_and_renewed_registration_it_is_a_snapshot) {
  serve_flags = {"--linger-ms", "100"};
  match_flags = {"--match-linger-ms", "100"};
  std::vector<std::unique_ptr<Watcher>> others;
  come_back_after(Expected::snapshot, [&](const std::vector<Watched>& watched) {
    EXPECT_TRUE(rig::eventually([&] { return matcher->metric("tidegate_matcher_queries") == 0; }));
    for (const Watched& one : watched) {
      const std::string query = R"("sql":")" + one.query.sql + R"(")";
      others.push_back(std::make_unique<Watcher>(loop, port(0), query, "json"));
    }
    for (const auto& other : others) EXPECT_TRUE(other->wait_whole()) << other->fault();
  });
}

TEST_F(ResumeAnywhere, rule_14_after_a_matchers_restart_in_order_or_not_a_resume_holds) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    SCOPED_TRACE(signal);
    come_back_after(Expected::resumed, [&](auto&) {
      end_matcher(signal);
      match();
    });
    rig::Sql(url).exec("delete from orders");
  }
}

TEST_F(ResumeAnywhere, rule_12_after_matcher_and_gateways_were_killed_a_resume_holds_out_of_the_log) {
  come_back_after(Expected::resumed, [&](auto&) {
    end_matcher(SIGKILL);
    match();
    serve();  // the earlier ones go with SIGKILL
  });
  EXPECT_GT(metric("tidegate_feed_rereads_total"), 0);
}

TEST_F(ResumeAnywhere, rule_14_a_matcher_that_starts_does_not_keep_what_nobody_wants) {
  serve_flags = {"--linger-ms", "100"};
  come_back_after(Expected::snapshot, [&](auto&) {
    wait_forgotten();
    end_matcher(SIGTERM);
    match();
  });
}

TEST_F(ResumeAnywhere, rule_10_in_a_new_epoch_it_is_a_snapshot) {
  come_back_after(Expected::snapshot, [&](auto&) {
    end_matcher(SIGTERM);
    // The server notices a moment later that the matcher has gone.
    const std::string active = "select active from pg_replication_slots where slot_name = '" + name + "'";
    ASSERT_TRUE(rig::eventually([&] { return rig::Sql(url).value(active) == "f"; }));
    rig::Sql(url).exec("select pg_drop_replication_slot('" + name + "')");
    setup();
    match();
  });
}

TEST_F(ResumeAnywhere, rule_10_after_a_topic_was_made_anew_it_is_a_snapshot) {
  come_back_after(Expected::snapshot, [&](auto&) {
    end_matcher(SIGTERM);
    broker->delete_topic(topic);
    setup();
    match();
  });
}

TEST_F(ResumeAnywhere,
       rule_10_a_matcher_whose_topic_is_made_anew_under_it_ends_and_the_next_one_begins_an_epoch) {
  come_back_after(Expected::snapshot, [&](auto&) {
    broker->delete_topic(topic);
    broker->create_topic(topic, kPartitions);
    EXPECT_TRUE(matcher->process().wait()) << "it goes on as if nothing were lost";
    match();
  });
}

TEST_F(ResumeAnywhere, rule_11_after_a_topic_was_repartitioned_it_is_a_snapshot) {
  come_back_after(Expected::snapshot, [&](auto&) {
    end_matcher(SIGTERM);
    broker->add_partitions(topic, kPartitions + 3);
    match();
    serve();
  });
}

TEST_F(ResumeAnywhere, rule_9_after_retention_has_passed_it_is_a_snapshot) {
  serve_flags = {"--linger-ms", "100"};
  come_back_after(Expected::snapshot, [&](auto&) {
    wait_forgotten();
    wait_logged();
    constexpr std::int64_t kEnd = -1;  // as the log's own tools have it
    for (int partition = 0; partition < kPartitions; ++partition) {
      broker->delete_records_below(topic, partition, kEnd);
    }
  });
}

}  // namespace
}  // namespace tidegate::test
