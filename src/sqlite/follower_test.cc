// What the follower does where the file is busy, read-only, large or changing; and each refusal's words.
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "sqlite/testing.h"

namespace tidegate::sqlite::testing {
namespace {

constexpr const char* kOrders = "create table orders(id integer primary key, note text)";

// Somebody else's connection in this process, for what the command line can't hold open.
std::unique_ptr<Connection> other(const File& file) {
  return std::move(*Connection::open(file.path(), 1s));
}

TEST(Busy, AStartWaitsItsTimeForAWriterAndSaysSo) {
  Options options;
  options.busy_timeout = 20ms;
  File file(kOrders, options);
  const auto writer = other(file);
  ASSERT_TRUE(writer->run("begin immediate").ok());
  const auto refused = file.stream().start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().fault, Fault::unavailable);
  EXPECT_NE(refused.error().message.find("locked"), std::string::npos);
  ASSERT_TRUE(writer->run("commit").ok());
  EXPECT_TRUE(file.stream().start().ok());
}

TEST(Busy, AnOpenWriteTransactionHidesNothingAndHoldsNothingUp) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  const auto writer = other(file);
  ASSERT_TRUE(writer->run("begin immediate; insert into orders values (1, 'open')").ok());
  file.drain(model);
  EXPECT_TRUE(model["orders"].empty());
  EXPECT_TRUE(file.rows("orders").empty());
  ASSERT_TRUE(writer->run("commit").ok());
  file.drain(model);
  EXPECT_EQ(model["orders"].size(), 1U);
}

TEST(Busy, PruningPassesOverAWriterAndComesLater) {
  Options options;
  options.journal_rows_kept = 1;
  options.busy_timeout = 1ms;
  File file(kOrders, options);
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500) "
      "insert into orders select i, '' from n");
  Lsn last;
  for (const auto& event : file.drain(model)) {
    if (const auto* transaction = std::get_if<source::Transaction>(&event)) last = transaction->lsn;
  }
  file.stream().confirm(last);
  const auto writer = other(file);
  ASSERT_TRUE(writer->run("begin immediate").ok());
  file.drain(model);
  ASSERT_TRUE(writer->run("commit").ok());
  EXPECT_EQ(file.cli("select count(*) >= 1500 from _tidegate_journal"), "1\n");
  file.drain(model);
  EXPECT_EQ(file.cli("select count(*) from _tidegate_journal"), "1\n");
}

TEST(Queue, ASnapshotIsUnavailableWhileTheStreamIsFarBehind) {
  Options options;
  options.queue_bytes_max = 1'000;
  File file(kOrders, options);
  Model model;
  file.start(model, {"orders"});
  const auto query = file.query("orders");
  file.cli("insert into orders values (1, hex(zeroblob(2000)))");
  EXPECT_EQ(file.snapshot(*query).rows.size(), 1U) << "this one fills the queue";
  auto reader = std::move(*file.source().open_snapshot_reader());
  Collected sink;
  const auto refused = reader->read(*query, sink);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().fault, Fault::unavailable);
  EXPECT_NE(file.metrics().find("tidegate_sqlite_snapshots_refused_total 1"), std::string::npos);
  file.drain(model);
  EXPECT_TRUE(reader->read(*query, sink).ok());
}

TEST(Reading, ASinkThatHasEnoughEndsTheReadAndTheNextOneIsWhole) {
  File file(std::string(kOrders) + "; insert into orders values (1, ''), (2, ''), (3, '')");
  struct Enough final : source::SnapshotSink {
    int rows = 0;
    bool begin(const source::SnapshotInfo&) override { return true; }
    bool row(const query::Row&) override { return ++rows < 2; }
  } sink;
  const auto query = file.query("orders");
  auto reader = std::move(*file.source().open_snapshot_reader());
  ASSERT_TRUE(reader->read(*query, sink).ok());
  EXPECT_EQ(sink.rows, 2);
  Collected whole;
  ASSERT_TRUE(reader->read(*query, whole).ok());
  EXPECT_EQ(whole.rows.size(), 3U);
}

TEST(Reading, ATableThatWasDroppedIsLost) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  const auto query = file.query("orders");
  file.cli("drop table orders");
  auto reader = std::move(*file.source().open_snapshot_reader());
  Collected sink;
  EXPECT_EQ(reader->read(*query, sink).error().fault, Fault::lost);
}

TEST(Reading, OnlyAChangeOfTheSchemaComparesAllTables) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli("insert into orders values (1, 'a'); update orders set note = 'b'; delete from orders");
  file.drain(model);
  EXPECT_NE(file.metrics().find("tidegate_sqlite_compares_total 0"), std::string::npos);
  file.cli("create index on_note on orders(note)");
  file.drain(model);
  EXPECT_NE(file.metrics().find("tidegate_sqlite_compares_total 1"), std::string::npos);
}

TEST(Identity, AKeyThatChangesIsARemoveAndAnInsert) {
  File file(std::string(kOrders) + "; insert into orders values (1, 'a')");
  Model model;
  file.start(model, {"orders"});
  file.cli("update orders set id = 2");
  std::vector<source::ChangeKind> kinds;
  for (const auto& event : file.drain(model)) {
    const auto* transaction = std::get_if<source::Transaction>(&event);
    if (transaction == nullptr) continue;
    for (const auto& change : transaction->changes) kinds.push_back(change.kind);
  }
  EXPECT_EQ(kinds, (std::vector{source::ChangeKind::remove, source::ChangeKind::insert}));
  EXPECT_EQ(model["orders"], file.rows("orders"));
}

