// Invariants: what was not confirmed comes again after a break, with the same LSNs and xids; what was
// confirmed does not; a server that ends is never held up.
#include <atomic>
#include <thread>

#include "postgres/lsn.h"
#include "postgres/setup.h"
#include "postgres/testing.h"

namespace tidegate::postgres {
namespace {

using source::Transaction;

class DurableStreamTest : public DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    make_orders();
    slot_ = "durable_" + std::to_string(++slots_);
    sql_->exec("select pg_create_logical_replication_slot('" + slot_ + "', 'pgoutput')");
  }
  void TearDown() override {
    rig::eventually([&] {
      return sql_->exec("select from pg_replication_slots where active and slot_name = '" + slot_ + "'")
          .empty();
    });
    sql_->exec("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '" +
               slot_ + "'");
  }
  [[nodiscard]] Options durable() const {
    Options options = this->options();
    options.temporary_slot = false;
    options.slot = slot_;
    return options;
  }
  std::unique_ptr<source::ChangeStream> started() {
    auto stream = stream_of(durable());
    const Status status = stream->start();
    EXPECT_TRUE(status.ok()) << (status ? "" : status.error().message);
    return stream;
  }
  void cut() {
    sql_->exec("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '" +
               slot_ + "'");
  }
  [[nodiscard]] std::string confirmed() {
    return sql_->value("select confirmed_flush_lsn from pg_replication_slots where slot_name = '" + slot_ +
                       "'");
  }
  /// The next transaction, through errors that the stream mends by itself.
  Transaction transaction_after_break(source::ChangeStream& stream) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      auto event = stream.next(100ms);
      if (!event) {
        EXPECT_EQ(event.error().fault, Fault::unavailable) << event.error().message;
      } else if (auto* transaction = std::get_if<Transaction>(&*event)) {
        return std::move(*transaction);
      }
    }
    ADD_FAILURE() << "no transaction came";
    return {};
  }
  /// Ends the server while a stream that confirms nothing is read: it must not need to be killed.
  void stop_server_under(const Options& options) {
    auto stream = stream_of(options);
    ASSERT_TRUE(stream->start().ok());
    std::atomic<bool> stop{false};
    std::thread reader([&] {
      while (!stop) {
        stream->request_visibility();
        (void)stream->next(50ms);
      }
    });
    sql_->exec("insert into orders values (1)");
    sql_.reset();
    EXPECT_TRUE(server_->stop()) << "it had to be killed";
    stop = true;
    reader.join();
    server_->start();
    sql_ = std::make_unique<rig::Sql>(url_);
  }
  static inline int slots_ = 0;
  std::string slot_;
};

TEST_F(DurableStreamTest, GivesWholeTransactionsAgainAfterABreak) {
  auto stream = started();
  sql_->exec("insert into orders values (1), (2)");
  const auto first = read_next<Transaction>(*stream);
  sql_->exec("insert into orders values (3)");
  const auto second = read_next<Transaction>(*stream);
  cut();
  const auto again = transaction_after_break(*stream);
  EXPECT_EQ(again.lsn, first.lsn);
  EXPECT_EQ(again.xid, first.xid);
  EXPECT_EQ(again.changes.size(), 2u);
  EXPECT_EQ(transaction_after_break(*stream).lsn, second.lsn);
}

TEST_F(DurableStreamTest, DoesNotGiveAgainWhatWasConfirmedInclusively) {
  auto stream = started();
  sql_->exec("insert into orders values (1)");
  const auto first = read_next<Transaction>(*stream);
  sql_->exec("insert into orders values (2)");
  const auto second = read_next<Transaction>(*stream);
  const std::string before = confirmed();
  stream->confirm(first.lsn);
  ASSERT_TRUE(rig::eventually([&] { return confirmed() != before; }));
  cut();
  EXPECT_EQ(transaction_after_break(*stream).lsn, second.lsn);
  stream.reset();
  ASSERT_TRUE(rig::eventually([&] {
    return sql_->exec("select from pg_replication_slots where active and slot_name = '" + slot_ + "'")
        .empty();
  }));
  auto later = started();
  EXPECT_GE(later->start_position(), first.lsn);
  EXPECT_LT(later->start_position(), second.lsn);
  EXPECT_EQ(transaction_after_break(*later).lsn, second.lsn);
}

TEST_F(DurableStreamTest, rule_03_a_server_that_stands_still_is_out_of_reach_until_it_goes_on) {
  Options options = durable();
  options.silence_max = 600ms;
  auto stream = stream_of(options);
  ASSERT_TRUE(stream->start().ok());
  sql_->exec("insert into orders values (1)");
  const auto first = transaction_after_break(*stream);
  server_->freeze();
  stream->request_visibility();
  for (int i = 0; i < 3; ++i) {
    const Error error = read_error(*stream);
    EXPECT_EQ(error.fault, Fault::unavailable);
    EXPECT_NE(error.message.find("has said nothing for"), std::string::npos) << error.message;
  }
  server_->thaw();
  sql_->exec("insert into orders values (2)");
  EXPECT_GT(transaction_after_break(*stream).lsn, first.lsn) << "the connection is the same";
}

