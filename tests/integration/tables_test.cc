// What tables people have, from outside: replica identities that tell a part of old rows, partitions, several
// schemas, names that need quotes, publications of others, and definitions that change under subscribed
// clients. Invariant: whenever nothing is written any more, each client holds what its query gives; who is
// not concerned by a definition gets no second snapshot. TIDEGATE_SEED repeats a run.
#include <flatbuffers/flatbuffers.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>
#include <random>

#include "base/encoding.h"
#include "base/testing.h"
#include "client/client.h"
#include "integration/watcher.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"
#include "schemas/query_generated.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using rig::Tidegate;
using Words = std::vector<std::string>;

/// As it stands inside of a JSON string.
std::string in_json(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

class Tables : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = std::make_unique<rig::PostgresServer>(); }
  static void TearDownTestSuite() { server.reset(); }
  Tables() : url(server->create_database("shop" + std::to_string(++count))), sql(url) {}
  ~Tables() override {
    if (HasFailure() && gateway) std::cout << gateway->output();
  }

  /// Runs `setup`, and gives what it said.
  std::string setup(const Words& more = {}) {
    Words command{"setup", "--database", url};
    command.insert(command.end(), more.begin(), more.end());
    Tidegate program(command, {}, false);
    EXPECT_EQ(program.process().wait(), 0) << program.output();
    return program.output();
  }
  void serve(const Words& more = {}) {
    Words command{"serve", "--database", url, "--auth", "none", "--snapshot-reuse-ms", "0"};
    command.insert(command.end(), more.begin(), more.end());
    gateway = std::make_unique<Tidegate>(command);
    gateway->wait_ready();
  }
  std::unique_ptr<Watcher> subscribe(const std::string& query) {
    return std::make_unique<Watcher>(loop, gateway->port(), query, "json");
  }
  std::unique_ptr<Watcher> watch(const std::string& select) {
    auto watcher = subscribe(R"("sql":")" + in_json(select) + '"');
    EXPECT_TRUE(watcher->wait_whole()) << select << ": " << watcher->fault();
    return watcher;
  }
  /// The error that a client is told where its query can't be served, as it was sent.
  std::string refusal(const std::string& select) {
    std::mutex mutex;
    std::string error;
    client::Settings settings;
    settings.port = static_cast<std::uint16_t>(gateway->port());
    client::Handlers handlers;
    handlers.on_text = [&](std::string_view text) {
      const std::lock_guard lock(mutex);
      if (text.find(R"("op":"error")") != std::string_view::npos) error = text;
    };
    client::Client client(loop, std::move(settings), std::move(handlers));
    client.send_text(R"({"op":"subscribe","hashId":"q","sql":")" + in_json(select) + R"("})");
    const auto came = [&] {
      const std::lock_guard lock(mutex);
      return !error.empty();
    };
    EXPECT_TRUE(rig::eventually(came)) << select;
    const std::lock_guard lock(mutex);
    return error;
  }
  /// As `watch`, once the gateway has looked at the catalogue again, as it does now and then.
  std::unique_ptr<Watcher> watch_soon(const std::string& select) {
    std::unique_ptr<Watcher> watcher;
    EXPECT_TRUE(rig::eventually([&] {
      watcher = subscribe(R"("sql":")" + in_json(select) + '"');
      return watcher->wait_whole(2s);
    })) << select
        << ": " << watcher->fault();
    return watcher;
  }
  static std::string text(const Watcher& watcher) {
    std::string text;
    for (const auto& [key, row] : watcher.rows()) text += row + "\n";
    return text;
  }
  /// `rows` gives each row as it should be shown, in the order of keys' text.
  std::string wanted(const std::string& rows) {
    std::string text;
    for (const auto& row : sql.exec(rows)) text += *row[0] + "\n";
    return text;
  }
  void expect_holds(const Watcher& watcher, const std::string& rows) {
    const std::string want = wanted(rows);
    EXPECT_TRUE(rig::eventually([&] { return text(watcher) == want; }))
        << rows << "\nwanted\n"
        << want << "held\n"
        << text(watcher) << watcher.standing() << watcher.fault();
  }
  bool told(const Watcher& watcher, const std::string& what) {
    return rig::eventually([&] { return watcher.fault().find(what) != std::string::npos; });
  }

  static inline std::unique_ptr<rig::PostgresServer> server;
  static inline int count = 0;
  std::string url;
  rig::Sql sql;
  client::Loop loop;
  std::unique_ptr<Tidegate> gateway;
};

