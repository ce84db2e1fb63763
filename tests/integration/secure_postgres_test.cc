// A PostgreSQL that demands TLS and a password, and roles with no right more than they need. Invariants:
// rows and changes come over connections that are all encrypted and checked; what is wrong with one is said
// in words that help, in the log and on /readyz; no word holds a secret.
#include <gtest/gtest.h>
#include <signal.h>

#include "integration/not_ready.h"
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

TEST_F(SecurePostgres, what_setup_says_to_type_is_what_the_role_needs_and_all_of_it) {
  sql.exec("alter table shop.orders enable row level security");
  const std::string owner = server->url(name);
  const std::string quoted = '"' + name + '"';
  const Words check{"setup", "--check", "--database", owner, "--slot", name, "--role", name};
  run({"setup", "--database", owner, "--slot", name}, 0);
  const Words needed = statements_of(run(check, 1));
  ASSERT_EQ(needed, (Words{"CREATE ROLE " + quoted + " LOGIN REPLICATION PASSWORD '…'",
                           "GRANT CONNECT ON DATABASE " + quoted + " TO " + quoted,
                           "GRANT USAGE ON SCHEMA \"shop\" TO " + quoted,
                           "GRANT SELECT ON \"shop\".\"orders\" TO " + quoted,
                           "ALTER ROLE " + quoted + " BYPASSRLS"}));
  sql.exec("create role " + quoted + " login replication password '" + Secrets::secret("role") + "'");
  for (std::size_t i = 1; i < needed.size(); ++i) sql.exec(needed[i]);
  EXPECT_NE(run(check, 0).find("the role " + name + " has the rights that serve and match need"),
            std::string::npos);
  Tidegate gateway(serve(url(name, verified()), {"--database-password-file", password_file()}));
  expect_served(gateway, name);

  const auto lacks = [&](const std::string& revoke, const std::string& statement) {
    sql.exec(revoke);
    EXPECT_EQ(statements_of(run(check, 1)), Words{statement}) << revoke;
    sql.exec(statement);
  };
  lacks("alter role " + quoted + " nologin", "ALTER ROLE " + quoted + " LOGIN");
  lacks("alter role " + quoted + " noreplication", "ALTER ROLE " + quoted + " REPLICATION");
  lacks("revoke connect on database " + quoted + " from " + quoted, needed[1]);
  lacks("revoke usage on schema shop from " + quoted, needed[2]);
  lacks("revoke select on shop.orders from " + quoted, needed[3]);
  lacks("alter role " + quoted + " nobypassrls", needed[4]);
  run(check, 0);
}

TEST_F(SecurePostgres, setup_by_the_owner_says_what_a_role_of_its_own_would_need) {
  const std::string said = run({"setup", "--database", server->url(name), "--slot", name}, 0);
  for (const std::string& words : Words{"CREATE ROLE \"tidegate\" LOGIN REPLICATION",
                                        "GRANT CONNECT ON DATABASE \"" + name + "\" TO \"tidegate\";",
                                        "GRANT USAGE ON SCHEMA \"shop\" TO \"tidegate\";",
                                        "GRANT SELECT ON \"shop\".\"orders\" TO \"tidegate\";"})
    EXPECT_NE(said.find(words), std::string::npos) << words << " is not in " << said;
  make_role(name);
  const std::string its_own = run({"setup", "--check", "--database", url(name, verified()),
                                   "--database-password-file", password_file(), "--slot", name},
                                  0);
  EXPECT_EQ(its_own.find("GRANT"), std::string::npos) << "it is such a role: " << its_own;
}

// A reload, by whichever way, repeats nothing of what it reads: neither where it works nor where it fails.
TEST_F(SecurePostgres, a_reload_that_works_and_one_that_fails_tell_no_secret) {
  make_role(name);
  const std::string token = Secrets::secret("admin");
  const auto configure = [&](const std::string& more) {
    return secrets.file("tidegate.toml", "auth_secret = \"" + Secrets::secret("auth") +
                                             "\"\nadmin_token = \"" + token + "\"\n" + more);
  };
  const std::string table = "[[table]]\nname = \"shop.orders\"\n";
  Tidegate gateway({"serve", "--database", url(name, verified()), "--database-password-file", password_file(),
                    "--config", configure(table)});
  gateway.show_admin_token(token);
  gateway.wait_ready();
  const auto reload = [&](const std::string& more, int status) {
    configure(more);
    const auto answer = rig::http(gateway.admin_port(), "POST", "/admin/reload", "",
                                  "Authorization: Bearer " + token + "\r\n");
    EXPECT_EQ(answer.status == 200, status == 200) << answer.body;
    Secrets::expect_clean(answer.head + answer.body, "the answer to a reload");
  };
  reload(table + "rows = \"id > 0\"\n", 200);
  EXPECT_TRUE(gateway.process().wait_for_output(R"("tables":"changed")")) << gateway.output();
  // What is wrong, and how: a line that is cut off in a secret, a secret for a name, where a number belongs,
  // in a condition, and a key that is none.
  const std::string secret = Secrets::secret("reload");
  for (const std::string& broken :
       {"database = \"postgres://" + secret, "database = [\"" + secret + "\", 1.5]\n",
        "kafka_property = \"" + secret + "\"\n",
        "auth_secret_file = \"" + gateway.address() + "\"\nauth_secret = 1.5 # " + secret + "\n",
        "shards = true # " + secret + "\n" + table, table + "rows = \"id > \" # " + secret + "\n"})
    reload(broken, 400);
  EXPECT_TRUE(gateway.process().wait_for_output("configuration not reloaded")) << gateway.output();
  // By the signal, of secrets that changed: their names are told.
  (void)secrets.file("tidegate.toml", "auth_secret = \"" + Secrets::secret("later") + "\"\nadmin_token = \"" +
                                          token + "\"\n" + table);
  gateway.process().signal(SIGHUP);
  EXPECT_TRUE(gateway.process().wait_for_output(R"("setting":"auth-secret")")) << gateway.output();
  Secrets::expect_clean(gateway);
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
