#include "session/testing.h"

namespace tidegate::session::testing {
namespace {

using HttpTest = EdgeTest;

TEST_F(HttpTest, EveryMethodOnEveryPathIsAnsweredPlainly) {
  options.plain_answer = "cladbe-ws-gateway";
  start();
  for (const char* request : {"GET /", "POST /anything?x=1", "DELETE /a/b", "OPTIONS /", "BREW /pot"}) {
    RawPeer peer(edge->port());
    peer.send(std::string(request) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto head = peer.head();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << request << ": " << head;
    EXPECT_EQ(peer.body(head), "cladbe-ws-gateway");
  }
}

TEST_F(HttpTest, TrustAPlainRequestEndsItsConnection) {
  start();
  for (const char* header : {"", "Connection: keep-alive\r\n"}) {
    RawPeer peer(edge->port());
    peer.send("GET /healthz HTTP/1.1\r\nHost: x\r\n" + std::string(header) + "\r\n");
    const auto head = peer.head();
    EXPECT_NE(head.find("\r\nConnection: close\r\n"), std::string::npos) << head;
    EXPECT_EQ(peer.body(head), "tidegate");
    EXPECT_TRUE(peer.ended()) << "anybody could hold a socket that waits for the next one";
  }
}

TEST_F(HttpTest, OperatorsRoutesGetTheRequestAndKeepTheConnection) {
  options.websockets = false;
  routes["/echo/*"] = [](const HttpRequest& request) {
    return HttpAnswer{201, "application/json", request.method + " " + request.target + " " + request.body};
  };
  start();
  RawPeer peer(edge->port());
  for (int i = 0; i < 3; ++i) {
    peer.send("POST /echo/x?y=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    const auto head = peer.head();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 201 Created\r\n")) << head;
    EXPECT_NE(head.find("Content-Type: application/json"), std::string::npos);
    EXPECT_EQ(peer.body(head), "POST /echo/x?y=1 body");
  }
  EXPECT_EQ(metric("tidegate_connections_accepted_total"), 1);
}

TEST_F(HttpTest, RequestsThatArriveTogetherAreAnsweredInOrder) {
  options.websockets = false;
  routes["/a"] = [](const HttpRequest&) { return HttpAnswer{200, "text/plain", "first"}; };
  start();
  RawPeer peer(edge->port());
  peer.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(peer.body(peer.head()), "first");
  EXPECT_EQ(peer.body(peer.head()), "tidegate");
  EXPECT_TRUE(peer.ended());
}

TEST_F(HttpTest, AHeadRequestGetsTheLengthAndNoBody) {
  options.websockets = false;
  start();
  RawPeer peer(edge->port());
  peer.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(peer.head().find("Content-Length: 8"), std::string::npos);
  EXPECT_EQ(peer.body(peer.head()), "tidegate");
}

TEST_F(HttpTest, GarbageIsRefusedWithAReason) {
  start();
  RawPeer peer(edge->port());
  peer.send("\x16\x03\x01 this is TLS, or nothing\r\n\r\n");
  const auto head = peer.head();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 400 ")) << head;
  EXPECT_FALSE(peer.body(head).empty());
  peer.finish();
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(metric(R"(tidegate_connections_rejected_total{reason="bad_request"})"), 1);
}

TEST_F(HttpTest, AHeaderThatIsTooLargeIsRefused) {
  start();
  RawPeer peer(edge->port());
  peer.send("GET / HTTP/1.1\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n");
  EXPECT_TRUE(peer.head().starts_with("HTTP/1.1 431 "));
}

TEST_F(HttpTest, ABodyThatIsTooLargeIsRefusedAndTheAnswerArrives) {
  start();
  RawPeer peer(edge->port());
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + std::string(300'000, 'x'));
  EXPECT_TRUE(peer.head().starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpTest, TrustWhoHasShownNothingHoldsNoLargeBody) {
  start();
  RawPeer peer(edge->port());
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
  EXPECT_TRUE(peer.head().starts_with("HTTP/1.1 413 ")) << "before a byte of it is kept";
}

TEST_F(HttpTest, APeerThatSaysNothingIsCutAfterTheHandshakeTimeout) {
  options.handshake_timeout = 50ms;
  start();
  RawPeer peer(edge->port());
  EXPECT_TRUE(peer.ended());
  RawPeer slow(edge->port());
  slow.send("GET / HT");
  EXPECT_TRUE(slow.ended());
}

TEST_F(HttpTest, AnUpgradeWithoutAKeyIsRefused) {
  start();
  RawPeer peer(edge->port());
  peer.send(
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n");
  EXPECT_TRUE(peer.head().starts_with("HTTP/1.1 400 "));
  RawPeer old(edge->port());
  old.send(
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n");
  EXPECT_TRUE(old.head().starts_with("HTTP/1.1 426 "));
  wait_metric(R"(tidegate_connections_rejected_total{reason="handshake"})", 2);
}

}  // namespace
}  // namespace tidegate::session::testing
