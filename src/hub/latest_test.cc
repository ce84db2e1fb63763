// `"deliver":"latest"` (rule 26): a frame that puts several transactions together counts as all of them, be
// it taken back or written.
#include <gtest/gtest.h>

#include "hub/testing.h"

namespace tidegate::hub {
namespace {

class LatestTest : public HubTest {
 protected:
  /// One with its snapshot up to `seq`, which has asked for what came after it.
  SubscriptionId lagging(SessionId session, std::uint64_t seq, std::optional<Fence> fence = {},
                         bool latest = true) {
    const SubscriptionId id = subscribe(session, "a", {}, "k", latest);
    accept(id);
    snapshot({id}, seq, {",\"rows\":[]}"}, std::move(fence));
    read(session);
    return id;
  }
  feed::CatchUpCommand asked() const { return commands_of<feed::CatchUpCommand>().back(); }
  /// The answer: one frame, all up to `last`.
  static feed::CaughtUp conflated(const feed::CatchUpCommand& question, std::uint64_t first,
                                  std::uint64_t last, const std::string& payload) {
    return {.subscription = question.subscription,
            .after = question.after,
            .runs = {run(1, first, {payload})},
            .up_to = FeedSeq(last),
            .live = true,
            .conflated = feed::Conflated{question.latest_above.value_or(Lsn()), Lsn(last)}};
  }
};

TEST_F(LatestTest, rule_26_it_asks_for_the_last_states_of_what_is_certainly_to_be_delivered) {
  const SessionId session = hub->open({.v1 = true});
  lagging(session, 10);
  EXPECT_EQ(asked().latest_above, Lsn(0));
  const SessionId filtering = hub->open({.v1 = true});
  lagging(filtering, 10, Fence{Lsn(50), XidSnapshot{Xid(1), Xid(9), {}}});
  EXPECT_EQ(asked().latest_above, Lsn(50)) << "up to H the snapshot's transactions decide";
  const SessionId all = hub->open({.v1 = true});
  lagging(all, 10, {}, false);
  EXPECT_FALSE(asked().latest_above);
}

TEST_F(LatestTest, rule_26_after_it_all_of_its_transactions_are_held) {
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId id = lagging(session, 10);
  hub->on_event(conflated(asked(), 11, 20, "11 to 20"));
  deliver(run(1, 19, {"19", "20", "21"}));
  EXPECT_EQ(read(session), (std::vector<std::string>{"11 to 20", "21"}));
  commands.clear();
  deliver(run(1, 22, {"22"}));
  static_cast<void>(hub->take_dirty());
  hub->on_event(feed::Evicted{22});
  hub->written(session);
  EXPECT_EQ(asked().subscription, id);
  EXPECT_EQ(asked().after, FeedSeq(21));
  EXPECT_EQ(asked().floor, Lsn(21));
}

TEST_F(LatestTest, rule_26_what_is_asked_for_next_lies_behind_its_last_transaction) {
  const SessionId session = hub->open({.v1 = true});
  lagging(session, 10);
  feed::CaughtUp answer = conflated(asked(), 11, 20, "11 to 20");
  answer.live = false;
  hub->on_event(answer);
  EXPECT_EQ(asked().after, FeedSeq(20));
  EXPECT_EQ(asked().whole, FeedSeq(20));
  EXPECT_EQ(asked().floor, Lsn(20));
  EXPECT_EQ(asked().latest_above, Lsn(20));
}

TEST_F(LatestTest, rule_26_one_that_is_taken_back_is_asked_for_from_its_first_transaction_on) {
  const SessionId session = hub->open({.v1 = true});
  lagging(session, 10);
  hub->on_event(conflated(asked(), 11, 20, "11 to 20"));
  static_cast<void>(hub->take_dirty());
  commands.clear();
  hub->on_event(feed::Relieve{});
  EXPECT_EQ(hub->outbox(session).own_bytes(), hub->outbox(session).bytes());
  read(session);
  hub->written(session);
  EXPECT_EQ(asked().after, FeedSeq(10));
  EXPECT_EQ(asked().whole, FeedSeq(10));
  EXPECT_EQ(asked().floor, Lsn(10));
  EXPECT_EQ(asked().latest_above, Lsn(10));
}

TEST_F(LatestTest, rule_26_one_that_is_half_written_stays_and_what_follows_is_asked_for_again) {
  const SessionId session = hub->open({.v1 = true});
  lagging(session, 10);
  hub->on_event(conflated(asked(), 11, 20, "11 to 20"));
  deliver(run(1, 21, {"21"}));
  static_cast<void>(hub->take_dirty());
  take(session, 4);
  commands.clear();
  hub->on_event(feed::Relieve{});
  EXPECT_EQ(read(session).front(), "11 to 20");
  hub->written(session);
  EXPECT_EQ(asked().after, FeedSeq(20));
  EXPECT_EQ(asked().floor, Lsn(20));
}

TEST_F(LatestTest, rule_18_one_that_was_asked_for_before_another_snapshot_is_not_taken) {
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId id = lagging(session, 10);
  const feed::CatchUpCommand earlier = asked();
  snapshot({id}, 10, {",\"rows\":[]}"}, Fence{Lsn(15), XidSnapshot{Xid(100), Xid(100), {}}});
  read(session);
  hub->written(session);
  hub->on_event(conflated(earlier, 11, 20, "11 to 20"));
  EXPECT_TRUE(read(session).empty()) << "the snapshot holds some of them";
  EXPECT_EQ(asked().latest_above, Lsn(15));
  hub->on_event(conflated(asked(), 16, 20, "16 to 20"));
  EXPECT_EQ(read(session), std::vector<std::string>{"16 to 20"});
}

TEST_F(LatestTest, who_wants_all_does_not_follow_who_wants_the_last_states) {
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId latest = subscribe(session, "a", {}, "k", true);
  EXPECT_NE(subscribe(session, "b", {}, "k", false), latest);
  const std::size_t told = commands.size();
  subscribe(session, "c", {}, "k", true);
  EXPECT_EQ(commands.size(), told);
}

}  // namespace
}  // namespace tidegate::hub
