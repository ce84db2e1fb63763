// Issue 4's point 5: a client that does not read makes its own subscriptions lag, and nobody else's; it
// catches up from the tail, from Kafka's log or from a snapshot, in the middle of a transaction's parts too,
// and gets each transaction once, in order. And rule 20: however slowly it reads, no transaction of the
// database's stays open for it, nor does the gateway's memory grow.
#include <gtest/gtest.h>

#include <mutex>

#include "integration/counting.h"
#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

class Lagging : public ::testing::Test {
 protected:
  static constexpr int kSmallBuffer = 4'096;

  Lagging() : url(server.create_database("shop")), sql(url) {
    sql.exec(
        "create table items (id int primary key, n int, body text); alter table items replica identity full; "
        "insert into items values (0, 0, '')");
  }
  void set_up() {
    std::vector<std::string> arguments = command("setup");
    arguments.insert(arguments.end(), {"--tables", "public.items"});
    rig::Tidegate setup(std::move(arguments), {}, false);
    ASSERT_EQ(setup.process().wait(), 0) << setup.output();
  }
  std::vector<std::string> command(const std::string& verb) const {
    std::vector<std::string> arguments{verb, "--database", url};
    if (broker) arguments.insert(arguments.end(), {"--kafka", broker->brokers(), "--topic", "shop.diffs"});
    return arguments;
  }
  std::unique_ptr<rig::Tidegate> serve(std::vector<std::string> flags) {
    std::vector<std::string> arguments = command("serve");
    flags.insert(flags.end(), {"--auth", "none"});
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    auto gateway = std::make_unique<rig::Tidegate>(std::move(arguments));
    gateway->wait_ready();
    return gateway;
  }
  /// One transaction, the count's next, that also does this.
  void commit(const std::string& what) {
    ++transactions;
    sql.exec("begin; update items set n = " + std::to_string(transactions) + " where id = 0; " + what +
             "; commit");
  }
  void small() { commit("insert into items values (" + std::to_string(++rows) + ", 0, 'small')"); }
  /// A row of 3 MB, and 6,000 rows of 500 bytes: each a diff of several parts.
  void large_row() {
    commit("insert into items select " + std::to_string(++rows) +
           ", 0, string_agg(md5(i::text), '') from generate_series(1, 96000) i");
  }
  void many_rows() {
    commit("insert into items select " + std::to_string(rows + 1) +
           " + i, 0, repeat('x', 500) from generate_series(0, 5999) i");
    rows += 6'000;
  }

  /// What two slow clients were given, one of each encoding, that read nothing while everything was written.
  std::pair<client::ReplicaCounts, client::ReplicaCounts> stall_and_catch_up(int port) {
    Counting quick(loop, port, "");
    Counting binary(loop, port, "", kSmallBuffer);
    Counting text(loop, port, "json", kSmallBuffer);
    stall_and_catch_up(quick, {&binary, &text});
    return {binary.held().counts(), text.held().counts()};
  }

  /// While slow ones read nothing everything is written, and the quick one has it before they read on.
  void stall_and_catch_up(Counting& quick, const std::vector<Counting*>& slow) {
    for (Counting* client : slow) {
      ASSERT_TRUE(client->wait_count(0)) << client->fault();
      client->client().pause_reading();
    }
    ASSERT_TRUE(quick.wait_count(0)) << quick.fault();
    for (int round = 0; round < 6; ++round) {
      large_row();
      for (int i = 0; i < 40; ++i) small();
      many_rows();
      ASSERT_TRUE(quick.wait_count(transactions)) << quick.fault() << ": nobody waits for a slow client";
    }
    for (Counting* client : slow) EXPECT_LT(client->count(), transactions / 2) << "it was to be slow";
    for (Counting* client : slow) client->client().resume_reading();
    for (Counting* client : slow) EXPECT_TRUE(client->wait_count(transactions)) << client->fault();
    small();
    for (Counting* client : slow) EXPECT_TRUE(client->wait_count(transactions)) << client->fault();
    ASSERT_TRUE(quick.wait_count(transactions)) << quick.fault();
    for (Counting* client : slow) {
      const client::Replica held = client->held();
      EXPECT_EQ(held.counts().contradictions + held.counts().disorders + held.counts().unreadable, 0u);
      EXPECT_TRUE(held.rows() == quick.held().rows());
      EXPECT_EQ(held.rows().size(), static_cast<std::size_t>(rows) + 1);
    }
  }

  rig::PostgresServer server;
  std::string url;
  rig::Sql sql;
  std::unique_ptr<rig::KafkaBroker> broker;  // where there is one
  client::Loop loop;
  int transactions = 0;
  int rows = 0;
};

