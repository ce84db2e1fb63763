// C5, proved: fifty tenants, a hostile client for each beside its honest ones, while rows change and move
// between tenants and owners. Invariants:
// 1. no message that any client gets holds a foreign secret, or a tenant's name that it has not said itself;
// 2. honest clients hold exactly their rows at the end, and nothing on the way contradicted itself; of some
// of
//    them each state, after each snapshot and each diff, is held against what the database's own decoding
//    says;
// 3. a token that is not good opens nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <iostream>
#include <thread>

#include "integration/attacks.h"
#include "integration/deployment.h"
#include "integration/judge.h"
#include "integration/raider.h"
#include "integration/tenant.h"
#include "rig/kafka.h"

namespace tidegate::test {
namespace {

constexpr int kTenants = 50;
constexpr int kRaiders = 4;  // threads
constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::string_view kBobs = R"("owner":"bob")";  // in a row, which ann may see as an admin alone
constexpr std::string_view kWhole = R"("sql":"select * from orders")";

/// Rows that always say whose they are.
class Writer {
 public:
  Writer(const std::string& url, const Secrets& secrets, std::uint32_t seed)
      : sql_(url), secrets_(secrets), random_(seed), thread_([this] { run(); }) {}
  ~Writer() { stop(); }
  void stop() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] int transactions() const { return transactions_; }