TEST(Identity, ATableMadeAnewWithAnotherKeyIsToldAsAnotherShape) {
  File file(std::string(kOrders) + "; insert into orders values (1, 'a'), (2, 'b')");
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "create table fresh(id integer, note text primary key); insert into fresh select * from orders; "
      "drop table orders; alter table fresh rename to orders; insert into orders values (3, 'c')");
  bool told = false;
  for (const auto& event : file.drain(model)) {
    const auto* changed = std::get_if<source::SchemaChanged>(&event);
    told = told || (changed != nullptr && changed->table->name == "orders" && changed->table->key.at(0) == 1);
  }
  EXPECT_TRUE(told);
  EXPECT_EQ(model["orders"].size(), 3U);
  EXPECT_EQ(model["orders"], file.rows("orders"));
}

TEST(Identity, ATableThatLosesItsKeyIsRefusedAndItsRowsGo) {
  File file(std::string(kOrders) + "; insert into orders values (1, 'a')");
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "drop table orders; create table orders(id integer, note text); insert into orders values (1, 'a')");
  std::string refusal;
  for (const auto& event : file.drain(model)) {
    if (const auto* changed = std::get_if<source::SchemaChanged>(&event)) refusal = changed->table->refusal;
  }
  EXPECT_NE(refusal.find("no primary key"), std::string::npos);
  EXPECT_TRUE(model["orders"].empty());
}

struct Refusal {
  const char* schema;
  std::vector<const char*> says;
};

TEST(Refusals, SayWhatIsWrongAndWhatToType) {
  const std::vector<Refusal> refusals{
      {"create table t(a, b)", {"table t has no primary key", "create table new_t(id integer primary key"}},
      {"create table t(a,b,c,d,e,f,g,h,i, primary key (a,b,c,d,e,f,g,h,i))", {"more than 8 columns"}},
      {"create table t(k primary key)", {"key column without a type of ours, k", "INTEGER or TEXT"}},
      {"create table t(id integer primary key, e text); create unique index t_low on t(lower(e))",
       {"unique index on an expression, t_low", "drop index \"t_low\""}},
  };
  for (const auto& [schema, says] : refusals) {
    File file(schema);
    auto catalogue = file.catalogue().read();
    ASSERT_TRUE(catalogue.ok()) << catalogue.error().message;
    const auto table = catalogue->find("t");
    ASSERT_NE(table, nullptr);
    for (const char* words : says) EXPECT_NE(table->refusal.find(words), std::string::npos) << table->refusal;
    EXPECT_EQ(file.cli("insert into t default values; select changes()"), "1\n") << "its users go on";
  }
}

/// Root may write everything: for its life this process opens files as nobody does.
class AsNobody {
 public:
  AsNobody() : root_(geteuid() == 0) { EXPECT_EQ(root_ ? seteuid(65534) : 0, 0); }
  ~AsNobody() { EXPECT_EQ(root_ ? seteuid(0) : 0, 0); }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  bool root_;
};

TEST(Refusals, AFileThatMayNotBeWrittenSaysWhatToLookAt) {
  File file(kOrders);
  using std::filesystem::perms;
  const perms readable = perms::owner_read | perms::group_read | perms::others_read;
  std::filesystem::permissions(file.path(), readable);
  const auto directory = std::filesystem::path(file.path()).parent_path();
  std::filesystem::permissions(directory,
                               readable | perms::owner_all | perms::group_exec | perms::others_exec);
  const AsNobody nobody;
  const auto refused = file.stream().start();
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("ls -l " + file.path()), std::string::npos)
      << refused.error().message;
}

TEST(Refusals, ADirectoryIsNoFile) {
  rig::TemporaryDirectory directory;
  SystemClock clock;
  metrics::Registry metrics;
  Options options;
  options.path = directory.path();
  const auto source = make_source(options, clock, metrics);
  const auto refused = (*source->open_stream())->start();
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("cannot open " + options.path), std::string::npos);
}

TEST(Concurrency, SnapshotsOfSeveralThreadsMeetOneStream) {
  File file(std::string(kOrders) + "; insert into orders values (1, '0')");
  Model model;
  file.start(model, {"orders"});
  const auto query = file.query("orders");
  std::atomic<int> read{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      auto reader = std::move(*file.source().open_snapshot_reader());
      for (int round = 0; round < 20; ++round) {
        Collected sink;
        if (reader->read(*query, sink).ok() && sink.rows.size() == 1) ++read;
      }
    });
  }
  const auto writer = other(file);
  for (int i = 1; i <= 50; ++i) {
    ASSERT_TRUE(writer->run("update orders set note = '" + std::to_string(i) + "'").ok());
    file.drain(model);
  }
  threads.clear();
  file.drain(model);
  EXPECT_EQ(read, 60);
  EXPECT_EQ(model["orders"]["1|"][1], "50");
}

}  // namespace
}  // namespace tidegate::sqlite::testing
