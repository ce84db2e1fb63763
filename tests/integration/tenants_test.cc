// C5: no byte of a row reaches a session whose claims do not allow it. Every row carries a marker of its
// tenant, and every frame that any client got is searched for the markers of others.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "integration/tenant.h"
#include "rig/postgres.h"
#include "rig/process.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kQuery = R"("sql":"select id, tenant, note from orders")";

class Tenants : public ::testing::Test {
 protected:
  Tenants() : url(server.create_database("shop")), sql(url) {
    sql.exec("create table orders (id integer primary key, tenant text not null, note text not null)");
    sql.exec("create table hidden (id integer primary key, note text not null)");
    sql.exec(
        "insert into orders select i, case when i % 2 = 0 then 'acme' else 'globex' end, "
        "case when i % 2 = 0 then 'mark-acme-' else 'mark-globex-' end || i from generate_series(1, 20) i");
    sql.exec("insert into hidden values (1, 'mark-hidden')");
    rig::Tidegate setup({"setup", "--database", url}, {}, false);
    EXPECT_EQ(setup.process().wait(), 0) << setup.output();
    std::ofstream(secret()) << "0123456789abcdef0123456789abcdef";
    configure("");
    gateway = std::make_unique<rig::Tidegate>(
        std::vector<std::string>{"serve", "--database", url, "--auth", "jwt", "--auth-secret-file", secret(),
                                 "--config", directory.path() + "/tidegate.toml"});
    gateway->wait_ready();
  }

  [[nodiscard]] std::string secret() const { return directory.path() + "/secret"; }
  void configure(const std::string& more) const {
    std::ofstream(directory.path() + "/tidegate.toml")
        << "[[table]]\nname = \"orders\"\ntenant_column = \"tenant\"\n" + more;
  }
  /// As an operator does it; waits until the log says how it went.
  void reload(const std::string& more, const std::string& outcome) {
    configure(more);
    gateway->process().signal(SIGHUP);
    EXPECT_TRUE(gateway->process().wait_for_output(outcome)) << gateway->output();
  }
  [[nodiscard]] std::string token(const std::string& tenant, const std::string& claims = "{}") const {
    rig::Tidegate minted({"token", "--subject", "someone", "--tenant", tenant, "--claims", claims,
                          "--auth-secret-file", secret()},
                         {}, false);
    EXPECT_EQ(minted.process().wait(), 0) << minted.output();
    std::string first;
    rig::eventually([&] {
      std::istringstream words(minted.output());
      while (words >> first) {
        if (std::count(first.begin(), first.end(), '.') == 2) return true;
      }
      return false;
    });
    return first;
  }
  std::unique_ptr<Tenant> client(const std::string& tenant, const std::string& query = std::string(kQuery),
                                 const std::string& claims = "{}") {
    return std::make_unique<Tenant>(loop, gateway->port(), token(tenant, claims), query);
  }

  rig::TemporaryDirectory directory;
  rig::PostgresServer server;
  std::string url;
  rig::Sql sql;
  std::unique_ptr<rig::Tidegate> gateway;
  client::Loop loop;
};

TEST_F(Tenants, c5_the_same_query_text_gives_each_tenant_its_own_rows_and_changes) {
  const auto acme = client("acme");
  const auto globex = client("globex");
  ASSERT_TRUE(acme->wait_rows(10)) << acme->frames();
  ASSERT_TRUE(globex->wait_rows(10)) << globex->frames();
  EXPECT_NE(acme->held().query(), globex->held().query());
  EXPECT_NE(acme->held().channel(), globex->held().channel());
  sql.exec("insert into orders values (21, 'globex', 'mark-globex-21'), (22, 'acme', 'mark-acme-22')");
  ASSERT_TRUE(acme->wait_rows(11));
  ASSERT_TRUE(globex->wait_rows(11));
  EXPECT_FALSE(acme->has("mark-globex"));
  EXPECT_FALSE(globex->has("mark-acme"));
}