unsigned seed_of_run() {
  const unsigned seed = test_seed();
  std::cout << "TIDEGATE_SEED=" << seed << '\n';
  return seed;
}

/// Random statements on a table `(id, shop, n, note)` with the key `id`, several a transaction.
void write_randomly(rig::Sql& sql, const std::string& table, std::mt19937& random, int transactions) {
  const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
  for (int i = 0; i < transactions; ++i) {
    std::string statements = "begin;";
    for (unsigned left = 1 + below(5); left > 0; --left) {
      const unsigned id = below(30);
      const std::string note = below(4) == 0 ? "null" : fmt::format("'{}'", below(3));
      switch (below(5)) {
        case 0:
        case 1:
          statements += fmt::format(
              "insert into {} values ({}, {}, {}, {}) on conflict (id) do update set n = excluded.n, note = "
              "excluded.note;",
              table, id, below(4), below(9), note);
          break;
        case 2:
          statements +=
              fmt::format("update {} set shop = {}, note = {} where id = {};", table, below(4), note, id);
          break;
        case 3:
          statements += fmt::format(
              "update {0} set id = {1} where id = {2} and not exists (select from {0} where id = {1});",
              table, below(30), id);
          break;
        default:
          statements += fmt::format("delete from {} where id = {};", table, id);
      }
    }
    sql.exec(statements + (below(8) == 0 ? "rollback" : "commit"));
  }
}

/// SQL that gives a table's rows as they are shown.
std::string shown(const std::string& table, const std::string& where) {
  return fmt::format(
      R"(select format('{{"id":%s,"n":%s,"note":%s}}', id, n, coalesce('"' || note || '"', 'null')) from {} )"
      R"(where {} order by format('[%s]', id) collate "C")",
      table, where);
}

TEST_F(Tables, rule_25_a_key_alone_and_an_index_serve_what_needs_no_more_of_old_rows) {
  std::mt19937 random(seed_of_run());
  // Small rows: no value can be left out.
  const std::string columns = "(id int primary key, shop int not null, n int, note varchar(10))";
  sql.exec("create table keyed " + columns + "; create table indexed " + columns +
           "; create unique index by_shop on indexed (shop, id); alter table indexed replica identity using "
           "index by_shop");
  const std::string said = setup({"--keep-identity"});
  EXPECT_NE(said.find("in part: public.keyed, with the replica identity default, serves queries whose "
                      "conditions name id alone"),
            std::string::npos)
      << said;
  serve();
  const std::string refused = refusal("select id from keyed where n = 3");
  for (const std::string words : {"forbidden", "keyed", "REPLICA IDENTITY FULL"}) {
    EXPECT_NE(refused.find(words), std::string::npos) << refused;
  }
  EXPECT_NE(refusal("select id from indexed where shop = 1 and note = 'a'").find("forbidden"),
            std::string::npos);
  std::map<std::string, std::unique_ptr<Watcher>> watchers;
  const auto add = [&](const std::string& table, const std::string& where) {
    watchers[shown(table, where)] = watch("select id, n, note from " + table + " where " + where);
  };
  watchers[shown("keyed", "true")] = watch("select id, n, note from keyed");
  add("keyed", "id between 5 and 20");
  add("keyed", "id in (1, 2, 3)");
  add("keyed", "not id < 10");
  EXPECT_EQ(watchers.size(), 4u);
  // With the index the key is (shop, id): a row that goes to another shop is another row.
  auto indexed = watch("select n, note from indexed where shop = 1 or shop = 2 and id > 10");
  for (int round = 0; round < 12; ++round) {
    write_randomly(sql, "keyed", random, 15);
    write_randomly(sql, "indexed", random, 15);
    for (const auto& [rows, watcher] : watchers) expect_holds(*watcher, rows);
    expect_holds(
        *indexed,
        R"(select format('{"id":%s,"shop":%s,"n":%s,"note":%s}', id, shop, n, coalesce('"' || note || '"', 'null')) )"
        R"(from indexed where shop = 1 or shop = 2 and id > 10 order by format('[%s,%s]', id, shop) collate "C")");
  }
  for (const auto& [rows, watcher] : watchers) EXPECT_EQ(watcher->spans().size(), 1u) << rows;
  EXPECT_EQ(indexed->spans().size(), 1u);
}

