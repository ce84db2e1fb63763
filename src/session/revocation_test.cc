// A token that was revoked: no way in, no data, no connection.
#include "session/testing.h"

namespace tidegate::session::testing {
namespace {

class RevocationTest : public EdgeTest {
 protected:
  RevocationTest() {
    options.pass_through = false;
    auth.mode = auth::Options::Mode::jwt;
    auth.secret = std::string(32, 's');
    policy.open = true;
    revocations = std::make_shared<auth::Revocations>(1 << 20, auth.leeway, clock, metrics);
    revocations->whole();
  }
  void begin() {
    start();
    revocations->on_added([this](const auth::Revocation& one) { edge->revoke(one); });
    set_catalogue();
  }
  ~RevocationTest() override { revocations->on_added({}); }
  [[nodiscard]] std::int64_t now() const { return unix_us(clock.wall()) / 1'000'000; }
  std::string token(const std::string& subject, const std::string& id, std::int64_t issued = 0) {
    return auth::mint({subject, "acme", now() + 3'600, "", id, issued == 0 ? now() - 10 : issued}, auth);
  }
  std::unique_ptr<Listener> enter(const std::string& subject, const std::string& id) {
    auto listener = connect({"tidegate.v1", "bearer." + token(subject, id)});
    EXPECT_TRUE(listener->opened());
    listener->client().send_text(
        R"({"op":"subscribe","table":"orders","hashId":"q","query":{"columns":["id"]},"frames":"binary"})");
    listener->expect("ack");
    listener->expect("snapshot");
    return listener;
  }
  auth::Revocation of_token(const std::string& id) const {
    return {auth::Revocation::Of::token, id, 0, now() + 3'600};
  }
  auth::Revocation of_subject(const std::string& name) const {
    return {auth::Revocation::Of::subject, name, now(), now() + 3'600};
  }
};

TEST_F(RevocationTest, TrustARevokedTokensConnectionsAreClosedAndOthersAreNot) {
  begin();
  const auto revoked = enter("ann", "a");
  const auto other = enter("ann", "b");
  feed.wait_live(2);
  revocations->add(of_token("a"));
  ASSERT_EQ(revoked->closed(), 4001);
  feed.wait_unsubscribed(1);
  other->client().send_text(R"({"op":"ping"})");
  other->expect("pong");
  revocations->add(of_subject("ann"));
  EXPECT_EQ(other->closed(), 4001);
}

TEST_F(RevocationTest, TrustARevokedTokenOpensNoConnection) {
  begin();
  revocations->add(of_token("a"));
  revocations->add(of_subject("bob"));
  for (const std::string& text : {token("ann", "a"), token("bob", "c")}) {
    Listener refused(loop, settings({"json", "bearer." + text}));
    EXPECT_FALSE(refused.opened());
    EXPECT_EQ(refused.failure().http_status, 401);
  }
  EXPECT_TRUE(connect({"json", "bearer." + token("ann", "b")})->opened());
  EXPECT_TRUE(connect({"json", "bearer." + token("bob", "d", now() + 1)})->opened()) << "issued after it";
  EXPECT_EQ(metric(R"(tidegate_auth_tokens_refused_total{reason="revoked"})"), 2);
}

TEST_F(RevocationTest, TrustARevokedTokenRenewsNothing) {
  begin();
  const auto listener = enter("ann", "a");
  revocations->add(of_token("b"));
  listener->client().send_text(R"({"op":"auth","token":")" + token("ann", "b") + R"("})");
  listener->expect(R"("code":"unauthorized")");
  listener->client().send_text(R"({"op":"auth","token":")" + token("ann", "c") + R"("})");
  listener->expect("authed");
  revocations->add(of_token("a"));  // which it was, and is no more
  listener->client().send_text(R"({"op":"ping"})");
  listener->expect("pong");
  revocations->add(of_token("c"));
  EXPECT_EQ(listener->closed(), 4001);
}

TEST_F(RevocationTest, TrustNothingIsDeliveredAfterTheRevocation) {
  begin();
  const auto listener = enter("ann", "a");
  const auto received = listener->received();
  feed.wait_live(1);
  revocations->add(of_token("a"));  // behind which the shard gets this
  feed.deliver({"secret"});
  EXPECT_EQ(listener->closed(), 4001);
  EXPECT_EQ(listener->received(), received);
}

TEST_F(RevocationTest, TrustAConnectionWithSomethingHalfSentIsReset) {
  begin();
  RawPeer peer(edge->port(), 4'096);
  peer.upgrade("Sec-WebSocket-Protocol: tidegate.v1\r\nAuthorization: Bearer " + token("ann", "a") + "\r\n");
  peer.send(RawPeer::frame(
      1, R"({"op":"subscribe","table":"orders","hashId":"q","query":{"columns":["id"]},"frames":"binary"})"));
  feed.wait_live(1);
  feed.deliver({std::string(4 << 20, 's')});  // more than sockets hold
  wait_metric("tidegate_sends_blocked_total", 1);
  revocations->add(of_token("a"));
  ASSERT_TRUE(edge->connections({}, 1)) << "every shard has answered, and so has revoked before";
  std::size_t whole = 0;
  while (const auto frame = peer.next()) whole += frame->payload.size() > (1 << 20) ? 1 : 0;
  EXPECT_EQ(whole, 0u) << "the rest came after all";
  EXPECT_TRUE(peer.was_reset()) << "what the kernel held came after all";
  wait_metric("tidegate_connections", 0);
  EXPECT_EQ(metric(R"(tidegate_connections_closed_total{code="4001"})"), 1);
}

TEST_F(RevocationTest, TrustBeforeTheListIsReadNobodyComesIn) {
  revocations = std::make_shared<auth::Revocations>(1 << 20, auth.leeway, clock, metrics);
  begin();
  Listener early(loop, settings({"json", "bearer." + token("ann", "a")}));
  EXPECT_FALSE(early.opened());
  EXPECT_EQ(early.failure().http_status, 503);
  revocations->whole();
  EXPECT_TRUE(connect({"json", "bearer." + token("ann", "a")})->opened());
}

// ---- what operators see and do ----

TEST_F(RevocationTest, ConnectionsAreShownWithWhatTheyHold) {
  begin();
  const auto ann = enter("ann", "a");
  const auto bob = enter("bob", "b");
  const auto all = edge->connections({}, 10);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), 2u);
  EXPECT_EQ(edge->connections({}, 1)->size(), 1u);
  const auto found = edge->connections({.subject = "bob", .tenant = "acme"}, 10);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().subject, "bob");
  EXPECT_EQ(found->front().address, "127.0.0.1");
  EXPECT_EQ(found->front().subscriptions, 1u);
  EXPECT_LE(std::abs(found->front().since_unix_s - now()), 60);
  EXPECT_EQ(edge->connections({.id = found->front().id}, 10)->size(), 1u);
  EXPECT_EQ(edge->connections({.subject = "bob", .tenant = "globex"}, 10)->size(), 0u);
}

TEST_F(RevocationTest, AnOperatorEndsThoseThatHeMeans) {
  begin();
  const auto ann = enter("ann", "a");
  const auto bob = enter("bob", "b");
  EXPECT_EQ(*edge->disconnect({.subject = "bob"}), 1u);
  EXPECT_EQ(bob->closed(), 1008);
  ann->client().send_text(R"({"op":"ping"})");
  ann->expect("pong");
  EXPECT_EQ(*edge->disconnect({.tenant = "acme"}), 1u);
  EXPECT_EQ(ann->closed(), 1008);
}

}  // namespace
}  // namespace tidegate::session::testing
