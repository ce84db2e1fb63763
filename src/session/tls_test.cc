// What TLS adds to the edge: who does not speak it is cut and counted, its handshake has the opening's
// deadline, and another certificate concerns new connections alone. (edge_test.cc runs over TLS, too.)
#include <thread>

#include "session/testing.h"

namespace tidegate::session::testing {
namespace {

const std::string kPing = R"({"op":"ping"})";
const std::string kPong = R"({"op":"pong"})";

class TlsTest : public EdgeTest {
 protected:
  TlsTest() { speak_tls(); }
};

TEST_F(TlsTest, HttpWithoutTlsIsCutAndCounted) {
  start();
  RawPeer plain(edge->port());
  plain.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(plain.ended());
  wait_metric(R"(tidegate_tls_refused_total{reason="plain_http"})", 1);
  EXPECT_EQ(metric("tidegate_http_requests_total"), 0);
}

TEST_F(TlsTest, TheOpeningsDeadlineCoversItsHandshake) {
  options.handshake_timeout = 200ms;
  start();
  RawPeer silent(edge->port());
  RawPeer slow(edge->port());
  slow.send(std::string("\x16\x03\x01\x02\x00\x01", 6));  // a ClientHello's beginning
  EXPECT_TRUE(silent.ended());
  EXPECT_TRUE(slow.ended());
  wait_metric(R"(tidegate_tls_refused_total{reason="timeout"})", 2);
}

TEST_F(TlsTest, APeerThatLeavesDuringTheHandshakeIsCounted) {
  start();
  {
    const RawPeer gone(edge->port());
  }
  wait_metric(R"(tidegate_tls_refused_total{reason="gone"})", 1);
}

TEST_F(TlsTest, HttpsKeepsTheConnectionAndAnswersOfManyRecordsArriveWhole) {
  const std::string large(3 << 20, 'x');
  routes["/large"] = [&](const HttpRequest&) { return HttpAnswer{200, "text/plain", large}; };
  options.websockets = false;  // operators'
  start();
  RawPeer peer(place(), 16 << 10);
  for (int i = 0; i < 2; ++i) {
    peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(peer.body(peer.head()) == large);
  }
  peer.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(peer.body(peer.head()), options.plain_answer);
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(metric(R"(tidegate_tls_handshakes_total{kind="full"})"), 1);
}

TEST_F(TlsTest, AnAnswerOfManyRecordsArrivesWholeBeforeItsConnectionEnds) {
  const std::string large(3 << 20, 'x');
  routes["/large"] = [&](const HttpRequest&) { return HttpAnswer{200, "text/plain", large}; };
  start();
  RawPeer peer(place(), 16 << 10);
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(peer.body(peer.head()) == large);
  EXPECT_TRUE(peer.ended());
}

TEST_F(TlsTest, AnotherCertificateConcernsNewConnectionsAlone) {
  start();
  RawPeer before(place());
  before.upgrade();
  certificate->make(3'600);
  credentials->reload();
  before.send(RawPeer::frame(1, kPing));
  EXPECT_EQ(before.next()->payload, kPong);
  auto renewed = transport::Trust::open(certificate->file());
  ASSERT_TRUE(renewed.ok());
  RawPeer after({edge->port(), &*renewed});
  after.upgrade();
  after.send(RawPeer::frame(1, kPing));
  EXPECT_EQ(after.next()->payload, kPong);
  EXPECT_EQ(metric("tidegate_connections"), 2);
}

TEST_F(TlsTest, ACertificateThatIsNotTrustedIsAnErrorThatSaysSo) {
  const transport::testing::Certificate stranger;
  start();
  auto wanted = settings();
  wanted.ca_file = stranger.file();
  Listener listener(loop, wanted);
  EXPECT_FALSE(listener.opened());
  EXPECT_NE(listener.failure().message.find("self-signed certificate"), std::string::npos)
      << listener.failure().message;
  wait_metric(R"(tidegate_tls_refused_total{reason="certificate"})", 1);
}

template <class Condition>
void wait(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

TEST_F(TlsTest, WhatAStalledClientsTlsHoldsIsWithinTheBudgetAndIsGivenBack) {
  memory = std::make_shared<Budget>(64 << 20);
  hub.outbox_bytes_max = 8 << 20;
  hub.outbox_bytes_hard = 16 << 20;
  start();
  {
    RawPeer peer(place(), 4 << 10);
    peer.upgrade();
    peer.send(RawPeer::frame(1, kSubscribe));
    feed.wait_live(1);
    // By reference into shared bytes, so that the outbox holds nothing of its own.
    for (int i = 0; i < 60; ++i) feed.deliver({std::string(100'000, 'x')});
    wait_metric("tidegate_frames_delivered_total", 60);
    wait([this] { return memory->used() > 0; });
    EXPECT_GT(memory->used(), 0u);
    EXPECT_LE(memory->used(), 64u << 10);
  }
  wait([this] { return memory->used() == 0; });
  EXPECT_EQ(memory->used(), 0u);
}

}  // namespace
}  // namespace tidegate::session::testing
