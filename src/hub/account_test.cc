// What a session's account does to it. Invariants:
// 1. who shares an account that is over is held back; nobody else is;
// 2. nothing is lost or doubled, and who reads comes to the end.
#include <memory>
#include <set>

#include "hub/testing.h"

namespace tidegate::hub {
namespace {

using protocol::Encoding;

/// Sessions that share what they may hold, and what they owe.
struct Shared {
  explicit Shared(std::size_t held_max) : held(std::make_shared<Budget>(held_max)) {}
  std::shared_ptr<Budget> held;
  std::size_t rows = 0;
  std::size_t replayed = 0;
  bool owes = false;
  int waiting = 0;
};

class SharedAccount final : public Account {
 public:
  explicit SharedAccount(Shared& shared) : shared_(shared), own_(shared.held) {}
  void owe_reading(std::chrono::nanoseconds, Steady) override {}
  void owe_rows(std::size_t rows, Steady) override { shared_.rows += rows; }
  void owe_replayed(std::size_t bytes, Steady) override { shared_.replayed += bytes; }
  [[nodiscard]] bool may_replay(Steady) override { return !shared_.owes; }
  void hold_own(std::size_t bytes) override { own_.set(bytes); }
  [[nodiscard]] std::shared_ptr<const void> hold(std::shared_ptr<const void> snapshot, std::size_t) override {
    return snapshot;
  }
  [[nodiscard]] bool holds_too_much() const override { return shared_.held->excess() > 0; }
  void count_waiting(Steady) override { ++shared_.waiting; }