  static std::string values(const Secrets& secrets, int tenant, const std::string& owner) {
    const std::string& secret = secrets.of[static_cast<std::size_t>(tenant)];
    return fmt::format("'{}', '{}', 'title of {}', '{} body', '{}'", Secrets::name(tenant), owner,
                       Secrets::name(tenant), secret, secrets.nobodys);
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  void run() {
    while (!over_) {
      std::string statements;
      for (int i = below(4); i >= 0; --i) statements += statement();
      sql_.exec(statements);
      ++transactions_;
    }
  }
  std::string statement() {
    const int tenant = below(kTenants);
    const std::string owner = below(2) == 0 ? "ann" : "bob";
    const int id = below(1'000);
    switch (below(5)) {
      case 0:
        return fmt::format("insert into orders values ({}, {}) on conflict do nothing;", id,
                           values(secrets_, tenant, owner));
      case 1:
        return fmt::format("delete from orders where id = {};", id);
      case 2:  // nothing that shows
        return fmt::format("update orders set hush = hush || 'x' where id = {} and length(hush) < 100;", id);
      case 3:
        return fmt::format("insert into notes values ({}, {}) on conflict do nothing;", id,
                           values(secrets_, tenant, owner));
      default:  // to another tenant and owner
        return fmt::format("update {} set (tenant, owner, title, body, hush) = ({}) where id = {};",
                           below(2) == 0 ? "orders" : "notes", values(secrets_, tenant, owner), id);
    }
  }

  rig::Sql sql_;
  const Secrets& secrets_;
  std::mt19937 random_;
  std::atomic<bool> over_{false};
  std::atomic<int> transactions_{0};
  std::thread thread_;
};

/// A row as `select * from orders` shows it under the policy.
std::string shown(const std::string& id, const std::string& owner, const std::string& title,
                  const std::string& body) {
  return fmt::format(R"({{"id":{},"owner":"{}","title":"{}","body":"{}"}})", id, owner, title, body);
}

struct Honest {
  int tenant;
  bool admin;
  std::unique_ptr<Tenant> client;
};

class Isolation : public ::testing::Test {
 protected:
  void prepare(rig::KafkaBroker* broker) {
    url = server.create_database("shop");
    rig::Sql sql(url);
    const std::string columns =
        "(id integer primary key, tenant text not null, owner text not null, title text not null, body text, "
        "hush text)";
    sql.exec("create schema other; create table orders " + columns + "; create table notes " + columns +
             "; create table secrets " + columns + "; create table \"Orders\" " + columns +
             "; create table other.orders " + columns);
    for (int id = 0; id < 500; ++id) {
      const std::string row =
          std::to_string(id) + ", " + Writer::values(secrets, id % kTenants, id % 3 == 0 ? "ann" : "bob");
      sql.exec(fmt::format("insert into orders values ({0}); insert into notes values ({0})", row));
    }
    sql.exec(
        "insert into secrets select * from orders; insert into \"Orders\" select * from orders; insert into "
        "other.orders select * from orders");
    std::ofstream(directory.path() + "/secret") << kSecret;
    std::ofstream(directory.path() + "/tidegate.toml")
        << "[[table]]\nname = \"orders\"\ntenant_column = \"tenant\"\ncolumns = [\"id\", \"owner\", "
           "\"title\", \"body\"]\n"
           "rows = \"owner = $claims.sub or $claims.role = 'admin'\"\n"
           "[[table]]\nname = \"notes\"\ntenant_column = \"tenant\"\n"
           "rows = \"owner = $claims.sub or $claims.role = 'admin'\"\n"
           "columns = [\"id\", \"tenant\", \"owner\", \"title\", \"body\"]\n";
    Deployment::Flags flags;
    flags.gateways = {"--auth",
                      "jwt",
                      "--auth-secret-file",
                      directory.path() + "/secret",
                      "--config",
                      directory.path() + "/tidegate.toml",
                      "--snapshot-tenant-percent",
                      "100"};
    if (broker != nullptr) broker->create_topic("shop.diffs", 2);
    deployment = std::make_unique<Deployment>(url, broker == nullptr ? "" : broker->brokers(), "shop", flags);
    gateways = broker == nullptr ? 1 : 2;
    if (broker != nullptr) {
      ASSERT_TRUE(deployment->wait_ready(Deployment::matcher)) << deployment->output();
    }
    for (int i = 0; i < gateways; ++i)
      ASSERT_TRUE(deployment->wait_ready(static_cast<Deployment::Who>(i))) << deployment->output();
  }

  [[nodiscard]] int port(int tenant) const {
    return deployment->port(static_cast<Deployment::Who>(tenant % gateways));
  }
  static std::string token(int tenant, bool admin) {
    return signed_token(fmt::format(R"({{"tenant":"{}","sub":"ann","role":"{}","exp":4000000000}})",
                                    Secrets::name(tenant), admin ? "admin" : "user"),
                        std::string(kSecret));
  }
  Honest honest(int tenant, bool admin, const std::string& more = "") {
    return {tenant, admin,
            std::make_unique<Tenant>(loop, port(tenant), token(tenant, admin), std::string(kWhole) + more)};
  }

  /// One hostile client of the tenant, after the next one's rows.
  void raid(int tenant) {
    const int next = (tenant + 1) % kTenants;
    Victim victim{Secrets::name(next), cursors[static_cast<std::size_t>(next)],
                  queries[static_cast<std::size_t>(next)], queries[static_cast<std::size_t>(tenant)]};
    const std::string subprotocol = tenant % 2 == 0 ? "tidegate.v1" : "json";
    const bool admin = tenant % 3 == 0;
    Raider raider(secrets, tenant, port(tenant),
                  "Sec-WebSocket-Protocol: " + subprotocol + "\r\nAuthorization: Bearer " +
                      token(tenant, admin) + "\r\n");
    EXPECT_TRUE(raider.open());
    if (!admin) raider.forbid(std::string(kBobs));
    std::map<std::string, std::size_t> tried;
    for (const Attack& attack : attacks_on(victim)) {
      ++tried[attack.kind];
      const bool subscribes = attack.message.starts_with(R"({"op":"subscribe")");
      if (subscribes && !raider.ask(attack.message)) break;
      if (!subscribes) raider.say(attack.message);
    }
    for (const ForgedToken& forged : tokens_against(victim.name, std::string(kSecret))) {
      raider.say(R"({"op":"auth","token":")" + forged.token + R"("})");
      ++tried["renewals"];
    }
    raider.say(R"({"op":"auth","token":")" + token(next, true) + R"("})");  // good, and another's
    ++tried["renewals"];
    raider.say(std::string("\0\0\0\1\0\0\0\0", 8) + victim.query, 2);
    EXPECT_TRUE(raider.settle()) << "a raider lost its connection";
    EXPECT_EQ(raider.heard("authed"), 0u);
    EXPECT_GT(raider.heard("error"), 100u);
    EXPECT_GT(raider.heard("snapshot"), 0u);
    const std::lock_guard lock(mutex);
    findings.add(raider.findings());
    for (const auto& [kind, count] : tried) attempts[kind] += count;
  }

  void knock(int tenant) {
    const std::string victim = Secrets::name(tenant);
    for (const ForgedToken& forged : tokens_against(victim, std::string(kSecret))) {
      Raider raider(secrets, -1, port(tenant),
                    "Sec-WebSocket-Protocol: tidegate.v1\r\nAuthorization: Bearer " + forged.token + "\r\n");
      EXPECT_EQ(raider.open(), forged.what == "good") << forged.what;
      if (raider.open()) {
        raider.say(R"({"op":"subscribe","hashId":"x","sql":"select * from orders"})");
        raider.say(
            R"({"op":"subscribe","hashId":"y","sql":"select * from notes where id = id or id is not null"})");
        raider.say(
            R"({"op":"subscribe","hashId":"z","sql":"select id from notes where owner <> ''","frames":"json"})");
        EXPECT_TRUE(raider.settle());
      }
      const std::lock_guard lock(mutex);
      findings.add(raider.findings());
      ++attempts["tokens"];
    }
  }

  void raid_all() {
    std::vector<std::thread> threads;
    for (int first = 0; first < kRaiders; ++first) {
      threads.emplace_back([this, first] {
        for (int tenant = first; tenant < kTenants; tenant += kRaiders) raid(tenant);
        for (int tenant = first; tenant < kTenants; tenant += 10) knock(tenant);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void judge(const Honest& one) {
    std::string condition = "tenant = '" + Secrets::name(one.tenant) + "'";
    if (!one.admin) condition += " and owner = 'ann'";
    std::map<std::string, std::string> expected;
    for (const auto& row :
         rig::Sql(url).exec("select id, owner, title, body from orders where " + condition)) {
      expected.emplace("[" + *row[0] + "]", shown(*row[0], *row[1], *row[2], *row[3]));
    }
    EXPECT_TRUE(one.client->wait([&](const client::Replica& held) {
      return held.whole() && held.rows() == expected;
    })) << Secrets::name(one.tenant)
        << (one.admin ? ", admin" : "");
    const auto counts = one.client->held().counts();
    EXPECT_EQ(counts.contradictions + counts.disorders + counts.unreadable, 0u);
    diffs += counts.diffs;
    Scanner scanner(secrets, one.tenant);
    if (!one.admin) scanner.forbid(std::string(kBobs));
    scanner.scan(one.client->frames());
    Findings found = scanner.findings();
    found.frames = counts.diffs + counts.snapshots;
    findings.add(found);
  }

  /// An honest client whose every step is judged.
  Watched watched(int tenant, bool admin) {
    const std::string whose = Secrets::name(tenant);
    const RandomQuery query{"select * from orders as " + whose + (admin ? ", admin" : ""),
                            [whose, admin](const Reference::Cells& row) {
                              return row.at("tenant") == whose && (admin || row.at("owner") == "ann");
                            }};
    return {query, std::make_unique<Watcher>(loop, port(tenant), std::string(kWhole), admin ? "json" : "", 0,
                                             false, token(tenant, admin))};
  }
  void judge_each_step(const std::vector<Watched>& all, Reference& reference) {
    reference.read();
    Verdict verdict;
    for (const Watched& one : all) test::judge(one, reference, verdict);
    EXPECT_EQ(verdict.faults, 0u) << verdict.first;
    std::cout << fmt::format("{} of them judged at each of {} diffs\n", all.size(), verdict.diffs);
    EXPECT_GT(verdict.diffs, 100u);
  }

  void scan_open_pages() {
    for (int gateway = 0; gateway < gateways; ++gateway) {
      for (const std::string path : {"/metrics", "/readyz", "/healthz", "/", "/orders?tenant=x"}) {
        Scanner scanner(secrets, -1);
        const auto answer = rig::http(port(gateway), "GET", path);
        scanner.scan(answer.head + answer.body);
        findings.add(scanner.findings());
        ++attempts["pages"];
      }
    }
  }

  void prove() {
    std::vector<Honest> all;
    for (int tenant = 0; tenant < kTenants; ++tenant) {
      all.push_back(honest(tenant, true));
      all.push_back(honest(tenant, false));
    }
    for (const Honest& one : all)
      ASSERT_TRUE(one.client->wait([](const auto& held) { return held.whole(); }));
    for (int tenant = 0; tenant < kTenants; ++tenant) {
      const auto held = all[static_cast<std::size_t>(2 * tenant)].client->held();
      cursors.push_back(held.cursor_json());
      queries.push_back(held.query());
    }
    Reference reference(url, "public.orders", [](const Reference::Cells& row) {
      return shown(*row.at("id"), *row.at("owner"), *row.at("title"), *row.at("body"));
    });
    reference.begin_with_rows();
    std::vector<Watched> steps;
    for (int i = 0; i < 2 * kTenants; i += 5) steps.push_back(watched(i / 2, i % 2 == 0));
    for (const Watched& one : steps) ASSERT_TRUE(one.watcher->wait_whole()) << one.watcher->fault();
    Writer writer(url, secrets, new_seed());
    raid_all();
    for (int i = 0; i < 2 * kTenants; i += 9)  // back from where they are, to either gateway
      all[static_cast<std::size_t>(i)].client->reconnect(port(i), token(i / 2, i % 2 == 0),
                                                         std::string(kWhole));
    for (std::size_t i = 0; i < steps.size(); i += 3) steps[i].watcher->reconnect(port(static_cast<int>(i)));
    raid(0);
    EXPECT_TRUE(rig::eventually([&] { return writer.transactions() >= 500; }));
    writer.stop();
    ASSERT_EQ(findings.foreign, 0u) << findings.first;
    for (const Honest& one : all) {
      judge(one);
      if (HasFailure()) return;
    }
    judge_each_step(steps, reference);
    scan_open_pages();
    std::size_t total = 0;
    for (const auto& [kind, count] : attempts) {
      std::cout << fmt::format("{:>12}: {} attempts\n", kind, count);
      total += count;
    }
    std::cout << fmt::format(
        "{} attempts, {} transactions, {} honest clients with {} diffs; {} frames and {} bytes scanned, {} "
        "foreign\n",
        total, writer.transactions(), all.size(), diffs, findings.frames, findings.bytes, findings.foreign);
    EXPECT_EQ(findings.foreign, 0u) << findings.first;
    EXPECT_GT(findings.frames, 10'000u);
    EXPECT_GT(diffs, 1'000u);
  }

  const Secrets secrets{kTenants};
  rig::TemporaryDirectory directory;
  rig::PostgresServer server;
  std::string url;
  std::unique_ptr<Deployment> deployment;
  int gateways = 1;
  client::Loop loop;
  std::vector<std::string> cursors;
  std::vector<std::string> queries;
  std::mutex mutex;
  Findings findings;                            // guarded by mutex, as the next
  std::map<std::string, std::size_t> attempts;  // by kind
  std::size_t diffs = 0;
};

TEST_F(Isolation, c5_no_foreign_byte_of_one_node) {
  prepare(nullptr);
  if (!HasFailure()) prove();
}

TEST_F(Isolation, c5_no_foreign_byte_of_two_gateways_over_kafka) {
  rig::KafkaBroker broker;
  prepare(&broker);
  if (!HasFailure()) prove();
  deployment.reset();
}

}  // namespace
}  // namespace tidegate::test