TEST_F(Tables, rule_25_an_identity_that_is_narrowed_ends_who_needs_more_and_nobody_else) {
  sql.exec(
      "create table orders (id int primary key, status text, total numeric(10,2)); insert into orders values "
      "(1, 'new', 5)");
  setup();
  serve();
  const auto totals = watch("select id, total from orders");
  const auto paid = watch("select id from orders where status = 'paid'");
  const auto statuses = watch("select id, status from orders");
  sql.exec("alter table orders replica identity default");
  EXPECT_TRUE(told(*paid, "schema_changed")) << paid->fault();
  EXPECT_TRUE(told(*statuses, "schema_changed")) << "a text may be large";
  sql.exec(
      "update orders set total = 6; insert into orders values (2, 'new', 7); delete from orders where id = "
      "2");
  expect_holds(*totals, R"(select '{"id":1,"total":"6.00"}')");
  EXPECT_EQ(totals->spans().size(), 1u);
  EXPECT_EQ(totals->fault(), "");
}

TEST_F(Tables, partitions_are_one_table_whatever_becomes_of_them) {
  std::mt19937 random(seed_of_run());
  sql.exec(
      "create table parts (id int primary key, shop int not null, n int, note text) partition by range (id); "
      "create table "
      "low partition of parts for values from (0) to (10); create table middle partition of parts for values "
      "from (10) to "
      "(20) partition by hash (id); create table m0 partition of middle for values with (modulus 2, "
      "remainder 0); create "
      "table m1 (note text, n int, gone int, id int primary key, shop int not null); alter table m1 drop "
      "column gone; alter "
      "table middle attach partition m1 for values with (modulus 2, remainder 1); create table high "
      "partition of parts "
      "for values from (20) to (30)");
  const std::string said = setup();
  EXPECT_NE(said.find("public.parts is ready"), std::string::npos) << said;
  EXPECT_EQ(sql.value("select tablename from pg_publication_tables"), "parts");
  serve();
  const auto all = watch("select id, n, note from parts");
  const auto some = watch("select id, n, note from parts where n > 4 and note = '1'");
  const auto expect_exact = [&] {
    expect_holds(*all, shown("parts", "true"));
    expect_holds(*some, shown("parts", "n > 4 and note = '1'"));
  };
  for (int round = 0; round < 5; ++round) {
    write_randomly(sql, "parts", random, 20);
    expect_exact();
  }
  EXPECT_EQ(all->spans().size(), 1u);
  sql.exec(
      "insert into parts select i, 1, 7, '1' from generate_series(0, 29) i on conflict (id) do update set n "
      "= 8");
  expect_exact();
  // None of these writes a row that the stream would tell.
  for (const std::string ddl :
       {"truncate m1", "alter table parts detach partition high", "update high set n = 9, note = '1'",
        "alter table parts attach partition high for values from (20) to (30)", "drop table low",
        "create table low partition of parts for values from (0) to (10)",
        "insert into low select i, 0, i, '1' from generate_series(0, 9) i",
        "alter table middle detach partition m0", "alter table parts detach partition high concurrently",
        "truncate middle", "truncate parts",
        "alter table parts attach partition high for values from (20) to (30)"}) {
    sql.exec(ddl);
    expect_exact();
  }
  sql.exec("delete from parts; insert into parts values (3, 1, 5, '1'); update parts set id = 25, n = 6");
  expect_exact();
  EXPECT_EQ(all->fault() + some->fault(), "");
}

