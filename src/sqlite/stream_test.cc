// The stream and snapshots against a second real process, the stock sqlite3. Invariants: rule 30 of
// exactness.md.
#include <thread>

#include "sqlite/testing.h"

namespace tidegate::sqlite::testing {
namespace {

constexpr const char* kOrders =
    "create table orders(id integer primary key, code text unique, total numeric, note text);"
    "insert into orders values (1, 'a', 10.5, 'one'), (2, 'b', 20, null), (3, 'c', 30, 'three')";

const source::Transaction* transaction_of(const std::vector<source::StreamEvent>& events) {
  const source::Transaction* found = nullptr;
  for (const auto& event : events) {
    if (const auto* transaction = std::get_if<source::Transaction>(&event)) {
      EXPECT_EQ(found, nullptr) << "one read is one transaction";
      found = transaction;
    }
  }
  return found;
}

std::size_t count_of(const std::vector<source::StreamEvent>& events, source::ChangeKind kind) {
  const auto* transaction = transaction_of(events);
  if (transaction == nullptr) return 0;
  return static_cast<std::size_t>(
      std::count_if(transaction->changes.begin(), transaction->changes.end(),
                    [&](const source::Change& change) { return change.kind == kind; }));
}

TEST(Stream, GivesAnotherProcessesChangesWithOldAndNewRows) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "update orders set total = 11 where id = 1; insert into orders values (4, 'd', 1, 'x'); "
      "delete from orders where id = 2");
  const auto events = file.drain(model);
  EXPECT_EQ(count_of(events, source::ChangeKind::update), 1U);
  EXPECT_EQ(count_of(events, source::ChangeKind::insert), 1U);
  EXPECT_EQ(count_of(events, source::ChangeKind::remove), 1U);
  const auto* transaction = transaction_of(events);
  ASSERT_NE(transaction, nullptr);
  EXPECT_FALSE(transaction->xid);
  EXPECT_GT(transaction->bytes, 0U);
  EXPECT_EQ((*transaction->changes[0].old_row)[2], "10.5");
  EXPECT_EQ((*transaction->changes[0].new_row)[2], "11");
  EXPECT_EQ(model["orders"], file.rows("orders"));
}

TEST(Stream, Rule30ReplaceLosesNoVictimWhicheverConstraintItHit) {
  for (const std::string recursive : {"off", "on"}) {
    File file(
        "create table t(id integer primary key, a text unique, b text collate nocase unique, c not null "
        "default 'dflt');"
        "create unique index t_c on t(c);"
        "insert into t values (1,'a1','b1','c1'), (2,'a2','b2','c2'), (3,'a3','b3','c3'), "
        "(4,'a4','b4','dflt')");
    Model model;
    file.start(model, {"t"});
    file.cli("pragma recursive_triggers = " + recursive +
             "; insert or replace into t values (9, 'a1', 'B2', 'c3')");
    EXPECT_EQ(count_of(file.drain(model), source::ChangeKind::remove), 3U);
    EXPECT_EQ(model["t"], file.rows("t"));
    // A NULL that REPLACE turns into the default hits the row that has it.
    file.cli("pragma recursive_triggers = " + recursive +
             "; insert or replace into t values (10, 'n', 'n', null)");
    EXPECT_EQ(count_of(file.drain(model), source::ChangeKind::remove), 1U);
    file.cli("pragma recursive_triggers = " + recursive +
             "; update or replace t set id = 10, a = 'moved' where id = 9");
    file.drain(model);
    EXPECT_EQ(model["t"], file.rows("t"));
    EXPECT_EQ(model["t"].size(), 1U);
  }
}

TEST(Stream, ARollbackLeavesNoTrace) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "begin; delete from orders; rollback; begin; savepoint s; delete from orders; rollback to s; commit");
  EXPECT_EQ(transaction_of(file.drain(model)), nullptr);
}

TEST(Stream, ValuesComeThroughAsTheyAreStored) {
  File file(
      "create table v(k blob primary key, t text, r real, i integer, any) without rowid;"
      "create table w(k text primary key, n)");
  Model model;
  file.start(model, {"v", "w"});
  file.cli(
      "insert into v values (x'0000', 'a' || char(0) || '''\"', 1e300, -9223372036854775808, x'ff');"
      "insert into v values (x'00', null, -0.0, null, 3.5);"
      "insert into w values ('k' || char(0) || '1', 1), ('k' || char(0) || '2', 2), (null, 3), ('', 4)");
  file.drain(model);
  EXPECT_EQ(model["v"], file.rows("v"));
  EXPECT_EQ(model["w"].size(), 3U) << "the row without a key belongs to no result";
  EXPECT_EQ(model["w"], file.rows("w"));
  file.cli("delete from w where n = 1; delete from v where r > 0");
  file.drain(model);
  EXPECT_EQ(model["w"], file.rows("w"));
  EXPECT_EQ(model["v"], file.rows("v"));
  EXPECT_NE(file.metrics().find("tidegate_sqlite_rows_without_key_total"), std::string::npos);
}

