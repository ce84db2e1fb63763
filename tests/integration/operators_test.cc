// What operators have: a port of their own, and the means to shut somebody out. Revocations, from the call to
// the other gateways' sockets.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <sstream>

#include "integration/seed_client.h"
#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/process.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using Words = std::vector<std::string>;
using rig::Tidegate;

const std::string kAdmin = "0123456789abcdef";
constexpr const char* kQuery =
    R"({"op":"subscribe","hashId":"q","frames":"json","sql":"select id, note from orders where id < 100"})";

class Operators : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = std::make_unique<rig::PostgresServer>(); }
  static void TearDownTestSuite() { server.reset(); }

  Operators() : name("shop" + std::to_string(++count)), url(server->create_database(name)), sql(url) {
    sql.exec(
        "create table orders (id integer primary key, note text not null); insert into orders values (1, "
        "'x')");
    std::ofstream(file("secret")) << "0123456789abcdef0123456789abcdef";
    std::ofstream(file("admin")) << kAdmin << "\n";
    std::ofstream(file("tidegate.toml")) << "[[table]]\nname = \"orders\"\n";
  }
  void setup(const Words& more = {}) {
    Tidegate program(with({"setup", "--database", url}, more), {}, false);
    ASSERT_EQ(program.process().wait(), 0) << program.output();
  }
  [[nodiscard]] std::string file(const std::string& of) const { return directory.path() + "/" + of; }
  /// What each command needs to be told then.
  Words set_up_over(const rig::KafkaBroker& broker) {
    Words kafka{"--kafka", broker.brokers(), "--topic", name + ".diffs", "--slot", name};
    setup(kafka);
    return kafka;
  }
  static Words with(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::unique_ptr<Tidegate> serve(const Words& more = {}) {
    auto gateway = std::make_unique<Tidegate>(
        with({"serve", "--database", url, "--auth-secret-file", file("secret"), "--config",
              file("tidegate.toml"), "--admin-token-file", file("admin")},
             more));
    gateway->show_admin_token(kAdmin);
    return gateway;
  }
  /// `claims`: further ones, such as a `jti` of one's choice.
  [[nodiscard]] std::string token(const std::string& subject, const std::string& claims = "{}") const {
    Tidegate minted({"token", "--subject", subject, "--tenant", "acme", "--claims", claims,
                     "--auth-secret-file", file("secret")},
                    {}, false);
    EXPECT_EQ(minted.process().wait(), 0) << minted.output();
    std::istringstream lines(minted.output());
    for (std::string line; std::getline(lines, line);) {
      if (std::count(line.begin(), line.end(), '.') == 2 && !line.starts_with("{")) return line;
    }
    ADD_FAILURE() << minted.output();
    return {};
  }
  std::unique_ptr<SeedClient> enter(const Tidegate& gateway, const std::string& bearer) {
    client::Settings settings;
    settings.subprotocols = {"tidegate.v1"};
    settings.headers = {{"Authorization", "Bearer " + bearer}};
    return std::make_unique<SeedClient>(loop, gateway.port(), settings);
  }
  std::unique_ptr<SeedClient> subscribed(const Tidegate& gateway, const std::string& bearer) {
    auto client = enter(gateway, bearer);
    client->send(kQuery);
    EXPECT_NE(client->wait_text_with(R"("op":"snapshot")"), "") << gateway.output();
    return client;
  }
  /// A row that comes from now on: those who go on get it, and who was shut out does not.
  void expect_goes_on_alone(SeedClient& goes_on, const std::vector<SeedClient*>& shut_out) {
    sql.exec("insert into orders values (50, 'after')");
    EXPECT_NE(goes_on.wait_text_with("after"), "");
    for (SeedClient* each : shut_out) {
      EXPECT_EQ(each->wait_closed(), 4001);
      for (const std::string& text : each->texts()) EXPECT_EQ(text.find("after"), std::string::npos) << text;
    }
  }
  /// Of a handshake that is refused.
  static int status(const Tidegate& gateway, const std::string& bearer) {
    return rig::http(gateway.port(), "GET", "/", "",
                     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer " +
                         bearer + "\r\n")
        .status;
  }
  static rig::HttpAnswer ask(const Tidegate& gateway, const std::string& method, const std::string& path,
                             const std::string& body = "") {
    return rig::http(gateway.admin_port(), method, path, body, "Authorization: Bearer " + kAdmin + "\r\n");
  }
  static std::string until(int seconds) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count() + seconds);
  }

  static inline std::unique_ptr<rig::PostgresServer> server;
  static inline int count = 0;
  rig::TemporaryDirectory directory;
  const std::string name;
  const std::string url;
  rig::Sql sql;
  client::Loop loop;
};

