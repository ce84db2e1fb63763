// A Kafka that demands TLS, SCRAM-SHA-512 and a right for each deed, with users who have no more than they
// need. Invariants: rows and changes come the whole way; what is wrong with a connection or a right is said
// in words that help, in the log and on /readyz; no word, no metric and no list of processes holds a secret.
#include <gtest/gtest.h>
#include <signal.h>

#include <functional>

#include "integration/not_ready.h"
#include "integration/secrets.h"
#include "integration/watcher.h"
#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"
#include "transport/testing.h"

namespace tidegate::test {
namespace {

using rig::Tidegate;
using transport::testing::Certificate;
using Words = std::vector<std::string>;

const std::string kOrders = R"("sql":"select id, status from orders")";

class SecureKafka : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificate = std::make_unique<Certificate>();
    rig::KafkaBroker::Guard guard{certificate->file(), certificate->key_file(), {}};
    for (const char* user : {"setup", "match", "serve"})
      guard.users.emplace_back(user, Secrets::secret(user));
    broker = std::make_unique<rig::KafkaBroker>(
        guard, rig::KafkaBroker::Settings{
                   {"authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"},
                   {"super.users", "User:ANONYMOUS"}});  // the rig
    server = std::make_unique<rig::PostgresServer>();
  }
  static void TearDownTestSuite() {
    server.reset();
    broker.reset();
    certificate.reset();
  }

  SecureKafka() : name("shop" + std::to_string(++count)), url(server->create_database(name)), sql(url) {
    sql.exec(
        "create table orders (id integer primary key, status text not null); "
        "insert into orders values (1, 'new')");
  }

  /// What docs/OPERATING.md says, and nothing more.
  void allow() const {
    for (const std::string& topic : {diffs(), control(), revocations()}) {
      for (const char* operation : {"Create", "Describe", "DescribeConfigs"})
        broker->allow("setup", operation, topic);
    }
    broker->allow("match", "Write", diffs());
    broker->allow("match", "Read", diffs());
    broker->allow("serve", "Read", diffs());
    for (const char* user : {"match", "serve"}) {
      broker->allow(user, "Read", control());
      broker->allow(user, "Write", control());
    }
    broker->allow("serve", "Read", revocations());  // with tokens, as is the next
    broker->allow("serve", "Write", revocations());
  }
  [[nodiscard]] std::string diffs() const { return name + ".diffs"; }
  [[nodiscard]] std::string control() const { return diffs() + ".control"; }
  [[nodiscard]] std::string revocations() const { return diffs() + ".revocations"; }

