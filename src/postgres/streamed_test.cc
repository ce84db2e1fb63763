// Invariants: what the stream gives of transactions that come in blocks, of any size, with aborted
// subtransactions and changing tables, is what test_decoding gives after their commits, in its order (rule
// 6). TIDEGATE_SEED repeats what the random writers do.
#include <fstream>
#include <random>

#include "base/testing.h"
#include "postgres/testing.h"

namespace tidegate::postgres {
namespace {

using source::Change;
using source::ChangeKind;
using source::Transaction;

/// A change as test_decoding writes it, of a table (id int8, body text, more int4).
std::string text_of(const Change& change) {
  const auto cells = [&](const query::Row& row, bool old) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto& column = change.table->columns[i];
      if (old && !row[i]) continue;  // it leaves these out
      const bool quoted = column.type == query::Type::text;
      text += " " + column.name + "[" + column.declared + "]:";
      text += !row[i] ? "null" : quoted ? "'" + *row[i] + "'" : *row[i];
    }
    return text;
  };
  const std::string table = "table " + change.table->qualified() + ": ";
  switch (change.kind) {
    case ChangeKind::insert:
      return table + "INSERT:" + cells(*change.new_row, false);
    case ChangeKind::update:
      return table + "UPDATE: old-key:" + cells(*change.old_row, true) +
             " new-tuple:" + cells(*change.new_row, false);
    case ChangeKind::remove:
      return table + "DELETE:" + cells(*change.old_row, true);
    case ChangeKind::truncate:
      return table + "TRUNCATE: (no-flags)";
  }
  return "";
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t pages = 0;
  file >> pages >> pages;
  return pages * 4'096;
}

class StreamedTest : public DatabaseTest {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<rig::PostgresServer>(
        rig::PostgresServer::Settings{{"logical_decoding_work_mem", "64kB"}, {"wal_sender_timeout", "0"}});
  }
  [[nodiscard]] Options small() const {
    Options options = this->options();
    options.transaction_memory_bytes = 200'000;
    options.spill_directory = directory_.path();
    return options;
  }
  void make_tables(int count) {
    sql_->exec("create publication tidegate");
    for (int i = 0; i < count; ++i) {
      const std::string name = "t" + std::to_string(i);
      sql_->exec("create table " + name + " (id int8 primary key, body text collate \"C\"); alter table " +
                 name + " replica identity full; alter publication tidegate add table " + name);
    }
  }
  void make_reference() {
    slot_ = "'reference_" + sql_->value("select current_database()") + "'";
    sql_->exec("select pg_create_logical_replication_slot(" + slot_ + ", 'test_decoding')");
  }
  /// Each transaction as its id and its changes, a line each.
  std::vector<std::string> reference() {
    std::vector<std::string> transactions;
    for (const auto& row : sql_->exec("select data from pg_logical_slot_get_changes(" + slot_ +
                                      ", null, null, 'include-xids', 'true', 'skip-empty-xacts', 'true')")) {
      const std::string& text = *row[0];
      if (text.starts_with("BEGIN ")) {
        transactions.push_back(text.substr(6));
      } else if (!text.starts_with("COMMIT") && !text.starts_with("message:")) {
        transactions.back() += "\n" + text;
      }
    }
    sql_->exec("select pg_drop_replication_slot(" + slot_ + ")");
    return transactions;
  }
  /// `small`, with a slot that outlives a break.
  Options durable(const std::string& slot) {
    sql_->exec("select pg_create_logical_replication_slot('" + slot + "', 'pgoutput')");
    Options options = small();
    options.temporary_slot = false;
    options.slot = slot;
    return options;
  }
  void drop(std::unique_ptr<source::ChangeStream> stream, const std::string& slot) {
    stream.reset();
    ASSERT_TRUE(rig::eventually([&] {
      return sql_->exec("select from pg_replication_slots where slot_name = '" + slot + "' and active")
          .empty();
    }));
    sql_->exec("select pg_drop_replication_slot('" + slot + "')");
  }
  /// Whether the server failed in the one way that we know of: of a transaction that alters a table, rolls
  /// that back to a savepoint and alters it again, it still holds what it rolled back against the rows that
  /// it sends before the second ALTER (seen in PostgreSQL 15.18; rule_6_where_the_server_fails_… has it).
  [[nodiscard]] bool server_failed() const {
    const std::string log = server_->log();
    return log.find("ERROR:  could not map filenode", log_start_) != std::string::npos ||
           log.find("ERROR:  pg_attribute catalog is missing", log_start_) != std::string::npos;
  }
  /// The next transaction, through that fault of the server's; empty is a failure. `again` where what was not
  /// confirmed comes once more.
  std::optional<Transaction> next_through_faults(source::ChangeStream& stream, bool& again) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      auto event = stream.next(1s);
      if (!event && (event.error().fault != Fault::unavailable || !server_failed())) {
        ADD_FAILURE() << event.error().message;
        return std::nullopt;
      }
      again = again || !event;
      if (event && std::holds_alternative<Transaction>(*event)) return std::get<Transaction>(*event);
    }
    ADD_FAILURE() << "the transaction did not come";
    return std::nullopt;
  }
  /// The stream's, up to the one that inserts into t0 an id below zero.
  std::vector<std::string> streamed(source::ChangeStream& stream) {
    std::vector<std::string> transactions;
    for (;;) {
      bool again = false;
      const auto transaction = next_through_faults(stream, again);
      if (!transaction) return transactions;
      if (again) transactions.clear();
      if (again) GTEST_LOG_(INFO) << "the server failed at an open transaction: read again, whole";
      transactions.push_back(std::to_string(transaction->xid->value()));
      bool last = false;
      for (const Change& change : changes_in(*transaction)) {
        transactions.back() += "\n" + text_of(change);
        last = last || (change.new_row && change.new_row->front()->front() == '-');
      }
      if (last) return transactions;
    }
  }
  [[nodiscard]] std::int64_t metric(const std::string& name) const {
    const std::string text = "\n" + metrics_.text();
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stoll(text.substr(at + name.size() + 2));
  }
  rig::TemporaryDirectory directory_;
  std::string slot_;
};

