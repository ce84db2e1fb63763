// Other processes' DDL, and what the catalogue says. Invariants: no statement of the user's fails because of
// us, and the stream's model equals the tables whatever happened to their triggers.
#include "sqlite/testing.h"

namespace tidegate::sqlite::testing {
namespace {

constexpr const char* kOrders =
    "create table orders(id integer primary key, total numeric, note text);"
    "insert into orders values (1, 10, 'one'), (2, 20, 'two')";

TEST(Schema, Rule30ATableDroppedAndMadeAgainIsFollowed) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "drop table orders; create table orders(id integer primary key, total numeric, note text);"
      "insert into orders values (2, 21, 'two'), (3, 30, 'three')");
  file.drain(model);
  EXPECT_EQ(model["orders"], file.rows("orders"));
  EXPECT_EQ(model["orders"].size(), 2U);
  file.cli("update orders set note = 'seen'");
  file.drain(model);
  EXPECT_EQ(model["orders"], file.rows("orders"));
}

TEST(Schema, ColumnsComeGoAndAreRenamedWhileTheTriggersStand) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  for (const std::string ddl :
       {"alter table orders add column extra text default 'd'",
        "alter table orders rename column note to remark", "alter table orders drop column remark",
        "alter table orders rename column id to number"}) {
    file.cli(ddl + "; insert into orders(total) values (1); update orders set total = total + 1");
    const auto events = file.drain(model);
    EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const source::StreamEvent& event) {
      return std::holds_alternative<source::SchemaChanged>(event);
    })) << ddl;
    EXPECT_EQ(model["orders"], file.rows("orders")) << ddl;
  }
  EXPECT_EQ(model["orders"].size(), 6U);
}

TEST(Schema, RenamedDroppedAndNewTablesAreToldAsSuch) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "alter table orders rename to bills; insert into bills values (5, 5, 'five'); "
      "create table fresh(id integer primary key); insert into fresh values (1)");
  std::map<std::string, std::string> changed;
  for (const auto& event : file.drain(model)) {
    if (const auto* schema = std::get_if<source::SchemaChanged>(&event))
      changed[schema->table->name] = schema->table->refusal;
  }
  EXPECT_EQ(changed, (std::map<std::string, std::string>{
                         {"orders", "table orders was dropped"}, {"bills", ""}, {"fresh", ""}}));
  EXPECT_TRUE(model["orders"].empty());
  EXPECT_EQ(model["bills"], file.rows("bills"));
  EXPECT_EQ(model["bills"].size(), 3U);
  file.cli("delete from bills where id = 1; insert into fresh values (2)");
  file.drain(model);
  EXPECT_EQ(model["bills"], file.rows("bills"));
  EXPECT_EQ(model["fresh"], file.rows("fresh"));
}

TEST(Schema, ASnapshotAfterUnjournaledWritesMeetsTheStreamExactly) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli(
      "drop table orders; create table orders(id integer primary key, total numeric, note text); "
      "insert into orders values (8, 1, 'unseen')");
  const auto held = file.rows("orders");  // brings the triggers back first
  EXPECT_EQ(held.size(), 1U);
  file.cli("delete from orders");
  Model after{{"orders", held}};
  file.drain(model);
  EXPECT_TRUE(model["orders"].empty());
}

TEST(Schema, AUserWithoutUsKeepsWritingAndTheNextStartIsExact) {
  File file(kOrders);
  {
    Model model;
    file.start(model, {"orders"});
  }
  file.cli(
      "pragma trusted_schema = off; insert into orders values (4, x'00', 'blob'); replace into orders values "
      "(1, 'x', '');"
      "select last_insert_rowid()");
  SystemClock clock;
  metrics::Registry metrics;
  Options options;
  options.path = file.path();
  auto source = make_source(options, clock, metrics);
  auto stream = std::move(*source->open_stream());
  ASSERT_TRUE(stream->start().ok());
  EXPECT_EQ(stream->identity(), file.stream().identity());
  EXPECT_GT(stream->start_position(), file.stream().start_position());
}

TEST(Schema, TheUsersOwnNumbersAreNotDisturbed) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  EXPECT_EQ(file.cli("insert into orders values (77, 1, ''); select last_insert_rowid(), changes(); "
                     "update orders set total = 2; select changes()"),
            "77|1\n3\n");
}

TEST(Catalogue, RefusesWhatCannotBeExactAndSaysWhatToType) {
  File file(
      "create table a(x integer); create table b(k primary key, v); create table c(id integer primary key, e "
      "text);"
      "create unique index c_lower on c(lower(e)); create table d(id integer primary key, t text collate "
      "nocase);"
      "create view v as select 1; create virtual table f using fts5(x); create table \"odd \"\"name'\"(id "
      "text primary key)");
  auto catalogue = file.catalogue().read();
  ASSERT_TRUE(catalogue.ok()) << catalogue.error().message;
  EXPECT_EQ(catalogue->tables().size(), 5U);
  EXPECT_NE(catalogue->find("a")->refusal.find("no primary key"), std::string::npos);
  EXPECT_NE(catalogue->find("b")->refusal.find("declare it INTEGER or TEXT"), std::string::npos);
  EXPECT_NE(catalogue->find("c")->refusal.find("drop index"), std::string::npos);
  EXPECT_EQ(catalogue->find("d")->refusal, "");
  EXPECT_FALSE(catalogue->find("d")->columns[1].deterministic);
  EXPECT_FALSE(catalogue->find("d")->columns[1].bytewise);
  EXPECT_EQ(catalogue->find("odd \"name'")->refusal, "");
  EXPECT_TRUE(file.catalogue().reachable().ok());
  file.cli(
      "insert into \"odd \"\"name'\" values ('k'); insert into a values (1); insert into c values (1, 'E')");
}

TEST(Catalogue, AMissingOrForeignFileIsNamedWithWhatToType) {
  SystemClock clock;
  metrics::Registry metrics;
  rig::TemporaryDirectory directory;
  Options options;
  options.path = directory.path() + "/none.db";
  auto missing = make_source(options, clock, metrics);
  const auto started = (*missing->open_stream())->start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().fault, Fault::not_found);
  EXPECT_NE(started.error().message.find("sqlite3 " + options.path), std::string::npos);
  rig::run({"sh", "-c", "printf 'this is no database, not at all, and long enough' > " + options.path});
  auto foreign = make_source(options, clock, metrics);
  EXPECT_EQ((*foreign->open_catalogue())->read().error().fault, Fault::fatal);
}

}  // namespace
}  // namespace tidegate::sqlite::testing
