// Rule 15, a gateway's side: leases are renewed in time, or everything is taken as ended.

#include "feed/control.h"

#include <gtest/gtest.h>

#include "feed/testing.h"

namespace tidegate::feed {
namespace {

using namespace std::chrono_literals;

/// A control topic with leases, whose acknowledgements may be withheld.
class LeasingRegistry final : public registry::Registry {
 public:
  void append(registry::ControlRecord record, Appended done) override {
    if (const auto* lease = std::get_if<registry::Lease>(&record)) leases_sent.push_back(*lease);
    if (const auto* registration = std::get_if<registry::Registration>(&record))
      registrations.push_back(*registration);
    direct_.append(std::move(record), [this, done](const Result<Offset>& stored) {
      if (withheld) return held.push_back([done, stored] { done(stored); });
      done(fails ? Result<Offset>(Error{with, "no broker"}) : stored);
    });
  }
  Result<std::unique_ptr<registry::Following>> follow(OnEntry on_entry, OnCaughtUp on_caught_up) override {
    return direct_.follow(std::move(on_entry), std::move(on_caught_up));
  }
  [[nodiscard]] bool leases() const override { return true; }

  std::atomic<bool> withheld{false};
  std::atomic<bool> fails{false};
  std::atomic<Fault> with{Fault::unavailable};
  std::vector<std::function<void()>> held;
  std::vector<registry::Lease> leases_sent;
  std::vector<registry::Registration> registrations;

 private:
  registry::DirectRegistry direct_;
};

class ControlTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(control.start(10s).ok()); }
  /// Looks as often as the feed does.
  bool lost_within(std::chrono::milliseconds time) {
    bool lost = false;
    for (std::chrono::milliseconds passed{0}; passed < time; passed += 100ms) {
      clock.advance(100ms);
      lost |= control.renew();
    }
    return lost;
  }

  LeasingRegistry registry;
  ManualClock clock;
  Options options;
  Control control{registry, clock, options, [] {}};
};

TEST_F(ControlTest, rule_15_one_record_renews_the_lease_each_third_of_it) {
  EXPECT_EQ(registry.leases_sent.size(), 1u) << "at the start";
  control.enlist("a", "{}");
  control.enlist("b", "{}");
  EXPECT_FALSE(lost_within(options.lease));
  EXPECT_EQ(registry.leases_sent.size(), 3u);
  EXPECT_EQ(registry.leases_sent.front().incarnation, registry.leases_sent.back().incarnation);
}

TEST_F(ControlTest, rule_15_who_could_not_renew_for_half_a_lease_takes_a_new_incarnation) {
  control.enlist("a", "{}");
  registry.withheld = true;
  EXPECT_FALSE(lost_within(options.lease / 2));
  EXPECT_TRUE(lost_within(200ms));
  control.enlist("a", "{}");
  ASSERT_EQ(registry.registrations.size(), 2u);
  EXPECT_NE(registry.registrations[0].incarnation, registry.registrations[1].incarnation);
  EXPECT_EQ(registry.leases_sent.back().incarnation, registry.registrations[1].incarnation);
}

TEST_F(ControlTest, rule_15_a_renewal_counts_from_when_it_was_sent_not_from_its_answer) {
  // A process that is stopped between the two must not take the time as covered.
  registry.withheld = true;
  EXPECT_FALSE(lost_within(options.lease / 3 + 100ms));
  ASSERT_EQ(registry.held.size(), 1u);
  clock.advance(options.lease);
  registry.held.front()();
  EXPECT_TRUE(control.renew());
}

TEST_F(ControlTest, rule_15_a_failed_registration_is_said_again) {
  registry.fails = true;
  control.enlist("a", "{}");
  const auto failed = control.take_failed();
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed.front().routing_key, "a");
  EXPECT_FALSE(failed.front().too_large);
  EXPECT_TRUE(control.take_failed().empty());
  registry.with = Fault::invalid;
  control.enlist("b", "{}");
  EXPECT_TRUE(control.take_failed().at(0).too_large);
}

TEST_F(ControlTest, rule_10_a_control_topic_that_takes_nothing_any_more_is_lost) {
  registry.fails = true;
  control.enlist("a", "{}");
  EXPECT_FALSE(control.failure()) << "what passes by itself is said again";
  registry.with = Fault::fatal;
  EXPECT_FALSE(lost_within(options.lease / 3));
  ASSERT_TRUE(control.failure());
  EXPECT_EQ(control.failure()->fault, Fault::lost) << "so that the gateway begins anew";
}

TEST_F(ControlTest, rule_15_a_gateway_that_leaves_in_order_ends_its_lease) {
  control.leave();
  EXPECT_TRUE(registry.leases_sent.back().ended);
}

/// The whole feed, stepped, so that it looks at each time that the clock shows.
TEST(LeaseTest, rule_15_a_lost_lease_resets_every_channel_and_registers_anew) {
  LeasingRegistry registry;
  log::MemoryLog log(1, std::size_t{64} << 20);
  ScriptedSource source;
  ManualClock clock;
  metrics::Registry metrics;
  TestShard shard;
  registry.append(registry::EpochBound{Epoch(1), {"system", 1, "shop"}, "slot", 1},
                  [](const Result<Offset>&) {});
  Feed feed(Parts{log, &registry, &source, clock, metrics, {shard.port()}}, Options{});
  ASSERT_TRUE(feed.start().ok());
  const auto next = [&] {
    while (shard.empty()) EXPECT_TRUE(feed.step(1ms).ok());
    return shard.next();
  };
  const auto query = query_for(1);
  const SubscriptionId id = subscription_id(0, 1);
  EXPECT_TRUE(feed.post(SubscribeCommand{id, "k", query, protocol::Encoding::v1, {}, {}}));
  EXPECT_TRUE(std::holds_alternative<Accepted>(next()));
  const auto appender = std::move(*log.open_appender());
  const auto append = [&](log::Kind kind, const std::string& key, std::string value) {
    log::Append record{Partition(0), key, std::move(value), {}};
    record.headers.kind = kind;
    record.headers.lsn = Lsn(100);
    record.headers.epoch = Epoch(1);
    record.headers.generation = Generation(1);
    EXPECT_TRUE(appender->append(std::move(record)).ok());
  };
  append(log::Kind::active, "k",
         R"({"activation":"0000000000000abc","r":"100","query":")" + query->hash().hex() + R"("})");
  append(log::Kind::progress, "progress", R"({"position":"100","visible":"100","time_us":1})");
  source.release({.fence = {Lsn(100), std::nullopt}});
  while (!std::holds_alternative<SnapshotReady>(next())) {
  }
  registry.withheld = true;
  std::optional<Accepted> again;
  for (int i = 0; i < 200 && !again; ++i) {
    clock.advance(100ms);
    EXPECT_TRUE(feed.step(0ms).ok());
    while (!shard.empty()) {
      const Event event = shard.next();
      if (const auto* accepted = std::get_if<Accepted>(&event)) again = *accepted;
    }
  }
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->unsolicited);
  ASSERT_EQ(registry.registrations.size(), 2u);
  EXPECT_NE(registry.registrations[0].incarnation, registry.registrations[1].incarnation);
}

}  // namespace
}  // namespace tidegate::feed
