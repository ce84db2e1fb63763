// Invariants: every refusal says what to type; --check changes nothing; what others made is never made
// narrower.
#include "postgres/setup.h"

#include "postgres/checks.h"
#include "postgres/testing.h"

namespace tidegate::postgres {
namespace {

class SetupTest : public DatabaseTest {
 protected:
  Status run(SetupOptions setup_options) {
    said_.clear();
    return setup(setup_options, [this](const std::string& line) { said_ += line + "\n"; });
  }
  SetupOptions setup_options(std::vector<std::string> tables = {}, bool check = false) {
    return {options(), std::move(tables), check};
  }
  void expect_says(const std::string& what) { EXPECT_NE(said_.find(what), std::string::npos) << said_; }
  void expect_error(const Status& status, const std::string& what) {
    ASSERT_FALSE(status.ok()) << said_;
    EXPECT_NE(status.error().message.find(what), std::string::npos) << status.error().message;
  }
  Status start(const Options& options) { return stream_of(options)->start(); }
  std::string said_;
};

TEST_F(SetupTest, PreparesTheNamedTablesAndSaysWhatItDid) {
  sql_->exec(
      "create schema shop; create table shop.orders (id int primary key, v int); create table other (id int "
      "primary "
      "key)");
  const Status done = run(setup_options({"shop.orders"}));
  EXPECT_TRUE(done.ok()) << said_;
  expect_says("did: CREATE PUBLICATION \"tidegate\" FOR TABLE \"shop\".\"orders\"");
  expect_says("did: ALTER TABLE \"shop\".\"orders\" REPLICA IDENTITY FULL");
  expect_says("shop.orders is ready");
  EXPECT_EQ(sql_->value("select count(*) from pg_publication_tables"), "1");
  auto stream = stream_of(options());
  EXPECT_TRUE(stream->start().ok());
  EXPECT_TRUE(run(setup_options({"shop.orders"})).ok()) << "again is harmless";
  EXPECT_EQ(said_.find("did:"), std::string::npos) << said_;
}

TEST_F(SetupTest, TakesThePublicTablesThatHaveAKeyWhereNoneIsNamed) {
  sql_->exec("create table a (id int primary key); create table b (id int)");
  EXPECT_TRUE(run(setup_options()).ok()) << said_;
  EXPECT_EQ(sql_->value("select string_agg(tablename, ',') from pg_publication_tables"), "a");
}

TEST_F(SetupTest, ChecksWithoutChanging) {
  sql_->exec("create table a (id int primary key, v int)");
  expect_error(run(setup_options({"a"}, true)), "CREATE PUBLICATION \"tidegate\" FOR TABLE \"public\".\"a\"");
  EXPECT_EQ(sql_->value("select count(*) from pg_publication"), "0");
  sql_->exec("create publication tidegate for table a");
  EXPECT_TRUE(run(setup_options({"a"}, true)).ok());
  expect_says(
      "in part: public.a, with the replica identity default, serves queries whose conditions name id alone");
  expect_says("ALTER TABLE \"public\".\"a\" REPLICA IDENTITY FULL");
  EXPECT_EQ(sql_->value("select relreplident from pg_class where relname = 'a'"), "d");
  ASSERT_TRUE(run(setup_options({"a"})).ok());
  EXPECT_TRUE(run(setup_options({"a"}, true)).ok()) << said_;
}

TEST_F(SetupTest, rule_25_KeepsIdentitiesWhereItIsToldToAndIndexesAlways) {
  sql_->exec(
      "create table a (id int primary key, body text); create table b (id int primary key, n int not null, v "
      "int, "
      "unique (n, id)); alter table b replica identity using index b_n_id_key; create table c (id int "
      "primary "
      "key); alter table c replica identity nothing");
  SetupOptions keeping = setup_options({"a", "b", "c"});
  keeping.keep_identity = true;
  EXPECT_TRUE(run(keeping).ok()) << said_;
  const std::string letters =
      "select string_agg(relreplident, '' order by relname) from pg_class where relkind = 'r' "
      "and relnamespace = 'public'::regnamespace";
  EXPECT_EQ(sql_->value(letters), "dif") << "without a key of old rows nothing is served";
  expect_says("conditions name id alone and which do not show body; for all: ALTER TABLE");
  expect_says("conditions name id, n only");
  EXPECT_TRUE(run(setup_options()).ok()) << said_;
  EXPECT_EQ(sql_->value(letters), "fif");
}

TEST_F(SetupTest, TakesAPublicationOfOthersWithWhatItServes) {
  sql_->exec(
      "create schema far; create table far.a (id int primary key); create table keyless (id int); create "
      "publication "
      "tidegate for all tables");
  EXPECT_TRUE(run(setup_options()).ok()) << said_;
  expect_says("far.a is ready");
  expect_says("not served: public.keyless has no primary key");
  sql_->exec("drop publication tidegate; create publication tidegate for tables in schema far");
  EXPECT_TRUE(run(setup_options({}, true)).ok()) << said_;
  expect_says("far.a is ready");
  expect_error(run(setup_options({"keyless"}, true)), "keyless\" is not in the publication");
}

TEST_F(SetupTest, TakesNamesAsSqlQuotesThem) {
  sql_->exec(
      "create schema \"Sch.ema\"; create table \"Sch.ema\".\"say \"\"it\"\"\" (id int primary key); create "
      "table "
      "\"a.b\" (id int primary key); create table \"order\" (id int primary key)");
  EXPECT_TRUE(run(setup_options({"\"Sch.ema\".\"say \"\"it\"\"\"", "\"a.b\"", "order"})).ok()) << said_;
  EXPECT_EQ(sql_->value("select count(*) from pg_publication_tables"), "3");
}

TEST_F(SetupTest, WidensAPublicationAndNeverNarrowsIt) {
  sql_->exec(
      "create table a (id int primary key); create table b (id int primary key); create publication tidegate "
      "for "
      "table a");
  EXPECT_TRUE(run(setup_options({"b"})).ok()) << said_;
  EXPECT_EQ(sql_->value("select string_agg(tablename, ',' order by tablename) from pg_publication_tables"),
            "a,b");
}

TEST_F(SetupTest, RefusesATableWithoutAKeyAndOneThatIsNotThere) {
  sql_->exec("create table a (id int)");
  expect_error(run(setup_options({"a"})), "ALTER TABLE \"public\".\"a\" ADD PRIMARY KEY (…)");
  EXPECT_EQ(sql_->value("select relreplident from pg_class where relname = 'a'"), "d") << "not worth its WAL";
  expect_error(run(setup_options({"nowhere"})), "there is no table public.nowhere");
  sql_->exec("drop publication tidegate; drop table a");
  expect_error(run(setup_options()), "no table in the schema public has a primary key");
}

TEST_F(SetupTest, SaysWhatToTypeWhereTheRoleMayNot) {
  sql_->exec("create table a (id int primary key); create role weak login");
  SetupOptions weak{options_as("weak"), {"a"}, false};
  expect_error(run(weak), "ALTER ROLE \"weak\" REPLICATION");
  expect_says("as a role that may, type CREATE PUBLICATION");
  expect_error(start(options_as("weak")), "ALTER ROLE \"weak\" REPLICATION");
}

TEST_F(SetupTest, Rule28MakesTheDurableSlotAndWarnsAboutItsWal) {
  sql_->exec("create table a (id int primary key)");
  SetupOptions durable = setup_options({"a"});
  durable.database.temporary_slot = false;
  durable.database.slot = "made_by_setup";
  expect_error(start(durable.database), "no publication");
  EXPECT_TRUE(run(durable).ok()) << said_;
  expect_says("warning: max_slot_wal_keep_size is not set");
  expect_says("pg_create_logical_replication_slot");
  EXPECT_TRUE(run(durable).ok());
  expect_says("the replication slot made_by_setup is there");
  {
    auto stream = stream_of(durable.database);
    EXPECT_TRUE(stream->start().ok());
    EXPECT_EQ(stream->slot(), "made_by_setup");
  }
  durable.database.slot = "absent";
  expect_error(start(durable.database), "tidegate setup --database");
  durable.database.slot = "Not A Slot";
  expect_error(start(durable.database), "lower-case");
  durable.database.slot = "of_another_plugin";
  sql_->exec("select pg_create_physical_replication_slot('of_another_plugin')");
  expect_error(start(durable.database), "is not a pgoutput slot");
  ASSERT_TRUE(
      rig::eventually([&] { return sql_->exec("select from pg_replication_slots where active").empty(); }));
  sql_->exec("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
}

TEST_F(SetupTest, RefusesToStartWithoutThePublication) {
  expect_error(start(options()),
               "there is no publication \"tidegate\" in this database: tidegate setup --database");
}

TEST_F(SetupTest, Rule2RefusesAServerThatWouldWaitForUs) {
  make_orders();
  for (const char* standbys : {"*", "FIRST 1 (a, tidegate)", "\"Tidegate\""}) {
    server_->restart_with({{"synchronous_standby_names", standbys}});
    expect_error(start(options()), "ALTER SYSTEM SET synchronous_standby_names");
    expect_error(run({options(), {}, true}), "ALTER SYSTEM SET synchronous_standby_names");
  }
  server_->restart_with({});
}

TEST_F(SetupTest, RefusesAServerWithoutLogicalWal) {
  make_orders();
  server_->restart_with({{"wal_level", "replica"}});
  expect_error(start(options()), "ALTER SYSTEM SET wal_level = logical; then restart the server");
  server_->restart_with({});
}

TEST_F(SetupTest, SaysThatAllSlotsAreTaken) {
  make_orders();
  server_->restart_with({{"max_replication_slots", "1"}});
  rig::Sql(url_).exec("select pg_create_physical_replication_slot('the_only_one')");
  expect_error(start(options()), "max_replication_slots");
  rig::Sql(url_).exec("select pg_drop_replication_slot('the_only_one')");
  server_->restart_with({});
}

TEST(StandbyNames, Rule2AreReadAsTheServerReadsThem) {
  for (const char* ours : {"*", "tidegate", "a, tidegate", "FIRST 2 (a, Tidegate)", "ANY 1 (\"tidegate\",b)",
                           "2 (*)", "a,\"*\"", "FIRST 1(x,tidegate)"}) {
    EXPECT_TRUE(names_standby(ours, "tidegate")) << ours;
  }
  for (const char* others : {"", "a", "tidegate2", "FIRST 1 (a, b)", "\"tide gate\"", "\"x\"\"tidegate\""}) {
    EXPECT_FALSE(names_standby(others, "tidegate")) << others;
  }
}

TEST(Quoting, KeepsNamesAndTextsWhole) {
  EXPECT_EQ(quote_name("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\'b"), " E'a\\\\''b'");
}

}  // namespace
}  // namespace tidegate::postgres
