// Managed subscribes through a real edge: what is refused, with which code, and what reaches the feed.
#include "session/testing.h"

namespace tidegate::session::testing {
namespace {

class ConversationTest : public EdgeTest {
 protected:
  ConversationTest() {
    options.pass_through = false;
    auth.mode = auth::Options::Mode::none;
    policy.open = true;
  }
  static std::string subscribe(const std::string& rest) {
    return R"({"op":"subscribe","hashId":"q",)" + rest + "}";
  }
};

TEST_F(ConversationTest, WithoutACatalogueASubscribeIsUnavailable) {
  start();
  auto listener = connect({"tidegate.v1"});
  listener->client().send_text(subscribe(R"("table":"orders","query":{})"));
  listener->expect(R"("code":"unavailable")");
}

TEST_F(ConversationTest, AQueryReachesTheFeedNarrowedAndKeyed) {
  start();
  set_catalogue();
  auto listener = connect({"tidegate.v1"});
  listener->client().send_text(
      subscribe(R"("table":"orders","query":{"where":[{"column":"status","op":"=","value":"open"}]})"));
  const auto ack = listener->next();
  EXPECT_NE(ack.find(R"("op":"ack","hashId":"q")"), std::string::npos) << ack;
  const auto command = feed.wait_live(1).at(0);
  ASSERT_TRUE(command.query);
  EXPECT_EQ(command.query->table().name, "orders");
  EXPECT_EQ(command.encoding, protocol::Encoding::v1);
  EXPECT_NE(command.routing_key.find(command.query->hash().hex()), std::string::npos);
}

TEST_F(ConversationTest, SqlIsAnotherWayToTheSameQuery) {
  start();
  set_catalogue();
  auto listener = connect({"tidegate.v1"});
  listener->client().send_text(subscribe(R"("query":{"table":"public.orders"},"table":"orders")"));
  listener->client().send_text(
      R"({"op":"subscribe","hashId":"r","sql":"select * from orders where status = $1","params":["open"]})");
  listener->expect("ack");
  const auto commands = feed.wait_live(2);
  EXPECT_NE(commands.at(0).query->hash(), commands.at(1).query->hash());
}

TEST_F(ConversationTest, RefusalsNameTheirReasonAndKeepTheConnection) {
  start();
  set_catalogue();
  auto listener = connect({"tidegate.v1"});
  const auto refused = [&](const std::string& rest, std::string_view code) {
    listener->client().send_text(subscribe(rest));
    const auto answer = listener->next();
    EXPECT_NE(answer.find("\"code\":\"" + std::string(code) + "\""), std::string::npos) << rest << answer;
    EXPECT_NE(answer.find(R"("hashId":"q")"), std::string::npos) << answer;
  };
  refused(R"("table":"nothing","query":{})", "unknown_table");
  refused(R"("table":"orders","query":{"columns":["nope"]})", "bad_query");
  refused(R"("table":"orders","query":{"table":"others"})", "bad_query");
  refused(R"("table":"orders","sql":"drop table orders")", "bad_query");
  refused(R"("table":"orders","queryFbB64":"AAAA")", "bad_query");
  listener->client().send_text(R"({"op":"ping"})");
  listener->expect("pong");
}

// `table` beside a query that names another: whether the two are one table is not told of tables that don't
// exist for the client.
TEST_F(ConversationTest, ATableWithoutAPolicyIsNotToldFromOneThatDoesNotExist) {
  auth.mode = auth::Options::Mode::jwt;
  auth.secret = std::string(32, 's');
  policy.open = false;
  policy.tables["elsewhere"] = {};
  start();
  set_catalogue();
  const std::string token = auth::mint({"alice", "acme", unix_us(clock.wall()) / 1'000'000 + 3'600}, auth);
  auto listener = connect({"tidegate.v1", "bearer." + token});
  const auto answer = [&](const std::string& table) {
    listener->client().send_text(
        subscribe(R"("table":")" + table + R"(","sql":"select id from public.)" + table + '"'));
    std::string text = listener->next();
    for (auto at = text.find(table); at != std::string::npos; at = text.find(table))
      text.replace(at, table.size(), "?");
    return text;
  };
  EXPECT_EQ(answer("orders"), answer("nowhere"));
}

}  // namespace
}  // namespace tidegate::session::testing
