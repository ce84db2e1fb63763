// The journal's own texts and what they do to a file; what a stream makes of them stands in stream_test.cc.
#include "sqlite/journal.h"

#include <algorithm>

#include "sqlite/testing.h"

namespace tidegate::sqlite::testing {
namespace {

constexpr const char* kOrders = "create table orders(id integer primary key, code text unique, note text)";

std::string journal_of(File& file) {
  return file.cli("select relation, k0 from _tidegate_journal where relation <> '' order by id");
}

TEST(Triggers, Rule30ATableWithoutUniqueColumnsHasThreeAndOneWithHasFive) {
  File file("create table a(id integer primary key, t); create table b(id integer primary key, t unique)");
  Model model;
  file.start(model, {"a", "b"});
  EXPECT_EQ(file.cli("select tbl_name, count(*) from sqlite_schema where type = 'trigger' and tbl_name in "
                     "('a', 'b') group by 1 order by 1"),
            "a|3\nb|5\n");
}

TEST(Triggers, Rule30JournalTheKeyAndWhatReplaceWouldDelete) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli("insert into orders values (1, 'a', 'x'), (2, 'b', 'y')");
  EXPECT_EQ(journal_of(file), "orders|1\norders|2\n");
  file.cli("insert or replace into orders values (3, 'a', 'z')");
  EXPECT_EQ(journal_of(file), "orders|1\norders|2\norders|1\norders|3\n");
  file.cli("update orders set id = 4 where id = 3");
  EXPECT_EQ(journal_of(file), "orders|1\norders|2\norders|1\norders|3\norders|3\norders|4\n");
}

TEST(Triggers, Rule30IdsHaveNoGapsAfterARollback) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli("begin; insert into orders values (1, 'a', ''); rollback; insert into orders values (2, 'b', '')");
  EXPECT_EQ(file.cli("select max(id) - min(id) + 1 = count(*) from _tidegate_journal"), "1\n");
}

TEST(Triggers, NamesWithQuotesAndKeywordsAreFollowed) {
  File file(
      "create table \"a \"\"b'\"(\"or\"\"der\" integer primary key, \"select\" text unique);"
      "create table \"group\"(\"where\" text primary key)");
  Model model;
  file.start(model, {"a \"b'", "group"});
  file.cli("insert into \"a \"\"b'\" values (1, 'x'); replace into \"a \"\"b'\" values (2, 'x')");
  file.cli("insert into \"group\" values ('it''s')");
  file.drain(model);
  EXPECT_EQ(model["a \"b'"].size(), 1U);
  EXPECT_EQ(model["a \"b'"], file.rows("a \"b'"));
  EXPECT_EQ(model["group"], file.rows("group"));
}

TEST(Triggers, AUsersOwnTriggersAreFollowedToo) {
  File file(std::string(kOrders) +
            "; create table audit(id integer primary key autoincrement, of integer);"
            "create trigger mine after insert on orders begin insert into audit(of) values (new.id); "
            "update orders set note = 'touched' where id = new.id; end");
  Model model;
  file.start(model, {"orders", "audit"});
  file.cli("insert into orders values (1, 'a', 'x')");
  file.drain(model);
  EXPECT_EQ(model["orders"], file.rows("orders"));
  EXPECT_EQ((model["orders"]["1|"][2]), "touched");
  EXPECT_EQ(model["audit"].size(), 1U);
}

TEST(Triggers, ForeignKeysThatCascadeAreFollowed) {
  File file(
      "create table parent(id integer primary key);"
      "create table child(id integer primary key, of integer references parent on delete cascade);"
      "insert into parent values (1), (2); insert into child values (10, 1), (11, 1), (12, 2)");
  Model model;
  file.start(model, {"parent", "child"});
  file.cli("pragma foreign_keys = on; delete from parent where id = 1");
  file.drain(model);
  EXPECT_EQ(model["child"].size(), 1U);
  EXPECT_EQ(model["child"], file.rows("child"));
}

TEST(Triggers, Rule30OnesThatSomebodyDroppedComeBackAndNothingIsMissed) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli("drop trigger \"_tidegate_insert_orders\"; insert into orders values (1, 'a', 'unjournaled')");
  file.drain(model);
  EXPECT_EQ(model["orders"], file.rows("orders"));
  EXPECT_EQ(model["orders"].size(), 1U);
  EXPECT_EQ(file.cli("select count(*) from sqlite_schema where name = '_tidegate_insert_orders'"), "1\n");
}

TEST(File, KeepsItsIdOverStartsAndACopyHasItToo) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  const auto id = file.stream().identity();
  EXPECT_EQ(file.cli("select id from _tidegate_file"), id.system + "\n");
  EXPECT_EQ(id.system.size(), 32U);
  ASSERT_TRUE(file.stream().start().ok());
  EXPECT_EQ(file.stream().identity(), id);
}

TEST(File, OneThatLostItsIdIsLost) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  // A new schema version makes the triggers be looked at again, and the file with them.
  file.cli("delete from _tidegate_file; create table other(id integer primary key)");
  auto event = file.stream().next(0ms);
  ASSERT_FALSE(event.ok());
  EXPECT_EQ(event.error().fault, Fault::lost);
  EXPECT_NE(event.error().message.find("_tidegate_file"), std::string::npos);
}

TEST(File, OneWithAnotherIdIsLost) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli("update _tidegate_file set id = 'other'; create table other(id integer primary key)");
  auto event = file.stream().next(0ms);
  ASSERT_FALSE(event.ok());
  EXPECT_EQ(event.error().fault, Fault::lost);
  EXPECT_NE(event.error().message.find("another one now"), std::string::npos);
}

TEST(File, AJournalThatEndsBeforeWhatWasReadIsLost) {
  File file(kOrders);
  Model model;
  file.start(model, {"orders"});
  file.cli("insert into orders values (1, 'a', ''); insert into orders values (2, 'b', '')");
  file.drain(model);
  file.cli("delete from _tidegate_journal where id = (select max(id) from _tidegate_journal)");
  auto event = file.stream().next(0ms);
  ASSERT_FALSE(event.ok());
  EXPECT_EQ(event.error().fault, Fault::lost);
  EXPECT_NE(event.error().message.find("ends before"), std::string::npos);
}

TEST(KeyList, TakesTheKeysOwnOrder) {
  query::TableSchema schema;
  schema.columns = {{.name = "a"}, {.name = "b\"c"}, {.name = "d"}};
  schema.key = {2, 1};
  EXPECT_EQ(key_list(schema, "NEW."), "NEW.\"d\", NEW.\"b\"\"c\"");
}

}  // namespace
}  // namespace tidegate::sqlite::testing
