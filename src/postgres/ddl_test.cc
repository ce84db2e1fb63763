// Invariants: with the event triggers every ALTER of a published table, and nothing else, is told in its
// transaction's place; no statement of a user fails for them; setup says whether they are in force (rule 7).
#include "postgres/ddl.h"

#include <algorithm>

#include "postgres/setup.h"
#include "postgres/testing.h"

namespace tidegate::postgres {
namespace {

using source::TableAltered;
using source::Transaction;
using Columns = std::vector<std::string>;

TEST(Ddl, rule_7_a_message_is_read_back_and_what_is_none_is_not) {
  const auto altered = altered_of("altered 16384 t 7075626c6963 6f726465727320 6964 746f74616c");
  ASSERT_TRUE(altered);
  EXPECT_EQ(altered->relation, 16384u);
  EXPECT_TRUE(altered->rewritten);
  EXPECT_EQ(altered->name, "public.orders ");
  EXPECT_EQ(altered->columns, (Columns{"id", "total"}));
  for (const char* other : {"", "altered", "altered x t 61 62", "altered 1 t 6 62", "moved 1 t 61 62"}) {
    EXPECT_FALSE(altered_of(other)) << other;
  }
}

class DdlTest : public DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    make_orders();
    sql_->exec("insert into orders values (1, 'new', 5)");
    sql_->exec(ddl_trigger_sql());
    stream_ = stream_of(options());
    ASSERT_TRUE(stream_->start().ok());
  }
  /// Runs it, and gives what was told of it before the next write.
  std::vector<TableAltered> told_of(const std::string& ddl) {
    sql_->exec(ddl);
    std::vector<TableAltered> told = told_now();
    return told;
  }
  std::vector<TableAltered> told_now() {
    sql_->exec("insert into mark default values");
    std::vector<TableAltered> told;
    for (;;) {
      const auto transaction = read_next<Transaction>(*stream_);
      told.insert(told.end(), transaction.altered.begin(), transaction.altered.end());
      if (!transaction.altered.empty()) last_ = transaction;
      if (transaction.changes.empty() && transaction.altered.empty()) return told;  // a failure
      for (const auto& change : changes_in(transaction)) {
        if (change.table->name == "mark") return told;
      }
    }
  }
  void make_mark() {
    sql_->exec(
        "create table mark (id int8 generated always as identity primary key); alter table mark replica "
        "identity "
        "full; alter publication tidegate add table mark");
    (void)told_now();
  }
  std::unique_ptr<source::ChangeStream> stream_;
  Transaction last_;
};

TEST_F(DdlTest, rule_7_a_rewrite_names_its_columns_in_its_transactions_place) {
  make_mark();
  auto told = told_of(
      "begin; update orders set total = 6; alter table orders alter total type numeric(10,2) using total * "
      "100; "
      "commit");
  ASSERT_GE(told.size(), 1u);
  EXPECT_TRUE(told[0].rewritten);
  EXPECT_EQ(told[0].columns, Columns{"total"});
  EXPECT_EQ(told[0].name, "public.orders");
  EXPECT_EQ(std::to_string(told[0].relation), sql_->value("select 'orders'::regclass::oid"));
  EXPECT_EQ(last_.changes.size(), 1u) << "with what the transaction wrote";
  EXPECT_TRUE(last_.xid);

  told = told_of("alter table orders add column token uuid default gen_random_uuid()");
  ASSERT_GE(told.size(), 1u);
  EXPECT_TRUE(told[0].rewritten);
  EXPECT_EQ(told[0].columns, Columns{"token"});
}

TEST_F(DdlTest, rule_7_what_rewrites_nothing_is_told_as_that) {
  make_mark();
  for (const std::string ddl :
       {"alter table orders add column note text default 'x'", "alter table orders rename note to remark",
        "alter table orders drop column remark", "alter table orders alter status set not null",
        "alter table orders rename to purchases",
        "alter schema public rename to shop; alter schema shop rename to public"}) {
    const auto told = told_of(ddl);
    ASSERT_GE(told.size(), 1u) << ddl;
    // A new name may be an old column's, and then it is another column.
    const std::string fresh = ddl.find("remark") == std::string::npos ? "note" : "remark";
    for (const auto& each : told) EXPECT_TRUE(!each.rewritten || each.columns == Columns{fresh}) << ddl;
  }
}

