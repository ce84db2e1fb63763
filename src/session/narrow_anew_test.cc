// What is subscribed follows the policies and the claims of now, under its own name.
#include "session/testing.h"

namespace tidegate::session::testing {
namespace {

class NarrowAnewTest : public EdgeTest {
 protected:
  NarrowAnewTest() {
    options.pass_through = false;
    options.shards = 2;
    auth.mode = auth::Options::Mode::jwt;
    auth.secret = std::string(32, 's');
    policy.tables["orders"] = {};
  }
  std::string token(const std::string& claims = R"({"status":"open"})",
                    const std::string& tenant = "acme") const {
    return auth::mint({"alice", tenant, unix_us(clock.wall()) / 1'000'000 + 3'600, claims}, auth);
  }
  std::unique_ptr<Listener> alice(const std::string& claims = R"({"status":"open"})") {
    return connect({"tidegate.v1", "bearer." + token(claims)});
  }
  void show_before_start(const std::string& rows, std::vector<std::string> columns = {}) {
    auto& orders = policy.tables["orders"];
    orders = {"", std::move(columns), nullptr};
    if (!rows.empty()) {
      auto predicate = policy::Predicate::parse(rows, "orders");
      ASSERT_TRUE(predicate.ok()) << predicate.error().message;
      orders.rows = *predicate;
    }
  }
  void show(const std::string& rows, std::vector<std::string> columns = {}) {
    show_before_start(rows, std::move(columns));
    set_catalogue();
  }
  static std::string subscribe(const std::string& name, const std::string& sql) {
    return R"({"op":"subscribe","hashId":")" + name + R"(","sql":")" + sql + R"("})";
  }
  void subscribed(Listener& listener, const std::string& name, const std::string& sql) {
    listener.client().send_text(subscribe(name, sql));
    listener.expect("ack");
    listener.expect("snapshot");
  }
  // Nothing has come before this.
  static void expect_nothing(Listener& listener) {
    listener.client().send_text(R"({"op":"ping"})");
    listener.expect("pong");
  }
  static void auth_with(Listener& listener, const std::string& token) {
    listener.client().send_text(R"({"op":"auth","token":")" + token + R"("})");
    listener.expect("authed");
  }
  static std::string where(const feed::SubscribeCommand& command) {
    const auto sql = command.query->to_sql();
    const auto at = sql.text.find(" WHERE ");
    return at == std::string::npos ? "" : sql.text.substr(at + 7) + " | " + sql.parameters.at(0);
  }
};

TEST_F(NarrowAnewTest, APolicyThatNarrowsBringsASnapshotUnderTheSameName) {
  start();
  set_catalogue();
  auto listener = alice();
  subscribed(*listener, "q", "select * from orders");
  feed.wait_live(1);
  show("status = $claims.status");
  const auto ack = listener->next();
  EXPECT_NE(ack.find(R"("op":"ack","hashId":"q")"), std::string::npos) << ack;
  EXPECT_NE(ack.find(R"("reason":"policy")"), std::string::npos) << ack;
  listener->expect(R"("op":"snapshot","hashId":"q")");
  const auto commands = feed.wait_live(2);
  EXPECT_EQ(where(commands.at(0)), "");
  EXPECT_EQ(where(commands.at(1)), R"(("status" OPERATOR(pg_catalog.=) $1::pg_catalog.text) | open)");
  EXPECT_FALSE(commands.at(1).cursor);
  EXPECT_EQ(feed.wait_unsubscribed(1), 1u);
  show("");  // and back again
  listener->expect(R"("reason":"policy")");
  listener->expect("snapshot");
  EXPECT_EQ(where(feed.wait_live(3).at(2)), "");
}

TEST_F(NarrowAnewTest, AQueryThatComesOutTheSameGoesOnUntold) {
  start();
  set_catalogue();
  auto listener = alice();
  subscribed(*listener, "q", "select * from orders where status = 'open'");
  feed.wait_live(1);
  show("status = $claims.status");
  set_catalogue();
  expect_nothing(*listener);
  feed.deliver({"change"});
  EXPECT_EQ(listener->next(), "change");
  EXPECT_EQ(feed.wait_live(1).size(), 1u);
}

TEST_F(NarrowAnewTest, WhatIsRefusedNowIsOverWithTheErrorUnderItsName) {
  start();
  set_catalogue();
  auto listener = alice(R"({"status":"open","role":"user"})");
  subscribed(*listener, "all", "select * from orders");
  subscribed(*listener, "status", "select id from orders where status = 'x'");
  subscribed(*listener, "id", "select id from orders");
  feed.wait_live(3);
  show("", {"id"});
  // `all` is the same as `id` now.
  listener->expect(R"("op":"ack","hashId":"all")");
  listener->expect(R"("hashId":"status","code":"bad_query","message":"table \"public.orders\" has no column )"
                   R"(\"status\" (at byte)");
  show("$claims.role = 'admin'");
  for (const std::string name : {"all", "id"}) {
    const auto got = listener->next();
    EXPECT_NE(got.find(R"("op":"error","hashId":")" + name + R"(","code":"forbidden")"), std::string::npos)
        << got;
  }
  feed.deliver({"secret"});
  expect_nothing(*listener);
  policy.tables.clear();
  policy.tables["other"] = {};
  set_catalogue();
  listener->client().send_text(subscribe("all", "select * from orders"));
  listener->expect(R"("code":"unknown_table")");
}

TEST_F(NarrowAnewTest, ARenewedTokenNarrowsWhatItsClaimsNarrow) {
  show_before_start("status = $claims.status or $claims.role = 'admin'");
  start();
  set_catalogue();
  auto listener = alice(R"({"status":"open","role":"admin"})");
  subscribed(*listener, "q", "select * from orders");
  subscribed(*listener, "mine", "select id from orders where status = 'open'");
  feed.wait_live(2);
  auth_with(*listener, token(R"({"role":"admin","status":"closed","more":1})"));
  expect_nothing(*listener);  // an admin's rows are the same
  auth_with(*listener, token(R"({"status":"open","role":"user"})"));
  listener->expect(R"("reason":"policy")");
  listener->expect(R"("op":"snapshot","hashId":"q")");
  EXPECT_EQ(where(feed.wait_live(3).at(2)),
            R"(("status" OPERATOR(pg_catalog.=) $1::pg_catalog.text) | open)");
  expect_nothing(*listener);  // `mine` is the same query as before
  auth_with(*listener, token(R"({"role":"user"})"));
  for (int i = 0; i < 2; ++i) {
    const auto got = listener->next();
    EXPECT_NE(got.find(R"("code":"forbidden")"), std::string::npos) << got;
    EXPECT_NE(got.find("$claims.status is missing in the token"), std::string::npos) << got;
  }
  feed.deliver({"secret"});
  expect_nothing(*listener);
}

TEST_F(NarrowAnewTest, TrustOtherClaimsCostWhatSubscribingDoes) {
  options.limits.connection.subscribes = 1;  // ten at once
  show_before_start("status = $claims.status");
  start();
  set_catalogue();
  auto listener = alice(R"({"status":"open"})");
  for (const char* id : {"1", "2", "3"})
    subscribed(*listener, id, "select * from orders where id = " + std::string(id));
  feed.wait_live(3);
  for (const char* status : {"one", "two", "three"})
    listener->client().send_text(R"({"op":"auth","token":")" +
                                 token(R"({"status":")" + std::string(status) + R"("})") + R"("})");
  while (listener->next().find(R"("code":"rate_limited")") == std::string::npos) {
  }
}

TEST_F(NarrowAnewTest, WithoutTokensNothingIsNarrowed) {
  auth.mode = auth::Options::Mode::none;
  policy.open = true;
  start();
  set_catalogue();
  auto listener = connect({"tidegate.v1"});
  subscribed(*listener, "q", "select * from orders");
  show("status = 'x'", {"id"});
  expect_nothing(*listener);
}

}  // namespace
}  // namespace tidegate::session::testing