TEST_F(Tables, names_are_what_they_are) {
  sql.exec(
      "create schema \"Sch.ema\"; create schema shop; create table \"Sch.ema\".\"We\"\"ird 'T'\" (\"I.D\" "
      "int primary key, "
      "\"sel\"\"ect\" text, \"größe\" int); create table \"order\" (\"user\" int primary key, \"Total\" int, "
      "total int); create "
      "table items (id int primary key, n int); create table shop.items (id int primary key, n int); create "
      "table "
      "\"a.b\" (id int primary key, n int)");
  setup({"--tables", "\"Sch.ema\".\"We\"\"ird 'T'\",order,items,shop.items,\"a.b\""});
  serve();
  const auto weird = watch(R"(select "größe", "sel""ect" from "Sch.ema"."We""ird 'T'" where "größe" > 1)");
  const auto order = watch(R"(select * from "order" where "Total" > total)");
  const auto near = watch("select * from items");
  const auto far = watch("select * from shop.items");
  const auto dotted = watch("select * from \"a.b\"");
  const auto json = subscribe(
      R"("query":{"table":"Sch.ema.We\"ird 'T'","columns":["größe"],"where":[{"column":"I.D","op":"=","value":1}]})");
  EXPECT_TRUE(json->wait_whole()) << json->fault();
  sql.exec(
      "insert into \"Sch.ema\".\"We\"\"ird 'T'\" values (1, 'é\"', 2), (2, 'x', 3); update "
      "\"Sch.ema\".\"We\"\"ird 'T'\" set "
      "\"größe\" = 0 where \"I.D\" = 2; insert into \"order\" values (1, 2, 1), (2, 1, 2); insert into items "
      "values (1, 1); "
      "insert into shop.items values (1, 2); insert into \"a.b\" values (1, 3)");
  expect_holds(*weird, R"(select '{"I.D":1,"sel\"ect":"é\"","größe":2}')");
  expect_holds(*json, R"(select '{"I.D":1,"größe":2}')");
  expect_holds(*order, R"(select '{"user":1,"Total":2,"total":1}')");
  expect_holds(*near, R"(select '{"id":1,"n":1}')");
  expect_holds(*far, R"(select '{"id":1,"n":2}')");
  expect_holds(*dotted, R"(select '{"id":1,"n":3}')");
  EXPECT_NE(refusal("select * from Items_that_are_not").find("unknown_table"), std::string::npos);
}

TEST_F(Tables, rule_8_publications_of_others_are_used_as_they_are) {
  sql.exec(
      "create schema shop; create table shop.orders (id int primary key, n int); create table shop.keyless "
      "(n int); create "
      "table events (id int primary key, n int) partition by list (id); create table events1 partition of "
      "events default; "
      "alter table shop.orders replica identity full; alter table events1 replica identity full; "
      "create publication whole for all tables; create publication of_schema for tables in schema shop; "
      "create publication "
      "narrow for table shop.orders where (n > 3)");
  const auto said = [&](const std::string& publication) {
    return setup({"--publication", publication, "--check"});
  };
  EXPECT_NE(said("whole").find("not served: shop.keyless has no primary key"), std::string::npos);
  EXPECT_NE(said("of_schema").find("shop.orders is ready"), std::string::npos);
  for (const std::string publication : {"whole", "of_schema"}) {
    serve({"--publication", publication});
    const auto orders = watch("select id, n from shop.orders where n > 1");
    const auto events = publication == "whole" ? watch("select * from events1") : nullptr;
    sql.exec(
        "insert into shop.orders values (1, 1), (2, 2); update shop.orders set n = 3; insert into events "
        "values (1, 1)");
    expect_holds(*orders, R"(select '{"id":1,"n":3}' union select '{"id":2,"n":3}' order by 1)");
    if (events) expect_holds(*events, R"(select '{"id":1,"n":1}')");
    EXPECT_NE(refusal("select * from shop.keyless").find("ADD PRIMARY KEY"), std::string::npos);
    sql.exec("truncate shop.orders; truncate events");
    expect_holds(*orders, "select 1 where false");
    gateway.reset();
  }
  serve({"--publication", "narrow"});
  EXPECT_NE(refusal("select * from shop.orders").find("row filter"), std::string::npos);
}