TEST(Stream, WakesWhenAnotherProcessCommitsAndWhenItIsWoken) {
  Options options;
  options.poll_interval = 120s;  // so that only inotify can tell
  File file(kOrders, options);
  Model model;
  file.start(model, {"orders"});
  std::jthread writer([&] { file.cli("update orders set note = 'now' where id = 3"); });
  const auto begun = std::chrono::steady_clock::now();
  for (bool seen = false; !seen;) {
    auto event = file.stream().next(60s);
    ASSERT_TRUE(event.ok());
    seen = std::holds_alternative<source::Transaction>(*event);
    ASSERT_LT(std::chrono::steady_clock::now() - begun, 60s);
  }
  writer.join();
  file.drain(model);
  file.stream().wake();
  auto idle = file.stream().next(60s);
  ASSERT_TRUE(idle.ok());
  EXPECT_TRUE(std::holds_alternative<source::Idle>(*idle));
  file.stream().nudge();
  auto position = file.stream().next(60s);
  EXPECT_TRUE(std::holds_alternative<source::StreamPosition>(*position));
  file.stream().request_visibility();
  EXPECT_TRUE(std::holds_alternative<source::Visibility>(*file.stream().next(60s)));
  file.stream().stop();
  EXPECT_TRUE(std::holds_alternative<source::Idle>(*file.stream().next(60s)));
}

TEST(Stream, Rule30NoTransactionStraddlesASnapshot) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  const auto all = file.query("orders");
  file.cli("insert into orders values (7, 'g', 1, 'short life')");
  const auto snapshot = file.snapshot(*all);
  EXPECT_EQ(snapshot.rows.size(), 4U);
  file.cli("delete from orders where id = 7");
  bool removed = false;
  for (const auto& event : file.drain(model)) {
    const auto* transaction = std::get_if<source::Transaction>(&event);
    if (transaction == nullptr || snapshot.info.fence.contains(transaction->lsn, {})) continue;
    removed = transaction->changes.at(0).kind == source::ChangeKind::remove;
  }
  EXPECT_TRUE(removed) << "netted away: the client would keep the row";
}

TEST(Snapshot, Rule30IsOneReadTransactionAndUsesOurEvaluator) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  Collected sink;
  sink.on_begin = [&] { file.cli("insert into orders values (5, 'e', 99, 'late')"); };
  auto reader = std::move(*file.source().open_snapshot_reader());
  const auto query = file.query("orders", R"([{"column":"total","op":">=","value":20}])");
  ASSERT_TRUE(reader->read(*query, sink).ok());
  EXPECT_EQ(sink.rows.size(), 2U);
  EXPECT_FALSE(sink.info.fence.snapshot);
  EXPECT_EQ(sink.info.identity, file.stream().identity());
  const auto events = file.drain(model);
  const auto* transaction = transaction_of(events);
  EXPECT_FALSE(sink.info.fence.contains(transaction->lsn, {}));
}

TEST(Snapshot, OfATableThatChangedItsShapeIsLost) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  const auto query = file.query("orders");
  file.cli("alter table orders add column extra text");
  Collected sink;
  auto reader = std::move(*file.source().open_snapshot_reader());
  EXPECT_EQ(reader->read(*query, sink).error().fault, Fault::lost);
}

TEST(Journal, IsPrunedUpToWhatWasConfirmedButKeepsSome) {
  Options options;
  options.journal_rows_kept = 100;
  File file(kOrders, options);
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "with recursive n(i) as (select 10 union all select i + 1 from n where i < 3000)"
      "insert into orders select i, null, i, null from n");
  const auto events = file.drain(model);
  const Lsn last = transaction_of(events)->lsn;
  EXPECT_EQ(file.cli("select count(*) > 2900 from _tidegate_journal"), "1\n") << "nothing is confirmed yet";
  file.stream().confirm(last);
  file.drain(model);
  EXPECT_EQ(file.cli("select count(*) from _tidegate_journal"), "100\n");
  EXPECT_EQ(file.cli("select max(id) from _tidegate_journal"), std::to_string(last.value()) + "\n");
  file.cli("delete from orders");
  file.drain(model);
  EXPECT_TRUE(model["orders"].empty());
}

TEST(Journal, Rule30PrunedPastItsReaderIsLostAndAStartBeginsAnew) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "update orders set note = 'x'; delete from _tidegate_journal where id < (select max(id) from "
      "_tidegate_journal)");
  auto event = file.stream().next(0ms);
  ASSERT_FALSE(event.ok());
  EXPECT_EQ(event.error().fault, Fault::lost);
  Model again;
  file.start(again, {"orders"});
  file.cli("update orders set note = 'y'");
  file.drain(again);
  EXPECT_EQ(again["orders"], file.rows("orders"));
}

TEST(Journal, TheTriggersBoundItWhileNobodyReads) {
  Options options;
  options.journal_rows_max = 1024;
  File file(kOrders, options);
  {
    Model model;
    file.start(model, {"orders"});
  }
  file.cli(
      "with recursive n(i) as (select 10 union all select i + 1 from n where i < 9000)"
      "insert into orders select i, null, i, null from n");
  EXPECT_EQ(file.cli("select count(*) <= 2048 from _tidegate_journal"), "1\n");
}

TEST(Journal, Rule30AFileThatWasReplacedIsLost) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  rig::run({"cp", file.path(), file.path() + ".new"});
  rig::run({"mv", file.path() + ".new", file.path()});
  auto event = file.stream().next(0ms);
  ASSERT_FALSE(event.ok());
  EXPECT_EQ(event.error().fault, Fault::lost);
  ASSERT_TRUE(file.stream().start().ok());
  EXPECT_TRUE(file.stream().next(0ms).ok()) << "begun again it follows the new file";
}

}  // namespace
}  // namespace tidegate::sqlite::testing
