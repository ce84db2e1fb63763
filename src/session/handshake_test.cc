#include "session/testing.h"

namespace tidegate::session::testing {
namespace {

class HandshakeTest : public EdgeTest {
 protected:
  void managed(auth::Options::Mode mode) {
    options.pass_through = false;
    auth.mode = mode;
    auth.secret = std::string(32, 's');
    policy.open = mode == auth::Options::Mode::none;
  }
  /// Tokens that are over long before their connections are; they are looked at often.
  void start_with_a_long_grace() {
    managed(auth::Options::Mode::jwt);
    policy.open = true;
    auth.grace = 3'600s;
    options.ping_interval = 100ms;
    start();
    set_catalogue();
  }
  std::string token(const std::string& tenant = "acme", std::int64_t seconds = 3'600) const {
    return auth::mint({"alice", tenant, unix_us(clock.wall()) / 1'000'000 + seconds}, auth);
  }
  client::Failure refused(client::Settings settings) {
    Listener listener(loop, std::move(settings));
    EXPECT_FALSE(listener.opened());
    return listener.failure();
  }
};

TEST_F(HandshakeTest, SubprotocolsAreSelectedAsDocumented) {
  start();
  const auto selected = [&](std::vector<std::string> offered) {
    return *connect(std::move(offered))->opened();
  };
  EXPECT_EQ(selected({}), "");
  EXPECT_EQ(selected({"json"}), "json");
  EXPECT_EQ(selected({"json", "bearer.abc"}), "json");
  EXPECT_EQ(selected({"bearer.abc"}), "bearer.abc");
  EXPECT_EQ(selected({"bearer.abc", "tidegate.v1"}), "tidegate.v1");
}

TEST_F(HandshakeTest, OffersInSeveralHeadersAreOneList) {
  start();
  RawPeer peer(edge->port());
  const auto head = peer.upgrade("Sec-WebSocket-Protocol: bearer.x\r\nSec-WebSocket-Protocol: json\r\n");
  EXPECT_NE(head.find("Sec-WebSocket-Protocol: json\r\n"), std::string::npos) << head;
}

TEST_F(HandshakeTest, AnUpgradeWorksOnAnyPath) {
  start();
  auto wanted = settings();
  wanted.target = "/some/where?x=1";
  Listener listener(loop, wanted);
  EXPECT_TRUE(listener.opened());
}

TEST_F(HandshakeTest, FramesSentWithTheRequestAreNotLost) {
  start();
  RawPeer peer(edge->port());
  const auto ping = RawPeer::frame(1, R"({"op":"ping"})");
  peer.upgrade("\r\n" + ping + ping);  // the request's end, and then frames in the same segment
  EXPECT_EQ(peer.next()->payload, R"({"op":"pong"})");
  EXPECT_EQ(peer.next()->payload, R"({"op":"pong"})");
}

TEST_F(HandshakeTest, ATokenIsTakenFromEitherPlace) {
  managed(auth::Options::Mode::jwt);
  start();
  EXPECT_EQ(connect({"json", "bearer." + token()})->opened(), "json");
  auto with_header = settings();
  with_header.headers = {{"Authorization", "Bearer " + token()}};
  EXPECT_EQ(Listener(loop, with_header).opened(), "");
}

TEST_F(HandshakeTest, AQueryParameterIsListenedToOnlyWhereItsNameIsSwitchedOn) {
  managed(auth::Options::Mode::jwt);
  options.token_parameter = "access_token";
  start();
  auto named = settings();
  named.target = "/?access_token=" + token();
  EXPECT_TRUE(Listener(loop, named).opened());
  named.target = "/?token=" + token();
  EXPECT_EQ(refused(named).http_status, 401);
}

TEST_F(HandshakeTest, WithoutASwitchNoQueryParameterIsListenedTo) {
  managed(auth::Options::Mode::jwt);
  start();
  auto named = settings();
  named.target = "/?access_token=" + token() + "&token=" + token() + "&=" + token();
  EXPECT_EQ(refused(named).http_status, 401);
}

TEST_F(HandshakeTest, WithoutAValidTokenThereIsNoUpgrade) {
  managed(auth::Options::Mode::jwt);
  start();
  const auto none = refused(settings());
  EXPECT_EQ(none.http_status, 401);
  EXPECT_NE(none.body.find("token"), std::string::npos);
  EXPECT_EQ(refused(settings({"bearer." + token("acme", -3'600)})).http_status, 401);
  EXPECT_EQ(refused(settings({"json", "bearer.nonsense"})).http_status, 401);
  wait_metric(R"(tidegate_connections_rejected_total{reason="unauthorized"})", 3);
  EXPECT_EQ(metric(R"(tidegate_auth_tokens_refused_total{reason="expired"})"), 1);
  EXPECT_EQ(metric(R"(tidegate_auth_tokens_refused_total{reason="malformed"})"), 1);
}

TEST_F(HandshakeTest, WithAuthNoneAndInPassThroughNobodyIsVerified) {
  managed(auth::Options::Mode::none);
  start();
  EXPECT_TRUE(connect({"bearer.nonsense"})->opened());
}

TEST_F(HandshakeTest, OriginsThatAreNotListedAreForbidden) {
  options.origins = {"https://app.example.com"};
  start();
  auto page = settings();
  page.headers = {{"Origin", "https://evil.example.com"}};
  EXPECT_EQ(refused(page).http_status, 403);
  page.headers = {{"Origin", "https://app.example.com"}};
  EXPECT_TRUE(Listener(loop, page).opened());
  EXPECT_TRUE(connect()->opened()) << "no browser, no origin";
}

TEST_F(HandshakeTest, AFullServerAnswers503AndHasRoomAgainAfterwards) {
  options.connections_max = 2;
  start();
  auto one = connect();
  auto two = connect();
  ASSERT_TRUE(one->opened() && two->opened());
  RawPeer third(edge->port());
  const auto head = third.upgrade();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 503 ")) << head;
  EXPECT_NE(head.find("Retry-After: "), std::string::npos);
  EXPECT_FALSE(third.body(head).empty());
  RawPeer plain(edge->port());
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(plain.head().starts_with("HTTP/1.1 200 ")) << "health checks still work";
  two.reset();
  wait_metric("tidegate_connections", 1);
  EXPECT_TRUE(connect()->opened());
  EXPECT_EQ(metric(R"(tidegate_connections_rejected_total{reason="full"})"), 1);
}

TEST_F(HandshakeTest, ATokenCanBeRenewedForTheSamePrincipalOnly) {
  managed(auth::Options::Mode::jwt);
  start();
  auto listener = connect({"json", "bearer." + token()});
  listener->client().send_text(R"({"op":"auth","token":")" + token("acme", 7'200) + R"("})");
  listener->expect(R"({"op":"authed","expires":)");
  listener->client().send_text(R"({"op":"auth","token":")" + token("other") + R"("})");
  listener->expect(R"("code":"unauthorized")");
  listener->client().send_text(R"({"op":"auth","token":"rubbish"})");
  listener->expect(R"("code":"unauthorized")");
  listener->client().send_text(R"({"op":"ping"})");
  listener->expect("pong");
}

TEST_F(HandshakeTest, ATokenThatSoonExpiresIsToldOnceATokenAndInV1Alone) {
  managed(auth::Options::Mode::jwt);
  auth.warning = 3'600s;
  options.ping_interval = 100ms;  // so that the sweep looks often
  start();
  auto listener = connect({"tidegate.v1", "bearer." + token("acme", 3'000)});
  listener->expect(R"({"op":"expiring","expires":)");
  listener->client().send_text(R"({"op":"auth","token":")" + token("acme", 7'200) + R"("})");
  listener->expect(R"({"op":"authed","expires":)");
  listener->client().send_text(R"({"op":"auth","token":")" + token("acme", 3'100) + R"("})");
  listener->expect(R"({"op":"authed","expires":)");
  listener->expect(R"({"op":"expiring","expires":)");
  auto seed = connect({"json", "bearer." + token("acme", 3'000)});
  seed->client().send_text(R"({"op":"auth","token":")" + token("acme", 3'000) + R"("})");
  seed->expect("authed");
}

TEST_F(HandshakeTest, AfterAnExpiryDataStopsAndATokenWithinTheGraceGoesOn) {
  start_with_a_long_grace();
  auto listener = connect({"json", "bearer." + token("acme", 7'200)});
  const std::string subscribe =
      R"({"op":"subscribe","hashId":"q","table":"orders","query":{"table":"orders"}})";
  listener->client().send_text(subscribe);
  listener->expect("ack");
  listener->expect("snapshot");
  feed.wait_live(1);
  feed.deliver({"before"});
  EXPECT_EQ(listener->next(), "before");
  clock.forward(7'200s + auth.leeway);
  listener->expect(R"("code":"token_expired")");
  feed.wait_unsubscribed(1);
  feed.deliver({"after"});
  listener->client().send_text(subscribe);
  listener->expect(R"("code":"token_expired")");
  listener->client().send_text(R"({"op":"auth","token":")" + token("other") + R"("})");
  listener->expect(R"("code":"unauthorized")");
  listener->client().send_text(R"({"op":"auth","token":")" + token() + R"("})");
  listener->expect("authed");
  listener->client().send_text(subscribe);
  listener->expect("ack");
}

TEST_F(HandshakeTest, TrustAfterAnExpiryTheRestOfAHalfSentFrameDoesNotCome) {
  start_with_a_long_grace();
  RawPeer peer(edge->port(), 4'096);
  peer.upgrade("Sec-WebSocket-Protocol: tidegate.v1\r\nAuthorization: Bearer " + token("acme", 7'200) +
               "\r\n");
  peer.send(RawPeer::frame(
      1, R"({"op":"subscribe","table":"orders","hashId":"q","query":{"columns":["id"]},"frames":"binary"})"));
  feed.wait_live(1);
  feed.deliver({std::string(16 << 20, 's')});  // more than sockets hold
  wait_metric("tidegate_sends_blocked_total", 1);
  clock.forward(7'200s + auth.leeway);
  feed.wait_unsubscribed(1);
  wait_metric("tidegate_connections", 0);
  std::size_t whole = 0;
  while (const auto frame = peer.next()) whole += frame->payload.size() > (1 << 20) ? 1 : 0;
  EXPECT_EQ(whole, 0u) << "the rest came after all";
}

TEST_F(HandshakeTest, AnExpiredTokenIsToldAndEndsTheConnectionWith4001AfterTheGrace) {
  managed(auth::Options::Mode::jwt);
  options.ping_interval = 100ms;
  start();
  auto listener = connect({"json", "bearer." + token("acme", 60)});
  ASSERT_TRUE(listener->opened());
  clock.forward(60s + auth.leeway);
  listener->expect(R"("code":"token_expired")");
  clock.forward(auth.grace);
  EXPECT_EQ(listener->closed(), 4001);
  wait_metric(R"(tidegate_connections_closed_total{code="4001"})", 1);
}

}  // namespace
}  // namespace tidegate::session::testing
