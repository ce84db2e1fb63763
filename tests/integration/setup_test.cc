// Point by point what may be wrong with a server: from the command line, with a real server in the wrong
// state, and the sentence that says what to type. `setup` says it, and `serve` never serves wrong rows
// instead.
#include <gtest/gtest.h>

#include "integration/watcher.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using rig::Tidegate;
using Words = std::vector<std::string>;

const std::string kOrders = R"("sql":"select id, status from orders")";

bool says(const std::string& output, const std::string& words) {
  return output.find(words) != std::string::npos;
}

/// As it stands in a line of the log.
std::string in_json(const std::string& words) {
  std::string escaped;
  for (const char c : words) {
    if (c == '"') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

class Setup : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = std::make_unique<rig::PostgresServer>(); }
  static void TearDownTestSuite() { server.reset(); }

  Setup() : name("shop" + std::to_string(++count)), url(server->create_database(name)), sql(url) {
    sql.exec("create table orders (id integer primary key, status text not null)");
    sql.exec("insert into orders values (1, 'new')");
  }

  /// Runs a command that comes to its end by itself; its exit code and output.
  static std::pair<int, std::string> run(const Words& command) {
    Tidegate program(command, {}, false);
    const auto code = program.process().wait();
    return {code.value_or(-1), program.output()};
  }
  static std::pair<int, std::string> setup(const std::string& database, const Words& more = {}) {
    Words command{"setup", "--database", database};
    command.insert(command.end(), more.begin(), more.end());
    return run(command);
  }
  static Words serve(const std::string& database) {
    return {"serve", "--database", database, "--auth", "none"};
  }

  /// Both `setup` and `setup --check` end with an error that says this.
  static void expect_refused(const std::string& database, const std::string& words) {
    for (const Words& how : {Words{"--check"}, Words{}}) {
      const auto [code, output] = setup(database, how);
      EXPECT_EQ(code, 1) << output;
      EXPECT_TRUE(says(output, words)) << words << " is not in\n" << output;
    }
  }
  /// A gateway does not start, and says this.
  static void expect_no_gateway(const std::string& database, const std::string& words) {
    Words command = serve(database);
    command.insert(command.end(), {"--listen", "127.0.0.1:0"});
    const auto [code, output] = run(command);
    EXPECT_EQ(code, 1) << output;
    EXPECT_TRUE(says(output, words)) << words << " is not in\n" << output;
  }
  /// A gateway starts, for there may be other tables, but it does not serve this one, and says why.
  static void expect_not_served(const std::string& database, const std::string& words) {
    Tidegate gateway(serve(database));
    gateway.wait_ready();
    EXPECT_TRUE(says(gateway.output(), in_json(words))) << words << " is not in\n" << gateway.output();
    client::Loop loop;
    Watcher watcher(loop, gateway.port(), kOrders, "json");
    EXPECT_TRUE(rig::eventually([&] { return !watcher.fault().empty(); }));
    EXPECT_TRUE(says(watcher.fault(), "error ")) << watcher.fault();
    EXPECT_EQ(watcher.counts().snapshots, 0u);
  }
  static void expect_served(const std::string& database, std::size_t rows) {
    Tidegate gateway(serve(database));
    gateway.wait_ready();
    client::Loop loop;
    Watcher watcher(loop, gateway.port(), kOrders, "json");
    ASSERT_TRUE(watcher.wait_whole()) << watcher.fault() << gateway.output();
    EXPECT_EQ(watcher.rows().size(), rows);
    rig::Sql(database).exec("insert into orders values (1000, 'new')");
    EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == rows + 1; })) << watcher.fault();
  }

  static std::unique_ptr<rig::PostgresServer> server;
  static int count;
  const std::string name;
  const std::string url;
  rig::Sql sql;
};
std::unique_ptr<rig::PostgresServer> Setup::server;
int Setup::count = 0;

// ---- the good path ----