TEST_F(DurableStreamTest, SurvivesACrashOfTheServer) {
  auto stream = started();
  sql_->exec("insert into orders values (1)");
  const auto first = read_next<Transaction>(*stream);
  server_->kill();
  EXPECT_EQ(read_error(*stream).fault, Fault::unavailable);
  server_->start();
  sql_ = std::make_unique<rig::Sql>(url_);
  EXPECT_EQ(transaction_after_break(*stream).lsn, first.lsn);
}

// Every client that has connected and not said who it is keeps a server from ending, for up to its
// authentication_timeout. With these two times equal the stream is given up just when the second connection
// is being made, and that attempt must go with it.
TEST_F(DurableStreamTest, LeavesNoHalfMadeConnectionThatHoldsUpTheServersShutdown) {
  Options options = durable();
  options.aside_patience = options.reconnect_min;
  stop_server_under(options);
}

TEST_F(DurableStreamTest, DoesNotHoldUpTheServersShutdown) {
  Options options = durable();
  options.aside_patience = 500ms;
  stop_server_under(options);
}

TEST_F(DurableStreamTest, rule_10_a_slot_that_was_dropped_is_made_anew_and_what_was_read_of_it_is_lost) {
  Options options = durable();
  std::vector<std::string> warnings;
  options.warn = [&](const std::string& message) { warnings.push_back(message); };
  auto stream = stream_of(options);
  ASSERT_TRUE(stream->start().ok());
  sql_->exec("insert into orders values (1)");
  (void)transaction_after_break(*stream);
  cut();
  ASSERT_TRUE(rig::eventually([&] {
    return sql_->exec("select from pg_replication_slots where active and slot_name = '" + slot_ + "'")
        .empty();
  }));
  sql_->exec("select pg_drop_replication_slot('" + slot_ + "')");
  Error error = read_error(*stream);
  for (int i = 0; i < 100 && error.fault == Fault::unavailable; ++i) error = read_error(*stream);
  EXPECT_EQ(error.fault, Fault::lost) << error.message;
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find(slot_ + " was dropped"), std::string::npos) << warnings[0];
  stream = started();
  sql_->exec("insert into orders values (2)");
  EXPECT_EQ(transaction_after_break(*stream).changes.size(), 1u) << "whoever comes next finds it";
}

// The new slot begins where it was made: what was committed before would be missing without a sign.
TEST_F(DurableStreamTest, rule_10_is_lost_where_the_slot_was_dropped_and_made_again_behind_its_back) {
  auto stream = started();
  sql_->exec("insert into orders values (1)");
  (void)read_next<Transaction>(*stream);
  const auto gone = [&] {
    cut();
    try {
      sql_->exec("select pg_drop_replication_slot('" + slot_ + "')");
      return true;
    } catch (const std::runtime_error&) {
      return false;  // it is still active
    }
  };
  ASSERT_TRUE(rig::eventually(gone));
  sql_->exec("insert into orders values (2)");
  sql_->exec("select pg_create_logical_replication_slot('" + slot_ + "', 'pgoutput')");
  sql_->exec("insert into orders values (3)");
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    auto event = stream->next(100ms);
    if (!event && event.error().fault == Fault::unavailable) continue;
    if (!event) {
      EXPECT_EQ(event.error().fault, Fault::lost) << event.error().message;
      return;
    }
    ASSERT_FALSE(std::holds_alternative<Transaction>(*event)) << "as if nothing were missing";
  }
  ADD_FAILURE() << "the stream says nothing";
}

TEST_F(DurableStreamTest, IsRefusedWhileAnotherHasTheSlot) {
  auto stream = started();
  auto second = stream_of(durable());
  const Status status = second->start();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().fault, Fault::unavailable);
  EXPECT_NE(status.error().message.find("pg_terminate_backend("), std::string::npos)
      << status.error().message;
}

TEST_F(DurableStreamTest, AnswersTheServerWhileNobodyReads) {
  Options options = durable();
  options.status_interval = 200ms;
  auto stream = stream_of(options);
  ASSERT_TRUE(stream->start().ok());
  const std::string reply =
      "select coalesce(max(reply_time)::text, '') from pg_stat_replication r join "
      "pg_replication_slots s on s.active_pid = r.pid where slot_name = '" +
      slot_ + "'";
  const std::string first = sql_->value(reply);
  EXPECT_TRUE(rig::eventually([&] { return sql_->value(reply) != first; }));
}

