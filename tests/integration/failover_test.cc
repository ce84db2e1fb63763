// A primary dies and its standby takes its place, without the last of what the primary had committed and
// clients had seen: a new timeline, a new epoch, a fresh snapshot for everybody, and exact on both sides of
// it.
#include <gtest/gtest.h>
#include <signal.h>

#include <set>

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

constexpr int kClients = 20;

class Failover : public ::testing::Test {
 protected:
  Failover() : old_url(primary.create_database("shop")) {
    Workload::create_table(old_url);
    standby = rig::PostgresServer::standby_of(primary);
    new_url = standby->url("shop");
    // As a user would: both addresses, whichever takes writes.
    both = "postgres://postgres@127.0.0.1:" + std::to_string(primary.port()) +
           ",127.0.0.1:" + std::to_string(standby->port()) + "/shop?target_session_attrs=read-write";
  }
  ~Failover() override {
    for (const Program* each : {&matcher, &first, &second})
      if (HasFailure() && *each) std::cout << (*each)->output();
  }

  Words command(const std::string& verb, Words more = {}) const {
    Words words{verb, "--database", both};
    if (broker) {
      words.insert(words.end(), {"--kafka", broker->brokers(), "--topic", "shop.diffs", "--slot", "shop"});
    }
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  void setup() const {
    Tidegate program(command("setup"), {}, false);
    EXPECT_EQ(program.process().wait(), 0) << program.output();
  }
  Program serve() const {
    return std::make_unique<Tidegate>(command("serve", {"--auth", "none", "--stale-after-ms", "1000"}));
  }

  /// Clients, writers, and the primary's end in the middle, the standby lacking what came last.
  void lose_the_primary(const std::vector<int>& ports) {
    const std::uint32_t seed = new_seed();
    random.seed(seed);
    before = std::make_unique<Reference>(old_url, "public.orders", render_order);
    Workload::fill_table(old_url);
    for (std::size_t i = 0; i < kClients; ++i)
      watched.push_back(watch_random(loop, ports[i % ports.size()], random));
    all = watch_all(ports[0]);
    for (const Watched& one : watched) ASSERT_TRUE(one.watcher->wait_whole()) << one.watcher->standing();
    ASSERT_TRUE(all->wait_whole()) << all->standing();
    Workload workload(old_url, 4, 200, seed);
    workload.wait_committed(workload.total() / 3);
    standby->cut_off();
    rig::Sql(old_url).exec("insert into orders values (1000, 'lost', 1, 1, null)");
    workload.wait_committed(2 * workload.total() / 3);
    ASSERT_TRUE(rig::eventually([&] { return all->rows().contains("[1000]"); })) << all->standing();
    primary.kill();
    for (const Watched& one : watched) old_epochs.insert(one.watcher->spans().back().epoch.value());
    ASSERT_EQ(old_epochs.size(), 1u);
  }
  std::unique_ptr<Watcher> watch_all(int port) {
    return std::make_unique<Watcher>(
        loop, port, R"("sql":"select id, status, qty, total, note from orders where id >= 0")", "json");
  }

  /// The new primary's beginning, and writers there.
  void begin_again() {
    after = std::make_unique<Reference>(new_url, "public.orders", render_order);
    after->begin_with_rows();
    EXPECT_EQ(rig::Sql(new_url).value("select count(*) from orders where id = 1000"), "0");
    load = std::make_unique<Workload>(new_url, 4, 200, random());
  }

  /// Everybody holds the new primary's rows; each history is right, on either side.
  void judge_both_sides() {
    load->join();
    after->read();
    Verdict verdict;
    for (const Watched& one : watched) judge_end(one, *after, verdict);
    EXPECT_FALSE(all->rows().contains("[1000]")) << "it holds a row of a commit that is lost";
    for (Program* each : {&matcher, &first, &second}) each->reset();
    primary.start();  // for its memory of what it had committed
    before->read();
    for (const Watched& one : watched) {
      std::set<Epoch> epochs;
      for (const auto& span : one.watcher->spans()) epochs.insert(span.epoch.value());
      EXPECT_EQ(epochs.size(), 2u) << one.query.sql;
      for (const Epoch epoch : epochs)
        judge_history(one, old_epochs.contains(epoch) ? *before : *after, verdict, epoch);
    }
    std::cout << verdict.snapshots << " snapshots, " << verdict.diffs << " diffs, " << verdict.faults
              << " faults\n";
    EXPECT_EQ(verdict.faults, 0u) << verdict.first;
  }

  rig::PostgresServer primary;
  std::string old_url;
  std::unique_ptr<rig::PostgresServer> standby;
  std::string new_url;
  std::string both;
  std::unique_ptr<rig::KafkaBroker> broker;
  Program matcher;
  Program first;
  Program second;
  std::unique_ptr<Reference> before;
  std::unique_ptr<Reference> after;
  std::unique_ptr<Workload> load;
  std::mt19937 random;
  std::set<Epoch> old_epochs;
  client::Loop loop;
  std::vector<Watched> watched;
  std::unique_ptr<Watcher> all;
};

TEST_F(Failover, of_one_node_is_a_new_beginning_at_the_same_port) {
  setup();
  standby->await_replay(primary);
  first = serve();
  first->wait_ready();
  lose_the_primary({first->port()});
  ASSERT_TRUE(rig::eventually([&] { return !all->fault().empty(); })) << "clients are told to come back";
  standby->promote();
  begin_again();
  first->wait_ready();
  for (const Watched& one : watched) one.watcher->reconnect(first->port());
  all->reconnect(first->port());
  judge_both_sides();
}

TEST_F(Failover, rule_10_with_kafka_is_a_new_epoch_and_no_row_of_a_lost_commit_stays) {
  broker = std::make_unique<rig::KafkaBroker>();
  setup();
  standby->await_replay(primary);
  matcher = std::make_unique<Tidegate>(command("match"));
  first = serve();
  second = serve();
  for (const Program* each : {&matcher, &first, &second}) (*each)->wait_ready();
  lose_the_primary({first->port(), second->port()});
  EXPECT_TRUE(rig::eventually([&] { return all->stales() > 0; })) << "stale data must be called so";
  second->process().signal(SIGKILL);
  EXPECT_EQ(second->process().wait(), 128 + SIGKILL);
  standby->promote();
  begin_again();
  EXPECT_EQ(matcher->process().wait(), 1) << "there is no slot here";
  EXPECT_NE(matcher->output().find("tidegate setup"), std::string::npos) << matcher->output();
  // In whichever order things come back: this gateway finds the old timeline's epoch.
  second = serve();
  setup();
  matcher = std::make_unique<Tidegate>(command("match"));
  for (const Program* each : {&matcher, &first, &second}) (*each)->wait_ready();
  for (std::size_t i = 1; i < watched.size(); i += 2) watched[i].watcher->reconnect(second->port());
  judge_both_sides();
}

}  // namespace
}  // namespace tidegate::test
