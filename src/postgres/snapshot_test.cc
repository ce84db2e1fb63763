// Invariants: a snapshot's rows are what SELECT says; together with the transactions that its fence does not
// contain they are the table at every later moment; nothing above `until` is visible in it.
#include <thread>

#include "postgres/lsn.h"
#include "postgres/testing.h"
#include "query/query.h"

namespace tidegate::postgres {
namespace {

using query::Row;
using source::Transaction;

struct Collected final : source::SnapshotSink {
  bool begin(const source::SnapshotInfo& given) override {
    info = given;
    if (on_begin) on_begin();
    return true;
  }
  bool row(const Row& given) override {
    rows[given[0].value()] = given;
    if (on_row) on_row();
    return rows.size() < rows_max;
  }
  source::SnapshotInfo info;
  State rows;
  std::size_t rows_max = SIZE_MAX;
  std::function<void()> on_begin;
  std::function<void()> on_row;
};

class SnapshotTest : public DatabaseTest {
 protected:
  std::unique_ptr<source::SnapshotReader> reader_of(const Options& options) {
    return std::move(make_source(options, clock_, metrics_)->open_snapshot_reader()).value();
  }
  std::shared_ptr<const query::Query> query_of(const std::string& table,
                                               std::vector<query::ParsedCondition> where = {}) {
    auto catalogue = std::move(make_source(options(), clock_, metrics_)->open_catalogue()).value()->read();
    EXPECT_TRUE(catalogue.ok()) << (catalogue ? "" : catalogue.error().message);
    auto bound = query::Query::bind({table, {}, std::move(where)}, catalogue->find(table));
    EXPECT_TRUE(bound.ok()) << (bound ? "" : bound.error().message);
    return bound ? *bound : nullptr;
  }
  Error error_of(source::SnapshotReader& reader, const query::Query& query) {
    Collected sink;
    const Status status = reader.read(query, sink);
    EXPECT_FALSE(status.ok());
    return status ? Error{} : status.error();
  }
};

TEST_F(SnapshotTest, HoldsTheRowsThatSelectGives) {
  make_orders();
  sql_->exec(
      "insert into orders select i, case when i % 3 = 0 then null else 's' || i % 5 end, i / 4.0 from "
      "generate_series(1, 1000) i");
  Collected all;
  const auto query = query_of("orders");
  ASSERT_TRUE(reader_of(options())->read(*query, all).ok());
  State wanted;
  for (const auto& row : sql_->exec("select * from orders")) wanted[*row[0]] = row;
  EXPECT_EQ(all.rows, wanted);

  Collected some;
  const auto filtered =
      query_of("orders", {{"status", query::Op::eq, {{query::ParsedLiteral::Kind::string, "s1"}}},
                          {"total", query::Op::gt, {{query::ParsedLiteral::Kind::number, "100"}}}});
  ASSERT_TRUE(reader_of(options())->read(*filtered, some).ok());
  EXPECT_EQ(some.rows.size(),
            std::stoul(sql_->value("select count(*) from orders where status = 's1' and total > 100")));
  EXPECT_FALSE(some.rows.empty());
}

TEST_F(SnapshotTest, Rule23PinsTheSettingsThatTextDependsOn) {
  sql_->exec(
      "create table t (id int primary key, at timestamptz, span interval, raw bytea, f float8); alter table "
      "t "
      "replica identity full; create publication tidegate for table t; insert into t values (1, '2024-02-03 "
      "04:05:06.5+00', '1 day 2 hours', '\\x01ff', 0.1::float8 + 0.2)");
  sql_->exec(
      "alter role postgres set datestyle = 'SQL, DMY'; alter role postgres set timezone = 'Asia/Tokyo'; "
      "alter role "
      "postgres set intervalstyle = 'iso_8601'; alter role postgres set bytea_output = 'escape'; alter role "
      "postgres set extra_float_digits = 0");
  Collected sink;
  auto stream = stream_of(options());
  const Status started = stream->start();
  const Status read = reader_of(options())->read(*query_of("t"), sink);
  sql_->exec("update t set f = f");
  const auto transaction = read_next<Transaction>(*stream);
  sql_->exec("alter role postgres reset all");
  ASSERT_TRUE(started.ok());
  ASSERT_TRUE(read.ok());
  const Row wanted = {"1", "2024-02-03 04:05:06.5+00", "1 day 02:00:00", "\\x01ff", "0.30000000000000004"};
  EXPECT_EQ(sink.rows["1"], wanted);
  EXPECT_EQ(*transaction.changes.at(0).new_row, wanted) << "snapshot and stream write the same text";
}

TEST_F(SnapshotTest, Rule18AgreesWithTheStreamAtEveryFence) {
  make_orders();
  auto stream = stream_of(options());
  ASSERT_TRUE(stream->start().ok());
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([this, writer] {
      rig::Sql sql(url_);
      for (int i = 0; i < 150; ++i) {
        const std::string id = std::to_string((i * 7 + writer) % 15);
        const std::string set = "insert into orders values (" + id + ", 'w" + std::to_string(writer) + "', " +
                                std::to_string(i) +
                                ") on conflict (id) do update set status = excluded.status, total = "
                                "excluded.total";
        sql.exec(i % 3 == 0 ? "begin; savepoint s; " + set + "; release s; select pg_sleep(0.003); commit"
                            : set);
        if (i % 10 == 9) sql.exec("delete from orders where id = " + id);
        if (writer == 0 && i % 50 == 25) sql.exec("truncate orders");
      }
    });
  }
  const auto query = query_of("orders");
  auto reader = reader_of(options());
  std::vector<Collected> snapshots(60);
  for (Collected& snapshot : snapshots) {
    Status status = reader->read(*query, snapshot);
    EXPECT_TRUE(status.ok()) << (status ? "" : status.error().message);
  }
  for (std::thread& writer : writers) writer.join();
  sql_->exec("insert into orders values (1000, 'end', 0)");
  std::vector<Transaction> transactions;
  read_until(*stream, [&](const source::StreamEvent& event) {
    if (const auto* transaction = std::get_if<Transaction>(&event)) transactions.push_back(*transaction);
    return !transactions.empty() && transactions.back().changes.back().new_row &&
           (*transactions.back().changes.back().new_row)[0] == "1000";
  });
  for (const Collected& snapshot : snapshots) {
    State reference;
    for (const Transaction& transaction : transactions) {
      const bool contained = snapshot.info.fence.contains(transaction.lsn, transaction.xid);
      if (contained) {
        EXPECT_LE(transaction.lsn, snapshot.info.fence.until);
        for (const auto& change : transaction.changes) apply(reference, change);
      }
    }
    EXPECT_EQ(snapshot.rows, reference) << "as of " << snapshot.info.fence.snapshot->text();
  }
}

TEST_F(SnapshotTest, rule_7_a_table_that_got_columns_or_was_rewritten_is_read_as_it_is_now) {
  make_orders();
  sql_->exec("insert into orders values (1, 'new', 5)");
  const auto query = query_of("orders");
  auto reader = reader_of(options());
  sql_->exec(
      "alter table orders add column note text default 'n'; alter table orders alter total type "
      "numeric(12,3) using total * 2");
  Collected sink;
  ASSERT_TRUE(reader->read(*query, sink).ok());
  EXPECT_EQ(sink.rows["1"], (Row{"1", "new", "10.000", "n"}));
  ASSERT_TRUE(sink.info.query);
  EXPECT_EQ(sink.info.query->canonical(), query->canonical());
  std::string json;
  sink.info.query->append_row_json(json, sink.rows["1"]);
  EXPECT_EQ(json, R"({"id":"1","status":"new","total":"10.000"})") << "what nobody asked for is not shown";
}

TEST_F(SnapshotTest, rule_7_is_lost_where_what_the_query_names_is_gone) {
  make_orders();
  const auto query = query_of("orders");
  auto reader = reader_of(options());
  sql_->exec("alter table orders alter total type int8");
  EXPECT_EQ(error_of(*reader, *query).fault, Fault::lost) << "types belong to a query's meaning";
  sql_->exec("alter table orders alter total type numeric(10,2)");
  sql_->exec("alter table orders rename column status to state");
  EXPECT_EQ(error_of(*reader, *query).fault, Fault::lost);
  sql_->exec("alter table orders rename column state to status; alter table orders rename to gone");
  EXPECT_EQ(error_of(*reader, *query).fault, Fault::lost);
  sql_->exec("create table orders (id int8 primary key, status text collate \"C\", total numeric(10,2))");
  EXPECT_EQ(error_of(*reader, *query).fault, Fault::lost) << "another table of the same name and columns";
}

TEST_F(SnapshotTest, Rule17IsUnavailableWhileTheTableIsLocked) {
  make_orders();
  const auto query = query_of("orders");
  Options impatient = options();
  impatient.lock_timeout = 100ms;
  auto reader = reader_of(impatient);
  sql_->exec("begin; lock table orders in access exclusive mode");
  const Error error = error_of(*reader, *query);
  EXPECT_EQ(error.fault, Fault::unavailable);
  EXPECT_NE(error.message.find("is locked"), std::string::npos) << error.message;
  sql_->exec("rollback");
  Collected sink;
  EXPECT_TRUE(reader->read(*query, sink).ok()) << "the reader can be used again";
}

TEST_F(SnapshotTest, Rule17LocksTheTableBeforeItLooks) {
  make_orders();
  sql_->exec("insert into orders values (1)");
  const auto query = query_of("orders");
  auto reader = reader_of(options());
  // A TRUNCATE holds the lock; the snapshot waits behind it and must not be of before.
  sql_->exec("begin; truncate orders; insert into orders values (2)");
  Collected sink;
  Status status;
  std::thread reading([&] { status = reader->read(*query, sink); });
  rig::Sql watch(url_);
  EXPECT_TRUE(rig::eventually([&] {
    return watch.value(
               "select count(*) from pg_locks where not granted and database = (select oid from pg_database "
               "where datname = current_database())") != "0";
  }));
  sql_->exec("commit");
  reading.join();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(sink.rows.size(), 1u);
  EXPECT_TRUE(sink.rows.contains("2"));
}

TEST_F(SnapshotTest, Rule17IsGivenOnlyOnceTheWalUpToItsFenceIsWrittenOut) {
  make_orders();
  sql_->exec("begin");
  int rows = 0;
  ASSERT_TRUE(rig::eventually([&] {  // WAL that nobody waits for, unless the server writes it out just now
    sql_->exec("insert into orders values (" + std::to_string(++rows) + ", 'open', 1)");
    return sql_->value("select pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()") == "t";
  }));
  Collected sink;
  ASSERT_TRUE(reader_of(options())->read(*query_of("orders"), sink).ok());
  const auto flushed = parse_position(sql_->value("select pg_current_wal_flush_lsn()"));
  EXPECT_GE(inclusive(flushed.value()), sink.info.fence.until)
      << "a crash would give the numbers of ended transactions out again, below H";
  sql_->exec("rollback");
}

TEST_F(SnapshotTest, Rule17IsDeniedWhereRowSecurityWouldFilterOrSelectIsMissing) {
  make_orders();
  const std::string role = "reader_of_snapshots";
  sql_->exec("create role " + role + " login; grant usage on schema public to " + role);
  const auto query = query_of("orders");
  auto reader = reader_of(options_as(role));
  EXPECT_EQ(error_of(*reader, *query).fault, Fault::denied);
  sql_->exec("grant select on orders to " + role);
  Collected sink;
  EXPECT_TRUE(reader->read(*query, sink).ok());
  sql_->exec("alter table orders enable row level security");
  const Error error = error_of(*reader, *query);
  EXPECT_EQ(error.fault, Fault::denied);
  EXPECT_NE(error.message.find("BYPASSRLS"), std::string::npos) << error.message;
}

TEST_F(SnapshotTest, IsDeniedWithTheGrantToTypeWhereTheRoleMayNotReadTheServersIdentity) {
  make_orders();
  sql_->exec(
      "create role without_identity login; grant select on orders to without_identity; revoke execute on "
      "function pg_control_system() from public");
  const auto query = query_of("orders");
  auto reader = reader_of(options_as("without_identity"));
  const Error error = error_of(*reader, *query);
  EXPECT_EQ(error.fault, Fault::denied);
  EXPECT_NE(error.message.find("GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO "
                               "\"without_identity\""),
            std::string::npos)
      << error.message;
  sql_->exec("grant execute on function pg_control_system() to without_identity");
  Collected sink;
  EXPECT_TRUE(reader->read(*query, sink).ok()) << "the same reader, after the grant";
}

TEST_F(SnapshotTest, IsUnavailableWhereItTakesTooLong) {
  make_orders();
  sql_->exec("insert into orders select i, repeat('x', 900) from generate_series(1, 30000) i");
  const auto query = query_of("orders");
  Options hasty = options();
  hasty.statement_timeout = 1s;
  auto reader = reader_of(hasty);
  Collected sink;
  // The sink is slower than the database may take; the server fills the socket and waits, then it is cut off.
  sink.on_row = [this] { sql_->exec("select pg_sleep(0.01)"); };
  const Status status = reader->read(*query, sink);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().fault, Fault::unavailable);
  EXPECT_NE(status.error().message.find("longer than 1000 ms"), std::string::npos) << status.error().message;
  EXPECT_LT(sink.rows.size(), 30'000u);
  // Anew, so that to read what is left takes no time.
  sql_->exec("truncate orders; insert into orders select i from generate_series(1, 10) i");
  Collected all;
  EXPECT_TRUE(reader->read(*query, all).ok()) << "the reader can be used again";
  EXPECT_EQ(all.rows.size(), 10u);
}

TEST_F(SnapshotTest, EndsWhereTheSinkHasEnoughAndCanBeUsedAgain) {
  make_orders();
  sql_->exec("insert into orders select i from generate_series(1, 20000) i");
  const auto query = query_of("orders");
  auto reader = reader_of(options());
  Collected few;
  few.rows_max = 10;
  EXPECT_TRUE(reader->read(*query, few).ok());
  EXPECT_EQ(few.rows.size(), 10u);
  Collected all;
  EXPECT_TRUE(reader->read(*query, all).ok());
  EXPECT_EQ(all.rows.size(), 20'000u);
}

TEST_F(SnapshotTest, ConnectsAgainAfterTheServerRestarted) {
  make_orders();
  const auto query = query_of("orders");
  auto reader = reader_of(options());
  Collected sink;
  ASSERT_TRUE(reader->read(*query, sink).ok());
  server_->restart();
  EXPECT_TRUE(reader->read(*query, sink).ok());
  server_->stop();
  EXPECT_EQ(error_of(*reader, *query).fault, Fault::unavailable);
  server_->start();
  EXPECT_TRUE(reader->read(*query, sink).ok());
}

TEST_F(SnapshotTest, ReportsAConnectionThatBreaksInTheMiddle) {
  make_orders();
  sql_->exec("insert into orders select i, repeat('x', 500) from generate_series(1, 60000) i");
  const auto query = query_of("orders");
  auto reader = reader_of(options());
  Collected sink;
  sink.on_begin = [&] {
    sql_->exec(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tidegate' and "
        "datname = "
        "current_database()");
  };
  const Status status = reader->read(*query, sink);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().fault, Fault::unavailable);
}

}  // namespace
}  // namespace tidegate::postgres