/// One connection that does random things to a table of its own, in transactions with savepoints.
class Writer {
 public:
  Writer(const std::string& url, int number, std::mt19937_64& random)
      : sql_(url), table_("t" + std::to_string(number)), random_(random) {}

  void step() {
    if (!open_) {
      sql_.exec("begin");
      open_ = true;
      return;
    }
    switch (random_() % 12) {
      case 0:
      case 1:
        sql_.exec("savepoint s" + std::to_string(++savepoints_));
        return;
      case 2:
        if (savepoints_ == 0) return;
        savepoints_ -= static_cast<int>(random_() % static_cast<unsigned>(savepoints_));
        sql_.exec("rollback to savepoint s" + std::to_string(savepoints_));
        return;
      case 3:
        if (savepoints_ == 0) return;
        sql_.exec("release savepoint s" + std::to_string(savepoints_--));
        return;
      case 4:
        end();
        return;
      case 5:
        if (random_() % 4 == 0) define();
        return;
      default:
        change();
    }
  }
  void end() {
    if (open_) sql_.exec(random_() % 4 == 0 ? "rollback" : "commit");
    open_ = false;
    savepoints_ = 0;
  }

 private:
  void change() {
    const std::string many = std::to_string(random_() % 3 == 0 ? random_() % 400 : random_() % 4);
    switch (random_() % 8) {
      case 0:
        sql_.exec("delete from " + table_ + " where id % 7 = " + std::to_string(random_() % 7));
        return;
      case 1:
        sql_.exec("update " + table_ +
                  " set body = body || 'y' where id % 5 = " + std::to_string(random_() % 5));
        return;
      case 2:
        if (random_() % 5 == 0) sql_.exec("truncate " + table_);
        return;
      default:
        sql_.exec("insert into " + table_ + " (id, body) select i, repeat('x', 300) from generate_series(" +
                  std::to_string(next_id_) + ", " + std::to_string(next_id_) + " + " + many + ") i");
        next_id_ += 500;
    }
  }
  void define() {
    sql_.exec("alter table " + table_ + " add column if not exists more int4 default 5");
    if (random_() % 2 == 0) sql_.exec("alter table " + table_ + " drop column more");
  }

  rig::Sql sql_;
  std::string table_;
  std::mt19937_64& random_;
  bool open_ = false;
  int savepoints_ = 0;
  std::int64_t next_id_ = 1;
};

