// Rule 7 from outside: clients that are subscribed while tables are altered end with what the table holds,
// though nobody writes a row after it; who does not name what was altered notices nothing.
#include <gtest/gtest.h>

#include "integration/watcher.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using rig::Tidegate;

class DdlFromOutside : public ::testing::Test {
 protected:
  DdlFromOutside() : url(server.create_database("shop")), sql(url) {
    sql.exec("create table orders (id integer primary key, status text collate \"C\", total numeric(10,2))");
    sql.exec("insert into orders values (1, 'new', 5), (2, 'paid', 7)");
    Tidegate setup({"setup", "--database", url}, {}, false);
    EXPECT_EQ(setup.process().wait(), 0) << setup.output();
    EXPECT_NE(setup.output().find("did: event triggers"), std::string::npos) << setup.output();
    gateway = std::make_unique<Tidegate>(
        std::vector<std::string>{"serve", "--database", url, "--auth", "none", "--snapshot-reuse-ms", "0"});
    gateway->wait_ready();
  }
  std::unique_ptr<Watcher> watch(const std::string& select) {
    auto watcher = std::make_unique<Watcher>(loop, gateway->port(), R"("sql":")" + select + '"', "json");
    EXPECT_TRUE(watcher->wait_whole()) << watcher->fault();
    return watcher;
  }
  static std::string text(const Watcher& watcher) {
    std::string text;
    for (const auto& [key, row] : watcher.rows()) text += row + "\n";
    return text;
  }

  rig::PostgresServer server;
  std::string url;
  rig::Sql sql;
  client::Loop loop;
  std::unique_ptr<Tidegate> gateway;
};

TEST_F(DdlFromOutside, rule_7_a_rewrite_reaches_who_names_the_column_and_nobody_else) {
  const auto totals = watch("select id, total from orders");
  const auto statuses = watch("select id, status from orders");
  sql.exec("alter table orders alter total type numeric(10,2) using total * 100");
  EXPECT_TRUE(rig::eventually([&] {
    const std::string held = text(*totals);
    return held.find("500.00") != std::string::npos && held.find("700.00") != std::string::npos;
  })) << text(*totals);
  sql.exec("alter table orders add column token uuid default gen_random_uuid()");
  sql.exec("alter table orders add column note text default 'n'");
  sql.exec("update orders set status = 'sent' where id = 1");
  EXPECT_TRUE(rig::eventually([&] { return text(*statuses).find("sent") != std::string::npos; }));
  EXPECT_EQ(statuses->spans().size(), 1u) << "no snapshot but the first";
  EXPECT_EQ(statuses->fault(), "");
  EXPECT_EQ(totals->fault(), "");
}

TEST_F(DdlFromOutside, rule_7_what_is_gone_is_said_to_who_names_it_and_nobody_else) {
  const auto totals = watch("select id, total from orders");
  const auto statuses = watch("select id, status from orders");
  sql.exec("alter table orders drop column total");
  EXPECT_TRUE(rig::eventually([&] { return totals->fault().find("schema_changed") != std::string::npos; }))
      << totals->fault();
  sql.exec("insert into orders values (3, 'last')");
  EXPECT_TRUE(rig::eventually([&] { return text(*statuses).find("last") != std::string::npos; }));
  EXPECT_EQ(statuses->fault(), "");
  sql.exec("alter table orders rename to purchases");
  EXPECT_TRUE(rig::eventually([&] { return statuses->fault().find("schema_changed") != std::string::npos; }))
      << statuses->fault();
}

}  // namespace
}  // namespace tidegate::test