TEST_F(Tables, rule_7_another_column_of_the_same_name_has_its_own_values) {
  sql.exec(
      "create table orders (id int primary key, status text, total int); insert into orders values (1, "
      "'new', 5)");
  setup();
  serve();
  auto totals = watch("select id, total from orders");
  const auto statuses = watch("select id, status from orders");
  const auto total_now = [&](const std::string& ddl) {
    sql.exec(ddl);
    const bool ended = rig::eventually([&] {
      return text(*totals) ==
                 wanted(
                     R"(select format('{"id":%s,"total":%s}', id, coalesce(total::text, 'null')) from orders)") ||
             !totals->fault().empty();
    });
    EXPECT_TRUE(ended) << ddl << text(*totals);
    // Where the matcher looked in between, the column was gone: then the client is told, and asks again.
    if (!totals->fault().empty()) {
      EXPECT_NE(totals->fault().find("schema_changed"), std::string::npos) << totals->fault();
      totals = watch_soon("select id, total from orders");
      expect_holds(*totals,
                   R"(select format('{"id":%s,"total":%s}', id, coalesce(total::text, 'null')) from orders)");
    }
  };
  total_now("alter table orders drop column total; alter table orders add column total int");
  total_now("alter table orders drop column total, add column total int default 9");
  total_now("alter table orders add column other int default 4");
  total_now(
      "begin; alter table orders rename total to t; alter table orders rename other to total; alter table "
      "orders rename t "
      "to other; commit");
  sql.exec("alter table orders drop column total");
  total_now("alter table orders add column total int default 3");
  sql.exec("update orders set status = 'sent'");
  expect_holds(*statuses, R"(select '{"id":1,"status":"sent"}')");
  EXPECT_EQ(statuses->spans().size(), 1u) << "nobody touched what it names";
  EXPECT_EQ(statuses->fault(), "");
}

TEST_F(Tables, rule_7_a_column_of_another_type_or_name_ends_who_names_it_and_nobody_else) {
  sql.exec(
      "create table orders (id int primary key, status text, total int, weight int); insert into orders "
      "values (1, 'new', 5, 6)");
  setup();
  serve();
  const auto totals = watch("select id, total from orders");
  const auto weights = watch("select id from orders where weight > 1");
  const auto statuses = watch("select id, status from orders");
  sql.exec("alter table orders alter total type text using total || ' EUR'");
  EXPECT_TRUE(told(*totals, "schema_changed")) << totals->fault();
  sql.exec("alter table orders rename weight to grams");
  EXPECT_TRUE(told(*weights, "schema_changed")) << weights->fault();
  const auto again = watch_soon("select id, total from orders where grams > 1");
  expect_holds(*again, R"(select '{"id":1,"total":"5 EUR"}')");
  sql.exec(
      "alter table orders rename grams to weight; alter table orders add column more int default 1; insert "
      "into orders values (2, 'x', 'y', 7)");
  EXPECT_TRUE(told(*again, "schema_changed")) << again->fault();
  expect_holds(*statuses,
               R"(select '{"id":1,"status":"new"}' union select '{"id":2,"status":"x"}' order by 1)");
  EXPECT_EQ(statuses->spans().size(), 1u);
  EXPECT_EQ(statuses->fault(), "");
}