// Rule 25: the old tenant gets a delete with the key alone.
TEST_F(Tenants, c5_rule_25_a_row_that_moves_to_another_tenant_shows_its_new_values_to_that_one_only) {
  const auto acme = client("acme");
  const auto globex = client("globex");
  ASSERT_TRUE(acme->wait_rows(10));
  ASSERT_TRUE(globex->wait_rows(10));
  sql.exec("update orders set tenant = 'globex', note = 'mark-globex-moved' where id = 2");
  ASSERT_TRUE(acme->wait_rows(9));
  ASSERT_TRUE(globex->wait_rows(11));
  EXPECT_FALSE(acme->held().rows().contains("[2]"));
  EXPECT_NE(globex->held().rows().at("[2]").find("mark-globex-moved"), std::string::npos);
  sql.exec("update orders set tenant = 'acme', note = 'mark-acme-back' where id = 2");
  ASSERT_TRUE(acme->wait_rows(10));
  ASSERT_TRUE(globex->wait_rows(10));
  // Within one transaction both ways, and the key with it.
  sql.exec(
      "begin; update orders set tenant = 'globex', note = 'mark-globex-x', id = 102 where id = 2; "
      "update orders set tenant = 'acme', note = 'mark-acme-x', id = 202 where id = 102; commit");
  ASSERT_TRUE(acme->wait([](const client::Replica& held) { return held.rows().contains("[202]"); }));
  sql.exec("insert into orders values (23, 'globex', 'mark-globex-23')");
  ASSERT_TRUE(globex->wait_rows(11));
  EXPECT_FALSE(acme->has("mark-globex"));
  EXPECT_FALSE(globex->has("mark-acme"));
  EXPECT_EQ(acme->held().counts().contradictions + globex->held().counts().contradictions, 0u);
}

TEST_F(Tenants, c5_another_tenant_s_cursor_gets_a_fresh_snapshot_of_one_s_own_rows) {
  const auto globex = client("globex");
  ASSERT_TRUE(globex->wait_rows(10));
  sql.exec("insert into orders values (31, 'globex', 'mark-globex-31')");
  ASSERT_TRUE(globex->wait_rows(11));
  const std::string cursor = globex->held().cursor_json();
  ASSERT_FALSE(cursor.empty());
  sql.exec("insert into orders values (33, 'globex', 'mark-globex-33')");
  const auto thief = client("acme", std::string(kQuery) + R"(,"cursor":)" + cursor);
  ASSERT_TRUE(thief->wait_rows(10)) << thief->frames();
  EXPECT_FALSE(thief->held().resumed());
  // The same with one's own query's hash written into it.
  std::string forged = cursor;
  const std::string theirs = globex->held().query();
  ASSERT_NE(forged.find(theirs), std::string::npos);
  forged.replace(forged.find(theirs), theirs.size(), thief->held().query());
  const auto forger = client("acme", std::string(kQuery) + R"(,"cursor":)" + forged);
  ASSERT_TRUE(forger->wait_rows(10)) << forger->frames();
  EXPECT_FALSE(forger->held().resumed());
  ASSERT_TRUE(globex->wait_rows(12));
  EXPECT_FALSE(thief->has("mark-globex"));
  EXPECT_FALSE(forger->has("mark-globex"));
}

TEST_F(Tenants, c5_a_condition_on_the_tenant_column_only_narrows) {
  const auto other = client("acme", R"("sql":"select id, note from orders where tenant = 'globex'")");
  const auto either =
      client("acme", R"q("sql":"select id, note from orders where tenant in ('globex', 'acme')")q");
  ASSERT_TRUE(other->wait_rows(0)) << other->frames();
  ASSERT_TRUE(either->wait_rows(10)) << either->frames();
  sql.exec("insert into orders values (41, 'globex', 'mark-globex-41')");
  sql.exec("update orders set tenant = 'globex', note = 'mark-globex-42' where id = 4");
  ASSERT_TRUE(either->wait_rows(9));
  EXPECT_TRUE(other->wait_rows(0));
  EXPECT_FALSE(other->has("mark-globex"));
  EXPECT_FALSE(either->has("mark-globex"));
}

TEST_F(Tenants, c5_c10_tables_without_a_policy_and_unknown_ones_are_answered_alike) {
  const auto hidden = client("acme", R"("sql":"select id, note from hidden")");
  const auto unknown = client("acme", R"("sql":"select id, note from nowhere")");
  EXPECT_TRUE(hidden->wait_error("unknown_table")) << hidden->frames();
  EXPECT_TRUE(unknown->wait_error("unknown_table")) << unknown->frames();
  EXPECT_FALSE(hidden->has("mark-hidden"));
}

TEST_F(Tenants, c5_c10_without_a_good_token_there_is_no_connection) {
  const Tenant nobody(loop, gateway->port(), "", std::string(kQuery));
  EXPECT_TRUE(nobody.wait_refused());
  const std::string good = token("acme");
  // Another tenant's claims behind this one's signature.
  const std::string theirs = token("globex");
  const std::string tampered = theirs.substr(0, theirs.rfind('.')) + good.substr(good.rfind('.'));
  const Tenant forger(loop, gateway->port(), tampered, std::string(kQuery));
  EXPECT_TRUE(forger.wait_refused());
  EXPECT_FALSE(nobody.has("mark-"));
  EXPECT_FALSE(forger.has("mark-"));
}

// ---- policies of columns and rows ----