TEST_F(Lagging, c7_who_stops_reading_catches_up_from_the_tail_exactly_and_nobody_waits_for_it) {
  set_up();
  const auto gateway = serve({"--tail-bytes-max", "512MiB"});
  const auto [binary, text] = stall_and_catch_up(gateway->port());
  EXPECT_EQ(binary.snapshots, 1u);
  EXPECT_EQ(text.snapshots, 1u);
  EXPECT_GE(gateway->metric("tidegate_lagging_total"), 2);
  EXPECT_EQ(gateway->metric("tidegate_feed_resets_total"), 0);
  EXPECT_EQ(gateway->metric("tidegate_debtors_total"), 0);
}

TEST_F(Lagging, c7_rule_26_who_fell_behind_the_tail_gets_a_snapshot_and_holds_nothing_of_the_tail_meanwhile) {
  set_up();
  const auto gateway = serve({"--tail-bytes-max", "12MiB"});
  const auto [binary, text] = stall_and_catch_up(gateway->port());
  EXPECT_GE(binary.snapshots, 2u);
  EXPECT_GE(text.snapshots, 2u);
  EXPECT_GE(gateway->metric("tidegate_lagging_total"), 2);
  EXPECT_GE(gateway->metric("tidegate_given_back_total"), 2);
  EXPECT_GE(gateway->metric("tidegate_feed_resets_total"), 2);
  EXPECT_EQ(gateway->metric("tidegate_debtors_total"), 0);
}

TEST_F(Lagging, c7_rule_12_who_fell_behind_the_tail_catches_up_from_kafka_s_log_without_a_snapshot) {
  broker = std::make_unique<rig::KafkaBroker>();
  set_up();
  rig::Tidegate matcher(command("match"));
  const auto gateway =
      serve({"--tail-bytes-max", "12MiB", "--replay-bytes-max", "512MiB", "--history-bytes-max", "512MiB"});
  const auto [binary, text] = stall_and_catch_up(gateway->port());
  EXPECT_EQ(binary.snapshots, 1u);
  EXPECT_EQ(text.snapshots, 1u);
  EXPECT_GE(gateway->metric("tidegate_lagging_total"), 2);
  EXPECT_GE(gateway->metric("tidegate_feed_catch_ups_from_log_total"), 2);
  EXPECT_EQ(gateway->metric("tidegate_feed_catch_ups_refused_total"), 0);
  EXPECT_EQ(gateway->metric("tidegate_feed_resets_total"), 0);
  EXPECT_EQ(gateway->metric("tidegate_debtors_total"), 0);
}

TEST_F(Lagging, rule_26_who_wants_the_last_states_gets_fewer_of_them_and_ends_with_the_same_rows) {
  constexpr int kTransactions = 4'000;
  broker = std::make_unique<rig::KafkaBroker>();
  set_up();
  rig::Tidegate matcher(command("match"));
  const auto gateway =
      serve({"--tail-bytes-max", "12MiB", "--replay-bytes-max", "512MiB", "--history-bytes-max", "512MiB"});
  Counting quick(loop, gateway->port(), "");
  Counting binary(loop, gateway->port(), "", kSmallBuffer, true);
  Counting text(loop, gateway->port(), "json", kSmallBuffer, true);
  ASSERT_TRUE(quick.wait_count(0)) << quick.fault();
  for (Counting* slow : {&binary, &text}) {
    ASSERT_TRUE(slow->wait_count(0)) << slow->fault();
    slow->client().pause_reading();
  }
  // Rows that come and go, and change their keys, beside the one that counts, of 8 kB.
  sql.exec(
      "create procedure churn(rounds int) language plpgsql as $$ begin for i in 1 .. rounds loop "
      "update items set n = n + 1, body = repeat(md5(i::text), 250) where id = 0; "
      "insert into items values (10 + i, i, 'new'); delete from items where id = 10 + i - 2; "
      "update items set id = id + 1000000 where id = 10 + i - 1 and i % 7 = 0; commit; end loop; end $$");
  sql.exec("call churn(" + std::to_string(kTransactions) + ")");
  transactions = kTransactions;
  ASSERT_TRUE(quick.wait_count(transactions)) << quick.fault() << ": nobody waits for a slow client";
  for (Counting* slow : {&binary, &text}) {
    EXPECT_LT(slow->count(), transactions / 2) << "it was to be slow";
    slow->client().resume_reading();
    EXPECT_TRUE(slow->wait_count(transactions)) << slow->fault();
    const client::Replica held = slow->held();
    EXPECT_EQ(held.counts().contradictions + held.counts().disorders + held.counts().unreadable, 0u);
    EXPECT_TRUE(held.rows() == quick.held().rows());
    EXPECT_LT(held.counts().diffs, static_cast<std::uint64_t>(transactions) / 2);
    EXPECT_EQ(held.counts().snapshots, 1u);
  }
  // The cursor is at the last of what was put together.
  binary.resume();
  small();
  EXPECT_TRUE(binary.wait_count(transactions)) << binary.fault();
  EXPECT_TRUE(binary.held().resumed());
  EXPECT_EQ(binary.held().counts().snapshots, 1u);
  EXPECT_EQ(binary.held().counts().contradictions, 0u);
  ASSERT_TRUE(quick.wait_count(transactions)) << quick.fault();
  EXPECT_TRUE(binary.held().rows() == quick.held().rows());
  EXPECT_GE(gateway->metric("tidegate_feed_conflated_frames_total"), 2);
  EXPECT_GE(gateway->metric("tidegate_feed_conflated_transactions_total"), transactions / 2);
  EXPECT_EQ(gateway->metric("tidegate_feed_resets_total"), 0);
  EXPECT_EQ(gateway->metric("tidegate_debtors_total"), 0);
  std::printf("%d transactions: the slow ones got %lu and %lu diffs\n", transactions,
              static_cast<unsigned long>(binary.held().counts().diffs),
              static_cast<unsigned long>(text.held().counts().diffs));
}

