// A PostgreSQL that demands TLS and a password, and roles with no right more than they need. Invariants:
// rows and changes come over connections that are all encrypted and checked; what is wrong with one is said
// in words that help, in the log and on /readyz; no word holds a secret.
#include <gtest/gtest.h>

#include "integration/secrets.h"
#include "integration/watcher.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"
#include "transport/testing.h"

namespace tidegate::test {
namespace {

using rig::Tidegate;
using transport::testing::Certificate;
using Words = std::vector<std::string>;

const std::string kOrders = R"("sql":"select id, status from shop.orders")";

class SecurePostgres : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificate = std::make_unique<Certificate>(86'400, "DNS:localhost");
    client = std::make_unique<Certificate>();
    std::filesystem::permissions(client->key_file(), std::filesystem::perms::owner_read);
    server = std::make_unique<rig::PostgresServer>();
    server->demand_tls(certificate->file(), certificate->key_file(), client->file());
  }
  static void TearDownTestSuite() {
    server.reset();
    client.reset();
    certificate.reset();
  }

  SecurePostgres() : name("shop" + std::to_string(++count)), sql(server->create_database(name)) {
    sql.exec("revoke connect on database " + name + " from public; create schema shop; " +
             "create table shop.orders (id integer primary key, status text not null); "
             "alter table shop.orders replica identity full; insert into shop.orders values (1, 'new'); "
             "create publication tidegate for table shop.orders");
  }

  /// What docs/OPERATING.md says that `serve` and `match` need, and nothing more.
  void make_role(const std::string& role) {
    sql.exec("create role " + role + " login replication password '" + Secrets::secret("role") + "'");
    sql.exec("grant connect on database " + name + " to " + role + "; grant usage on schema shop to " + role +
             "; grant select on shop.orders to " + role);
  }
  [[nodiscard]] std::string url(const std::string& role, const std::string& parameters,
                                const std::string& host = "localhost") const {
    return "postgres://" + role + "@" + host + ":" + std::to_string(server->port()) + "/" + name + "?" +
           parameters;
  }
  static std::string verified(const Certificate& authority = *certificate) {
    return "sslmode=verify-full&sslrootcert=" + authority.file();
  }
  [[nodiscard]] std::string password_file() const {
    return secrets.file("password", Secrets::secret("role") + "\n");
  }
  static Words serve(const std::string& database, const Words& more = {}) {
    Words words{"serve", "--auth", "none", "--database", database};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  void expect_served(Tidegate& gateway, const std::string& role) {
    gateway.wait_ready();
    client::Loop loop;
    Watcher watcher(loop, gateway.port(), kOrders, "json");
    ASSERT_TRUE(watcher.wait_whole()) << watcher.fault() << gateway.output();
    const std::size_t rows = watcher.rows().size();
    sql.exec("insert into shop.orders values (" + std::to_string(1000 + rows) + ", 'paid')");
    EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == rows + 1; })) << watcher.fault();
    // The replication connection, the one beside it, and the catalogue's at least.
    const auto sessions = sql.exec(
        "select count(*) >= 3, bool_and(ssl), bool_or(backend_type = 'walsender') from pg_stat_ssl join "
        "pg_stat_activity using (pid) where usename = '" +
        role + "'");
    EXPECT_EQ(sessions[0], (rig::Sql::Row{"t", "t", "t"}));
    Secrets::expect_clean(gateway);
  }
  /// A gateway waits, and says why.
  static void expect_waiting(const Words& command, const Words& parts, const Words& environment = {}) {
    Tidegate gateway(command, environment);
    std::string said;
    const bool told = rig::eventually([&] {
      said = rig::http(gateway.admin_port(), "GET", "/readyz").body;
      return said.find("reached") != std::string::npos;
    });
    EXPECT_TRUE(told) << said;
    for (const std::string& part : parts) {
      EXPECT_NE(said.find(part), std::string::npos) << part << " is not in " << said;
      EXPECT_TRUE(gateway.process().wait_for_output(part)) << part << " is not in " << gateway.output();
    }
    Secrets::expect_clean(gateway);
  }
  /// A command that ends by itself; what it said.
  static std::string run(const Words& command, int expected) {
    Tidegate program(command, {}, false);
    EXPECT_EQ(program.process().wait(), expected) << program.output();
    Secrets::expect_clean(program.output(), command.front());
    return program.output();
  }

  static inline std::unique_ptr<Certificate> certificate;
  static inline std::unique_ptr<Certificate> client;
  static inline std::unique_ptr<rig::PostgresServer> server;
  static inline int count = 0;
  const std::string name;
  rig::Sql sql;
  Secrets secrets;
};