TEST_F(Setup, a_stranger_with_a_table_of_his_own_is_served) {
  sql.exec("drop table orders; create role " + name + " login replication; grant create on database " + name +
           " to " + name + "; grant create on schema public to " + name);
  const std::string mine = server->url_as(name, name);
  rig::Sql(mine).exec(
      "create table orders (id integer primary key, status text not null);"
      "insert into orders values (1, 'new'), (2, 'paid')");
  const auto [code, output] = setup(mine);
  EXPECT_EQ(code, 0) << output;
  EXPECT_TRUE(says(output, "did: CREATE PUBLICATION \"tidegate\" FOR TABLE \"public\".\"orders\"")) << output;
  EXPECT_TRUE(says(output, "did: ALTER TABLE \"public\".\"orders\" REPLICA IDENTITY FULL")) << output;
  expect_served(mine, 2);
  const auto [again, found] = setup(mine);
  EXPECT_EQ(again, 0) << found;
  EXPECT_FALSE(says(found, "did:")) << found;
}

TEST_F(Setup, check_changes_nothing_and_says_what_would_be_done) {
  const auto state = [&] {
    return sql.value(
        "select (select count(*) from pg_publication) || '/' || (select count(*) from pg_replication_slots) "
        "|| "
        "'/' || (select relreplident::text from pg_class where oid = 'orders'::regclass)");
  };
  const std::string before = state();
  const auto [code, output] = setup(url, {"--check"});
  EXPECT_EQ(code, 1) << output;
  EXPECT_TRUE(says(output, "CREATE PUBLICATION \"tidegate\" FOR TABLE \"public\".\"orders\"")) << output;
  EXPECT_EQ(state(), before);
  sql.exec("create publication tidegate for table orders");
  const auto [half, more] = setup(url, {"--check"});
  EXPECT_EQ(half, 0) << more;
  EXPECT_TRUE(says(more, "in part: public.orders")) << more;
  EXPECT_TRUE(says(more, "ALTER TABLE \"public\".\"orders\" REPLICA IDENTITY FULL")) << more;
  EXPECT_EQ(sql.value("select relreplident from pg_class where oid = 'orders'::regclass"), "d");
  EXPECT_EQ(setup(url).first, 0);
  EXPECT_EQ(setup(url, {"--check"}).first, 0);
}

// ---- the server ----

TEST_F(Setup, says_how_to_get_a_logical_wal) {
  rig::PostgresServer replica(rig::PostgresServer::Settings{{"wal_level", "replica"}});
  const std::string other = replica.create_database("shop");
  rig::Sql(other).exec("create table orders (id integer primary key, status text not null)");
  expect_refused(other, "ALTER SYSTEM SET wal_level = logical; then restart the server");
  expect_no_gateway(other, "ALTER SYSTEM SET wal_level = logical; then restart the server");
}

TEST_F(Setup, rule_2_says_that_commits_would_wait_for_us) {
  ASSERT_EQ(setup(url).first, 0);
  // Without waiting for it: no standby ever comes.
  sql.exec("set synchronous_commit = local");
  sql.exec("alter system set synchronous_standby_names = '*'");
  sql.exec("select pg_reload_conf()");
  ASSERT_TRUE(rig::eventually([&] { return sql.value("show synchronous_standby_names") == "*"; }));
  expect_refused(url, "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (…)'");
  expect_no_gateway(url, "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (…)'");
  sql.exec("alter system reset synchronous_standby_names");
  sql.exec("select pg_reload_conf()");
  ASSERT_TRUE(rig::eventually([&] { return sql.value("show synchronous_standby_names").empty(); }));
}

// ---- the role ----

TEST_F(Setup, says_that_the_role_lacks_replication) {
  ASSERT_EQ(setup(url).first, 0);
  sql.exec("create role " + name + " login; grant select on orders to " + name);
  const std::string words = "ALTER ROLE \"" + name + "\" REPLICATION";
  expect_refused(server->url_as(name, name), words);
  expect_no_gateway(server->url_as(name, name), words);
}