TEST_F(Operators, trust_what_is_for_operators_is_not_at_the_clients_port) {
  setup();
  const auto gateway = serve();
  gateway->wait_ready();
  for (const char* path : {"/metrics", "/admin/connections"}) {
    EXPECT_EQ(rig::http(gateway->port(), "GET", path).body, "tidegate") << path;
    EXPECT_EQ(rig::http(gateway->admin_port(), "GET", path).status, 401) << path;
    EXPECT_EQ(ask(*gateway, "GET", path).status, 200) << path;
  }
  EXPECT_EQ(rig::http(gateway->port(), "GET", "/readyz").body, "ready\n");
  EXPECT_EQ(gateway->output().find(kAdmin), std::string::npos) << "the token is in the log";
}

TEST_F(Operators, see_who_is_connected_and_what_a_query_holds) {
  setup();
  const auto gateway = serve();
  gateway->wait_ready();
  const auto ann = subscribed(*gateway, token("ann"));
  const auto bob = enter(*gateway, token("bob"));
  ASSERT_TRUE(rig::eventually([&] { return gateway->metric("tidegate_connections") == 2; }));
  const std::string found = ask(*gateway, "GET", "/admin/connections?principal=ann").body;
  EXPECT_NE(found.find(R"("address":"127.0.0.1","subject":"ann","tenant":"acme")"), std::string::npos)
      << found;
  EXPECT_NE(found.find(R"("subscriptions":1)"), std::string::npos) << found;
  EXPECT_EQ(found.find("bob"), std::string::npos) << found;

  const std::string ack = ann->wait_text_with(R"("op":"ack")");
  const std::size_t at = ack.find(R"("query":")");
  ASSERT_NE(at, std::string::npos) << ack;
  sql.exec("insert into orders values (2, 'y')");
  ASSERT_NE(ann->wait_text_with(R"("op":"diff")"), "");
  const std::string path = "/admin/queries/" + ack.substr(at + 9, 32);
  const std::string view = ask(*gateway, "GET", path).body;
  EXPECT_NE(view.find(R"("table":"public.orders")"), std::string::npos) << view;
  EXPECT_NE(view.find(R"("parameters":["100"])"), std::string::npos) << view;
  EXPECT_NE(view.find(R"("subscriptions":1,"waiting":0,"activation":")"), std::string::npos) << view;
  EXPECT_NE(view.find(R"("tail_records":1)"), std::string::npos) << view;
  EXPECT_EQ(ask(*gateway, "GET", "/admin/queries/" + std::string(32, '0')).status, 404);

  EXPECT_EQ(ask(*gateway, "POST", "/admin/disconnect", R"({"subject":"ann"})").body,
            "{\"disconnected\":1}\n");
  EXPECT_EQ(ann->wait_closed(), 1008);
}

TEST_F(Operators, trust_a_revoked_token_is_shut_out_at_once_and_over_a_restart) {
  setup();
  const Words kept{"--revocation-file", file("revoked")};
  auto gateway = serve(kept);
  gateway->wait_ready();
  const std::string revoked = token("ann");
  const std::string other = token("bob");
  const auto ann = subscribed(*gateway, revoked);
  const auto answer =
      ask(*gateway, "POST", "/admin/revoke", R"({"subject":"ann","until":)" + until(7'200) + "}");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.body.find("file " + file("revoked")), std::string::npos) << answer.body;
  EXPECT_EQ(ann->wait_closed(), 4001);
  EXPECT_EQ(status(*gateway, revoked), 401);
  EXPECT_TRUE(enter(*gateway, other)->wait_open());
  gateway->process().signal(SIGKILL);
  gateway->process().wait();
  gateway = serve(kept);
  gateway->wait_ready();
  EXPECT_EQ(status(*gateway, revoked), 401);
  EXPECT_TRUE(enter(*gateway, other)->wait_open());
}

TEST_F(Operators, trust_all_gateways_hear_of_a_revocation_and_later_ones_know_it) {
  rig::KafkaBroker broker;
  const Words kafka = set_up_over(broker);
  Tidegate matcher(with({"match", "--database", url}, kafka));
  const auto first = serve(kafka);
  const auto second = serve(kafka);
  first->wait_ready();
  second->wait_ready();
  const std::string revoked = token("ann");
  const std::string other = token("bob");
  const auto ann = subscribed(*second, revoked);
  const auto bob = subscribed(*second, other);
  rig::KafkaProducer producer(broker.brokers());
  producer.produce({name + ".diffs.revocations", 0, "what", "no JSON", {}});
  ASSERT_TRUE(
      rig::eventually([&] { return second->metric("tidegate_auth_revocations_unreadable_total") == 1; }));

  const auto answer =
      ask(*first, "POST", "/admin/revoke", R"({"subject":"ann","until":)" + until(7'200) + "}");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.body.find("topic " + name + ".diffs.revocations"), std::string::npos) << answer.body;
  EXPECT_EQ(ann->wait_closed(), 4001);
  EXPECT_EQ(status(*second, revoked), 401);
  bob->send(R"({"op":"ping"})");
  EXPECT_NE(bob->wait_text_with("pong"), "");

  const auto third = serve(kafka);
  EXPECT_NE(status(*third, revoked), 101) << "not even before it is ready";
  third->wait_ready();
  EXPECT_EQ(status(*third, revoked), 401);
  EXPECT_TRUE(enter(*third, other)->wait_open());
}

TEST_F(Operators, trust_a_revoked_jti_ends_its_client_at_once_and_no_other_of_the_subject) {
  setup();
  const auto gateway = serve();
  gateway->wait_ready();
  const std::string revoked = token("ann", R"({"jti":"stolen"})");
  const std::string other = token("ann", R"({"jti":"hers"})");
  const auto thief = subscribed(*gateway, revoked);
  const auto ann = subscribed(*gateway, other);
  sql.exec("insert into orders values (2, 'before')");
  for (const auto& each : {thief.get(), ann.get()}) ASSERT_NE(each->wait_text_with("before"), "");

  const auto answer =
      ask(*gateway, "POST", "/admin/revoke", R"({"jti":"stolen","until":)" + until(7'200) + "}");
  EXPECT_EQ(answer.status, 200) << answer.body;
  expect_goes_on_alone(*ann, {thief.get()});
  EXPECT_EQ(status(*gateway, revoked), 401);
  EXPECT_TRUE(enter(*gateway, other)->wait_open());
}

TEST_F(Operators, trust_a_revocation_that_another_program_writes_counts) {
  rig::KafkaBroker broker;
  const Words kafka = set_up_over(broker);
  Tidegate matcher(with({"match", "--database", url}, kafka));
  const auto gateway = serve(kafka);
  gateway->wait_ready();
  const std::string stolen = token("ann", R"({"jti":"stolen"})");
  const std::string gone = token("bob");
  const auto thief = subscribed(*gateway, stolen);
  const auto ann = subscribed(*gateway, token("ann", R"({"jti":"hers"})"));
  const auto bob = subscribed(*gateway, gone);

  // As docs/PROTOCOL.md says that any program may.
  const std::string topic = name + ".diffs.revocations";
  rig::KafkaProducer program(broker.brokers());
  program.produce({topic, 0, "jti/stolen", R"({"jti":"stolen","until":)" + until(7'200) + "}", {}});
  program.produce({topic,
                   0,
                   "subject/bob",
                   R"({"subject":"bob","at":)" + until(0) + R"(,"until":)" + until(7'200) + "}",
                   {}});
  program.flush();
  EXPECT_EQ(thief->wait_closed(), 4001) << gateway->output();
  EXPECT_EQ(bob->wait_closed(), 4001) << gateway->output();
  expect_goes_on_alone(*ann, {thief.get(), bob.get()});
  for (const std::string& refused : {stolen, gone}) EXPECT_EQ(status(*gateway, refused), 401);
  EXPECT_EQ(gateway->metric("tidegate_auth_revocations_unreadable_total"), 0);
}

}  // namespace
}  // namespace tidegate::test