TEST_F(SecurePostgres, rows_and_changes_come_over_connections_that_are_all_verified) {
  make_role(name);
  const std::string database = url(name, verified());
  Tidegate gateway(serve(database, {"--database-password-file", password_file()}));
  expect_served(gateway, name);
  EXPECT_EQ(run({"setup", "--check", "--database", database, "--database-password-file", password_file()}, 0)
                .find("NOT READY"),
            std::string::npos);
}

TEST_F(SecurePostgres, the_password_may_stand_where_libpq_looks_for_it) {
  make_role(name);
  const std::string passwords =
      secrets.file("pgpass", "localhost:" + std::to_string(server->port()) + ":*:" + name + ":" +
                                 Secrets::secret("role") + "\n");
  Tidegate gateway(serve(url(name, verified())), {"PGPASSFILE=" + passwords});
  expect_served(gateway, name);
}

TEST_F(SecurePostgres, a_client_certificate_is_shown_by_every_connection) {
  sql.exec(
      "do $$ begin create role localhost login replication; exception when duplicate_object then null; end "
      "$$");
  sql.exec("grant connect on database " + name +
           " to localhost; grant usage on schema shop to localhost; "
           "grant select on shop.orders to localhost");
  Tidegate gateway(
      serve(url("localhost", verified() + "&sslcert=" + client->file() + "&sslkey=" + client->key_file())));
  expect_served(gateway, "localhost");
}

TEST_F(SecurePostgres, a_password_that_changes_is_read_anew) {
  make_role(name);
  sql.exec("alter role " + name + " password '" + Secrets::secret("other") + "'");
  const std::string file = password_file();
  Tidegate gateway(serve(url(name, verified()), {"--database-password-file", file}));
  EXPECT_TRUE(gateway.process().wait_for_output("password authentication failed"));
  (void)secrets.file("password", Secrets::secret("other"));
  expect_served(gateway, name);
}

TEST_F(SecurePostgres, what_is_wrong_with_the_connection_is_said_without_secrets) {
  make_role(name);
  const Certificate stranger;
  const Words password{"--database-password-file", password_file()};
  expect_waiting(serve(url(name, verified(stranger)), password),
                 {"certificate verify failed", "sslrootcert", "signed with"});
  expect_waiting(serve(url(name, verified(), "127.0.0.1"), password),
                 {"does not match host name", "connect to a name that the server's certificate has"});
  expect_waiting(serve(url(name, "sslmode=verify-full&sslrootcert=/no/such/file"), password),
                 {"/no/such/file"});
  expect_waiting(serve(url(name, "sslmode=disable"), password), {"no encryption", "sslmode=verify-full"});
  expect_waiting(serve(url(name, verified())), {"no password supplied", "--database-password-file"});
  expect_waiting(serve(url(name, verified()), {"--database-password-file", secrets.file("wrong", "hunter2")}),
                 {"password authentication failed", "must be the role's"});
  expect_waiting(serve(url("localhost", verified())), {"client certificate", "sslcert"});
}

TEST_F(SecurePostgres, a_server_without_tls_is_refused) {
  rig::PostgresServer plain;
  expect_waiting(
      serve("postgres://postgres@localhost:" + std::to_string(plain.port()) + "/postgres?" + verified()),
      {"does not support SSL", "ssl = on"});
}

TEST_F(SecurePostgres, each_right_that_is_missing_is_named) {
  make_role(name);
  const Words password{"--database-password-file", password_file()};
  const std::string database = url(name, verified());
  const auto ends_with = [&](const std::string& words) {
    Words command = serve(database, password);
    command.insert(command.end(), {"--listen", "127.0.0.1:0"});
    const std::string said = run(command, 1);
    EXPECT_NE(said.find(words), std::string::npos) << words << " is not in " << said;
  };
  const auto not_served = [&](const std::string& words) {
    Tidegate gateway(serve(database, password));
    gateway.wait_ready();
    EXPECT_TRUE(gateway.process().wait_for_output(words)) << gateway.output();
    Secrets::expect_clean(gateway);
  };
  sql.exec("alter role " + name + " noreplication");
  ends_with("ALTER ROLE \"" + name + "\" REPLICATION");
  sql.exec("alter role " + name + " replication; revoke select on shop.orders from " + name);
  not_served("GRANT SELECT ON \\\"shop\\\".\\\"orders\\\"");
  sql.exec("grant select on shop.orders to " + name + "; revoke usage on schema shop from " + name);
  not_served("GRANT USAGE ON SCHEMA \\\"shop\\\"");
  sql.exec("grant usage on schema shop to " + name + "; revoke connect on database " + name + " from " +
           name);
  expect_waiting(serve(database, password), {"CONNECT privilege", "GRANT CONNECT ON DATABASE"});
  sql.exec("grant connect on database " + name + " to " + name);
  Tidegate gateway(serve(database, password));
  expect_served(gateway, name);
}

}  // namespace
}  // namespace tidegate::test