/// A server whose slot `behind` has lost its WAL.
class LostSlot : public testing::Test {
 protected:
  void SetUp() override {
    sql.exec(
        "create table t (id int primary key); alter table t replica identity full; create publication "
        "tidegate for table t");
    sql.exec("select pg_create_logical_replication_slot('behind', 'pgoutput')");
    for (int i = 0; i < 10 && sql.value(kStatus) != "lost"; ++i) {
      sql.exec("select pg_logical_emit_message(true, 'x', repeat('x', 1000000))");
      sql.exec("select pg_switch_wal()");
      sql.exec("checkpoint");
    }
    ASSERT_EQ(sql.value(kStatus), "lost");
    options.url = server.url();
    options.temporary_slot = false;
    options.slot = "behind";
  }
  static constexpr const char* kStatus = "select wal_status from pg_replication_slots";
  const rig::PostgresServer server{
      {{"max_slot_wal_keep_size", "1MB"}, {"min_wal_size", "32MB"}, {"max_wal_size", "32MB"}}};
  rig::Sql sql{server.url()};
  SystemClock clock;
  metrics::Registry metrics;
  Options options;
};

TEST_F(LostSlot, rule_10_is_made_anew_above_what_was_confirmed) {
  std::vector<std::string> warnings;
  options.warn = [&](const std::string& message) { warnings.push_back(message); };
  const std::string confirmed = sql.value("select confirmed_flush_lsn from pg_replication_slots");
  auto stream = std::move(make_source(options, clock, metrics)->open_stream()).value();
  const Status started = stream->start();
  ASSERT_TRUE(started.ok()) << started.error().message;
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("behind fell behind max_slot_wal_keep_size"), std::string::npos) << warnings[0];
  EXPECT_EQ(sql.value(kStatus), "reserved");
  EXPECT_GT(stream->start_position().value(), parse_position(confirmed).value());
}

TEST_F(LostSlot, rule_10_is_made_anew_by_setup_too_and_a_check_says_so) {
  const auto run = [&](bool check) { return setup({options, {}, check}, [](const std::string&) {}); };
  const Status checked = run(true);
  ASSERT_FALSE(checked.ok());
  EXPECT_NE(checked.error().message.find("max_slot_wal_keep_size"), std::string::npos)
      << checked.error().message;
  EXPECT_EQ(sql.value(kStatus), "lost");
  const Status done = run(false);
  EXPECT_TRUE(done.ok()) << (done ? "" : done.error().message);
  EXPECT_EQ(sql.value(kStatus), "reserved");
}

/// Reads until /metrics would say so.
bool says(source::ChangeStream& stream, const metrics::Registry& metrics, const std::string& line) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (metrics.text().find(line) == std::string::npos) {
    if (std::chrono::steady_clock::now() > until || !stream.next(100ms)) return false;
  }
  return true;
}

TEST_F(DurableStreamTest, TellsHowMuchWalTheSlotKeeps) {
  auto stream = started();
  EXPECT_TRUE(says(*stream, metrics_, "tidegate_postgres_slot_safe_bytes -1"));
  EXPECT_TRUE(says(*stream, metrics_, "tidegate_postgres_slot_alarm 0"));
  EXPECT_TRUE(says(*stream, metrics_, R"(tidegate_postgres_slot_wal_status{status="reserved"} 1)"));
}

TEST(EndangeredSlot, IsAnAlarmBeforeItIsLost) {
  const rig::PostgresServer server(
      {{"max_slot_wal_keep_size", "48MB"}, {"min_wal_size", "32MB"}, {"max_wal_size", "32MB"}});
  rig::Sql sql(server.url());
  sql.exec(
      "create table t (id int primary key); alter table t replica identity full; create publication "
      "tidegate for table t");
  sql.exec("select pg_create_logical_replication_slot('behind', 'pgoutput')");
  const std::string near =
      "select safe_wal_size < pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) / 4 from "
      "pg_replication_slots";
  for (int i = 0; i < 100 && sql.value(near) != "t"; ++i) {
    sql.exec("select pg_logical_emit_message(true, 'x', repeat('x', 1000000))");
  }
  ASSERT_EQ(sql.value(near), "t");
  SystemClock clock;
  metrics::Registry metrics;
  Options options;
  options.url = server.url();
  options.temporary_slot = false;
  options.slot = "behind";
  auto stream = std::move(make_source(options, clock, metrics)->open_stream()).value();
  ASSERT_TRUE(stream->start().ok());
  EXPECT_TRUE(says(*stream, metrics, "tidegate_postgres_slot_alarm 1")) << metrics.text();
}

}  // namespace
}  // namespace tidegate::postgres
