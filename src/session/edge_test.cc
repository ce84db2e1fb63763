// What holds for every connection: messages are answered in order, data arrives whole and in order whatever
// else happens on the socket, the Close comes last, and no peer delays another.
#include <algorithm>
#include <thread>

#include "session/testing.h"
#include "transport/send_batch.h"

namespace tidegate::session::testing {
namespace {

const std::string kPing = R"({"op":"ping"})";
const std::string kPong = R"({"op":"pong"})";

/// All of it without TLS and with it.
class WebSocketTest : public EdgeTest, public ::testing::WithParamInterface<bool> {
 protected:
  WebSocketTest() {
    if (GetParam()) speak_tls();
  }
  /// A peer that has upgraded and subscribed, and read the ack and the snapshot.
  void subscribe(RawPeer& peer) {
    ASSERT_TRUE(peer.upgrade().starts_with("HTTP/1.1 101 "));
    peer.send(RawPeer::frame(1, kSubscribe));
    EXPECT_EQ(peer.next()->payload, R"({"op":"ack","hashId":"a"})");
    EXPECT_NE(peer.next()->payload.find("snapshot"), std::string::npos);
    feed.wait_live(++subscribers);
  }
  /// One record goes to so many peers, and so many of the sends were done together.
  void expect_batched(std::size_t count, std::size_t batched) {
    std::deque<RawPeer> peers;
    for (std::size_t i = 0; i < count; ++i) subscribe(peers.emplace_back(place()));
    const double together = metric("tidegate_sends_batched_total");
    const double batches = metric("tidegate_send_batches_total");
    feed.deliver({"for all"});
    for (RawPeer& peer : peers) EXPECT_EQ(peer.next()->payload, "for all");
    peers.clear();
    edge->stop();  // all is counted
    EXPECT_EQ(metric("tidegate_sends_batched_total") - together, batched);
    EXPECT_EQ(metric("tidegate_send_batches_total") - batches, batched == 0 ? 0 : 1);
  }
  /// Many records, so that socket buffers are full and the rest waits.
  std::size_t deliver_backlog(std::size_t bytes = 26 << 20) {
    const std::size_t size = 100'000;
    const std::size_t count = bytes / size;
    for (std::size_t i = 0; i < count; ++i)
      feed.deliver({std::string(size, static_cast<char>('a' + i % 26))});
    return count;
  }
  void allow_backlog() {
    hub.outbox_bytes_max = 64 << 20;
    hub.outbox_bytes_hard = 128 << 20;
  }
  static void expect_backlog(RawPeer& peer, std::size_t from, std::size_t count) {
    for (std::size_t i = from; i < count; ++i) {
      const auto frame = peer.next();
      ASSERT_TRUE(frame);
      ASSERT_EQ(frame->opcode, 2) << i;
      ASSERT_EQ(frame->payload.size(), 100'000u);
      ASSERT_EQ(frame->payload[0], static_cast<char>('a' + i % 26)) << i;
    }
  }
  std::size_t subscribers = 0;
};

TEST_P(WebSocketTest, PingsSubscribesAndErrorsAreAnswered) {
  start();
  auto listener = connect({"json"});
  listener->client().send_text(kPing);
  EXPECT_EQ(listener->next(), kPong);
  listener->client().send_text("{nope");
  EXPECT_EQ(listener->next(), R"({"op":"error","code":"bad_json","message":"invalid JSON"})");
  listener->client().send_text("null");
  EXPECT_EQ(listener->next(), R"({"op":"error","code":"bad_op","message":"unknown message"})");
  listener->client().send_text(kSubscribe);
  EXPECT_EQ(listener->next(), R"({"op":"ack","hashId":"a"})");
  EXPECT_EQ(listener->next(), R"({"op":"snapshot","hashId":"a","version":0,"cursor":{"lsn":"0"},"rows":[]})");
  feed.wait_live(1);
  feed.deliver({"one", "two"});
  EXPECT_EQ(listener->next(), "one");
  EXPECT_EQ(listener->next(), "two");
  listener->client().send_text(R"({"op":"unsubscribe","table":"t","hashId":"a"})");
  feed.wait_unsubscribed(1);
  EXPECT_EQ(metric(R"(tidegate_messages_received_total{op="subscribe"})"), 1);
  EXPECT_EQ(metric(R"(tidegate_messages_received_total{op="invalid"})"), 2);
}

TEST_P(WebSocketTest, ThePassThroughKeyIsMadeByTheTemplate) {
  options.key_template = "{tenant}:{table}:{hashId}";
  start();
  auto wanted = settings();
  wanted.headers = {{"x-tenant", "acme"}};
  Listener listener(loop, wanted);
  listener.client().send_text(kSubscribe);
  EXPECT_EQ(feed.wait_live(1).at(0).routing_key, "acme:t:a");
}

TEST_P(WebSocketTest, TrustAKeyThatWouldNotSayWhoseItIsIsRefused) {
  options.key_template = "{tenant}:{hashId}";
  start();
  auto wanted = settings();
  wanted.headers = {{"x-tenant", "acme:eu"}};
  Listener listener(loop, wanted);
  listener.client().send_text(kSubscribe);
  listener.expect(R"("code":"forbidden")");
}

TEST_P(WebSocketTest, ARefusedSubscribeLeavesTheConnectionOpen) {
  start();
  feed.refuse_with({{}, protocol::ErrorCode::unavailable, "the log is away", 500});
  auto listener = connect();
  listener->client().send_text(kSubscribe);
  listener->expect(R"("code":"unavailable")");
  listener->client().send_text(kPing);
  EXPECT_EQ(listener->next(), kPong);
}

TEST_P(WebSocketTest, BinaryMessagesAreIgnored) {
  start();
  auto listener = connect();
  listener->client().send_binary(std::string("\x00\xff\x01", 3));
  listener->client().send_binary(std::string(500'000, 'x'));
  listener->client().send_text(kPing);
  EXPECT_EQ(listener->next(), kPong);
  EXPECT_EQ(metric(R"(tidegate_messages_received_total{op="binary"})"), 2);
}

TEST_P(WebSocketTest, AMessageMayComeInFragmentsWithPingsBetween) {
  start();
  RawPeer peer(place());
  peer.upgrade();
  peer.send(RawPeer::frame(1, R"({"op":)", false) + RawPeer::frame(9, "mid") +
            RawPeer::frame(0, R"("pin)", false) + RawPeer::frame(0, R"(g"})"));
  const auto pong = peer.next();
  EXPECT_EQ(pong->opcode, 10);
  EXPECT_EQ(pong->payload, "mid");
  EXPECT_EQ(peer.next()->payload, kPong);
}

TEST_P(WebSocketTest, AMessageMayComeByteByByteAndSeveralAtOnce) {
  start();
  RawPeer peer(place());
  peer.upgrade();
  for (const char byte : RawPeer::frame(1, kPing)) peer.send(std::string(1, byte));
  EXPECT_EQ(peer.next()->payload, kPong);
  std::string many;
  for (int i = 0; i < 500; ++i) many += RawPeer::frame(1, kPing);
  peer.send(many);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(peer.next()->payload, kPong);
}

TEST_P(WebSocketTest, MessagesUpToTheLimitAreReadAndLargerOnesCloseWith1009) {
  start();
  auto listener = connect();
  const auto message = [](std::size_t size) {
    const std::string start = R"({"op":"ping","x":")";
    return start + std::string(size - start.size() - 2, 'x') + "\"}";
  };
  listener->client().send_text(message(200));
  EXPECT_EQ(listener->next(), kPong);
  listener->client().send_text(message(options.payload_bytes_max));
  EXPECT_EQ(listener->next(), kPong);
  listener->client().send_text(message(options.payload_bytes_max + 1));
  EXPECT_EQ(listener->closed(), 1009);
  wait_metric(R"(tidegate_connections_closed_total{code="1009"})", 1);
}

TEST_P(WebSocketTest, FragmentsTogetherObeyTheLimit) {
  start();
  RawPeer peer(place());
  peer.upgrade();
  peer.send(RawPeer::frame(1, std::string(700'000, 'x'), false) +
            RawPeer::frame(0, std::string(700'000, 'x')));
  EXPECT_EQ(peer.next()->close_code(), 1009);
}

TEST_P(WebSocketTest, TextThatIsNoUtf8ClosesWith1007) {
  start();
  RawPeer peer(place());
  peer.upgrade();
  peer.send(RawPeer::frame(1, "\xc3\x28"));
  EXPECT_EQ(peer.next()->close_code(), 1007);
  EXPECT_TRUE(peer.ended());
}

TEST_P(WebSocketTest, ProtocolViolationsCloseWith1002) {
  start();
  RawPeer reserved(place());
  reserved.upgrade();
  reserved.send(RawPeer::frame(3, "x"));
  EXPECT_EQ(reserved.next()->close_code(), 1002);
  RawPeer unmasked(place());
  unmasked.upgrade();
  unmasked.send(std::string("\x81\x02hi", 4));
  EXPECT_EQ(unmasked.next()->close_code(), 1002);
}

TEST_P(WebSocketTest, TheIdleAreClosedWith1000) {
  options.idle_timeout = 100ms;
  options.ping_interval = 10s;
  start();
  auto listener = connect();
  ASSERT_TRUE(listener->opened());
  EXPECT_EQ(listener->closed(), 1000);
}

TEST_P(WebSocketTest, AMessageThatNeverEndsIsClosedWith1000ThoughItsPeerAnswersPings) {
  options.idle_timeout = 1s;
  options.ping_interval = 50ms;
  start();
  RawPeer peer(place());
  peer.upgrade();
  peer.send(RawPeer::frame(1, R"({"op":)", false));
  int answered = 0;
  for (;;) {
    const auto frame = peer.next();
    ASSERT_TRUE(frame);
    if (frame->opcode != 9) {
      EXPECT_EQ(frame->close_code(), 1000);
      break;
    }
    ++answered;
    peer.send(RawPeer::frame(10, frame->payload) + RawPeer::frame(0, " ", false));
  }
  EXPECT_GT(answered, 1) << "it was idle";
}

TEST_P(WebSocketTest, WhatIsUnfinishedCountsInTheBudgetAndIsGivenBack) {
  memory = std::make_shared<Budget>(4 << 20);
  start();
  const std::size_t before = memory->used();
  {
    RawPeer peer(place());
    peer.upgrade();
    peer.send(RawPeer::frame(1, std::string(900'000, ' ')).substr(0, 700'000));
    while (memory->used() < before + 600'000) std::this_thread::yield();
  }
  while (memory->used() > before + 100'000) std::this_thread::yield();
}

TEST_P(WebSocketTest, WhoFindsNoRoomForAMessageIsClosedWith1013AndOthersAreNot) {
  memory = std::make_shared<Budget>(200'000);
  start();
  auto other = connect();
  ASSERT_TRUE(other->opened());
  RawPeer peer(place());
  peer.upgrade();
  peer.send(RawPeer::frame(1, std::string(900'000, ' ')).substr(0, 700'000));
  const auto close = peer.next();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->close_code(), 1013);
  EXPECT_LE(memory->used(), memory->bytes_max());
  other->client().send_text(R"({"op":"ping"})");
  other->expect("pong");
}

TEST_P(WebSocketTest, WhoSendsWholeMessagesIsNotCutForWhatOthersHoldBeyondTheBudget) {
  memory = std::make_shared<Budget>(200'000);
  start();
  auto peer = connect();
  ASSERT_TRUE(peer->opened());
  Charge others(memory);
  others.set(memory->bytes_max() + 1);
  peer->client().send_text(R"({"op":"ping"})");
  peer->expect("pong");
  RawPeer cut(place());  // TCP may cut a message anywhere
  cut.upgrade();
  const std::string message = RawPeer::frame(1, R"({"op":"ping"})" + std::string(1'000, ' '));
  cut.send(RawPeer::frame(9, "p") + message.substr(0, 500));
  ASSERT_EQ(cut.next()->opcode, 10);
  cut.send(message.substr(500));
  ASSERT_EQ(cut.next()->opcode, 1);
  EXPECT_EQ(metric(R"(tidegate_connections_closed_total{code="1013"})"), 0);
}

TEST_P(WebSocketTest, PingsKeepAPeerThatAnswersAlive) {
  options.idle_timeout = 2s;  // more than a busy machine may keep either side waiting
  options.ping_interval = 200ms;
  start();
  RawPeer peer(place());
  peer.upgrade();
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < 2 * options.idle_timeout) {
    const auto ping = peer.next();
    ASSERT_TRUE(ping);
    ASSERT_EQ(ping->opcode, 9);
    peer.send(RawPeer::frame(10, ping->payload));
  }
  auto last = peer.next();
  while (last && last->opcode == 9) last = peer.next();  // no more answers
  ASSERT_TRUE(last);
  EXPECT_EQ(last->close_code(), 1000);
}

TEST_P(WebSocketTest, ASlowPeerThatReadsOnIsNotIdle) {
  constexpr std::size_t kASecond = 3 << 20;
  options.idle_timeout = 1s;
  options.ping_interval = 200ms;  // they stand behind what it reads
  start();
  RawPeer peer(place(), 4'096);
  subscribe(peer);
  feed.deliver({std::string(4 * kASecond, 's')});
  const auto begin = std::chrono::steady_clock::now();
  std::size_t taken = 0;
  for (auto passed = 0ns; passed < 3 * options.idle_timeout;
       passed = std::chrono::steady_clock::now() - begin) {
    if (static_cast<double>(taken) <
        static_cast<double>(kASecond) * std::chrono::duration<double>(passed).count()) {
      taken += peer.trickle(16'384);
    } else {
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(metric("tidegate_connections"), 1) << "closed after " << taken << " bytes";
}

/// A trickle of TLS would take all that has come.
class SlowPeerTest : public WebSocketTest {};
INSTANTIATE_TEST_SUITE_P(Edge, SlowPeerTest, ::testing::Values(false));

// Half a minute from the Close on, whatever it takes meanwhile.
TEST_P(SlowPeerTest, WhoIsToldToGoIsGoneInTheEnd) {
  constexpr std::size_t kAll = 64 << 20;
  options.ping_interval = 1s;
  options.handshake_timeout = 400ms;  // so often is looked
  start();
  RawPeer slow(place(), 4'096);
  subscribe(slow);
  feed.deliver({std::string(kAll, 's')});
  wait_metric("tidegate_sends_blocked_total", 1);
  ASSERT_TRUE(edge->disconnect({}).ok());
  RawPeer other(place());
  other.upgrade();
  std::size_t taken = 0;
  for (int i = 0; i < 12; ++i) {
    clock.forward_steady(4s);
    auto ping = other.next();  // all connections have been looked at since the last one
    ASSERT_TRUE(ping);
    other.send(RawPeer::frame(10, ping->payload));
    const std::size_t before = taken;
    for (std::size_t got = 1; got > 0 && taken < before + (3 << 20); taken += got) got = slow.trickle(65'536);
  }
  for (std::size_t got = 1; got > 0; taken += got) got = slow.trickle(65'536);
  EXPECT_LT(taken, kAll);
}

TEST_P(WebSocketTest, APeerThatVanishesIsForgotten) {
  start();
  {
    RawPeer peer(place());
    subscribe(peer);
  }
  feed.wait_unsubscribed(1);
  wait_metric("tidegate_connections", 0);
  EXPECT_EQ(metric(R"(tidegate_connections_closed_total{code="1006"})"), 1);
}

TEST_P(WebSocketTest, AThousandPingsAgainstALargeBacklogGetAThousandPongs) {
  allow_backlog();
  start();
  RawPeer peer(place(), 16 << 10);
  subscribe(peer);
  const auto count = deliver_backlog();
  std::thread pinging([&] {
    for (int i = 0; i < 1'000; ++i) peer.send(RawPeer::frame(9, std::to_string(i)));
  });
  std::size_t data = 0;
  int pongs = 0;
  while (data < count || pongs < 1'000) {
    const auto frame = peer.next();
    ASSERT_TRUE(frame);
    if (frame->opcode == 10) {
      ASSERT_EQ(frame->payload, std::to_string(pongs++));
    } else {
      ASSERT_EQ(frame->opcode, 2);
      ASSERT_EQ(frame->payload[0], static_cast<char>('a' + data++ % 26));
    }
  }
  pinging.join();
}

TEST_P(WebSocketTest, AClosePeerGetsEverythingQueuedAndThenTheClose) {
  allow_backlog();
  start();
  RawPeer peer(place(), 16 << 10);
  subscribe(peer);
  const auto count = deliver_backlog();
  wait_metric("tidegate_frames_delivered_total", static_cast<double>(count));
  peer.send(RawPeer::frame(8, std::string("\x03\xe8", 2)));
  expect_backlog(peer, 0, count);
  EXPECT_EQ(peer.next()->close_code(), 1000);
  EXPECT_TRUE(peer.ended());
}

TEST_P(WebSocketTest, NothingFollowsTheCloseThatAnswersAPeers) {
  start();
  RawPeer peer(place());
  subscribe(peer);
  peer.send(RawPeer::frame(8, std::string("\x03\xe8", 2)));
  for (int i = 0; i < 50; ++i) feed.deliver({std::string(1'000, 'x')});
  auto frame = peer.next();
  while (frame && frame->opcode == 2) frame = peer.next();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->close_code(), 1000);
  EXPECT_FALSE(peer.next());
}

TEST_P(WebSocketTest, ADrainDeliversWhatIsQueuedAndClosesWith1012) {
  allow_backlog();
  options.drain = kPatience;
  start();
  RawPeer peer(place(), 16 << 10);
  subscribe(peer);
  const auto count = deliver_backlog();
  wait_metric("tidegate_frames_delivered_total", static_cast<double>(count));
  std::thread stopping([&] { edge->stop(); });
  expect_backlog(peer, 0, count);
  EXPECT_EQ(peer.next()->close_code(), 1012);
  peer.send(RawPeer::frame(8, std::string("\x03\xf4", 2)));
  EXPECT_TRUE(peer.ended());
  peer.finish();
  stopping.join();
  EXPECT_EQ(metric("tidegate_connections"), 0);
}

TEST_P(WebSocketTest, ADrainEndsInTimeThoughAPeerTakesNothing) {
  allow_backlog();
  options.drain = 200ms;
  start();
  RawPeer peer(place(), 16 << 10);
  subscribe(peer);
  deliver_backlog();
  RawPeer idle_http(place());
  const auto begin = std::chrono::steady_clock::now();
  edge->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
  EXPECT_EQ(metric("tidegate_connections"), 0);
  EXPECT_TRUE(idle_http.ended());
}

TEST_P(WebSocketTest, BothSidesMayCloseAtOnce) {
  start();
  RawPeer peer(place());
  subscribe(peer);
  std::thread stopping([&] { edge->stop(); });
  peer.send(RawPeer::frame(8, std::string("\x03\xe8", 2)));
  auto frame = peer.next();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->opcode, 8);
  EXPECT_FALSE(peer.next()) << "one Close, not two";
  peer.finish();
  stopping.join();
}

TEST_P(WebSocketTest, ASlowReaderDoesNotDelayOthers) {
  allow_backlog();
  start();
  RawPeer slow(place(), 16 << 10);
  subscribe(slow);
  RawPeer quick(place());
  subscribe(quick);
  const auto count = deliver_backlog();
  expect_backlog(quick, 0, count);
  quick.send(RawPeer::frame(1, kPing));
  EXPECT_EQ(quick.next()->payload, kPong);
  expect_backlog(slow, 0, count);
}

TEST_P(WebSocketTest, ASessionAboveTheHardLimitIsCut) {
  options.limits = {.connection = {}};  // what is shown is another bound
  hub.outbox_bytes_max = 1 << 20;
  hub.outbox_bytes_low = 1 << 10;
  hub.outbox_bytes_hard = 2 << 20;
  start();
  RawPeer peer(place(), 16 << 10);
  peer.upgrade();
  // Answers that nobody reads: pings of the application are control messages.
  std::thread pinging([&] {
    std::string many;
    for (int i = 0; i < 1'000; ++i) many += RawPeer::frame(1, "{x");
    for (int i = 0; i < 400; ++i) peer.send(many);
  });
  wait_metric(R"(tidegate_connections_closed_total{code="1013"})", 1);
  EXPECT_TRUE(peer.ended());
  pinging.join();
}

TEST_P(WebSocketTest, WhatArrivesTogetherLeavesTogether) {
  start();
  RawPeer peer(place());
  subscribe(peer);
  const double before = metric("tidegate_sends_total");
  feed.deliver(std::vector<std::string>(100, "record"));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(peer.next()->payload, "record");
  EXPECT_LE(metric("tidegate_sends_total") - before, 3);
}

TEST_P(WebSocketTest, WhatGoesToManyIsOneSystemCall) {
  start();
  // Where the kernel has no io_uring for us, and with TLS, each is a call of its own.
  const bool together = !GetParam() && transport::SendBatch::open() != nullptr;
  expect_batched(20, together ? 20 : 0);
}

TEST_P(WebSocketTest, WithoutIoUringEachSendIsACall) {
  options.no_io_uring = true;
  start();
  expect_batched(20, 0);
}

TEST_P(WebSocketTest, ShardsShareOnePortAndCountTheirBacklogs) {
  options.shards = 4;
  start();
  std::vector<std::unique_ptr<Listener>> listeners;
  for (int i = 0; i < 64; ++i) {
    listeners.push_back(connect({"json"}));
    listeners.back()->client().send_text(kSubscribe);
  }
  const auto commands = feed.wait_live(64);
  std::vector<int> shards(4);
  for (const auto& command : commands) ++shards.at(feed::shard_of(command.subscription));
  EXPECT_EQ(std::count(shards.begin(), shards.end(), 0), 0) << "with 64 connections each of 4 has some";
  feed.deliver({"for all"});
  for (auto& listener : listeners) {
    listener->expect("ack");
    listener->expect("snapshot");
    EXPECT_EQ(listener->next(), "for all");
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(feed.backlog(i), 0u);
}

TEST_P(WebSocketTest, APortThatIsTakenIsAnErrorThatNamesIt) {
  start();
  Options second = options;
  second.port = edge->port();
  Edge other({clock, metrics, [](feed::Command) { return true; }, {}}, second, hub, auth);
  const auto started = other.start();
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find(std::to_string(edge->port())), std::string::npos);
  second.address = "localhost.";
  Edge nowhere({clock, metrics, [](feed::Command) { return true; }, {}}, second, hub, auth);
  EXPECT_FALSE(nowhere.start().ok());
}

INSTANTIATE_TEST_SUITE_P(Of, WebSocketTest, ::testing::Bool(),
                         [](const auto& one) { return one.param ? "Tls" : "Plain"; });

}  // namespace
}  // namespace tidegate::session::testing