TEST_F(DdlTest, rule_7_a_table_that_goes_is_told) {
  make_mark();
  const std::string oid = sql_->value("select 'orders'::regclass::oid");
  auto told = told_of("alter publication tidegate drop table orders");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(std::to_string(told[0].relation), oid);
  sql_->exec("alter publication tidegate add table orders");
  told = told_of("drop table orders");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(std::to_string(told[0].relation), oid);
  EXPECT_EQ(told[0].name, "public.orders");
}

TEST_F(DdlTest, rule_7_a_publication_that_shows_less_is_told) {
  make_mark();
  const auto told = told_of(
      "alter publication tidegate set (publish = 'insert'); alter publication tidegate set (publish = "
      "'insert, update, delete, truncate')");
  const auto orders =
      std::find_if(told.begin(), told.end(), [](const auto& each) { return each.name == "public.orders"; });
  ASSERT_NE(orders, told.end());
  EXPECT_FALSE(orders->rewritten);
}

TEST_F(DdlTest, rule_7_a_value_of_an_enum_that_gets_another_name_is_a_rewrite) {
  sql_->exec(
      "create type mood as enum ('low', 'high'); create table m (id int primary key, feeling mood, other "
      "int); "
      "alter publication tidegate add table m");
  make_mark();
  const auto told = told_of("alter type mood rename value 'low' to 'sad'");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].rewritten);
  EXPECT_EQ(told[0].name, "public.m");
  EXPECT_EQ(told[0].columns, Columns{"feeling"});
}

TEST_F(DdlTest, rule_7_other_tables_disturb_nothing) {
  make_mark();
  EXPECT_TRUE(
      told_of("create table other (id int primary key); alter table other add x int default random(); "
              "create temp table orders (id int); alter table pg_temp.orders add y int; drop table "
              "pg_temp.orders; create schema far; create table far.orders (id int); alter table far.orders "
              "add z int; drop schema far cascade; create index on public.mark (id)")
          .empty());
}

TEST_F(DdlTest, rule_7_a_partitions_definition_is_told_with_its_parents) {
  sql_->exec(
      "create table p (id int primary key, v int) partition by range (id); create table p1 partition of p "
      "for "
      "values from (0) to (10); alter publication tidegate add table p1");
  make_mark();
  const auto told = told_of("alter table p add column w int");
  ASSERT_GE(told.size(), 1u);
  for (const auto& each : told) EXPECT_EQ(each.name, "public.p1");
}

class PartitionsTest : public DdlTest {
 protected:
  /// `p`, published as one, of `p1` and `p2`; a third, `p3`, is made but no partition yet.
  void make_partitions() {
    sql_->exec(
        "create table p (id int primary key, v int) partition by range (id); create table p1 partition of p "
        "for values "
        "from (0) to (10); create table p2 partition of p for values from (10) to (20); create table p3 (id "
        "int primary "
        "key, v int); insert into p3 values (25, 1); create schema far; create table far.other (id int "
        "primary key) "
        "partition by range (id); create table far.other1 partition of far.other default; alter publication "
        "tidegate "
        "add table p, far.other; alter publication tidegate set (publish_via_partition_root = true)");
    make_mark();
  }
  /// Whether all rows of `p` were told to have other values; nothing may be told of anything else.
  bool replaced(const std::string& ddl) {
    bool whole = false;
    for (const auto& each : told_of(ddl)) {
      EXPECT_EQ(each.name, "public.p") << ddl;
      whole = whole || (each.rewritten && each.columns.empty());
    }
    return whole;
  }
};