 private:
  Shared& shared_;
  Charge own_;
};

class AccountTest : public HubTest {
 protected:
  SessionId open(Shared& shared) { return hub->open({.v1 = true}, std::make_shared<SharedAccount>(shared)); }
  /// A snapshot of so many parts of 10 kB in a file.
  static std::shared_ptr<const feed::Spool> in_file(std::size_t parts) {
    auto spool = std::make_shared<feed::Spool>(feed::SpoolRoom{.memory_bytes = 0, .directory = "/var/tmp"});
    for (std::size_t i = 0; i < parts; ++i)
      EXPECT_TRUE(spool->append(",\"rows\":[" + std::string(10'000, ' ') + "]}", 3).ok());
    return spool;
  }
  void give(SubscriptionId id, std::shared_ptr<const feed::Spool> spool) {
    feed::SnapshotReady event;
    event.subscriptions = {id};
    event.spool = std::move(spool);
    hub->on_event(event);
  }
  static std::size_t snapshots(const std::vector<std::string>& texts) {
    std::size_t count = 0;
    for (const std::string& text : texts) count += text.find("\"snapshot\"") != std::string::npos ? 1 : 0;
    return count;
  }
};

TEST_F(AccountTest,
       trust_who_shares_what_is_full_has_a_snapshot_a_part_at_a_time_and_others_have_it_at_once) {
  constexpr std::size_t kParts = 10;
  make({});
  Shared crowd(50'000);
  Shared other(50'000'000);
  std::vector<SessionId> sessions;
  for (int i = 0; i < 10; ++i) {
    sessions.push_back(open(crowd));
    const SubscriptionId id = subscribe(sessions.back(), "a");
    accept(id);
    give(id, in_file(kParts));
  }
  EXPECT_LT(crowd.held->used(), 50'000U + 10 * 11'000U) << "one part each, and what came before it was full";
  EXPECT_GT(crowd.waiting, 0);
  EXPECT_EQ(crowd.rows, 10 * kParts * 3);
  const SessionId stranger = open(other);
  const SubscriptionId id = subscribe(stranger, "a");
  accept(id);
  give(id, in_file(kParts));
  EXPECT_EQ(snapshots(read(stranger)), kParts);
  EXPECT_EQ(other.waiting, 0);
  // Those who read come to the end, though the first of them never does.
  std::map<SessionId, std::size_t> got;
  for (int turn = 0; turn < 50; ++turn) {
    for (std::size_t i = 1; i < sessions.size(); ++i) {
      const auto texts = read(sessions[i]);
      got[sessions[i]] += snapshots(texts);
      if (!texts.empty()) hub->written(sessions[i]);
    }
  }
  for (std::size_t i = 1; i < sessions.size(); ++i) EXPECT_EQ(got[sessions[i]], kParts);
}

TEST_F(AccountTest, trust_who_holds_too_much_goes_back_to_its_place_and_loses_nothing) {
  make({});
  Shared crowd(20'000);
  Shared other(50'000'000);
  const SessionId slow = open(crowd);
  const SessionId stranger = open(other);
  const SubscriptionId id = live(slow, "a", Encoding::json);
  live(stranger, "a", Encoding::json);
  constexpr std::size_t kRecords = 2'000;  // each with a head of its own
  std::vector<feed::FrameRun> log;
  for (std::uint64_t seq = 1; seq <= kRecords; ++seq) {
    log.push_back(run(1, seq, {"," + std::to_string(seq) + "}"}));
    deliver(log.back());
    static_cast<void>(hub->take_dirty());
    EXPECT_LT(hub->outbox(slow).own_bytes(), 30'000U);
  }
  EXPECT_GT(crowd.waiting, 0);
  EXPECT_EQ(other.waiting, 0);
  EXPECT_EQ(read(stranger).size(), kRecords) << "none of its was dropped";
  std::vector<std::string> diffs;
  for (int turn = 0; turn < 1'000 && diffs.size() < kRecords; ++turn) {
    const auto texts = read(slow);
    for (const std::string& text : texts)
      if (text.find("\"diff\"") != std::string::npos) diffs.push_back(text);
    hub->written(slow);
    hub->tick();
    const auto asked = commands_of<feed::CatchUpCommand>();
    if (asked.empty()) continue;
    const std::uint64_t after = asked.back().after.value();
    const std::uint64_t up_to = std::min<std::uint64_t>(kRecords, after + 100);
    std::vector<feed::FrameRun> runs(log.begin() + static_cast<std::ptrdiff_t>(after),
                                     log.begin() + static_cast<std::ptrdiff_t>(up_to));
    feed::CaughtUp answer{id, asked.back().after, std::move(runs), FeedSeq(up_to), up_to == kRecords};
    commands.clear();
    hub->on_event(answer);
    static_cast<void>(hub->take_dirty());
  }
  ASSERT_EQ(diffs.size(), kRecords);
  for (std::size_t i = 0; i < kRecords; ++i)
    EXPECT_NE(diffs[i].find("," + std::to_string(i + 1) + "}"), std::string::npos) << diffs[i];
}

TEST_F(AccountTest, trust_what_was_missed_waits_while_it_owes) {
  make({});
  Shared debtor(50'000'000);
  Shared other(50'000'000);
  const SessionId one = open(debtor);
  const SessionId two = open(other);
  const SubscriptionId of_one = subscribe(one, "a");
  accept(of_one);
  debtor.owes = true;
  snapshot({of_one}, 0);
  hub->tick();
  EXPECT_TRUE(commands_of<feed::CatchUpCommand>().empty()) << "it would ask for what came after its snapshot";
  EXPECT_GT(debtor.waiting, 0);
  live(two, "a", Encoding::v1, 1, "k2");
  EXPECT_EQ(other.waiting, 0);
  commands.clear();
  debtor.owes = false;
  hub->tick();
  ASSERT_EQ(commands_of<feed::CatchUpCommand>().size(), 1U);
  const feed::FrameRun missed = run(1, 1, {"first", "second"});
  const std::uint64_t before = hub->outbox(one).pushed();
  caught_up(of_one, 2, {missed});
  EXPECT_EQ(debtor.replayed, hub->outbox(one).pushed() - before);
  EXPECT_GT(debtor.replayed, 10U);
  EXPECT_EQ(other.replayed, 0U);
}

TEST_F(AccountTest, trust_what_is_kept_of_queries_is_held_and_given_back) {
  Shared crowd(50'000'000);
  const auto ask = [&](SessionId session, const std::string& name, const std::string& key, std::size_t kept) {
    SubscribeRequest request;
    request.hash_id = name;
    request.routing_key = key;
    request.kept_bytes = kept;
    hub->subscribe(session, std::move(request));
    return commands_of<feed::SubscribeCommand>().back().subscription;
  };
  const SessionId one = open(crowd);
  const SessionId two = open(crowd);
  ask(one, "a", "ka", 1'000);
  EXPECT_EQ(crowd.held->used(), 1'000U);
  EXPECT_EQ(hub->kept(one, "a"), 1'000U);
  EXPECT_FALSE(hub->kept(one, "b"));
  ask(one, "b", "ka", 300);  // follows the first, and is kept all the same
  ask(two, "a", "kb", 70'000);
  EXPECT_EQ(crowd.held->used(), 71'300U);
  ask(one, "b", "kc", 10);
  EXPECT_EQ(crowd.held->used(), 71'010U) << "in the place of the earlier";
  hub->send(two, std::string(10'000, 'c'));
  static_cast<void>(hub->take_dirty());
  EXPECT_GT(crowd.held->used(), 81'010U) << "with what is queued";
  ask(two, "b", "kd", 5);
  EXPECT_GT(crowd.held->used(), 81'015U);
  read(two);
  hub->written(two);
  EXPECT_EQ(crowd.held->used(), 71'015U);
  hub->unsubscribe(two, "a");
  read(two);
  hub->written(two);
  EXPECT_EQ(crowd.held->used(), 1'015U);
  hub->unsubscribe_all(one);
  EXPECT_EQ(crowd.held->used(), 5U);
  hub->close(two);
  EXPECT_EQ(crowd.held->used(), 0U);
}

}  // namespace
}  // namespace tidegate::hub
