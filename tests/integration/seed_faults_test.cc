// The seed's faults A to L: each test shows, with the real broker and the real binary, that ours does better.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/encoding.h"
#include "integration/upstream.h"
#include "rig/postgres.h"

namespace tidegate::test {
namespace {

auto* const broker = static_cast<Broker*>(testing::AddGlobalTestEnvironment(new Broker));

using Values = std::vector<std::string>;

class SeedFaults : public testing::Test {
 protected:
  Upstream upstream{broker->get()};
  client::Loop loop;
};

client::Settings offering(std::vector<std::string> subprotocols) {
  client::Settings settings;
  settings.subprotocols = std::move(subprotocols);
  return settings;
}

Values numbers(int from, int to) {
  Values all;
  for (int i = from; i <= to; ++i) all.push_back(std::to_string(i));
  return all;
}

TEST_F(SeedFaults, fault_a_the_handshake_works) {
  const auto gateway = upstream.serve();
  SeedClient plain(loop, gateway->port());
  EXPECT_EQ(plain.wait_open(), "") << plain.failure();
  SeedClient json(loop, gateway->port(), offering({"json"}));
  EXPECT_EQ(json.wait_open(), "json") << json.failure();
  SeedClient bearer(loop, gateway->port(), offering({"bearer.abc"}));
  EXPECT_EQ(bearer.wait_open(), "bearer.abc") << bearer.failure();
  SeedClient both(loop, gateway->port(), offering({"bearer.abc", "json"}));
  EXPECT_EQ(both.wait_open(), "json")
      << "a token is no protocol: nothing repeats it where another was offered";
  for (SeedClient* client : {&plain, &json, &bearer, &both}) EXPECT_TRUE(client->settle());
}

TEST_F(SeedFaults, fault_b_the_header_lsn_is_read) {
  const auto gateway = upstream.serve({"--shards", "1"});
  Mark mark(loop, gateway->port(), upstream);
  // All eight bytes, and above what a JSON number can hold.
  const std::uint64_t lsn = 0xfedcba9876543210;
  upstream.produce("other", lsn, "warm");
  ASSERT_TRUE(mark.passed());
  SeedClient client(loop, gateway->port());
  ASSERT_TRUE(client.subscribed("k"));
  EXPECT_EQ(client.texts().back(), seed_snapshot("k", std::to_string(lsn)));
  upstream.produce("k", lsn + 1, "delivered");
  ASSERT_TRUE(client.wait_binaries(1));
  EXPECT_EQ(client.binaries(), Values({"delivered"}));
}

TEST_F(SeedFaults, fault_c_a_json_scalar_harms_nobody) {
  const auto gateway = upstream.serve();
  SeedClient bystander(loop, gateway->port());
  ASSERT_TRUE(bystander.subscribed("k"));
  SeedClient odd(loop, gateway->port());
  const Values messages{"null",
                        "true",
                        "7",
                        "-0.5e3",
                        R"("text")",
                        "[null]",
                        R"({"op":null})",
                        R"({"op":["ping"]})",
                        R"({"__proto__":null})"};
  for (const std::string& message : messages) odd.send(message);
  ASSERT_TRUE(odd.wait_count(messages.size())) << odd.failure();
  EXPECT_EQ(odd.texts(), Values(messages.size(), seed_error("bad_op", "unknown message")));
  const Values broken{"", " ", "nul", R"({"op":"ping")", R"("\ud800")", std::string(100'000, '[')};
  for (const std::string& message : broken) odd.send(message);
  ASSERT_TRUE(odd.wait_count(messages.size() + broken.size())) << odd.failure();
  EXPECT_EQ(odd.texts().back(), seed_error("bad_json", "invalid JSON"));
  EXPECT_TRUE(odd.settle());
  upstream.produce("k", 1, "alive");
  EXPECT_TRUE(bystander.wait_binaries(1));
  EXPECT_TRUE(gateway->process().running());
}

/// Values of 64 KiB that begin with their number.
class SlowClient : public SeedFaults {
 protected:
  static constexpr int kMessages = 400;
  static inline const std::string kOverflow = seed_error("overflow", "reset-to-snapshot");

  void produce_all() {
    for (int i = 1; i <= kMessages; ++i) {
      std::string value = std::to_string(i) + " ";
      value.resize(64 << 10, 'x');
      upstream.queue("k", static_cast<std::uint64_t>(i), value);
    }
    upstream.flush();
  }
  static Values numbers_in(const std::vector<std::string>& values) {
    Values numbers;
    for (const std::string& value : values) numbers.push_back(value.substr(0, value.find(' ')));
    return numbers;
  }
  /// Up to which number everything was given, or a snapshot said that it would not be. Fails where something
  /// is doubled or missing, but behind an overflow, which a snapshot follows at once. There may be several: a
  /// gateway that is behind itself says how far it is, and more than once.
  static int told_up_to(const std::vector<Received>& received) {
    int last = 0;
    bool overflow = false;
    for (const Received& one : received) {
      if (!one.text) {
        EXPECT_FALSE(overflow) << "no snapshot at once";
        EXPECT_EQ(numbers_in({one.bytes}), Values({std::to_string(++last)})) << "a gap, or a double";
      } else if (overflow) {
        while (last <= kMessages && one != text(seed_snapshot("k", std::to_string(last)))) ++last;
        EXPECT_LE(last, kMessages) << one.bytes;
        overflow = false;
      } else {
        overflow = one.bytes == kOverflow;
      }
    }
    return overflow ? -1 : last;
  }
  static client::Settings small_buffer() {
    client::Settings settings;
    settings.receive_buffer_bytes = 4'096;
    return settings;
  }
};

TEST_F(SlowClient, fault_d_who_stops_reading_gets_each_message_once_in_order_when_it_reads_again) {
  const auto gateway = upstream.serve();
  SeedClient slow(loop, gateway->port(), small_buffer());
  ASSERT_TRUE(slow.subscribed("k")) << slow.failure();
  SeedClient quick(loop, gateway->port());
  ASSERT_TRUE(quick.subscribed("k"));
  slow.pause_reading();
  produce_all();
  ASSERT_TRUE(quick.wait_binaries(kMessages)) << "nobody waits for a slow client";
  EXPECT_LT(slow.binaries().size(), static_cast<std::size_t>(kMessages));
  EXPECT_GE(gateway->metric("tidegate_lagging_total"), 1) << "its outbox was full";
  slow.resume_reading();
  ASSERT_TRUE(slow.wait_binaries(kMessages)) << slow.failure();
  upstream.produce("k", kMessages + 1, std::to_string(kMessages + 1) + " ");
  ASSERT_TRUE(slow.wait_binaries(kMessages + 1));
  EXPECT_TRUE(slow.settle());
  EXPECT_EQ(numbers_in(slow.binaries()), numbers(1, kMessages + 1));
  EXPECT_EQ(slow.texts(), Values({seed_ack("k"), seed_snapshot("k", "0"), kSeedPong}))
      << "no overflow where nothing was lost, and never a diffB64 that was not asked for";
}

TEST_F(SlowClient, fault_d_what_the_gateway_no_longer_holds_is_announced_and_followed_by_a_snapshot) {
  const auto gateway = upstream.serve({"--tail-bytes-max", "2MiB"});
  SeedClient slow(loop, gateway->port(), small_buffer());
  ASSERT_TRUE(slow.subscribed("k")) << slow.failure();
  slow.pause_reading();
  produce_all();
  // A client that reads may fall behind such a tail as well, so the gateway's own count says when it has read
  // all.
  ASSERT_TRUE(rig::eventually([&] { return gateway->metric("tidegate_feed_records_total") >= kMessages; }));
  slow.resume_reading();
  ASSERT_TRUE(slow.wait_text(kOverflow)) << slow.failure();
  ASSERT_TRUE(rig::eventually([&] { return told_up_to(slow.received()) == kMessages; })) << slow.failure();
  upstream.produce("k", kMessages + 1, std::to_string(kMessages + 1) + " ");
  ASSERT_TRUE(rig::eventually([&] { return !slow.received().back().text; }));
  EXPECT_EQ(told_up_to(slow.received()), kMessages + 1);
}

TEST_F(SeedFaults, fault_e_keys_are_compared_whole) {
  const auto gateway = upstream.serve({"--shards", "1"});
  Mark mark(loop, gateway->port(), upstream);
  SeedClient seven(loop, gateway->port());
  SeedClient longer(loop, gateway->port());
  ASSERT_TRUE(seven.subscribed("7"));
  ASSERT_TRUE(longer.subscribed("q00007"));
  upstream.produce("7", 1, "for 7");
  upstream.produce("q00007", 2, "for q00007");
  upstream.produce("07", 3, "for 07");
  upstream.produce("70", 4, "for 70");
  ASSERT_TRUE(mark.passed(seven));
  ASSERT_TRUE(longer.settle());
  EXPECT_EQ(seven.binaries(), Values({"for 7"}));
  EXPECT_EQ(longer.binaries(), Values({"for q00007"}));
}

TEST_F(SeedFaults, fault_f_all_records_of_one_lsn_arrive) {
  const auto gateway = upstream.serve({"--shards", "1"});
  Mark mark(loop, gateway->port(), upstream);
  SeedClient client(loop, gateway->port());
  ASSERT_TRUE(client.subscribed("k"));
  for (const char* value : {"a", "b", "c"}) upstream.produce("k", 10, value);
  upstream.produce("k", 11, "d");
  ASSERT_TRUE(mark.passed(client));
  EXPECT_EQ(client.binaries(), Values({"a", "b", "c", "d"}));
}

TEST_F(SeedFaults, fault_f_what_cant_be_placed_is_counted_and_dropped) {
  const auto gateway = upstream.serve({"--shards", "1"});
  Mark mark(loop, gateway->port(), upstream);
  SeedClient client(loop, gateway->port());
  ASSERT_TRUE(client.subscribed("k"));
  upstream.produce_raw("k", std::nullopt, "no header");
  upstream.produce_raw("k", std::string(7, '\1'), "seven bytes");
  upstream.produce_raw("k", std::string(9, '\1'), "nine bytes");
  upstream.produce_raw("k", "", "no bytes");
  upstream.produce_raw("k", lsn_bytes(5), std::nullopt);
  upstream.produce_raw("", lsn_bytes(6), "an empty key");
  upstream.produce_raw(std::nullopt, lsn_bytes(7), "no key");
  upstream.produce("k", 10, "good");
  upstream.produce("k", 11, "");  // empty, but a value
  ASSERT_TRUE(mark.passed(client));
  EXPECT_EQ(client.binaries(), Values({"good", ""}));
  const std::string metrics = gateway->metrics();
  for (const char* line : {R"(tidegate_feed_dropped_total{reason="malformed"} 4)",
                           R"(tidegate_feed_dropped_total{reason="tombstone"} 1)",
                           R"(tidegate_feed_dropped_total{reason="keyless"} 2)"}) {
    EXPECT_NE(metrics.find(line), std::string::npos) << line;
  }
}

TEST_F(SeedFaults, fault_g_a_late_lower_lsn_of_another_key_hides_nothing) {
  const auto gateway = upstream.serve({"--shards", "1"});
  Mark mark(loop, gateway->port(), upstream);
  upstream.produce("ahead", 1'000, "warm");
  ASSERT_TRUE(mark.passed());
  SeedClient client(loop, gateway->port());
  ASSERT_TRUE(client.subscribed("k"));
  EXPECT_EQ(client.texts().back(), seed_snapshot("k", "1000"));
  upstream.produce("k", 500, "late and lower");
  upstream.produce("k", 501, "the next");
  ASSERT_TRUE(mark.passed(client));
  EXPECT_EQ(client.binaries(), Values({"late and lower", "the next"}));
}

class Resume : public SeedFaults {
 protected:
  /// LSNs 1 to 100 on `k`, each between records of other keys.
  void fill() {
    for (int i = 1; i <= 100; ++i) {
      upstream.queue("k", static_cast<std::uint64_t>(i), std::to_string(i));
      for (int other = 0; other < 5; ++other) {
        upstream.queue("other" + std::to_string(other), static_cast<std::uint64_t>(i), "no");
      }
    }
    upstream.flush();
  }
  /// What a resume from `from` brings, in order: everything above it once, and then the live stream.
  void expect_exact(int port, const std::string& extra, int from) {
    SCOPED_TRACE(extra);
    SeedClient client(loop, port);
    ASSERT_TRUE(client.subscribed("k", extra)) << client.failure();
    ASSERT_TRUE(client.wait_binaries(static_cast<std::size_t>(last_ - from)));
    ++last_;
    upstream.produce("k", static_cast<std::uint64_t>(last_), std::to_string(last_));
    ASSERT_TRUE(client.wait_binaries(static_cast<std::size_t>(last_ - from)));
    EXPECT_EQ(client.binaries(), numbers(from + 1, last_));
    EXPECT_EQ(client.texts(), Values({seed_ack("k"), seed_snapshot("k", std::to_string(from))}));
  }
  int last_ = 100;
};

TEST_F(Resume, fault_h_a_resume_behind_the_head_gets_what_it_missed_also_right_after_a_start) {
  fill();
  const auto gateway = upstream.serve();
  expect_exact(gateway->port(), R"(,"resumeFromVersion":40)", 40);
  EXPECT_EQ(gateway->metric("tidegate_feed_resumes_held_total"), 1);
  expect_exact(gateway->port(), R"(,"resumeFromVersion":"99")", 99);
  expect_exact(gateway->port(), R"(,"cursor":{"lsn":"7"})", 7);
  expect_exact(gateway->port(), R"(,"resumeFromVersion":0)", 0);
}

TEST_F(Resume, fault_h_a_resume_holds_where_the_topic_ends_in_a_transactions_marker) {
  rig::KafkaProducer producer(broker->get().brokers(), upstream.topic() + "-writer");
  for (last_ = 0; last_ < 40; ++last_) {
    const auto lsn = static_cast<std::uint64_t>(last_ + 1);
    producer.begin();
    producer.produce({.topic = upstream.topic(),
                      .key = "k",
                      .value = std::to_string(lsn),
                      .headers = {{"lsn", lsn_bytes(lsn)}}});
    producer.commit();
  }
  const auto gateway = upstream.serve();
  expect_exact(gateway->port(), R"(,"resumeFromVersion":25)", 25);
  EXPECT_EQ(gateway->metric("tidegate_feed_resumes_held_total"), 1);
}

TEST_F(Resume, fault_h_a_resume_holds_at_another_gateway) {
  const auto first = upstream.serve();
  {
    SeedClient client(loop, first->port());
    ASSERT_TRUE(client.subscribed("k"));
    fill();
    ASSERT_TRUE(client.wait_binaries(100));
  }
  expect_exact(first->port(), R"(,"resumeFromVersion":100)", 100);
  const auto second = upstream.serve();
  expect_exact(second->port(), R"(,"resumeFromVersion":60)", 60);
  expect_exact(first->port(), R"(,"resumeFromVersion":60)", 60);
}

TEST_F(Resume, fault_h_what_retention_took_is_announced_and_followed_by_an_empty_snapshot) {
  fill();
  broker->get().delete_records_below(upstream.topic(), 0, 300);  // LSNs up to 50
  const auto gateway = upstream.serve();
  SeedClient client(loop, gateway->port());
  client.subscribe("k", R"(,"resumeFromVersion":10)");
  ASSERT_TRUE(client.wait_count(3)) << client.failure();
  upstream.produce("k", 101, "live");
  ASSERT_TRUE(client.wait_binaries(1));
  EXPECT_EQ(client.received(),
            std::vector<Received>({text(seed_ack("k")), text(seed_error("overflow", "reset-to-snapshot")),
                                   text(seed_snapshot("k", "100")), binary("live")}));
  last_ = 101;
  SeedClient later(loop, gateway->port());
  ASSERT_TRUE(later.subscribed("k", R"(,"resumeFromVersion":70)"));
  ASSERT_TRUE(later.wait_binaries(31));
  Values expected = numbers(71, 100);
  expected.emplace_back("live");
  EXPECT_EQ(later.binaries(), expected) << "what retention left is replayed as ever";
}

TEST_F(SeedFaults, fault_i_two_gateways_of_one_group_each_give_everything) {
  Upstream wide(broker->get(), 4);
  const auto first = wide.serve({"--shards", "1"});
  const auto second = wide.serve({"--shards", "1"});
  Mark first_mark(loop, first->port(), wide, 4);
  Mark second_mark(loop, second->port(), wide, 4);
  SeedClient one(loop, first->port());
  SeedClient two(loop, second->port());
  Values expected;
  for (int key = 0; key < 8; ++key) {
    ASSERT_TRUE(one.subscribed("k" + std::to_string(key)));
    ASSERT_TRUE(two.subscribed("k" + std::to_string(key)));
  }
  for (int i = 1; i <= 200; ++i) {
    expected.push_back(std::to_string(i));
    wide.queue("k" + std::to_string(i % 8), static_cast<std::uint64_t>(i), std::to_string(i));
  }
  wide.flush();
  ASSERT_TRUE(first_mark.passed(one));
  ASSERT_TRUE(second_mark.passed(two));
  std::sort(expected.begin(), expected.end());
  for (SeedClient* client : {&one, &two}) {
    Values got = client->binaries();  // between partitions there is no order
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, expected);
  }
}

TEST_F(SeedFaults, fault_j_what_a_client_claims_to_be_gives_it_nothing) {
  const auto gateway = upstream.serve({"--shards", "1"});
  EXPECT_NE(gateway->output().find("nobody is verified"), std::string::npos);
  Mark mark(loop, gateway->port(), upstream);
  client::Settings claims = offering({"json", "bearer.admin"});
  claims.headers = {{"x-tenant", "acme"}, {"x-user", "admin"}, {"authorization", "Bearer admin"}};
  SeedClient claimant(loop, gateway->port(), claims);
  SeedClient nobody(loop, gateway->port());
  for (SeedClient* client : {&claimant, &nobody}) {
    ASSERT_TRUE(client->subscribed("k")) << client->failure();
  }
  upstream.produce("k", 1, "for whoever asks");
  upstream.produce("acme", 2, "no");
  upstream.produce("acme:k", 3, "no");
  ASSERT_TRUE(mark.passed(claimant));
  ASSERT_TRUE(nobody.settle());
  EXPECT_EQ(claimant.received(), nobody.received()) << "the same with and without claims";
  EXPECT_EQ(claimant.binaries(), Values({"for whoever asks"}));
  EXPECT_EQ(gateway->output().find("admin"), std::string::npos) << "and its token is in no log";
}

TEST_F(SeedFaults, fault_j_with_a_template_records_of_another_tenant_do_not_arrive) {
  const auto gateway = upstream.serve({"--shards", "1", "--key-template", "{tenant}:{table}:{hashId}"});
  EXPECT_NE(gateway->output().find("x-tenant"), std::string::npos) << "a claim, says the log";
  const auto of = [](const std::string& tenant) {
    client::Settings settings = offering({"json", "bearer.other"});
    if (!tenant.empty()) settings.headers = {{"x-tenant", tenant}};
    return settings;
  };
  SeedClient acme(loop, gateway->port(), of("acme"));
  SeedClient other(loop, gateway->port(), of("other"));
  SeedClient none(loop, gateway->port(), of(""));
  for (SeedClient* client : {&acme, &other, &none}) ASSERT_TRUE(client->subscribed("k"));
  upstream.produce("acme:t:k", 1, "acme's");
  upstream.produce("demo:t:k", 2, "the seed's default tenant's");
  upstream.produce("k", 3, "nobody's");
  upstream.produce("other:t:k", 4, "other's");
  upstream.produce(":t:k", 5, "of no tenant");
  ASSERT_TRUE(none.wait_binaries(1));  // the last that was produced
  for (SeedClient* client : {&acme, &other, &none}) ASSERT_TRUE(client->settle());
  EXPECT_EQ(acme.binaries(), Values({"acme's"}));
  EXPECT_EQ(other.binaries(), Values({"other's"}));
  EXPECT_EQ(none.binaries(), Values({"of no tenant"}));
}

TEST_F(SeedFaults, fault_k_no_fetch_waits_for_more) {
  // A broker that may wait for more takes longer than this test: so it must not be asked to.
  static_assert(SeedClient::kPatience < std::chrono::milliseconds(290'000));
  const auto gateway = upstream.serve({"--kafka-property", "fetch.wait.max.ms=290000", "--kafka-property",
                                       "socket.timeout.ms=300000", "--shards", "1"});
  SeedClient client(loop, gateway->port());
  ASSERT_TRUE(client.subscribed("k"));
  upstream.produce("k", 1, "small and alone");
  EXPECT_TRUE(client.wait_binaries(1));
  EXPECT_EQ(client.binaries(), Values({"small and alone"}));
}

TEST_F(SeedFaults, fault_l_a_record_looks_at_its_own_subscribers_only) {
  constexpr int kSessions = 2'000;
  const auto gateway = upstream.serve({"--shards", "1"});
  std::vector<std::unique_ptr<SeedClient>> sessions;
  for (int i = 0; i < kSessions; ++i) {
    sessions.push_back(std::make_unique<SeedClient>(loop, gateway->port()));
    sessions.back()->subscribe("q" + std::to_string(i));
  }
  for (const auto& session : sessions) ASSERT_TRUE(session->wait_count(2)) << session->failure();
  const double before = gateway->metric("tidegate_subscriptions_probed_total");
  upstream.produce("q1234", 1, "one");
  ASSERT_TRUE(sessions[1'234]->wait_binaries(1));
  EXPECT_EQ(gateway->metric("tidegate_subscriptions"), kSessions);
  EXPECT_EQ(gateway->metric("tidegate_subscriptions_probed_total"), before + 1);
  EXPECT_EQ(gateway->metric("tidegate_frames_delivered_total"), 1);
}

TEST_F(SeedFaults, base64_frames_come_to_who_asks_for_them) {
  const auto gateway = upstream.serve();
  SeedClient client(loop, gateway->port());
  ASSERT_TRUE(client.subscribed("k", R"(,"frames":"base64")"));
  const std::string value("\x00\xff\x7f", 3);
  upstream.produce("k", 1, value);
  ASSERT_TRUE(client.wait_count(3));
  EXPECT_EQ(client.texts().back(),
            R"({"op":"diffB64","hashId":"k","b64":")" + base64_encode(value) + R"("})");
  EXPECT_TRUE(client.binaries().empty());
}

}  // namespace
}  // namespace tidegate::test
