// Limits. Invariants:
// 1. who goes over one is refused with its name, and counted; nobody else notices;
// 2. what a connection had is given back when it ends;
// 3. what is remembered of those who left is bounded.
#include "session/limits.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

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
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(rate.spend(1, 2, now)) << i;
  const auto retry = rate.spend(1, 2, now);
  ASSERT_TRUE(retry);
  EXPECT_LE(*retry, 501ms);
  now += *retry;
  EXPECT_FALSE(rate.spend(1, 2, now));
  EXPECT_TRUE(rate.spend(1, 2, now));
  EXPECT_FALSE(rate.is_full(now));
  EXPECT_TRUE(rate.is_full(now + 10s));
  EXPECT_FALSE(rate.spend(1, 0, now)) << "no limit";
}

/// Claims that change, so that every query of a connection is asked for anew, or none is.
class AnewTest : public ::testing::Test {
 protected:
  using Admitted = std::shared_ptr<Admission>;
  void limit(std::size_t connection, std::size_t principal, std::size_t tenant) {
    Limits::Options options;
    options.connection.subscribes = connection;
    options.principal.subscribes = principal;
    options.tenant.subscribes = tenant;
    limits.emplace(options, metrics);
  }
  Admitted admit(const std::string& subject) {
    auth::Principal principal;
    principal.subject = subject;
    principal.tenant = "acme";
    Limited why;
    return limits->admit(&principal, now, why);
  }
  metrics::Registry metrics;
  std::optional<Limits> limits;
  Steady now{1h};
};

TEST_F(AnewTest, TrustWhatIsRefusedSpendsNothingAtAnyLevel) {
  struct Case {
    const char* limit;
    std::array<std::size_t, 3> a_second;
    const char* other;  // with whom that level is shared
  };
  for (const Case& each :
       {Case{"principal_subscribes", {1, 1, 100}, "ann"}, Case{"tenant_subscribes", {1, 1, 1}, "bob"}}) {
    limit(each.a_second[0], each.a_second[1], each.a_second[2]);
    const Admitted ann = admit("ann");
    const Admitted other = admit(each.other);
    ASSERT_FALSE(other->subscribe_anew(5, now));
    for (int i = 0; i < 100; ++i) {
      const auto refused = ann->subscribe_anew(8, now);
      ASSERT_TRUE(refused);
      EXPECT_EQ(name_of(refused->limit), each.limit);
    }
    EXPECT_FALSE(ann->subscribe_anew(5, now)) << each.limit << ": all that was there is there";
    EXPECT_TRUE(ann->subscribe_anew(1, now));
    EXPECT_FALSE(ann->subscribe_anew(5, now + 5s)) << "and nothing is owed";
  }
}

