// Issue 6's point 4 from outside: a tenant whose snapshots the database does not come to an end with has its
// share of threads and places (rule 20), and all others have theirs. The real program, real tokens, and a
// server process of PostgreSQL that stands still in the middle of one snapshot.
#include <gtest/gtest.h>
#include <signal.h>

#include <charconv>
#include <fstream>

#include "integration/raider.h"
#include "integration/tenant.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";

std::string kind(const std::string& share) {
  return "tidegate_feed_snapshots_refused_total{share=\"" + share + "\"}";
}

/// Of the last `error` in what a client got; -1 where there is none.
int retry_ms(const std::string& frames) {
  constexpr std::string_view kMember = R"("retry_ms":)";
  const std::size_t at = frames.rfind(kMember);
  int ms = -1;
  if (at != std::string::npos) {
    const char* const digits = frames.data() + at + kMember.size();
    std::from_chars(digits, frames.data() + frames.size(), ms);
  }
  return ms;
}

/// One of the server's processes, which stands still as long as this lives.
class Frozen {
 public:
  explicit Frozen(pid_t process) : process_(process) { EXPECT_EQ(::kill(process_, SIGSTOP), 0); }
  ~Frozen() { ::kill(process_, SIGCONT); }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  const pid_t process_;
};

class SnapshotShares : public ::testing::Test {
 protected:
  SnapshotShares() : url(server.create_database("shop")), sql(url) {
    sql.exec(
        "create table slow (id integer primary key, tenant text not null, note text not null); "
        "create table quick (id integer primary key, tenant text not null, note text not null); "
        "insert into slow select i, case when i % 2 = 0 then 'acme' else 'globex' end, 'x' from "
        "generate_series(1, 20) i; insert into quick select * from slow");
    rig::Tidegate setup({"setup", "--database", url}, {}, false);
    EXPECT_EQ(setup.process().wait(), 0) << setup.output();
    std::ofstream(directory.path() + "/secret") << kSecret;
    std::ofstream(directory.path() + "/tidegate.toml")
        << "[[table]]\nname = \"slow\"\ntenant_column = \"tenant\"\n[[table]]\nname = "
           "\"quick\"\ntenant_column = \"tenant\"\n";
    // Two threads and two places to wait, half of them for each tenant. The first snapshot of all stops the
    // gateway once it has locked its table.
    gateway = std::make_unique<rig::Tidegate>(
        std::vector<std::string>{"serve", "--database", url, "--auth", "jwt", "--auth-secret-file",
                                 directory.path() + "/secret", "--config",
                                 directory.path() + "/tidegate.toml", "--snapshot-threads", "2",
                                 "--snapshot-queue-max", "2", "--snapshot-tenant-percent", "50",
                                 "--snapshot-timeout-ms", "600000"},
        std::vector<std::string>{"TIDEGATE_FAULT=snapshot.locked:1"});
    gateway->wait_ready();
  }
  ~SnapshotShares() override {
    if (HasFailure()) std::cout << gateway->output();
  }

  std::unique_ptr<Tenant> client(const std::string& tenant, const std::string& table, int above) {
    const std::string token =
        signed_token(R"({"tenant":")" + tenant + R"(","sub":"ann","exp":4000000000})", std::string(kSecret));
    return std::make_unique<Tenant>(
        loop, gateway->port(), token,
        R"("sql":"select id, note from )" + table + " where id > " + std::to_string(above) + '"');
  }
  /// The gateway stands still, with a snapshot that has locked `slow` and read nothing: its server process.
  pid_t snapshot_s_server() {
    EXPECT_TRUE(gateway->process().wait_stopped(rig::kPatience));
    return std::stoi(
        sql.value("select pid from pg_locks where relation = 'slow'::regclass and mode = 'AccessShareLock' "
                  "and granted and pid <> pg_backend_pid()"));
  }
  void expect_refused(int above) {
    const auto refused = client("acme", "quick", above);
    EXPECT_TRUE(refused->wait_error("unavailable")) << refused->frames();
    EXPECT_TRUE(refused->has("tenant")) << "it says whose share is full: " << refused->frames();
    EXPECT_GE(retry_ms(refused->frames()), 1'000) << refused->frames();
    EXPECT_LE(retry_ms(refused->frames()), 60'000) << refused->frames();
  }

  rig::TemporaryDirectory directory;
  rig::PostgresServer server;
  std::string url;
  rig::Sql sql;
  std::unique_ptr<rig::Tidegate> gateway;
  client::Loop loop;
};

TEST_F(SnapshotShares, rule_20_a_tenant_s_slow_snapshots_take_its_share_and_others_are_served_meanwhile) {
  const auto stuck = client("acme", "slow", 0);
  std::optional<Frozen> frozen(snapshot_s_server());
  gateway->process().signal(SIGCONT);
  const auto waits = client("acme", "slow", 1);
  ASSERT_TRUE(rig::eventually([&] { return gateway->metric("tidegate_feed_snapshots_waiting") == 1; }))
      << "one of the two threads is not this tenant's";
  expect_refused(0);

  // The other tenant: each a query and a snapshot of its own, of the same tables too, and its changes.
  for (int above = 0; above < 5; ++above) {
    const auto served = client("globex", above % 2 == 0 ? "quick" : "slow", above);
    ASSERT_TRUE(served->wait_rows(10 - static_cast<std::size_t>(above + 1) / 2))  // its ids are odd
        << served->frames();
  }
  const auto lives = client("globex", "quick", 0);
  ASSERT_TRUE(lives->wait_rows(10)) << lives->frames();
  sql.exec("insert into quick values (21, 'globex', 'y'), (22, 'acme', 'y')");
  ASSERT_TRUE(lives->wait_rows(11)) << lives->frames();

  expect_refused(1);
  EXPECT_EQ(gateway->metric(kind("tenant")), 2);
  EXPECT_EQ(gateway->metric(kind("all")), 0);
  EXPECT_FALSE(stuck->held().whole() || waits->held().whole());

  frozen.reset();
  EXPECT_TRUE(stuck->wait_rows(10)) << stuck->frames();
  EXPECT_TRUE(waits->wait_rows(10)) << waits->frames();
  const auto later = client("acme", "quick", 0);
  EXPECT_TRUE(later->wait_rows(11)) << later->frames();
  EXPECT_EQ(gateway->metric(kind("tenant")), 2);
}

}  // namespace
}  // namespace tidegate::test
