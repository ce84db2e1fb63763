// Limits. Invariants:
// 1. who goes over one is refused with its name, and counted; nobody else notices;
// 2. what a connection had is given back when it ends;
// 3. what is remembered of those who left is bounded.
#include "session/limits.h"

#include "session/testing.h"

namespace tidegate::session::testing {
namespace {

using namespace std::chrono_literals;

class LimitsTest : public EdgeTest {
 protected:
  LimitsTest() {
    options.pass_through = false;
    auth.mode = auth::Options::Mode::jwt;
    auth.secret = std::string(32, 's');
    policy.open = true;
  }
  std::unique_ptr<Listener> enter(const std::string& subject, const std::string& tenant = "acme") {
    const auto now = unix_us(clock.wall()) / 1'000'000;
    return connect({"tidegate.v1", "bearer." + auth::mint({subject, tenant, now + 3'600}, auth)});
  }
  static std::string subscribe(int number) {
    return R"({"op":"subscribe","table":"orders","hashId":"q)" + std::to_string(number) +
           R"(","query":{"columns":["id"],"where":[{"column":"id","op":"=","value":)" +
           std::to_string(number) + "}]}}";
  }
  /// Whether a new connection of ours is served, soon: the end of an earlier one shows a little later.
  bool served_again() {
    for (int i = 0; i < 10'000; ++i) {
      if (enter("ann")->opened()) return true;
    }
    return false;
  }
  [[nodiscard]] double limited(const std::string& limit) const {
    return metric("tidegate_limited_total{limit=\"" + limit + "\"}");
  }
};

TEST(Rate, GivesTenSecondsWorthAtOnceAndThenItsRate) {
  Rate rate;
  Steady now{1h};
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(rate.spend(2, now)) << i;
  const auto retry = rate.spend(2, now);
  ASSERT_TRUE(retry);
  EXPECT_LE(*retry, 501ms);
  now += *retry;
  EXPECT_FALSE(rate.spend(2, now));
  EXPECT_TRUE(rate.spend(2, now));
  EXPECT_FALSE(rate.is_full(now));
  EXPECT_TRUE(rate.is_full(now + 10s));
  EXPECT_FALSE(rate.spend(0, now)) << "no limit";
}

TEST(Limits, AddressesAreTakenWholeOrBySixtyFourBits) {
  metrics::Registry metrics;
  Limits::Options options;
  options.address_handshakes = 1;
  Limits limits(options, metrics);
  const auto full = [&](const char* address) {
    return limits.handshake(boost::asio::ip::make_address(address), Steady(1h)).has_value();
  };
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(full("10.0.0.1"));
  EXPECT_TRUE(full("10.0.0.1"));
  EXPECT_TRUE(full("::ffff:10.0.0.1"));
  EXPECT_FALSE(full("10.0.0.2"));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(full("2001:db8:1:2::1"));
  EXPECT_TRUE(full("2001:db8:1:2:ffff::7"));
  EXPECT_FALSE(full("2001:db8:1:3::1"));
}

TEST(Limits, AddressesThatAreForgottenMakeRoomForOthers) {
  metrics::Registry metrics;
  Limits::Options options;
  options.address_handshakes = 1;
  Limits limits(options, metrics);
  const auto refused = [&](std::uint32_t first, int count, Steady now) {
    int sum = 0;
    for (int i = 0; i < count; ++i) {
      const boost::asio::ip::address_v4 address(first + static_cast<std::uint32_t>(i));
      if (limits.handshake(address, now)) ++sum;
    }
    return sum;
  };
  EXPECT_GT(refused(0x0a000000, 80'000, Steady(1h)), 10'000) << "those that don't fit share one rate";
  EXPECT_EQ(refused(0x0b000000, 40'000, Steady(1h + 1min)), 0);
}

TEST_F(LimitsTest, TrustAnAddressHasSoManyUnfinishedOpenings) {
  options.limits.address_openings = 3;
  start();
  std::vector<std::unique_ptr<RawPeer>> held;
  for (const char* says : {"", "GET / HTTP/1.1\r\nX-Slow: ", "P"}) {
    held.push_back(std::make_unique<RawPeer>(place()));
    held.back()->send(says);
  }
  EXPECT_TRUE(RawPeer(place()).ended());
  EXPECT_EQ(limited("address_openings"), 1);
  RawPeer other(place(), 0, "127.0.0.2");
  EXPECT_NE(other.upgrade().find(" 401 "), std::string::npos) << "another address's are its own";
  held.pop_back();
  EXPECT_TRUE(served_again());
  auto first = enter("ann");
  EXPECT_TRUE(first->opened());
  EXPECT_TRUE(enter("bob")->opened()) << "what has become a WebSocket is no opening any more";
}

TEST_F(LimitsTest, TrustAnUnfinishedOpeningIsGivenBackAtItsDeadline) {
  options.limits.address_openings = 1;
  options.handshake_timeout = 200ms;
  start();
  RawPeer slow(place());
  slow.send("GET / HTTP/1.1\r\nX-Slow: ");
  EXPECT_TRUE(slow.ended());
  EXPECT_TRUE(served_again());
}

TEST_F(LimitsTest, TrustATenantsConnectionsAreCountedAndGivenBack) {
  options.limits.tenant.connections = 2;
  start();
  auto first = enter("ann");
  auto second = enter("bob");
  EXPECT_TRUE(first->opened());
  EXPECT_TRUE(second->opened());
  auto third = enter("eve");
  EXPECT_FALSE(third->opened());
  EXPECT_EQ(third->failure().http_status, 429);
  EXPECT_TRUE(enter("eve", "globex")->opened()) << "another tenant's are its own";
  EXPECT_EQ(limited("tenant_connections"), 1);
  first.reset();
  wait_metric("tidegate_connections", 1);
  EXPECT_TRUE(enter("eve")->opened());
}

TEST_F(LimitsTest, TrustAPrincipalsConnectionsAreCounted) {
  options.limits.principal.connections = 1;
  start();
  auto first = enter("ann");
  EXPECT_TRUE(first->opened());
  EXPECT_FALSE(enter("ann")->opened());
  EXPECT_TRUE(enter("ann", "globex")->opened()) << "the same name of another tenant is somebody else";
  EXPECT_EQ(limited("principal_connections"), 1);
}

TEST_F(LimitsTest, TrustWhoFloodsWithMessagesIsToldAndClosed) {
  options.limits.connection.messages = 1;
  start();
  auto flood = enter("ann");
  auto other = enter("bob");
  for (int i = 0; i < 12; ++i) flood->client().send_text(R"({"op":"ping"})");
  EXPECT_EQ(flood->closed(), 1008);
  std::string last;
  while (flood->received() > 0 && last.find("rate_limited") == std::string::npos) last = flood->next();
  EXPECT_NE(last.find(R"("retry_ms")"), std::string::npos) << last;
  other->client().send_text(R"({"op":"ping"})");
  other->expect("pong");
  EXPECT_EQ(limited("connection_messages"), 1);
}

TEST_F(LimitsTest, TrustAPrincipalsAndATenantsMessagesAreCountedTogether) {
  options.limits.principal.messages = 1;
  options.limits.tenant.messages = 2;
  start();
  std::vector<std::unique_ptr<Listener>> all;
  for (const char* subject : {"ann", "ann", "bob", "bob"}) all.push_back(enter(subject));
  for (int i = 0; i < 10; ++i) {
    all[i % 2]->client().send_text(R"({"op":"ping"})");
    all[i % 2]->expect("pong");
  }
  all[0]->client().send_text(R"({"op":"ping"})");
  all[0]->expect("principal_messages");
  for (int i = 0; i < 10; ++i) {
    all[2 + i % 2]->client().send_text(R"({"op":"ping"})");
    all[2 + i % 2]->expect("pong");
  }
  auto third = enter("eve");
  third->client().send_text(R"({"op":"ping"})");
  third->expect("tenant_messages");
  auto stranger = enter("eve", "globex");
  stranger->client().send_text(R"({"op":"ping"})");
  stranger->expect("pong");
}

TEST_F(LimitsTest, TrustSubscribesAreLimitedByConnectionPrincipalAndTenant) {
  options.limits.connection.subscribes = 1;
  start();
  set_catalogue();
  auto listener = enter("ann");
  for (int i = 0; i < 11; ++i) listener->client().send_text(subscribe(i));
  feed.wait_live(10);
  std::string last;
  while (last.find("rate_limited") == std::string::npos) last = listener->next();
  EXPECT_NE(last.find(R"("hashId":"q10")"), std::string::npos) << last;
  EXPECT_NE(last.find(R"("retry_ms")"), std::string::npos) << last;
  listener->client().send_text(R"({"op":"ping"})");
  while (last.find("pong") == std::string::npos) last = listener->next();  // the connection goes on
  EXPECT_EQ(limited("connection_subscribes"), 1);
}

TEST_F(LimitsTest, TrustSubscribesOfAPrincipalAndOfATenantAreCountedTogether) {
  options.limits.principal.subscribes = 1;
  options.limits.tenant.subscribes = 2;
  start();
  set_catalogue();
  std::vector<std::unique_ptr<Listener>> all;
  for (const char* subject : {"ann", "ann", "bob", "bob"}) all.push_back(enter(subject));
  const auto ask = [&](std::size_t who, int number) {
    all[who]->client().send_text(subscribe(number));
    std::string last = all[who]->next();
    while (last.find("ack") == std::string::npos && last.find("limited") == std::string::npos)
      last = all[who]->next();
    return last;
  };
  for (int i = 0; i < 10; ++i)
    EXPECT_NE(ask(static_cast<std::size_t>(i % 2), i).find("ack"), std::string::npos);
  EXPECT_NE(ask(0, 10).find("principal_subscribes"), std::string::npos);
  for (int i = 0; i < 9; ++i)
    EXPECT_NE(ask(static_cast<std::size_t>(2 + i % 2), i).find("ack"), std::string::npos);
  all.push_back(enter("eve"));
  while (ask(4, 1).find("tenant_subscribes") == std::string::npos) ASSERT_LT(limited("tenant_subscribes"), 1);
  all.push_back(enter("eve", "globex"));
  EXPECT_NE(ask(5, 1).find("ack"), std::string::npos) << "another tenant's are its own";
}

TEST_F(LimitsTest, TrustAPrincipalsSubscriptionsAreCounted) {
  options.limits.principal.subscriptions = 1;
  start();
  set_catalogue();
  auto one = enter("ann");
  one->client().send_text(subscribe(1));
  one->expect("ack");
  auto two = enter("ann");
  two->client().send_text(subscribe(2));
  two->expect("too_many_subscriptions");
  one->client().send_text(R"({"op":"unsubscribe","hashId":"q1"})");
  while (one->next().find("unsubscribed") == std::string::npos) {
  }
  two->client().send_text(subscribe(2));
  two->expect("ack");
  EXPECT_EQ(limited("principal_subscriptions"), 1);
}

TEST_F(LimitsTest, TrustATenantsSubscriptionsAreCountedAndGivenBack) {
  options.limits.tenant.subscriptions = 2;
  start();
  set_catalogue();
  auto one = enter("ann");
  auto two = enter("bob");
  one->client().send_text(subscribe(1));
  one->client().send_text(subscribe(2));
  feed.wait_live(2);
  two->client().send_text(subscribe(3));
  two->expect("too_many_subscriptions");
  auto stranger = enter("eve", "globex");
  stranger->client().send_text(subscribe(3));
  stranger->expect("ack");
  one.reset();
  wait_metric("tidegate_connections", 2);
  two->client().send_text(subscribe(3));
  two->expect("ack");
  EXPECT_EQ(limited("tenant_subscriptions"), 1);
}

TEST_F(LimitsTest, TrustAnAddressMayOpenSoManyASecond) {
  options.limits.address_handshakes = 1;
  start();
  std::vector<std::unique_ptr<Listener>> all;
  bool refused = false;
  for (int i = 0; i < 200 && !refused; ++i) {  // it may take some seconds, in which some more may come
    all.push_back(enter("ann"));
    refused = !all.back()->opened();
  }
  ASSERT_TRUE(refused);
  EXPECT_GE(all.size(), 11u);
  EXPECT_EQ(all.back()->failure().http_status, 429);
  EXPECT_EQ(limited("address_handshakes"), 1);
}

}  // namespace
}  // namespace tidegate::session::testing
