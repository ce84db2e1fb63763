// Invariants: transactions come whole, once and in commit order; every row is whole; a position means that
// all below it was given; what was not confirmed comes again after a break, with the same LSNs.
#include <atomic>
#include <random>
#include <thread>

#include "base/testing.h"
#include "postgres/setup.h"
#include "postgres/testing.h"

namespace tidegate::postgres {
namespace {

using query::Cell;
using query::Row;
using source::ChangeKind;
using source::SchemaChanged;
using source::StreamPosition;
using source::Transaction;
using source::Visibility;

class StreamTest : public DatabaseTest {
 protected:
  std::unique_ptr<source::ChangeStream> started() {
    auto stream = stream_of(options());
    const Status status = stream->start();
    EXPECT_TRUE(status.ok()) << (status ? "" : status.error().message);
    return stream;
  }
};

TEST_F(StreamTest, GivesInsertUpdateAndDeleteWithWholeRows) {
  make_orders();
  auto stream = started();
  sql_->exec(
      "begin; insert into orders values (1, 'new', 5), (2, null, null); update orders set status = 'paid' "
      "where id "
      "= 1; delete from orders where id = 2; commit");
  const auto transaction = read_next<Transaction>(*stream);
  ASSERT_EQ(transaction.changes.size(), 4u);
  EXPECT_EQ(transaction.changes[0].kind, ChangeKind::insert);
  EXPECT_EQ(*transaction.changes[0].new_row, (Row{"1", "new", "5.00"}));
  EXPECT_EQ(*transaction.changes[1].new_row, (Row{"2", std::nullopt, std::nullopt}));
  EXPECT_EQ(transaction.changes[2].kind, ChangeKind::update);
  EXPECT_EQ(*transaction.changes[2].old_row, (Row{"1", "new", "5.00"}));
  EXPECT_EQ(*transaction.changes[2].new_row, (Row{"1", "paid", "5.00"}));
  EXPECT_EQ(transaction.changes[3].kind, ChangeKind::remove);
  EXPECT_EQ(*transaction.changes[3].old_row, (Row{"2", std::nullopt, std::nullopt}));
  EXPECT_FALSE(transaction.changes[3].new_row);
  EXPECT_EQ(transaction.changes[0].table->qualified(), "public.orders");
  EXPECT_EQ(transaction.changes[0].table->key, std::vector<int>{0});
  EXPECT_GT(transaction.bytes, 0u);
  EXPECT_LT(std::abs(transaction.commit_time_us - unix_us(clock_.wall())), 600'000'000);
  EXPECT_GT(transaction.lsn, stream->start_position());
}

TEST_F(StreamTest, Rule25FillsUnchangedToastFromTheOldRow) {
  sql_->exec(
      "create table docs (id int primary key, body text, note text); alter table docs alter body set storage "
      "external; alter table docs replica identity full; create publication tidegate for table docs");
  const std::string body(20'000, 'x');
  sql_->exec("insert into docs values (1, $1, 'a')", {body});
  auto stream = started();
  sql_->exec("update docs set note = 'b'");
  const auto transaction = read_next<Transaction>(*stream);
  ASSERT_EQ(transaction.changes.size(), 1u);
  EXPECT_EQ(*transaction.changes[0].old_row, (Row{"1", body, "a"}));
  EXPECT_EQ(*transaction.changes[0].new_row, (Row{"1", body, "b"}));
}

TEST_F(StreamTest, Rule25GivesWhatAKeyTellsOfOldRows) {
  sql_->exec(
      "create table docs (id int primary key, body text, note text); alter table docs alter body set storage "
      "external; create publication tidegate for table docs");
  const std::string body(20'000, 'x');
  sql_->exec("insert into docs values (1, $1, 'a')", {body});
  auto stream = started();
  const Cell none;
  sql_->exec(
      "update docs set note = 'b'; update docs set id = 2; update docs set body = 'small'; delete from docs");
  const auto transaction = read_next<Transaction>(*stream);
  ASSERT_EQ(transaction.changes.size(), 4u);
  EXPECT_EQ(transaction.changes[0].old_row, (Row{"1", none, none})) << "its key did not change";
  EXPECT_EQ(transaction.changes[0].new_row, (Row{"1", none, "b"}));
  EXPECT_EQ(transaction.changes[0].left_out, std::vector<int>{1});
  EXPECT_EQ(transaction.changes[1].old_row, (Row{"1", none, none}));
  EXPECT_EQ(transaction.changes[1].left_out, std::vector<int>{1});
  EXPECT_EQ(transaction.changes[2].old_row, (Row{"2", none, none}));
  EXPECT_EQ(transaction.changes[2].new_row, (Row{"2", "small", "b"}));
  EXPECT_TRUE(transaction.changes[2].left_out.empty());
  EXPECT_EQ(transaction.changes[3].old_row, (Row{"2", none, none}));
  EXPECT_FALSE(transaction.changes[3].table->columns[1].old_told);
}

TEST_F(StreamTest, Rule25GivesWhatAnIndexTellsOfOldRows) {
  sql_->exec(
      "create table docs (id int primary key, shop text not null, note text, unique (shop, id)); alter table "
      "docs alter "
      "shop set storage external; alter table docs replica identity using index docs_shop_id_key; create "
      "publication "
      "tidegate for table docs");
  const std::string shop(2'100, 's');  // as large as an index takes, and outside of the row
  sql_->exec("insert into docs values (1, $1, 'a')", {shop});
  auto stream = started();
  sql_->exec("update docs set note = 'b'; update docs set shop = 'x'");
  const auto transaction = read_next<Transaction>(*stream);
  ASSERT_EQ(transaction.changes.size(), 2u);
  EXPECT_EQ(transaction.changes[0].old_row, (Row{"1", shop, Cell()}));
  EXPECT_EQ(transaction.changes[0].new_row, (Row{"1", shop, "b"}));
  EXPECT_EQ(transaction.changes[1].old_row, (Row{"1", shop, Cell()}));
  EXPECT_EQ(transaction.changes[1].new_row, (Row{"1", "x", "b"}));
}

TEST_F(StreamTest, Rule25APartitionTellsForItselfWhateverTheCatalogueSaysNow) {
  sql_->exec(
      "create table p (id int primary key, v int) partition by range (id); create table p1 partition of p "
      "for values from "
      "(0) to (10); create table p2 partition of p for values from (10) to (20); insert into p values (1, "
      "1), (11, 11), "
      "(12, 12)");
  ASSERT_TRUE(setup({options(), {"p"}, false}, [](const std::string&) {}).ok());
  auto stream = started();
  sql_->exec("insert into p values (13, 13)");
  ASSERT_EQ(read_next<Transaction>(*stream).changes.size(), 1u);
  sql_->exec(
      "alter table p2 replica identity default; delete from p where id = 11; alter table p2 replica identity "
      "full");
  sql_->exec("delete from p where id = 12; delete from p where id = 1");
  const auto less = read_next<SchemaChanged>(*stream);
  EXPECT_EQ(less.table->name, "p");
  EXPECT_FALSE(less.table->columns[1].old_told);
  EXPECT_EQ(read_next<Transaction>(*stream).changes.at(0).old_row, (Row{"11", Cell()}));
  EXPECT_TRUE(read_next<SchemaChanged>(*stream).table->columns[1].old_told) << "and again";
  const auto last = read_next<Transaction>(*stream);
  EXPECT_EQ(last.changes.at(0).old_row, (Row{"12", "12"}));
  EXPECT_EQ(last.changes.at(1).old_row, (Row{"1", "1"}));
}

TEST_F(StreamTest, GivesOneTruncateForEachTable) {
  sql_->exec(
      "create table a (id int primary key); create table b (id int primary key references a); alter table a "
      "replica identity full; alter table b replica identity full; create publication tidegate for table a, "
      "b; "
      "insert into a values (1)");
  auto stream = started();
  sql_->exec("truncate a cascade");
  const auto transaction = read_next<Transaction>(*stream);
  ASSERT_EQ(transaction.changes.size(), 2u);
  std::vector<std::string> names;
  for (const auto& change : transaction.changes) {
    EXPECT_EQ(change.kind, ChangeKind::truncate);
    names.push_back(change.table->name);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
}

TEST_F(StreamTest, LeavesRolledBackSavepointsOut) {
  make_orders();
  auto stream = started();
  sql_->exec(
      "begin; insert into orders values (1); savepoint s; insert into orders values (2); rollback to s; "
      "savepoint "
      "t; insert into orders values (3); release t; commit");
  const auto transaction = read_next<Transaction>(*stream);
  ASSERT_EQ(transaction.changes.size(), 2u);
  EXPECT_EQ((*transaction.changes[1].new_row)[0], "3");
}

TEST_F(StreamTest, GivesAPreparedTransactionWhenItCommits) {
  make_orders();
  auto stream = started();
  sql_->exec("begin; insert into orders values (1)");
  const Xid xid(std::stoull(sql_->value("select pg_current_xact_id()")));
  sql_->exec("prepare transaction 'two'");
  rig::Sql(url_).exec("insert into orders values (2)");
  EXPECT_EQ((*read_next<Transaction>(*stream).changes.at(0).new_row)[0], "2");
  sql_->exec("commit prepared 'two'");
  const auto transaction = read_next<Transaction>(*stream);
  EXPECT_EQ((*transaction.changes.at(0).new_row)[0], "1");
  EXPECT_EQ(transaction.xid, xid);
}

TEST_F(StreamTest, GivesALargeTransactionWhole) {
  make_orders();
  auto stream = started();
  sql_->exec("insert into orders select i, repeat('x', 50), i from generate_series(1, 50000) i");
  const auto transaction = read_next<Transaction>(*stream);
  const auto changes = changes_in(transaction);
  ASSERT_EQ(changes.size(), 50'000u);
  EXPECT_EQ((*changes.back().new_row)[0], "50000");
}

TEST_F(StreamTest, PassesOverOriginsTypesAndMessages) {
  sql_->exec(
      "create type mood as enum ('low', 'high'); create table m (id int primary key, feeling mood); alter "
      "table m "
      "replica identity full; create publication tidegate for table m");
  auto stream = started();
  sql_->exec("select pg_replication_origin_create($1)", {"origin_" + std::to_string(sql_->backend())});
  sql_->exec("select pg_replication_origin_session_setup($1)", {"origin_" + std::to_string(sql_->backend())});
  sql_->exec(
      "begin; select pg_replication_origin_xact_setup('0/100', now()); select pg_logical_emit_message(true, "
      "'x', "
      "'in it'); insert into m values (1, 'high'); commit");
  sql_->exec(
      "select pg_logical_emit_message(false, 'x', 'beside it'), pg_replication_origin_session_reset()");
  const auto transaction = read_next<Transaction>(*stream);
  ASSERT_EQ(transaction.changes.size(), 1u);
  EXPECT_EQ(*transaction.changes[0].new_row, (Row{"1", "high"}));
  EXPECT_EQ(transaction.changes[0].table->columns[1].type, query::Type::enumeration);
}

TEST_F(StreamTest, AnnouncesATablesNewShapeAndUsesItFromThenOn) {
  make_orders();
  auto stream = started();
  sql_->exec("insert into orders values (1)");
  EXPECT_EQ(read_next<Transaction>(*stream).changes.at(0).table->columns.size(), 3u);
  sql_->exec("alter table orders add column note text; insert into orders values (2, 'a', 1, 'n')");
  EXPECT_EQ(read_next<SchemaChanged>(*stream).table->columns.at(3).name, "note");
  const auto transaction = read_next<Transaction>(*stream);
  EXPECT_EQ(transaction.changes.at(0).table->columns.size(), 4u);
  EXPECT_EQ((*transaction.changes[0].new_row)[3], "n");
}

TEST_F(StreamTest, GivesEachChangeTheShapeOfItsOwnMoment) {
  make_orders();
  auto stream = started();
  sql_->exec(
      "begin; insert into orders values (1, 'a', 1); alter table orders add column note text default 'd'; "
      "update orders set note = 'n' where id = 1; alter table orders drop column status; insert into orders "
      "values (2, 5, 'm'); commit");
  const auto transaction = read_next<Transaction>(*stream);
  std::map<std::string, Row> last;
  for (const auto& change : transaction.changes) {
    for (const auto* row : {&change.old_row, &change.new_row}) {
      if (*row) {
        ASSERT_EQ((*row)->size(), change.table->columns.size());
      }
    }
    if (change.new_row) last[*(*change.new_row)[0]] = *change.new_row;
  }
  EXPECT_EQ(transaction.changes.front().table->columns.at(1).name, "status");
  EXPECT_EQ(*transaction.changes.front().new_row, (Row{"1", "a", "1.00"}));
  EXPECT_EQ(transaction.changes.back().table->columns.at(1).name, "total");
  EXPECT_EQ(last["2"], (Row{"2", "5.00", "m"}));
  EXPECT_EQ(last["1"].size(), 4u);
  EXPECT_EQ(last["1"].back(), "n");
}

TEST_F(StreamTest, AnnouncesAKeyThatMovedThoughTheColumnsAreTheSame) {
  make_orders();
  sql_->exec("alter table orders add column other int8 not null default 7");
  auto stream = started();
  sql_->exec("insert into orders values (1)");
  read_next<Transaction>(*stream);
  sql_->exec(
      "alter table orders drop constraint orders_pkey, add primary key (other); insert into orders values "
      "(2, 'a', "
      "1, 8)");
  EXPECT_EQ(read_next<SchemaChanged>(*stream).table->key, std::vector<int>{3});
}

TEST_F(StreamTest, Rule25RefusesATableWithoutAnIdentityAndDropsItsChanges) {
  make_orders();
  auto stream = started();
  sql_->exec("alter table orders replica identity nothing; insert into orders values (1)");
  const auto changed = read_next<SchemaChanged>(*stream);
  EXPECT_NE(changed.table->refusal.find("REPLICA IDENTITY FULL"), std::string::npos)
      << changed.table->refusal;
  sql_->exec("alter table orders replica identity full");
  sql_->exec("insert into orders values (2)");
  EXPECT_EQ(read_next<SchemaChanged>(*stream).table->refusal, "");
  EXPECT_EQ((*read_next<Transaction>(*stream).changes.at(0).new_row)[0], "2");
}

TEST_F(StreamTest, Rule25AnnouncesAnIdentityThatTellsLess) {
  make_orders();
  auto stream = started();
  sql_->exec("insert into orders values (1, 'a', 2)");
  read_next<Transaction>(*stream);
  sql_->exec("alter table orders replica identity default; delete from orders");
  EXPECT_FALSE(read_next<SchemaChanged>(*stream).table->columns[1].old_told);
  EXPECT_EQ(read_next<Transaction>(*stream).changes.at(0).old_row, (Row{"1", Cell(), Cell()}));
}

TEST_F(StreamTest, SaysWhatASnapshotOfNowSees) {
  make_orders();
  auto stream = started();
  rig::Sql open(url_);
  open.exec("begin; insert into orders values (1)");
  const Xid pending(std::stoull(open.value("select pg_current_xact_id()")));
  sql_->exec("insert into orders values (2)");
  const auto seen = read_next<Transaction>(*stream);
  stream->request_visibility();
  stream->request_visibility();  // folded
  auto visibility = read_next<Visibility>(*stream);
  EXPECT_TRUE(visibility.snapshot.visible(*seen.xid));
  EXPECT_FALSE(visibility.snapshot.visible(pending));
  EXPECT_GE(visibility.inserted, seen.lsn);
  open.exec("commit");
  EXPECT_EQ(read_next<Transaction>(*stream).xid, pending);
  stream->request_visibility();
  EXPECT_TRUE(read_next<Visibility>(*stream).snapshot.visible(pending));
}

TEST_F(StreamTest, Rule3MovesOnAnIdleDatabaseWhenNudged) {
  make_orders();
  auto stream = started();
  sql_->exec("select pg_switch_wal()");
  stream->request_visibility();
  const Lsn until = read_next<Visibility>(*stream).inserted;
  stream->nudge();
  read_until(*stream, [&](const source::StreamEvent& event) {
    const auto* position = std::get_if<StreamPosition>(&event);
    return position != nullptr && position->lsn >= until;
  });
}

TEST_F(StreamTest, EndsAWaitWhenWoken) {
  make_orders();
  auto stream = started();
  while (!std::holds_alternative<source::Idle>(*stream->next(0ms))) {
  }
  const auto before = std::chrono::steady_clock::now();
  stream->wake();
  for (auto event = stream->next(kPatience); !std::holds_alternative<source::Idle>(*event);
       event = stream->next(kPatience)) {
    stream->wake();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, kPatience);
}

TEST_F(StreamTest, KeepsCommitOrderOfConcurrentWritersAndLosesNothing) {
  make_orders();
  auto stream = started();
  constexpr int kWriters = 4;
  constexpr int kEach = 150;
  const auto seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([this, writer, seed] {
      std::mt19937 random(seed + static_cast<unsigned>(writer));
      rig::Sql sql(url_);
      for (int i = 0; i < kEach; ++i) {
        const std::string id = std::to_string(random() % 20);
        const std::string value = "'" + std::to_string(writer) + ":" + std::to_string(i) + "'";
        const std::string upsert = "insert into orders values (" + id + ", " + value +
                                   ", 0) on conflict (id) do update set status = excluded.status";
        const bool long_one = random() % 3 == 0;
        sql.exec(long_one ? "begin; savepoint s; " + upsert + "; release s; select pg_sleep(0.002); commit"
                          : upsert);
        if (random() % 5 == 0) sql.exec("delete from orders where id = " + id);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  sql_->exec("insert into orders values (1000, 'end', 0)");

  State state;
  Lsn last = stream->start_position();
  std::map<char, int> next;
  read_until(*stream, [&](const source::StreamEvent& event) {
    const auto* transaction = std::get_if<Transaction>(&event);
    if (transaction == nullptr) return false;
    EXPECT_LT(last, transaction->lsn);
    last = transaction->lsn;
    for (const auto& change : transaction->changes) {
      apply(state, change);
      if (!change.new_row || (*change.new_row)[1] == "end") continue;
      const std::string status = *(*change.new_row)[1];
      EXPECT_EQ(std::stoi(status.substr(2)), next[status[0]]++) << "of writer " << status[0];
    }
    return state.contains("1000");
  });
  for (int writer = 0; writer < kWriters; ++writer) EXPECT_EQ(next[static_cast<char>('0' + writer)], kEach);
  State table;
  for (const auto& row : sql_->exec("select id, status, total from orders")) table[*row[0]] = row;
  EXPECT_EQ(state, table);
}

TEST_F(StreamTest, NeverGivesAPositionAboveATransactionThatFollows) {
  make_orders();
  auto stream = started();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    rig::Sql sql(url_);
    for (int i = 0; i < 200; ++i) sql.exec("insert into orders values (" + std::to_string(i) + ")");
    done = true;
  });
  Lsn reached = stream->start_position();
  int seen = 0;
  read_until(*stream, [&](const source::StreamEvent& event) {
    if (const auto* position = std::get_if<StreamPosition>(&event)) {
      EXPECT_GT(position->lsn, reached);
      reached = position->lsn;
    } else if (const auto* transaction = std::get_if<Transaction>(&event)) {
      EXPECT_GT(transaction->lsn, reached);
      reached = transaction->lsn;
      ++seen;
    }
    stream->nudge();
    return seen == 200;
  });
  writer.join();
  EXPECT_TRUE(done);
}

TEST_F(StreamTest, IsLostWhereATemporarySlotsConnectionBreaks) {
  make_orders();
  auto stream = started();
  sql_->exec("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '" +
             stream->slot() + "'");
  EXPECT_EQ(read_error(*stream).fault, Fault::lost);
  EXPECT_EQ(read_error(*stream).fault, Fault::lost) << "and stays lost";
}

TEST_F(StreamTest, Rule28WaitsForOpenTransactionsAndSaysSo) {
  make_orders();
  rig::Sql open(url_);
  open.exec("begin; insert into orders values (1)");
  Options impatient = options();
  impatient.slot_wait = 300ms;
  auto stream = stream_of(impatient);
  const Status waiting = stream->start();
  ASSERT_FALSE(waiting.ok());
  EXPECT_EQ(waiting.error().fault, Fault::unavailable);
  EXPECT_NE(waiting.error().message.find("server process " + std::to_string(open.backend())),
            std::string::npos)
      << waiting.error().message;
  open.exec("commit");
  Status status = stream->start();
  for (int i = 0; i < 100 && !status; ++i) status = stream->start();
  EXPECT_TRUE(status.ok());
}

TEST_F(StreamTest, Rule29NamesTheDatabaseAsTheSnapshotsSideDoes) {
  make_orders();
  auto stream = started();
  auto source = make_source(options(), clock_, metrics_);
  auto catalogue = std::move(source->open_catalogue()).value();
  const auto identity = catalogue->identity();
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(stream->identity(), *identity);
  EXPECT_FALSE(identity->system.empty());
}

}  // namespace
}  // namespace tidegate::postgres