TEST_F(Setup, says_what_the_owner_must_type) {
  sql.exec("create role " + name + " login replication; grant select on orders to " + name);
  expect_refused(server->url_as(name, name),
                 "CREATE PUBLICATION \"tidegate\" FOR TABLE \"public\".\"orders\"");
  expect_no_gateway(server->url_as(name, name), "there is no publication \"tidegate\"");
  sql.exec("create publication tidegate for table orders");
  const auto [code, output] = setup(server->url_as(name, name));
  EXPECT_EQ(code, 1) << output;
  EXPECT_TRUE(
      says(output, "as a role that may, type ALTER TABLE \"public\".\"orders\" REPLICA IDENTITY FULL"))
      << output;
  EXPECT_EQ(setup(server->url_as(name, name), {"--keep-identity"}).first, 0) << "it serves a part";
  sql.exec("alter table orders replica identity full");
  EXPECT_EQ(setup(server->url_as(name, name)).first, 0) << "what was asked for is enough";
}

TEST_F(Setup, says_that_the_role_may_not_read_the_table) {
  ASSERT_EQ(setup(url).first, 0);
  sql.exec("create role " + name + " login replication");
  const std::string words = "GRANT SELECT ON \"public\".\"orders\" TO \"" + name + "\"";
  expect_refused(server->url_as(name, name), words);
  expect_not_served(server->url_as(name, name), words);
}

TEST_F(Setup, whoever_likes_may_look_at_the_rights_of_another_role) {
  ASSERT_EQ(setup(url).first, 0);
  sql.exec("create role " + name + " login; create role " + name + "_small login replication");
  const Words look{"--check", "--role", name + "_small"};
  const auto [code, output] = setup(server->url_as(name, name), look);
  EXPECT_EQ(code, 1) << output;
  EXPECT_TRUE(says(output, "GRANT SELECT ON \"public\".\"orders\" TO \"" + name + "_small\"")) << output;
  sql.exec("grant select on orders to " + name + "_small");
  const auto [again, found] = setup(server->url_as(name, name), look);
  EXPECT_EQ(again, 0) << found;
}

TEST_F(Setup, says_that_row_security_would_filter) {
  ASSERT_EQ(setup(url).first, 0);
  sql.exec("create role " + name + " login replication; grant select on orders to " + name +
           "; alter table orders enable row level security; create policy mine on orders using (id > 1)");
  const std::string words = "ALTER ROLE \"" + name + "\" BYPASSRLS";
  expect_refused(server->url_as(name, name), words);
  expect_not_served(server->url_as(name, name), words);
  sql.exec("alter role " + name + " bypassrls");
  EXPECT_EQ(setup(server->url_as(name, name)).first, 0);
}

// ---- the tables ----

TEST_F(Setup, says_that_a_table_needs_a_key) {
  sql.exec("alter table orders drop constraint orders_pkey");
  expect_refused(url, "ADD PRIMARY KEY");
  sql.exec("alter table orders replica identity full; create publication tidegate for table orders");
  expect_refused(url, "public.orders has no primary key: ALTER TABLE \"public\".\"orders\" ADD PRIMARY KEY");
  expect_not_served(url, "ALTER TABLE \"public\".\"orders\" ADD PRIMARY KEY");
}

TEST_F(Setup, says_that_the_publication_has_a_row_filter) {
  sql.exec("alter table orders replica identity full");
  sql.exec("create publication tidegate for table orders where (id > 1)");
  const std::string words =
      "ALTER PUBLICATION \"tidegate\" DROP TABLE \"public\".\"orders\"; ALTER PUBLICATION \"tidegate\" ADD "
      "TABLE";
  expect_refused(url, words);
  expect_not_served(url, words);
}

TEST_F(Setup, says_that_the_publication_has_a_column_list) {
  sql.exec("create publication tidegate for table orders (id)");
  const std::string words =
      "ALTER PUBLICATION \"tidegate\" DROP TABLE \"public\".\"orders\"; ALTER PUBLICATION \"tidegate\" ADD "
      "TABLE";
  sql.exec("alter table orders replica identity full");
  expect_refused(url, words);
  expect_not_served(url, words);
}

TEST_F(Setup, says_that_the_publication_lacks_kinds_of_changes) {
  sql.exec("alter table orders replica identity full");
  sql.exec("create publication tidegate for table orders with (publish = 'insert')");
  const std::string words = "SET (publish = 'insert, update, delete, truncate')";
  expect_refused(url, words);
  expect_not_served(url, words);
  sql.exec("alter publication tidegate set (publish = 'insert, update, delete, truncate')");
  expect_served(url, 1);
}

}  // namespace
}  // namespace tidegate::test