TEST_F(Tables, rule_7_a_table_made_anew_is_another_one) {
  const std::string columns = " (id int primary key, status text); ";
  sql.exec("create table orders" + columns + "create table others" + columns +
           "insert into orders values (1, 'old')");
  setup();
  serve();
  auto orders = watch("select id, status from orders");
  const auto others = watch("select id, status from others");
  for (const std::string& made :
       {"create table orders" + columns,
        std::string("create table orders (status text, id int primary key, n int); ")}) {
    sql.exec("begin; drop table orders; " + made +
             "insert into orders (id, status) values (1, 'anew'); alter table orders replica identity full; "
             "alter publication "
             "tidegate add table orders; commit");
    EXPECT_TRUE(told(*orders, "schema_changed")) << orders->fault();
    orders = watch_soon("select id, status from orders");
    sql.exec(
        "insert into orders (id, status) values (2, 'more'); insert into others values (1, 'x') on conflict "
        "(id) do update "
        "set status = 'y'");
    EXPECT_TRUE(rig::eventually([&] { return text(*orders).find("more") != std::string::npos; }))
        << text(*orders);
    EXPECT_NE(text(*orders).find("anew"), std::string::npos);
    EXPECT_EQ(text(*orders).find("old"), std::string::npos);
  }
  expect_holds(*others, R"(select '{"id":1,"status":"y"}')");
  EXPECT_EQ(others->spans().size(), 1u);
}

TEST_F(Tables, rule_7_a_table_made_anew_while_nobody_asks_for_it_is_the_one_that_is_matched) {
  const std::string columns = " (id int primary key, status text); ";
  const std::string published =
      "alter table made replica identity full; alter publication tidegate add table made; ";
  for (const std::string& swap :
       {"create table made" + columns + published + "drop table orders; alter table made rename to orders",
        "create table made" + columns + published +
            "insert into made values (1, 'known'); alter table orders rename to orders_before; "
            "alter table made rename to orders"}) {
    for (const bool triggers : {true, false}) {
      SCOPED_TRACE(swap);
      SCOPED_TRACE(triggers);
      sql.exec("drop table if exists orders_before; create table orders" + columns + "create table others" +
               columns);
      setup();
      if (!triggers) sql.exec("drop schema tidegate cascade");
      serve();
      // The matcher has bound it once, and knows its catalogue by it.
      watch("select id, status from orders where id > 0").reset();
      const auto others = watch("select id, status from others");
      sql.exec("insert into orders values (7, 'old'); insert into others values (1, 'x')");
      sql.exec(swap);
      auto orders = watch_soon("select id, status from orders");
      sql.exec("insert into orders values (2, 'more')");
      EXPECT_TRUE(rig::eventually([&] {
        if (!orders->fault().empty()) orders = watch_soon("select id, status from orders");
        return text(*orders).find("more") != std::string::npos;
      })) << text(*orders);
      EXPECT_EQ(text(*orders).find("old"), std::string::npos);
      gateway.reset();
      sql.exec("drop table orders, others; drop publication tidegate");
    }
  }
}

TEST_F(Tables, a_query_in_a_flatbuffer_is_the_one_that_its_sql_is) {
  sql.exec(
      "create table orders (id int primary key, status text); insert into orders values (1, 'paid'), (2, "
      "'new')");
  setup();
  serve();
  flatbuffers::FlatBufferBuilder builder;
  const std::vector literals = {fb::CreateLiteralDirect(builder, fb::LiteralKind::string, "paid")};
  const std::vector conditions = {fb::CreateConditionDirect(builder, "status", fb::Op::eq, &literals)};
  const std::vector columns = {builder.CreateString("id"), builder.CreateString("status")};
  builder.Finish(fb::CreateQueryDirect(builder, "orders", &columns, &conditions));
  const auto watcher = subscribe(
      R"("queryFbB64":")" +
      base64_encode({reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()}) + '"');
  ASSERT_TRUE(watcher->wait_whole()) << watcher->fault();
  const auto same = watch("select id, status from orders where status = 'paid'");
  sql.exec("insert into orders values (3, 'paid'); update orders set status = 'paid' where id = 2");
  for (const auto* each : {watcher.get(), same.get()})
    expect_holds(*each, R"(select format('{"id":%s,"status":"paid"}', id) from orders order by id)");
  EXPECT_NE(gateway->metrics().find("tidegate_matcher_queries 1"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::test
