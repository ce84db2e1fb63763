// Rule 30, from outside: a user's own SQLite file, written by processes that know nothing of us.
#include <gtest/gtest.h>

#include "integration/reference.h"
#include "integration/watcher.h"
#include "rig/process.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using Rows = std::map<std::string, std::string>;

class Embedded : public ::testing::Test {
 protected:
  Embedded() : path(directory.path() + "/shop.db") {
    sqlite(
        "create table orders (id integer primary key, status text not null, total integer, sku text unique);"
        "insert into orders values (1, 'new', 10, 'a'), (2, 'paid', 20, 'b'), (3, 'new', 30, 'c')");
    gateway = std::make_unique<rig::Tidegate>(
        std::vector<std::string>{"serve", "--database", "sqlite:" + path, "--auth", "none"});
    gateway->wait_ready();
    watcher = std::make_unique<Watcher>(
        loop, gateway->port(), R"("sql":"select id, status, total from orders where status = 'new'")",
        "json");
  }

  void sqlite(const std::string& sql) { rig::run({"sqlite3", "-cmd", ".timeout 60000", path, sql}); }

  static std::string row(int id, const std::string& status, int total) {
    return R"({"id":")" + std::to_string(id) + R"(","status":")" + status + R"(","total":")" +
           std::to_string(total) + R"("})";
  }

  void expect(const Rows& rows) {
    EXPECT_TRUE(watcher->wait_for(fingerprint(rows)))
        << ::testing::PrintToString(watcher->rows()) << watcher->fault();
    EXPECT_EQ(watcher->counts().contradictions, 0u);
  }

  rig::TemporaryDirectory directory;
  std::string path;
  std::unique_ptr<rig::Tidegate> gateway;
  client::Loop loop;
  std::unique_ptr<Watcher> watcher;
};

TEST_F(Embedded, rule_30_what_another_process_writes_shows_up) {
  expect({{R"(["1"])", row(1, "new", 10)}, {R"(["3"])", row(3, "new", 30)}});
  sqlite("update orders set total = 11 where id = 1");
  expect({{R"(["1"])", row(1, "new", 11)}, {R"(["3"])", row(3, "new", 30)}});
  sqlite("update orders set status = 'new' where id = 2; delete from orders where id = 3");
  expect({{R"(["1"])", row(1, "new", 11)}, {R"(["2"])", row(2, "new", 20)}});
}

TEST_F(Embedded, rule_30_replace_takes_its_victims_out) {
  sqlite("insert or replace into orders values (1, 'new', 12, 'z')");
  expect({{R"(["1"])", row(1, "new", 12)}, {R"(["3"])", row(3, "new", 30)}});
  // One new row, two victims: one by the key, one by the unique column. No delete trigger fires for either.
  sqlite("insert or replace into orders values (3, 'new', 99, 'z')");
  expect({{R"(["3"])", row(3, "new", 99)}});
}

TEST_F(Embedded, several_statements_of_one_transaction_are_one_diff) {
  expect({{R"(["1"])", row(1, "new", 10)}, {R"(["3"])", row(3, "new", 30)}});
  const auto before = watcher->counts().diffs;
  sqlite("begin; update orders set total = 1 where id = 1; update orders set total = 2 where id = 3; commit");
  expect({{R"(["1"])", row(1, "new", 1)}, {R"(["3"])", row(3, "new", 2)}});
  EXPECT_EQ(watcher->counts().diffs, before + 1);
}

}  // namespace
}  // namespace tidegate::test