TEST_F(StreamedTest, rule_6_random_subtransactions_in_interleaved_blocks_give_what_test_decoding_gives) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("TIDEGATE_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  make_tables(4);
  auto stream = stream_of(durable("random"));
  ASSERT_TRUE(stream->start().ok());
  make_reference();
  std::vector<std::unique_ptr<Writer>> writers;
  for (int i = 0; i < 4; ++i) writers.push_back(std::make_unique<Writer>(url_, i, random));
  for (int step = 0; step < 1'200; ++step) writers[random() % writers.size()]->step();
  for (auto& writer : writers) writer->end();
  sql_->exec("insert into t0 (id) values (-1)");
  const auto given = streamed(*stream);
  const auto expected = reference();
  ASSERT_EQ(given.size(), expected.size());
  for (std::size_t i = 0; i < given.size(); ++i) ASSERT_EQ(given[i], expected[i]) << "transaction " << i;
  EXPECT_GT(metric("tidegate_postgres_transactions_spilled_total"), 0)
      << "nothing of what is tested happened";
  EXPECT_EQ(metric("tidegate_postgres_spill_bytes"), 0) << "and nothing is left of it";
  drop(std::move(stream), "random");
}

TEST_F(StreamedTest, rule_6_where_the_server_fails_at_an_open_transaction_it_comes_whole_after_its_commit) {
  make_tables(2);
  sql_->exec("alter table t0 add column old int4");
  for (const std::string alter : {"alter table t0 add column more int4", "alter table t0 drop column old"}) {
    SCOPED_TRACE(alter);
    auto stream = stream_of(durable("failing"));
    rig::Sql writer(url_);
    writer.exec("begin; savepoint a; " + alter + "; rollback to a");
    writer.exec("alter table t1 add column if not exists more int4; alter table t1 drop column more");
    writer.exec("savepoint b; insert into t0 select i, repeat('x', 300) from generate_series(1, 1000) i");
    writer.exec(alter + "; delete from t0; commit");
    ASSERT_TRUE(stream->start().ok());  // now: it must know the second ALTER when it comes to the rows
    bool again = false;
    const auto whole = next_through_faults(*stream, again);
    ASSERT_TRUE(whole);
    EXPECT_EQ(changes_in(*whole).size(), 2'000u);
    if (!again) GTEST_LOG_(INFO) << "this server does not fail: nothing was shown";
    drop(std::move(stream), "failing");
  }
}

TEST_F(StreamedTest, rule_6_a_transaction_in_blocks_shows_nothing_before_its_commit_and_lets_others_pass) {
  make_tables(2);
  auto stream = stream_of(small());
  ASSERT_TRUE(stream->start().ok());
  rig::Sql slow(url_);
  slow.exec("begin; insert into t1 select i, repeat('x', 200) from generate_series(1, 5000) i");
  sql_->exec("insert into t0 values (1)");
  const auto quick = read_next<Transaction>(*stream);
  EXPECT_EQ(quick.changes.at(0).table->name, "t0");
  EXPECT_GT(metric("tidegate_postgres_spill_bytes"), 200'000) << "the other one is on its way";
  slow.exec("insert into t1 values (6000); commit");
  const auto large = read_next<Transaction>(*stream);
  EXPECT_GT(large.lsn, quick.lsn);
  EXPECT_EQ(changes_in(large).size(), 5'001u);
}

TEST_F(StreamedTest, rule_6_a_break_in_the_middle_of_a_block_gives_the_transaction_whole_afterwards) {
  make_tables(1);
  auto stream = stream_of(durable("broken"));
  ASSERT_TRUE(stream->start().ok());
  rig::Sql slow(url_);
  slow.exec("begin; insert into t0 select i, repeat('x', 200) from generate_series(1, 5000) i");
  ASSERT_TRUE(rig::eventually([&] {
    (void)stream->next(10ms);
    return metric("tidegate_postgres_spill_bytes") > 0;
  }));
  sql_->exec("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'broken'");
  EXPECT_EQ(read_error(*stream).fault, Fault::unavailable);
  EXPECT_EQ(metric("tidegate_postgres_spill_bytes"), 0);
  slow.exec("commit");
  std::optional<Transaction> whole;
  ASSERT_TRUE(rig::eventually([&] {
    auto event = stream->next(100ms);
    if (event && std::holds_alternative<Transaction>(*event)) whole = std::get<Transaction>(*event);
    return whole.has_value();
  }));
  EXPECT_EQ(changes_in(*whole).size(), 5'000u);
  drop(std::move(stream), "broken");
}

TEST_F(StreamedTest, rule_6_a_transaction_that_no_disk_holds_ends_the_stream_and_is_not_lost) {
  make_tables(1);
  Options options = small();
  options.spill_bytes_max = 400'000;
  auto stream = stream_of(options);
  ASSERT_TRUE(stream->start().ok());
  sql_->exec("insert into t0 select i, repeat('x', 200) from generate_series(1, 20000) i");
  const Error error = read_error(*stream);
  EXPECT_EQ(error.fault, Fault::fatal);
  EXPECT_NE(error.message.find("--transaction-file-bytes-max"), std::string::npos);
  EXPECT_EQ(read_error(*stream).message, error.message) << "and it goes on to say so";
}

TEST_F(StreamedTest, rule_6_a_flood_of_changes_passes_within_bounded_memory) {
  const int rows = std::getenv("TIDEGATE_LONG") != nullptr ? 1'000'000 : 300'000;
  make_tables(1);
  Options options = this->options();
  options.transaction_memory_bytes = std::size_t{16} << 20;
  options.spill_directory = directory_.path();
  auto stream = stream_of(options);
  ASSERT_TRUE(stream->start().ok());
  const std::int64_t before = resident_bytes();
  sql_->exec("insert into t0 select i, repeat('x', 100) from generate_series(1, " + std::to_string(rows) +
             ") i");
  const auto transaction = read_next<Transaction>(*stream);
  std::int64_t next = 1;
  bool in_order = true;
  std::int64_t most = resident_bytes();
  ASSERT_TRUE(transaction.changes
                  .each([&](const auto& change) {
                    in_order = in_order && (*change->new_row)[0] == std::to_string(next);
                    if (++next % 100'000 == 0) most = std::max(most, resident_bytes());
                  })
                  .ok());
  EXPECT_TRUE(in_order);
  EXPECT_EQ(next, rows + 1);
  EXPECT_LT(most - before, std::int64_t{100} << 20);
  sql_->exec("insert into t0 values (-1)");
  EXPECT_EQ(read_next<Transaction>(*stream).changes.size(), 1u);
}

}  // namespace
}  // namespace tidegate::postgres