TEST_F(Lagging, rule_20_a_snapshot_that_nobody_reads_holds_no_transaction_and_no_memory) {
  constexpr int kRows = 1'000'000;
  constexpr long kBoundMiB = 16;  // of which the spool may have 8 in memory
  sql.exec("insert into items select i, 0, repeat('x', 100) from generate_series(1, " +
           std::to_string(kRows) + ") i; checkpoint");
  set_up();
  const auto gateway = serve({"--snapshot-timeout-ms", "600000"});
  const long before = memory_of(gateway->process().pid(), "VmRSS");

  std::mutex mutex;
  std::size_t parts = 0;
  std::size_t found = 0;
  bool last = false;
  client::Settings settings;
  settings.port = static_cast<std::uint16_t>(gateway->port());
  settings.subprotocols = {"tidegate.v1"};
  settings.receive_buffer_bytes = kSmallBuffer;
  client::Handlers handlers;
  handlers.on_text = [&](std::string_view text) {
    if (text.find(R"("op":"snapshot")") == std::string_view::npos) return;
    const std::lock_guard lock(mutex);
    if (text.find(R"("part":)" + std::to_string(parts)) != std::string_view::npos) ++parts;
    for (std::size_t at = 0; (at = text.find("xx\"", at)) != std::string_view::npos; ++at) ++found;
    last |= text.find(R"("last":true)") != std::string_view::npos;
  };
  client::Client client(loop, std::move(settings), std::move(handlers));
  client.pause_reading();  // before anything can come
  client.send_text(R"({"op":"subscribe","hashId":"q",)" + std::string(kCountedQuery) + "}");
  ASSERT_TRUE(rig::eventually([&] { return gateway->metric("tidegate_feed_snapshots_total") == 1; }))
      << gateway->output();

  EXPECT_TRUE(rig::eventually([&] {
    return sql.value(
               "select count(*) from pg_stat_activity where datname = current_database() and pid <> "
               "pg_backend_pid() and backend_type = 'client backend' and xact_start is not null") == "0";
  })) << "a transaction is open for a client that reads nothing";
  // An autovacuum of all these rows makes way within a second or two; a snapshot that was held would not.
  sql.exec("set lock_timeout = '60s'; alter table items add column later int");
  const long grown = memory_of(gateway->process().pid(), "VmHWM") - before;
  EXPECT_LT(grown, kBoundMiB * 1'024);
  {
    const std::lock_guard lock(mutex);
    EXPECT_LE(parts, 1u) << "it was to read nothing, or less than a hundredth";
  }
  client.resume_reading();
  EXPECT_TRUE(rig::eventually([&] {
    const std::lock_guard lock(mutex);
    return last;
  }));
  const long read = memory_of(gateway->process().pid(), "VmHWM") - before;
  EXPECT_LT(read, kBoundMiB * 1'024);
  std::printf("%d rows: %ld KiB more while nobody reads, %ld at the end\n", kRows, grown, read);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(found, static_cast<std::size_t>(kRows));
  EXPECT_GT(parts, 400u);
}

}  // namespace
}  // namespace tidegate::test