  /// librdkafka's settings of a user, as a file.
  [[nodiscard]] std::string properties(const std::string& user, const std::string& more = {}) const {
    return properties(user, Secrets::secret(user), more);
  }
  [[nodiscard]] std::string properties(const std::string& user, const std::string& password,
                                       const std::string& more) const {
    return secrets.file(user + std::to_string(++files),
                        "security.protocol=sasl_ssl\nssl.ca.location=" + certificate->file() +
                            "\nsasl.mechanism=SCRAM-SHA-512\nsasl.username=" + user +
                            "\nsasl.password=" + password + "\n" + more);
  }
  [[nodiscard]] Words command(const std::string& verb, const Words& more = {}) const {
    Words words{verb,      "--database", url,      "--kafka", broker->guarded_brokers(),
                "--topic", diffs(),      "--slot", name};
    if (verb == "serve") words.insert(words.end(), {"--auth", "none"});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  [[nodiscard]] Words as(const std::string& user, const Words& more = {}) const {
    Words words = command(user, {"--kafka-property-file", properties(user)});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// A command that ends by itself; what it said.
  static std::string run(Words command, int expected, const Words& environment = {}) {
    if (command.front() != "setup") command.insert(command.end(), {"--listen", "127.0.0.1:0"});
    Tidegate program(command, environment, false);
    EXPECT_EQ(program.process().wait(), expected) << program.output();
    Secrets::expect_clean(program.output(), command.front());
    return program.output();
  }
  static void expect_said(const std::string& said, const Words& parts) {
    for (const std::string& part : parts)
      EXPECT_NE(said.find(part), std::string::npos) << part << " is not in " << said;
  }
  /// A gateway waits, and says why.
  static void expect_waiting(const Words& command, const Words& parts) {
    Tidegate gateway(command);
    std::string said;
    const bool told = rig::eventually([&] {
      if (!gateway.process().running()) return true;
      try {
        said = rig::http(gateway.admin_port(), "GET", "/readyz").body;
      } catch (const std::runtime_error&) {  // it ends
      }
      return said.find("Kafka") != std::string::npos;
    });
    ASSERT_TRUE(told && gateway.process().running()) << said << gateway.output();
    expect_said(said, parts);
    for (const std::string& part : parts)
      EXPECT_TRUE(gateway.process().wait_for_output(part)) << part << " is not in " << gateway.output();
    Secrets::expect_clean(gateway);
  }

  static inline std::unique_ptr<Certificate> certificate;
  static inline std::unique_ptr<rig::KafkaBroker> broker;
  static inline std::unique_ptr<rig::PostgresServer> server;
  static inline int count = 0;
  const std::string name;
  const std::string url;
  rig::Sql sql;
  Secrets secrets;
  mutable int files = 0;
};

TEST_F(SecureKafka, rows_and_changes_come_the_whole_way_with_exactly_the_rights_that_are_documented) {
  allow();
  const std::string said = run(as("setup"), 0);
  expect_said(said, {"made topic " + diffs() + " with 8 partitions", "made topic " + control()});
  auto matcher = std::make_unique<Tidegate>(as("match"));
  Tidegate gateway(as("serve"));
  matcher->wait_ready();
  gateway.wait_ready();
  client::Loop loop;
  Watcher watcher(loop, gateway.port(), kOrders, "json");
  ASSERT_TRUE(watcher.wait_whole()) << watcher.fault() << gateway.output();
  sql.exec("insert into orders values (2, 'paid')");
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 2; })) << watcher.fault();
  // And not only while all is well.
  broker->kill();
  EXPECT_TRUE(
      rig::eventually([&] { return rig::http(gateway.admin_port(), "GET", "/readyz").status == 503; }));
  Secrets::expect_clean(*matcher);
  Secrets::expect_clean(gateway);
  broker->start();
  sql.exec("insert into orders values (3, 'sent')");
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 3; }))
      << watcher.fault() << matcher->output();
  Secrets::expect_clean(*matcher);
  // A successor reads what its predecessor left.
  matcher = std::make_unique<Tidegate>(as("match"));
  sql.exec("insert into orders values (4, 'back')");
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 4; }))
      << watcher.fault() << matcher->output();
  Secrets::expect_clean(*matcher);
  Secrets::expect_clean(gateway);
  // And learns so where it may not.
  matcher.reset();
  broker->disallow("match", "Read", diffs());
  expect_said(run(as("match"), 1), {"lacks the operation Read"});
}

/// A role of Postgres for `match` and one for `serve`, beside their users of Kafka, each with the rights that
/// `setup` names and none besides: of a database that PUBLIC may not connect to, a schema, row security.
class SmallRoles : public SecureKafka {
 protected:
  SmallRoles() {
    sql.exec("revoke connect on database " + name +
             " from public; create schema sales; alter table orders set schema sales; "
             "alter table sales.orders enable row level security");
    allow();
    run(as("setup", {"--tables", "sales.orders"}), 0);
  }
  [[nodiscard]] std::string role(const std::string& verb) const { return '"' + name + "_" + verb + '"'; }
  /// As a user of Kafka and a role of Postgres.
  [[nodiscard]] Words as_role(const std::string& verb) const {
    Words words = as(verb);
    *std::find(words.begin(), words.end(), url) = server->url_as(name + "_" + verb, name);
    return words;
  }
  /// What `setup --check` says to type for them.
  [[nodiscard]] Words needed(int expected) const {
    return statements_of(
        run(as("setup", {"--check", "--role", name + "_match", "--serve-role", name + "_serve"}), expected));
  }
  [[nodiscard]] std::string connect(const std::string& verb) const {
    return "GRANT CONNECT ON DATABASE \"" + name + "\" TO " + role(verb);
  }
  /// `setup` and the command itself say so where a right is missing, and what to type.
  void lacks(const std::string& verb, const std::string& revoke, const std::string& grant,
             const std::function<void()>& look) const {
    SCOPED_TRACE(revoke);
    rig::Sql owner(url);
    owner.exec(revoke);
    EXPECT_EQ(needed(1), Words{grant}) << verb;
    look();
    owner.exec(grant);
  }
  void serve_lacks(const std::string& revoke, const std::string& grant, const Words& said) const {
    lacks("serve", revoke, grant, [&] {
      Tidegate gateway(as_role("serve"));
      for (const std::string& part : said)
        EXPECT_TRUE(gateway.process().wait_for_output(part)) << part << " is not in " << gateway.output();
    });
  }
};