TEST_F(AnewTest, TrustWhoAsksAgainWhenItWasToldToIsServed) {
  limit(2, 1, 100);
  const Admitted ann = admit("ann");
  const Admitted again = admit("ann");
  ASSERT_FALSE(ann->subscribe_anew(4, now));
  ASSERT_FALSE(again->subscribe_anew(6, now));
  EXPECT_FALSE(ann->subscribe_anew(0, now)) << "no query";
  const auto refused = ann->subscribe_anew(18, now);  // 1 s to go for the connection, 10 for the principal
  ASSERT_TRUE(refused);
  EXPECT_EQ(name_of(refused->limit), "principal_subscribes");
  EXPECT_GE(refused->retry, 10s);
  EXPECT_LE(refused->retry, 10'001ms);
  EXPECT_TRUE(ann->subscribe_anew(18, now + refused->retry - 2ms));
  EXPECT_FALSE(ann->subscribe_anew(18, now + refused->retry));
}

TEST_F(AnewTest, TrustMoreThanTenSecondsWorthPassesOnceNothingIsSpentAndIsOwed) {
  limit(1, 100, 100);
  const Admitted ann = admit("ann");
  ASSERT_FALSE(ann->subscribe_anew(1, now));
  const auto refused = ann->subscribe_anew(25, now);
  ASSERT_TRUE(refused);
  EXPECT_LE(refused->retry, 1'001ms);
  now += refused->retry;
  EXPECT_FALSE(ann->subscribe_anew(25, now));
  const auto owes = ann->subscribe_anew(1, now);
  ASSERT_TRUE(owes);
  EXPECT_GE(owes->retry, 16s);
  EXPECT_FALSE(ann->subscribe_anew(1, now + owes->retry));
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

TEST(Rate, LetsOneOweWhatIsDoneAndWaitForIt) {
  Rate rate;
  Steady now{1h};
  rate.owe(20, 2, now);
  EXPECT_FALSE(rate.owes(now)) << "ten seconds' worth";
  rate.owe(6, 2, now);
  ASSERT_TRUE(rate.owes(now));
  EXPECT_GT(*rate.owes(now), 2'900ms);
  EXPECT_LE(*rate.owes(now), 3'001ms);
  EXPECT_TRUE(rate.owes(now + 2'990ms));
  EXPECT_FALSE(rate.owes(now + 3s));
  rate.owe(1'000'000'000'000, 1, now);
  EXPECT_LE(*rate.owes(now), 1h) << "however much it was";
  Rate none;
  none.owe(1'000'000, 0, now);
  EXPECT_FALSE(none.owes(now));
}

/// Limits of what is known afterwards: one subscribe overdoes it, and the next is refused.
class DebtTest : public LimitsTest {
 protected:
  /// The answer to a subscribe, up to its snapshot and `until`, or its refusal.
  static std::string ask(Listener& listener, int number, std::string_view until = "\"snapshot\"") {
    return ask(listener, subscribe(number), until);
  }
  static std::string ask(Listener& listener, const std::string& subscribe,
                         std::string_view until = "\"snapshot\"") {
    listener.client().send_text(subscribe);
    for (;;) {
      std::string text = listener.next();
      if (text.find(until) != std::string::npos) return "served";
      if (text.empty() || text.find(R"("op":"error")") != std::string::npos) return text;
    }
  }
  /// `ann` overdoes it; who of her tenant is refused then, by which limit? Nobody of another.
  void expect_refused(const std::string& limit, std::string_view until, const std::function<void()>& overdo) {
    start();
    set_catalogue();
    overdo();
    auto ann = enter("ann");
    EXPECT_EQ(ask(*ann, 1, until), "served") << "nobody knew";
    feed.snapshots_are(nullptr);
    feed.miss({});
    const std::string refused = ask(*ann, 2);
    EXPECT_NE(refused.find(limit), std::string::npos) << refused;
    EXPECT_NE(refused.find(R"("retry_ms")"), std::string::npos) << refused;
    auto again = enter("ann");
    auto bob = enter("bob");
    auto stranger = enter("ann", "globex");
    EXPECT_EQ(ask(*again, 3) == "served", limit.starts_with("connection"));
    EXPECT_EQ(ask(*bob, 4) == "served", !limit.starts_with("tenant"));
    EXPECT_EQ(ask(*stranger, 5), "served");
    EXPECT_GE(limited(limit), 1);
  }
  void expect_rows_refused(const std::string& limit) {
    auto spool = std::make_shared<feed::Spool>();
    EXPECT_TRUE(spool->append(R"(,"version":0,"cursor":{"lsn":"0"},"rows":[]})", 2'000).ok());
    expect_refused(limit, "\"snapshot\"", [&] { feed.snapshots_are(spool); });
  }
  void expect_reading_refused(const std::string& limit) {
    expect_refused(limit, "\"snapshot\"", [&] { feed.snapshots_are(nullptr, 2'000s); });
  }
  void expect_replay_refused(const std::string& limit) {
    expect_refused(limit, "missed", [&] { feed.miss({"missed" + std::string(100'000, 'x')}); });
  }
};

TEST_F(DebtTest, TrustRowsOfSnapshotsAreCountedByConnection) {
  options.limits.connection.snapshot_rows = 100;
  expect_rows_refused("connection_snapshot_rows");
}
TEST_F(DebtTest, TrustRowsOfSnapshotsAreCountedByPrincipal) {
  options.limits.principal.snapshot_rows = 100;
  expect_rows_refused("principal_snapshot_rows");
}
TEST_F(DebtTest, TrustRowsOfSnapshotsAreCountedByTenant) {
  options.limits.tenant.snapshot_rows = 100;
  expect_rows_refused("tenant_snapshot_rows");
}
TEST_F(DebtTest, TrustTheTimeOfSnapshotsIsCountedByConnection) {
  options.limits.principal.snapshot_ms = options.limits.tenant.snapshot_ms = 0;
  expect_reading_refused("connection_snapshot_ms");
}
TEST_F(DebtTest, TrustTheTimeOfSnapshotsIsCountedByPrincipal) {
  options.limits.connection.snapshot_ms = options.limits.tenant.snapshot_ms = 0;
  expect_reading_refused("principal_snapshot_ms");
}
TEST_F(DebtTest, TrustTheTimeOfSnapshotsIsCountedByTenant) {
  options.limits.connection.snapshot_ms = options.limits.principal.snapshot_ms = 0;
  expect_reading_refused("tenant_snapshot_ms");
}
TEST_F(DebtTest, TrustReplayedBytesAreCountedByConnection) {
  options.limits.connection.replayed_bytes = 1'000;
  expect_replay_refused("connection_replayed_bytes");
}
TEST_F(DebtTest, TrustReplayedBytesAreCountedByPrincipal) {
  options.limits.principal.replayed_bytes = 1'000;
  expect_replay_refused("principal_replayed_bytes");
}
TEST_F(DebtTest, TrustReplayedBytesAreCountedByTenant) {
  options.limits.tenant.replayed_bytes = 1'000;
  expect_replay_refused("tenant_replayed_bytes");
}

/// Bytes that are held: a snapshot in memory that one of a tenant does not read.
class HeldTest : public DebtTest {
 protected:
  void expect_refused_while_held(const std::string& limit) {
    start();
    set_catalogue();
    auto spool = std::make_shared<feed::Spool>();
    for (int i = 0; i < 64; ++i) EXPECT_TRUE(spool->append(std::string(1 << 18, 'x')).ok());
    feed.snapshots_are(spool);
    const auto now = unix_us(clock.wall()) / 1'000'000;
    auto slow = std::make_unique<RawPeer>(place(), 4'096);
    slow->upgrade("Authorization: Bearer " + auth::mint({"ann", "acme", now + 3'600}, auth) + "\r\n");
    slow->send(RawPeer::frame(1, subscribe(1)));
    feed.wait_subscribed(1);
    feed.snapshots_are(nullptr);
    spool.reset();
    auto ann = enter("ann");
    auto bob = enter("bob");
    EXPECT_EQ(ask(*enter("ann", "globex"), 5), "served");
    while (limited(limit) == 0 && ask(*ann, 2) == "served") {  // its shard may not have taken it yet
    }
    EXPECT_NE(ask(*ann, 2).find(limit), std::string::npos);
    EXPECT_EQ(ask(*bob, 3) == "served", !limit.starts_with("tenant"));
    EXPECT_EQ(ask(*enter("ann", "globex"), 5), "served");
    slow.reset();
    while (ask(*ann, 4) != "served") {  // its end shows a little later
    }
  }
};

TEST_F(HeldTest, TrustWhatIsHeldIsCountedByPrincipalAndGivenBack) {
  options.limits.principal.held_bytes = 1 << 20;
  expect_refused_while_held("principal_held_bytes");
}
TEST_F(HeldTest, TrustWhatIsHeldIsCountedByTenantAndGivenBack) {
  options.limits.tenant.held_bytes = 1 << 20;
  expect_refused_while_held("tenant_held_bytes");
}

/// What is kept of queries that never have a row.
class KeptTest : public DebtTest {
 protected:
  /// Some 200 kB are kept of it.
  static std::string large(int number) {
    return R"({"op":"subscribe","table":"orders","hashId":"q)" + std::to_string(number) +
           R"(","query":{"columns":["id"],"where":[{"column":"status","op":"=","value":")" +
           std::string(100'000, static_cast<char>('a' + number)) + R"("}]}})";
  }
  void expect_refused_while_kept(const std::string& limit) {
    start();
    set_catalogue();
    auto ann = enter("ann");
    for (int i = 0; i < 4; ++i) EXPECT_EQ(ask(*ann, large(i)), "served");
    auto again = enter("ann");
    auto bob = enter("bob");
    EXPECT_EQ(ask(*again, large(4)), "served");
    const std::string refused = ask(*again, large(5));
    EXPECT_NE(refused.find("rate_limited"), std::string::npos) << refused;
    EXPECT_NE(refused.find(limit), std::string::npos) << refused;
    EXPECT_NE(refused.find(R"("retry_ms")"), std::string::npos) << refused;
    EXPECT_EQ(limited(limit), 1);
    EXPECT_EQ(ask(*ann, large(3)), "served") << "its own earlier one's place";
    EXPECT_EQ(ask(*bob, large(6)) == "served", !limit.starts_with("tenant"));
    EXPECT_EQ(ask(*enter("ann", "globex"), large(7)), "served") << "another tenant's is its own";
    again->client().send_text(R"({"op":"unsubscribe","hashId":"q4"})");
    again->expect("unsubscribed");
    EXPECT_EQ(ask(*again, large(5)), "served");
    ann.reset();
    wait_metric("tidegate_connections", 2);
    EXPECT_EQ(ask(*again, large(8)), "served");
  }
};

TEST_F(KeptTest, TrustWhatIsKeptOfQueriesIsHeldByThePrincipal) {
  options.limits.principal.held_bytes = 1'150'000;  // a message that comes in pieces is held meanwhile
  expect_refused_while_kept("principal_held_bytes");
}
TEST_F(KeptTest, TrustWhatIsKeptOfQueriesIsHeldByTheTenant) {
  options.limits.tenant.held_bytes = 1'150'000;  // a message that comes in pieces is held meanwhile
  expect_refused_while_kept("tenant_held_bytes");
}

TEST_F(HeldTest, TrustUnfinishedMessagesAreHeldToo) {
  options.limits.principal.held_bytes = 100'000;
  start();
  set_catalogue();
  const auto now = unix_us(clock.wall()) / 1'000'000;
  const std::string bearer =
      "Authorization: Bearer " + auth::mint({"ann", "acme", now + 3'600}, auth) + "\r\n";
  RawPeer greedy(place());
  greedy.upgrade(bearer);
  greedy.send(RawPeer::frame(1, std::string(200'000, 'x'), false));
  const auto frame = greedy.next();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->close_code(), 1013);
  EXPECT_EQ(limited("principal_held_bytes"), 1);
  EXPECT_EQ(ask(*enter("bob"), 1), "served");
}

TEST(ConnectionAccount, ASnapshotThatSeveralOfAShareWaitForIsHeldOnce) {
  metrics::Registry metrics;
  Options::Limits::Of of;
  of.held_bytes = 1'000;
  const auto tenant = std::make_shared<Share>(of);
  const auto counters = std::make_shared<LimitCounters>(metrics, of);
  ConnectionAccount ann(counters, std::make_shared<Share>(of), tenant);
  ConnectionAccount bob(counters, std::make_shared<Share>(of), tenant);
  const auto snapshot = std::make_shared<const std::string>("rows");
  auto one = ann.hold(snapshot, 800);
  auto two = bob.hold(snapshot, 800);
  EXPECT_EQ(tenant->held->used(), 800U);
  EXPECT_FALSE(ann.holds_too_much());
  auto another = bob.hold(std::make_shared<const std::string>("others"), 300);
  EXPECT_TRUE(ann.holds_too_much()) << "the tenant does";
  another.reset();
  one.reset();
  EXPECT_EQ(tenant->held->used(), 800U);
  EXPECT_EQ(ann.principal()->held->used(), 0U);
  two.reset();
  EXPECT_EQ(tenant->held->used(), 0U);
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
  EXPECT_EQ(limited("principal_messages"), 1);
  for (int i = 0; i < 10; ++i) {
    all[2 + i % 2]->client().send_text(R"({"op":"ping"})");
    all[2 + i % 2]->expect("pong");
  }
  auto third = enter("eve");
  third->client().send_text(R"({"op":"ping"})");
  third->expect("tenant_messages");
  EXPECT_EQ(limited("tenant_messages"), 1);
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
  EXPECT_EQ(limited("principal_subscribes"), 1);
  for (int i = 0; i < 9; ++i)
    EXPECT_NE(ask(static_cast<std::size_t>(2 + i % 2), i).find("ack"), std::string::npos);
  all.push_back(enter("eve"));
  while (ask(4, 1).find("tenant_subscribes") == std::string::npos) ASSERT_LT(limited("tenant_subscribes"), 1);
  all.push_back(enter("eve", "globex"));
  EXPECT_NE(ask(5, 1).find("ack"), std::string::npos) << "another tenant's are its own";
}

TEST_F(LimitsTest, TrustAConnectionsSubscriptionsAreCounted) {
  hub.subscriptions_max = 1;
  start();
  set_catalogue();
  auto one = enter("ann");
  auto two = enter("ann");
  one->client().send_text(subscribe(1));
  feed.wait_live(1);
  one->client().send_text(subscribe(2));
  std::string last = one->next();
  while (last.find(R"("op":"error")") == std::string::npos) last = one->next();
  EXPECT_NE(last.find(R"("hashId":"q2","code":"too_many_subscriptions")"), std::string::npos) << last;
  EXPECT_EQ(limited("connection_subscriptions"), 1);
  one->client().send_text(subscribe(1));
  one->expect(R"("op":"ack","hashId":"q1")");  // its own name's place
  two->client().send_text(subscribe(2));
  two->expect("ack");
  EXPECT_EQ(limited("connection_subscriptions"), 1);
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
  one->client().send_text(subscribe(1));
  while (one->next().find(R"("op":"ack","hashId":"q1")") == std::string::npos) {  // its own name's place
  }
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

/// Those that come to nothing, too, with whatever they ask for.
TEST_F(LimitsTest, TrustWhatComesToNothingCountsForItsAddress) {
  options.limits.address_handshakes = 1;
  start();
  std::string head;
  for (int i = 0; i < 200 && !head.starts_with("HTTP/1.1 429 "); ++i) {
    RawPeer peer(place());
    peer.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");  // no key
    head = peer.head();
  }
  EXPECT_TRUE(head.starts_with("HTTP/1.1 429 ")) << head;
  EXPECT_NE(head.find("Retry-After: "), std::string::npos) << head;
  RawPeer checking(place());
  checking.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(checking.head().starts_with("HTTP/1.1 200 ")) << "who balances the load may share the address";
}

TEST_F(LimitsTest, TrustAboveAnAddressSRateNoHandshakeOfTlsIsMade) {
  options.limits.address_handshakes = 1;
  speak_tls();
  start();
  constexpr int kPeers = 40;
  for (int i = 0; i < kPeers; ++i) {
    RawPeer peer(Place(edge->port()));  // speaks none
    peer.send("this is no hello of TLS at all\r\n");
    EXPECT_TRUE(peer.ended());
  }
  edge->stop();  // all is counted
  EXPECT_GT(limited("address_handshakes"), 0);
  EXPECT_EQ(metric(R"(tidegate_tls_refused_total{reason="protocol"})"),
            kPeers - limited("address_handshakes"));
}

}  // namespace
}  // namespace tidegate::session::testing