TEST_F(PartitionsTest, rule_7_rows_that_come_or_go_with_a_partition_are_told_of_its_root) {
  make_partitions();
  EXPECT_TRUE(replaced("alter table p attach partition p3 for values from (20) to (30)"));
  EXPECT_TRUE(replaced("alter table p detach partition p3"));
  EXPECT_TRUE(replaced("drop table p2"));
  EXPECT_TRUE(replaced("alter table p detach partition p1 concurrently"));
  EXPECT_FALSE(replaced("create table p4 partition of p for values from (40) to (50)")) << "it has no rows";
  EXPECT_TRUE(replaced("truncate p4")) << "a new partition has its trigger";
  EXPECT_FALSE(replaced("alter table p add column w int"));
  const auto told = told_of("alter table p alter v type int8");
  ASSERT_GE(told.size(), 1u);
  EXPECT_EQ(told[0].name, "public.p");
  EXPECT_TRUE(told[0].rewritten);
  EXPECT_EQ(told[0].columns, Columns{"v"});
}

TEST_F(PartitionsTest, rule_7_a_new_partition_tells_as_much_of_old_rows_as_its_root) {
  make_partitions();
  sql_->exec(
      "alter table p replica identity full; create table p4 partition of p for values from (40) to (50); "
      "alter "
      "table p attach partition p3 for values from (20) to (30)");
  EXPECT_EQ(sql_->value(
                "select string_agg(relreplident, '' order by relname) from pg_class where relname in ('p3', "
                "'p4')"),
            "ff");
  EXPECT_EQ(
      sql_->value("select count(*) from pg_trigger where tgname = 'tidegate_truncated' and tgenabled = 'A'"),
      "2");
}

TEST_F(DdlTest, rule_7_no_users_statement_fails_for_the_trigger) {
  // An owner of a table who may nothing else, and who shadows what the trigger calls.
  sql_->exec(
      "create role owner login; grant all on schema public to owner; alter table orders owner to owner");
  rig::Sql owner(server_->url_as("owner", url_.substr(url_.rfind('/') + 1)));
  make_mark();
  owner.exec(
      "create function public.format(text, text, text) returns text language sql as 'select "
      "(1/0)::text'; "
      "set search_path = public, pg_catalog; alter table orders add column note text");
  EXPECT_GE(told_now().size(), 1u);
  // Even where it can't do its work at all.
  sql_->exec(
      "create or replace function tidegate.tell_ddl() returns event_trigger language plpgsql as $$ begin "
      "perform "
      "1/0; exception when others then null; end $$");
  owner.exec("alter table orders add column other text");
}

TEST_F(DdlTest, rule_7_what_is_rolled_back_is_not_told) {
  make_mark();
  EXPECT_TRUE(told_of("begin; alter table orders alter total type numeric(10,2) using 0; rollback").empty());
}

class DdlSetupTest : public DatabaseTest {
 protected:
  std::string said_by(const Options& options, bool check) {
    std::string said;
    const Status done = setup({options, {}, check}, [&](const std::string& line) { said += line + "\n"; });
    EXPECT_TRUE(done.ok()) << said;
    return said;
  }
};

TEST_F(DdlSetupTest, rule_7_setup_makes_the_triggers_says_so_and_may_run_again) {
  make_orders();
  EXPECT_NE(said_by(options(), true).find("warning: no event triggers"), std::string::npos);
  EXPECT_EQ(sql_->value("select count(*) from pg_event_trigger"), "0");
  EXPECT_NE(said_by(options(), false).find("did: event triggers"), std::string::npos);
  for (const bool check : {true, false}) {
    EXPECT_NE(said_by(options(), check).find("event triggers tell the change stream"), std::string::npos);
  }
  sql_->exec("alter event trigger tidegate_sql_drop disable");
  EXPECT_NE(said_by(options(), true).find("warning: no event triggers"), std::string::npos);
  EXPECT_NE(said_by(options(), false).find("did: event triggers"), std::string::npos);
  sql_->exec("drop schema tidegate cascade");
  EXPECT_EQ(sql_->value("select count(*) from pg_event_trigger"), "0") << "and nothing is left";
}

TEST_F(DdlSetupTest, rule_7_setup_without_the_privilege_says_that_ddl_is_noticed_late) {
  make_orders();
  sql_->exec(
      "do $$ begin create role plain login replication; exception when duplicate_object then null; end $$; "
      "grant "
      "select on orders to plain");
  EXPECT_NE(said_by(options_as("plain"), false).find("is noticed with the table's next write"),
            std::string::npos);
}

}  // namespace
}  // namespace tidegate::postgres