TEST_F(SmallRoles, trust_match_and_serve_need_what_setup_says_to_type_and_all_of_it) {
  const std::string match = role("match");
  const std::string serve = role("serve");
  const std::string usage = "GRANT USAGE ON SCHEMA \"sales\" TO " + serve;
  const std::string select = "GRANT SELECT ON \"sales\".\"orders\" TO " + serve;
  const std::string bypass = "ALTER ROLE " + serve + " BYPASSRLS";
  const Words all{"CREATE ROLE " + match + " LOGIN REPLICATION PASSWORD '…'",
                  connect("match"),
                  "CREATE ROLE " + serve + " LOGIN PASSWORD '…'",
                  connect("serve"),
                  usage,
                  select,
                  bypass};
  ASSERT_EQ(needed(1), all);
  for (const std::string& one : all) sql.exec(one);
  EXPECT_EQ(needed(0), Words());

  const std::string database = "on database \"" + name + "\" from ";
  const auto match_says = [&](const std::string& words) {
    return [this, words] { expect_said(run(as_role("match"), 1), {words}); };
  };
  const std::string stream = "ALTER ROLE " + match + " REPLICATION";
  lacks("match", "alter role " + match + " noreplication", stream, match_says(stream));
  lacks("match", "revoke connect " + database + match, connect("match"), match_says("CONNECT privilege"));

  Tidegate matcher(as_role("match"));
  Tidegate gateway(as_role("serve"));
  gateway.wait_ready();
  client::Loop loop;
  Watcher watcher(loop, gateway.port(), R"("sql":"select id, status from sales.orders")", "json");
  ASSERT_TRUE(watcher.wait_whole()) << watcher.fault() << gateway.output() << matcher.output();
  sql.exec("insert into sales.orders values (2, 'paid')");
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 2; }))
      << watcher.fault() << matcher.output();
  // A definition that changes is looked up by both.
  sql.exec("alter table sales.orders add note text; insert into sales.orders values (3, 'sent', 'x')");
  EXPECT_TRUE(rig::eventually([&] { return watcher.rows().size() == 3; }))
      << watcher.fault() << matcher.output();

  serve_lacks("revoke connect " + database + serve, connect("serve"),
              {"CONNECT privilege", "GRANT CONNECT ON DATABASE"});
  serve_lacks("revoke usage on schema sales from " + serve, usage, {"GRANT USAGE ON SCHEMA"});
  serve_lacks("revoke select on sales.orders from " + serve, select, {"GRANT SELECT ON"});
  serve_lacks("alter role " + serve + " nobypassrls", bypass, {"BYPASSRLS"});
}

TEST_F(SecureKafka, revocations_need_no_more_than_the_rights_that_are_documented) {
  allow();
  ASSERT_EQ(run(as("setup"), 0).find("NOT READY"), std::string::npos);
  Words words = as("serve", {"--admin-token", "0123456789abcdef"});
  words[std::find(words.begin(), words.end(), "none") - words.begin()] = "jwt";
  words.insert(words.end(), {"--auth-secret", "0123456789abcdef0123456789abcdef"});
  Tidegate matcher(as("match"));
  Tidegate gateway(words);
  gateway.wait_ready();
  const std::string header = "Authorization: Bearer 0123456789abcdef\r\n";
  const auto revoke = [&] {
    return rig::http(gateway.admin_port(), "POST", "/admin/revoke", R"({"jti":"a","until":99999999999})",
                     header);
  };
  EXPECT_EQ(revoke().status, 200) << gateway.output();
  broker->disallow("serve", "Write", revocations());
  const auto refused = revoke();
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_NE(refused.body.find("counts in this process alone"), std::string::npos) << refused.body;
  broker->disallow("serve", "Read", revocations());
  Tidegate later(words);
  EXPECT_TRUE(later.process().wait_for_output("topic " + revocations() + ": ")) << later.output();
  EXPECT_NE(rig::http(later.port(), "GET", "/readyz").status, 200);
}

TEST_F(SecureKafka, pass_through_reads_and_needs_nothing_more) {
  broker->create_topic(diffs(), 2);
  broker->allow("serve", "Read", diffs());
  Tidegate gateway({"serve", "--kafka", broker->guarded_brokers(), "--topic", diffs(),
                    "--kafka-property-file", properties("serve")});
  gateway.wait_ready();
  Secrets::expect_clean(gateway);
}

