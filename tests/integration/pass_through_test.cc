// Pass-through from outside: the seed's environment, its messages as recorded, its limits. The real broker,
// the real binary.

#include <gtest/gtest.h>
#include <signal.h>

#include "integration/raw_websocket.h"
#include "integration/transcript.h"
#include "integration/upstream.h"
#include "rig/postgres.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

auto* const broker = static_cast<Broker*>(testing::AddGlobalTestEnvironment(new Broker));

TEST(PassThrough, the_seeds_environment_alone_is_enough) {
  Upstream upstream(broker->get());
  const rig::Port kept;
  const int port = kept.number();
  auto environment = upstream.environment();
  environment.push_back("WS_PORT=" + std::to_string(port));
  environment.emplace_back("TIDEGATE_ADMIN_LISTEN=127.0.0.1:0");  // where else may be somebody
  rig::Tidegate gateway({"serve"}, environment, false);
  ASSERT_TRUE(gateway.process().wait_for_output(R"("message":"ready")")) << gateway.output();

  // On all interfaces, and it says that nobody is verified.
  EXPECT_NE(gateway.output().find("listening on 0.0.0.0:" + std::to_string(port)), std::string::npos);
  EXPECT_NE(gateway.output().find("nobody is verified"), std::string::npos) << gateway.output();

  for (const char* path : {"/", "/any/path?with=query", "/index.html"}) {
    const rig::HttpAnswer answer = rig::http(port, "GET", path);
    EXPECT_EQ(answer.status, 200) << path;
    EXPECT_EQ(answer.body, "cladbe-ws-gateway") << path;
  }
  EXPECT_EQ(rig::http(port, "POST", "/any", "body").body, "cladbe-ws-gateway");
  EXPECT_EQ(rig::http(port, "GET", "/healthz").body, "ok\n");
  EXPECT_EQ(rig::http(port, "GET", "/readyz").body, "ready\n");
  EXPECT_EQ(rig::http(port, "GET", "/metrics").body, "cladbe-ws-gateway") << "metrics are for operators";

  client::Loop loop;
  client::Settings elsewhere;
  elsewhere.host = "127.0.0.2";  // nothing that listens on 127.0.0.1 alone can be reached here
  elsewhere.target = "/any/path";
  SeedClient client(loop, port, elsewhere);
  ASSERT_TRUE(client.subscribed("k")) << client.failure();
  upstream.produce("k", 5, "hello");
  ASSERT_TRUE(client.wait_binaries(1));
  EXPECT_EQ(client.received(),
            std::vector<Received>({text(seed_ack("k")), text(seed_snapshot("k", "0")), binary("hello")}));

  gateway.process().signal(SIGTERM);
  EXPECT_EQ(gateway.process().wait(), 0) << gateway.output();
  EXPECT_EQ(client.wait_closed(), 1012);
}

TEST(PassThrough, several_topics_are_one_stream) {
  Upstream first(broker->get());
  Upstream second(broker->get());
  rig::Tidegate gateway({"serve", "--topic", first.topic() + "," + second.topic()}, first.environment());
  gateway.wait_ready();
  client::Loop loop;
  SeedClient client(loop, gateway.port());
  ASSERT_TRUE(client.subscribed("k"));
  first.produce("k", 1, "one");
  ASSERT_TRUE(client.wait_binaries(1));
  second.produce("k", 2, "two");
  ASSERT_TRUE(client.wait_binaries(2));
  EXPECT_EQ(client.binaries(), std::vector<std::string>({"one", "two"}));
}

TEST(PassThrough, answers_what_the_seed_answered_in_every_recorded_scenario) {
  Upstream upstream(broker->get());
  const auto gateway = upstream.serve({"--shards", "1"});
  client::Loop loop;
  int number = 0;
  ASSERT_EQ(scenario_names().size(), 12u);
  for (const std::string& name : scenario_names()) {
    SCOPED_TRACE(name);
    ++number;
    replay_scenario(name, loop, gateway->port(), upstream, number,
                    static_cast<std::uint64_t>(number) * 1'000);
  }
}

class Limits : public testing::Test {
 protected:
  Upstream upstream{broker->get()};
  client::Loop loop;
};

TEST_F(Limits, a_message_of_1_mib_is_read_and_a_longer_one_ends_the_connection_with_1009) {
  const auto gateway = upstream.serve();
  SeedClient whole(loop, gateway->port());
  whole.send(std::string(1 << 20, 'x'));
  ASSERT_TRUE(whole.wait_count(1)) << whole.failure();
  EXPECT_EQ(whole.texts(), std::vector<std::string>({seed_error("bad_json", "invalid JSON")}));
  EXPECT_TRUE(whole.settle());

  SeedClient longer(loop, gateway->port());
  longer.send(std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(longer.wait_closed(), 1009);
  EXPECT_TRUE(whole.settle()) << "the other connection goes on";
}

TEST_F(Limits, pings_and_closes_who_does_not_answer_them) {
  const auto gateway = upstream.serve({"--ping-interval-ms", "500", "--idle-timeout-ms", "5000"});
  SeedClient answers(loop, gateway->port());
  ASSERT_TRUE(answers.wait_open());
  RawWebSocket silent(gateway->port());
  EXPECT_EQ(silent.next(), std::string("\x89\x00", 2)) << "a ping without a payload";
  std::string last;
  for (std::string frame = silent.next(); !frame.empty(); frame = silent.next()) last = frame;
  EXPECT_EQ(last, std::string("\x88\x02\x03\xe8", 4)) << "a Close with 1000";
  EXPECT_TRUE(answers.settle()) << "its client answers pings and stays";
}

}  // namespace
}  // namespace tidegate::test