TEST_F(Tenants, c5_a_policy_of_columns_and_rows_holds_for_snapshots_and_changes) {
  reload("columns = [\"id\", \"note\"]\nrows = \"id <= $claims.top or $claims.role = 'admin'\"\n",
         R"("tables":"changed")");
  const std::string all = R"("sql":"select * from orders")";
  const auto user = client("acme", all, R"({"top":6,"role":"user"})");
  const auto admin = client("acme", all, R"({"top":0,"role":"admin"})");
  const auto nobody = client("acme", all, R"({"role":"admin"})");
  const auto nosy =
      client("acme", R"("sql":"select id from orders where tenant = 'acme'")", R"({"top":6,"role":"user"})");
  ASSERT_TRUE(user->wait_rows(3)) << user->frames();
  ASSERT_TRUE(admin->wait_rows(10)) << admin->frames();
  EXPECT_TRUE(nobody->wait_error("forbidden")) << nobody->frames();
  EXPECT_TRUE(nobody->has("$claims.top is missing in the token")) << nobody->frames();
  EXPECT_TRUE(nosy->wait_error("bad_query")) << nosy->frames();
  sql.exec("insert into orders values (0, 'acme', 'mark-acme-0'), (100, 'acme', 'mark-acme-100')");
  sql.exec("update orders set id = 200 where id = 2");
  ASSERT_TRUE(user->wait([](const client::Replica& held) {
    return held.rows().contains("[0]") && !held.rows().contains("[2]");
  }));
  ASSERT_TRUE(admin->wait_rows(12));
  EXPECT_EQ(user->held().rows().at("[4]"), R"({"id":4,"note":"mark-acme-4"})");
  EXPECT_FALSE(user->has("mark-acme-100"));
  EXPECT_FALSE(user->has("tenant"));  // neither a value nor the column's name
  EXPECT_FALSE(admin->has("\"tenant\""));
  EXPECT_EQ(user->held().counts().contradictions + admin->held().counts().contradictions, 0u);
}

TEST_F(Tenants, c5_a_reload_takes_effect_for_what_is_subscribed) {
  const auto acme = client("acme", std::string(kQuery), R"({"top":6})");
  const auto globex = client("globex");
  ASSERT_TRUE(acme->wait_rows(10)) << acme->frames();
  ASSERT_TRUE(globex->wait_rows(10)) << globex->frames();
  reload("rows = \"id <= $claims.top\"\n", R"("tables":"changed")");
  ASSERT_TRUE(acme->wait_rows(3)) << acme->frames();
  EXPECT_TRUE(acme->has(R"("reason":"policy")"));
  EXPECT_TRUE(globex->wait_error("forbidden")) << globex->frames();
  sql.exec(
      "insert into orders values (50, 'acme', 'mark-acme-50'), (-2, 'acme', 'mark-acme-low'), "
      "(51, 'globex', 'mark-globex-51')");
  ASSERT_TRUE(acme->wait_rows(4));
  EXPECT_FALSE(acme->has("mark-acme-50"));
  // One that does not fit changes nothing.
  reload("rows = \"id <=\"\n", "syntax error at end of input");
  sql.exec("insert into orders values (52, 'acme', 'mark-acme-52'), (-4, 'acme', 'mark-acme-lower')");
  ASSERT_TRUE(acme->wait_rows(5));
  // A policy that the table does not fit: the table is gone, and the operator told.
  reload("rows = \"nope = 1\"\n", "has no column");
  EXPECT_TRUE(acme->wait_error("unknown_table")) << acme->frames();
  sql.exec("insert into orders values (-6, 'acme', 'mark-acme-lowest')");
  reload("owner = \"x\"\n", "owner: unknown");
  configure("rows = \"id <= $claims.top\"\n");
  const auto again = client("acme", std::string(kQuery), R"({"top":6})");
  EXPECT_TRUE(again->wait_error("unknown_table")) << again->frames();
  EXPECT_FALSE(acme->has("mark-acme-52"));
  EXPECT_FALSE(acme->has("mark-acme-lowest"));
  EXPECT_FALSE(globex->has("mark-globex-51"));
}

TEST_F(Tenants, c5_a_renewed_token_with_other_claims_narrows_what_is_subscribed) {
  reload("rows = \"id <= $claims.top\"\n", R"("tables":"changed")");
  const auto acme = client("acme", std::string(kQuery), R"({"top":1000})");
  ASSERT_TRUE(acme->wait_rows(10)) << acme->frames();
  acme->send(R"({"op":"auth","token":")" + token("acme", R"({"top":6})") + R"("})");
  ASSERT_TRUE(acme->wait_rows(3)) << acme->frames();
  sql.exec("insert into orders values (50, 'acme', 'mark-acme-50'), (-2, 'acme', 'mark-acme-low')");
  ASSERT_TRUE(acme->wait_rows(4));
  EXPECT_FALSE(acme->has("mark-acme-50"));
  EXPECT_EQ(acme->held().counts().contradictions + acme->held().counts().disorders, 0u);
}

}  // namespace
}  // namespace tidegate::test