TEST_F(SecureKafka, a_reload_that_works_and_one_that_fails_tell_no_secret) {
  broker->create_topic(diffs(), 2);
  broker->allow("serve", "Read", diffs());
  const auto configure = [&](const std::string& properties) {
    return secrets.file("tidegate.toml", "kafka_property = [" + properties + "]\n");
  };
  const std::string good = "\"security.protocol=sasl_ssl\", \"ssl.ca.location=" + certificate->file() +
                           "\", \"sasl.mechanism=SCRAM-SHA-512\", \"sasl.username=serve\", \"sasl.password=";
  Tidegate gateway({"serve", "--kafka", broker->guarded_brokers(), "--topic", diffs(), "--config",
                    configure(good + Secrets::secret("serve") + "\"")});
  gateway.wait_ready();
  const auto reload = [&](const std::string& properties, const std::string& told) {
    configure(properties);
    gateway.process().signal(SIGHUP);
    EXPECT_TRUE(gateway.process().wait_for_output(told)) << gateway.output();
    Secrets::expect_clean(gateway);
  };
  reload(good + Secrets::secret("later") + "\"", R"("setting":"kafka-property")");
  reload(good + Secrets::secret("later"), "configuration not reloaded");  // cut off in the password
  reload("\"" + Secrets::secret("later") + "\"", "must be name=value");
  reload("\"acks=" + Secrets::secret("later") + "\"", "acks can't be given");
}

TEST_F(SecureKafka, what_is_wrong_with_the_connection_is_said_without_secrets) {
  allow();
  ASSERT_EQ(run(as("setup"), 0).find("NOT READY"), std::string::npos);
  const Certificate stranger;
  const Words password{"SASL authentication error", "sasl.password must be what the broker knows"};
  const Words wrong_password =
      command("serve", {"--kafka-property-file", properties("serve", Secrets::secret("wrong"), "")});
  expect_waiting(wrong_password, password);
  expect_waiting(as("serve", {"--kafka-property", "ssl.ca.location=" + stranger.file()}),
                 {"certificate verify failed", "ssl.ca.location"});
  expect_waiting(as("serve", {"--kafka-property", "security.protocol=plaintext"}), {"security.protocol"});
  // A matcher ends, and whoever starts it again reads why.
  Words matcher = wrong_password;
  matcher[0] = "match";
  matcher.erase(std::find(matcher.begin(), matcher.end(), "--auth"),
                std::find(matcher.begin(), matcher.end(), "--auth") + 2);
  expect_said(run(matcher, 1), password);
  matcher[0] = "setup";
  expect_said(run(matcher, 1), password);
}

TEST_F(SecureKafka, bad_settings_are_named_without_what_may_be_secret) {
  const auto refused = [&](const std::string& more, const Words& parts) {
    expect_said(run(command("serve", {"--kafka-property-file", properties("serve", more)}), 2), parts);
  };
  refused("hunter2\n", {"--kafka-property-file", "line 6", "name=value"});
  refused("acks=hunter2\n", {"acks can't be given", "all replicas"});
  const auto ends = [&](const std::string& more, const Words& parts) {
    expect_said(run(command("serve", {"--kafka-property-file", properties("serve", more)}), 1), parts);
  };
  ends("hunter=hunter2\n", {"Kafka property hunter"});
  ends("ssl.key.pem=hunter2\n", {"Kafka"});
  ends("ssl.keystore.location=" + secrets.file("store", "hunter2") + "\nssl.keystore.password=hunter2\n",
       {"Kafka"});
  expect_said(run(command("serve"), 2, {"TIDEGATE_DATABASE_PASSWORD_FILE=/no/such/hunter"}),
              {"/no/such/hunter"});
}

TEST_F(SecureKafka, each_right_that_is_missing_is_named) {
  allow();
  ASSERT_EQ(run(as("setup"), 0).find("NOT READY"), std::string::npos);
  const auto missing = [&](const std::string& user, const std::string& operation, const std::string& topic,
                           const std::string& named) {
    SCOPED_TRACE(user + " without " + operation + " of " + topic);
    broker->disallow(user, operation, topic);
    expect_said(run(as(user), 1), {topic, "lacks the operation " + named});
    broker->allow(user, operation, topic);
  };
  missing("match", "Write", control(), "Write");
  missing("match", "Read", control(), "Read");
  missing("match", "Write", diffs(), "Write");
  missing("serve", "Write", control(), "Write");
  missing("serve", "Read", control(), "Read");
  missing("serve", "Read", diffs(), "Describe");  // which Read brings along
  missing("setup", "Describe", diffs(), "Describe");
  missing("setup", "DescribeConfigs", control(), "DescribeConfigs");
}

TEST_F(SecureKafka, who_may_see_the_log_but_not_read_it_is_told) {
  allow();
  ASSERT_EQ(run(as("setup"), 0).find("NOT READY"), std::string::npos);
  broker->disallow("serve", "Read", diffs());
  broker->allow("serve", "Describe", diffs());
  expect_said(run(as("serve"), 1), {"lacks the operation Read"});
}

}  // namespace
}  // namespace tidegate::test
