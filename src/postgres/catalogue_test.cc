// Invariants: a table is shown as the stream and the snapshots can serve it, or with a refusal that says what
// to type.
#include "postgres/tables.h"
#include "postgres/testing.h"

namespace tidegate::postgres {
namespace {

using query::Type;

class CatalogueTest : public DatabaseTest {
 protected:
  query::Catalogue read(const Options& options) {
    auto reader = std::move(make_source(options, clock_, metrics_)->open_catalogue()).value();
    auto catalogue = reader->read();
    EXPECT_TRUE(catalogue.ok()) << (catalogue ? "" : catalogue.error().message);
    return catalogue ? std::move(*catalogue) : query::Catalogue();
  }
  /// The refusal of table `t` after some more SQL; the table is made with key and FULL.
  std::string refusal_after(const std::string& sql) {
    sql_->exec(
        "drop table if exists t cascade; drop publication if exists tidegate; create table t (id int primary "
        "key, "
        "v text); alter table t replica identity full; create publication tidegate for table t; " +
        sql);
    const auto table = read(options()).find("t");
    return table ? table->refusal : "not published";
  }
  void expect_says(const std::string& refusal, const std::string& what) {
    EXPECT_NE(refusal.find(what), std::string::npos) << refusal;
  }
};

TEST_F(CatalogueTest, KnowsTheTypes) {
  sql_->exec(
      "create type mood as enum ('a'); create domain positive as int check (value > 0); create domain twice "
      "as positive; "
      "create table t (id int8 primary key, b bool, s int2, i int4, n numeric(10,2), f float4, d float8, x "
      "text, v "
      "varchar(9), p char(3), u uuid, dt date, tm time, ts timestamp, tz timestamptz, iv interval, j json, "
      "jb jsonb, by "
      "bytea, e mood, a int[], ea mood[], dom positive, dd twice, m money, o oid, iv2 int2vector, xm xml, t2 "
      "timetz); "
      "alter table t replica identity full; create publication tidegate for table t");
  const auto table = read(options()).find("public.t");
  ASSERT_TRUE(table);
  const std::vector<Type> wanted = {
      Type::int8,   Type::boolean,     Type::int2,        Type::int4,     Type::numeric, Type::float4,
      Type::float8, Type::text,        Type::varchar,     Type::bpchar,   Type::uuid,    Type::date,
      Type::time,   Type::timestamp,   Type::timestamptz, Type::interval, Type::json,    Type::jsonb,
      Type::bytea,  Type::enumeration, Type::array,       Type::array,    Type::int4,    Type::other,
      Type::other,  Type::other,       Type::other,       Type::other,    Type::other};
  ASSERT_EQ(table->columns.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i)
    EXPECT_EQ(table->columns[i].type, wanted[i]) << table->columns[i].name;
  EXPECT_EQ(table->columns[4].declared, "numeric(10,2)");
  EXPECT_EQ(table->columns[20].element, Type::int4);
  EXPECT_EQ(table->columns[21].element, Type::enumeration);
  EXPECT_TRUE(table->columns[0].not_null);
  EXPECT_FALSE(table->columns[1].not_null);
  EXPECT_EQ(table->refusal, "");
}

TEST_F(CatalogueTest, KnowsWhichCollationsAreDeterministicAndOrderByBytes) {
  sql_->exec(
      "create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false); create "
      "table t "
      "(id int primary key, d text, c text collate \"C\", p text collate \"POSIX\", i text collate "
      "\"en-x-icu\", l "
      "text collate loose, u text collate ucs_basic); alter table t replica identity full; create "
      "publication "
      "tidegate for table t");
  const auto table = read(options()).find("t");
  ASSERT_TRUE(table);
  const auto order = [&](const char* name) { return table->columns[table->find(name)].bytewise; };
  EXPECT_TRUE(order("d")) << "the database is C.UTF-8";
  EXPECT_TRUE(order("c"));
  EXPECT_TRUE(order("p"));
  EXPECT_TRUE(order("u"));
  EXPECT_FALSE(order("i"));
  EXPECT_FALSE(order("l"));
  EXPECT_TRUE(table->columns[table->find("i")].deterministic);
  EXPECT_FALSE(table->columns[table->find("l")].deterministic);
}

TEST(Collations, OrderByBytesOnlyWhereThatIsKnown) {
  for (const char* name : {"C", "POSIX", "C.UTF-8", "C.utf8"})
    EXPECT_TRUE(orders_by_bytes("c", name, "UTF8")) << name;
  EXPECT_TRUE(orders_by_bytes("b", "C.UTF-8", "UTF8"));
  for (const char* name : {"en_US.UTF-8", "de_DE", "", "C.ISO-8859-1"})
    EXPECT_FALSE(orders_by_bytes("c", name, "UTF8"));
  EXPECT_FALSE(orders_by_bytes("i", "C", "UTF8"));
  EXPECT_FALSE(orders_by_bytes("c", "C", "EUC_JP"));
}

TEST_F(CatalogueTest, TakesTheKeyInItsOwnOrder) {
  sql_->exec(
      "create table t (a int, dropped int, b int, c int, primary key (c, a)); alter table t drop column "
      "dropped; "
      "alter table t replica identity full; create publication tidegate for table t");
  EXPECT_EQ(read(options()).find("t")->key, (std::vector<int>{2, 0}));
}

TEST_F(CatalogueTest, Rule8RefusesWhatCanNotBeServedAndSaysWhatToType) {
  EXPECT_EQ(refusal_after(""), "");
  expect_says(refusal_after("alter table t drop constraint t_pkey"),
              "ALTER TABLE \"public\".\"t\" ADD PRIMARY KEY (…)");
  expect_says(refusal_after("alter table t replica identity nothing"),
              "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL");
  expect_says(refusal_after("alter table t replica identity default; alter table t drop constraint t_pkey; "
                            "alter table t add primary key (id) deferrable"),
              "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL");
  expect_says(refusal_after("alter table t add column g int generated always as (id + 1) stored"),
              "DROP EXPRESSION");
  expect_says(refusal_after("create table child () inherits (t)"), "inherit");
  expect_says(refusal_after("alter publication tidegate set table t where (id > 3)"), "row filter");
  expect_says(refusal_after("alter publication tidegate set table t (id)"), "column list");
  expect_says(refusal_after("alter publication tidegate set (publish = 'insert, update')"),
              "SET (publish = 'insert, update, delete, truncate')");
  expect_says(refusal_after("alter table t alter id type money using id::money"), "its type is money");
}

TEST_F(CatalogueTest, Rule25KnowsWhatAReplicaIdentityTells) {
  // What of a table's columns is told of old rows, and what may be left out of new ones, in letters.
  const auto facts = [&](const std::string& sql) {
    EXPECT_EQ(refusal_after(sql), "") << sql;
    std::string told;
    std::string left;
    const auto table = read(options()).find("t");
    for (const auto& column : table->columns) {
      if (column.old_told) told += column.name;
      if (column.left_out) left += column.name;
    }
    std::string key;
    for (const int part : table->key) key += table->columns[part].name;
    return told + " " + left + " " + key + (table->identity_remedy.empty() ? "" : " remedy");
  };
  EXPECT_EQ(facts("alter table t replica identity full"), "idv v id");
  EXPECT_EQ(facts("alter table t replica identity default"), "id v id remedy");
  const std::string index =
      "alter table t add column n int not null; create unique index pair on t (n, id) include (v); ";
  EXPECT_EQ(facts(index + "alter table t replica identity using index pair"), "idn v nid remedy");
  EXPECT_EQ(
      facts(index + "alter table t replica identity using index pair; alter table t drop constraint t_pkey"),
      "idn v nid remedy")
      << "an index is a key";
  EXPECT_EQ(
      facts("alter table t drop column v; alter table t add column f float8; alter table t add column m "
            "numeric(28,2); alter table t add column x numeric(29,2); alter table t add column z numeric; "
            "alter table t replica identity default"),
      "id xz id remedy");
  EXPECT_EQ(
      facts("drop table t; create table t (id int primary key, c varchar(100)); alter publication tidegate "
            "add table t"),
      "id  id remedy")
      << "a table whose rows are always small";
}

TEST_F(CatalogueTest, ServesPartitionsAsTablesOfTheirOwn) {
  sql_->exec(
      "create table p (id int primary key) partition by range (id); create table p1 partition of p for "
      "values from "
      "(0) to (10); alter table p1 replica identity full; create publication tidegate for table p");
  EXPECT_EQ(read(options()).find("p1")->refusal, "");
}

TEST_F(CatalogueTest, RefusesRowsThatOurRoleMayNotSee) {
  make_orders();
  sql_->exec("create role narrow login; alter table orders enable row level security");
  expect_says(read(options_as("narrow")).find("orders")->refusal, "ALTER ROLE \"narrow\" BYPASSRLS");
  EXPECT_EQ(read(options()).find("orders")->refusal, "") << "a superuser passes it by";
  sql_->exec("alter table orders disable row level security");
  expect_says(read(options_as("narrow")).find("orders")->refusal,
              "GRANT SELECT ON \"public\".\"orders\" TO \"narrow\"");
}

TEST_F(CatalogueTest, SaysThatThePublicationIsMissing) {
  auto reader = std::move(make_source(options(), clock_, metrics_)->open_catalogue()).value();
  const auto catalogue = reader->read();
  ASSERT_FALSE(catalogue.ok());
  expect_says(catalogue.error().message, "tidegate setup --database");
  EXPECT_TRUE(reader->reachable().ok());
}

TEST_F(CatalogueTest, NoticesThatTheDatabaseIsAwayAndBack) {
  auto reader = std::move(make_source(options(), clock_, metrics_)->open_catalogue()).value();
  EXPECT_TRUE(reader->reachable().ok());
  server_->stop();
  EXPECT_FALSE(reader->reachable().ok());
  server_->start();
  EXPECT_TRUE(reader->reachable().ok());
}

TEST_F(CatalogueTest, RefusesAUrlThatIsNone) {
  Options bad;
  bad.url = "postgres://[";
  const auto opened = make_source(bad, clock_, metrics_)->open_catalogue();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().fault, Fault::invalid);
}

}  // namespace
}  // namespace tidegate::postgres
