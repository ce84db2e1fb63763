// Another query takes a name's place, or nothing does, because policies or claims have changed. Invariants:
// 1. of the earlier query not a byte is written that the kernel has not;
// 2. what belongs to others is written as if nothing had been.
#include "hub/testing.h"

namespace tidegate::hub {
namespace {

class ReplaceTest : public HubTest {
 protected:
  SubscriptionId replace(SessionId session, const std::string& name, const std::string& key,
                         std::optional<protocol::Encoding> frames = {}) {
    SubscribeRequest request;
    request.hash_id = name;
    request.routing_key = key;
    request.frames = frames;
    request.request = "asked for " + name;
    hub->replace(session, std::move(request));
    return commands_of<feed::SubscribeCommand>().back().subscription;
  }
  /// Three bytes of a frame of the query `a` are written: of a snapshot's part, or of a change.
  void half_write(SessionId session, bool part) {
    if (part) {
      const SubscriptionId wide = subscribe(session, "a", {}, "wide");
      accept(wide);
      read(session);
      snapshot({wide}, 0, {",\"rows\":[\"secret\"]}"});
    } else {
      live(session, "a", {}, 1, "wide");
      deliver(run(1, 1, {"secret"}));
    }
    take(session, 3);
  }
};

TEST_F(ReplaceTest, what_is_queued_of_the_earlier_query_is_not_written) {
  for (const auto encoding : {protocol::Encoding::v1, protocol::Encoding::json, protocol::Encoding::base64}) {
    const SessionId session = hub->open({.v1 = true});
    const auto frames = encoding == protocol::Encoding::v1 ? std::nullopt : std::optional(encoding);
    live(session, "a", frames, 1, "wide");
    deliver(run(1, 1, {"secret", "secret"}));
    ASSERT_GT(hub->outbox(session).bytes(), 0u);
    const SubscriptionId narrow = replace(session, "a", "narrow", frames);
    EXPECT_EQ(hub->outbox(session).bytes(), 0u);
    deliver(run(1, 3, {"secret"}));
    EXPECT_TRUE(read(session).empty());
    accept(narrow, 2);
    const auto ack = read(session);
    ASSERT_EQ(ack.size(), 1u);
    EXPECT_NE(ack[0].find(R"("op":"ack","hashId":"a")"), std::string::npos) << ack[0];
    EXPECT_NE(ack[0].find(R"("reason":"policy")"), std::string::npos) << ack[0];
    snapshot({narrow}, 3);
    caught_up(narrow, 3);
    read(session);
    deliver(run(2, 4, {"allowed"}));
    const auto after = read(session);
    ASSERT_EQ(after.size(), 1u);
    EXPECT_NE(after[0].find("allowed"), std::string::npos);
    accept(narrow, 2);  // said again later it is for another reason
    EXPECT_EQ(read(session).at(0).find("reason"), std::string::npos);
    hub->close(session);
  }
}

TEST_F(ReplaceTest, parts_of_the_earlier_snapshot_are_not_written) {
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId wide = subscribe(session, "a", {}, "wide");
  accept(wide);
  read(session);
  snapshot({wide}, 0, {",\"rows\":[\"secret\"]}", ",\"rows\":[\"secret\"]}"});
  ASSERT_GT(hub->outbox(session).bytes(), 0u);
  const SubscriptionId narrow = replace(session, "a", "narrow");
  EXPECT_TRUE(read(session).empty());
  caught_up(wide, 0, {run(1, 1, {"secret"})});
  snapshot({wide}, 0, {",\"rows\":[\"secret\"]}"});
  EXPECT_TRUE(read(session).empty());
  accept(narrow, 2);
  snapshot({narrow}, 0);
  EXPECT_EQ(read(session).size(), 2u);
}

TEST_F(ReplaceTest, what_is_queued_of_others_is_written) {
  const SessionId session = hub->open({.v1 = true});
  live(session, "a", {}, 1, "wide");
  live(session, "b", {}, 2, "other");
  deliver(run(1, 1, {"secret"}));
  deliver(run(2, 2, {"mine"}));
  deliver(run(1, 3, {"secret"}));
  hub->send(session, "word");
  hub->revoke(session, "a", protocol::ErrorCode::forbidden, "not any more");
  const auto got = read(session);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0], "mine");
  EXPECT_EQ(got[1], "word");
  EXPECT_EQ(got[2], R"({"op":"error","hashId":"a","code":"forbidden","message":"not any more"})");
  deliver(run(1, 4, {"secret"}));
  deliver(run(2, 5, {"mine too"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"mine too"});
}

// What follows half a frame would be read as its rest.
TEST_F(ReplaceTest, a_connection_with_half_a_frame_of_it_is_cut) {
  for (const bool part : {false, true}) {
    const SessionId session = hub->open({.v1 = true});
    half_write(session, part);
    hub->send(session, "word");
    replace(session, "a", "narrow");
    EXPECT_TRUE(hub->outbox(session).empty());
    EXPECT_EQ(hub->take_debtors(), std::vector<SessionId>{session});
    hub->send(session, "more");
    EXPECT_TRUE(hub->outbox(session).empty());
    hub->close(session);
  }
}

// A token is over: of nobody's rows a byte more is written, and what was said besides is.
TEST_F(ReplaceTest, trust_when_all_end_parts_of_snapshots_are_dropped_too) {
  const SessionId session = hub->open({.v1 = true});
  live(session, "a", {}, 1, "changes");
  const SubscriptionId id = subscribe(session, "b", {}, "wide");
  accept(id, 2);
  read(session);
  deliver(run(1, 1, {"secret"}));
  snapshot({id}, 0, {",\"rows\":[\"secret\"]}", ",\"rows\":[\"secret\"]}"});
  hub->send(session, "word");
  EXPECT_TRUE(hub->unsubscribe_all(session));
  EXPECT_EQ(read(session), std::vector<std::string>{"word"});
  EXPECT_TRUE(hub->take_debtors().empty());
}

TEST_F(ReplaceTest, trust_when_all_end_a_connection_with_half_a_frame_is_cut) {
  for (const bool part : {false, true}) {
    const SessionId session = hub->open({.v1 = true});
    half_write(session, part);
    EXPECT_FALSE(hub->unsubscribe_all(session));
    hub->send(session, "token_expired");
    EXPECT_TRUE(hub->outbox(session).empty());
    EXPECT_EQ(hub->take_debtors(), std::vector<SessionId>{session});
    hub->close(session);
  }
}

TEST_F(ReplaceTest, half_a_word_and_half_a_position_are_finished) {
  for (const bool word : {false, true}) {
    const SessionId session = hub->open({.v1 = true});
    live(session, "a", {}, 1, "wide");
    if (word) {
      hub->send(session, "word");
    } else {
      feed::Passed passed;
      passed.partition = Partition(0);
      passed.lsn = Lsn(9);
      hub->on_event(passed);
      clock.now += std::chrono::minutes(1);
      hub->tick();
    }
    ASSERT_GT(hub->outbox(session).bytes(), 3u);
    take(session, 3);
    deliver(run(1, 10, {"secret"}));
    hub->revoke(session, "a", protocol::ErrorCode::forbidden, "not any more");
    const auto got = read(session);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_NE(got[0].find(word ? "word" : "progress"), std::string::npos) << got[0];
    EXPECT_NE(got[1].find("forbidden"), std::string::npos) << got[1];
    hub->close(session);
  }
}

TEST_F(ReplaceTest, half_a_frame_of_another_s_goes_on) {
  const SessionId session = hub->open({.v1 = true});
  live(session, "a", {}, 1, "wide");
  live(session, "b", {}, 2, "other");
  deliver(run(2, 1, {"mine"}));
  deliver(run(1, 2, {"secret"}));
  take(session, 3);
  replace(session, "a", "narrow");
  EXPECT_TRUE(hub->take_debtors().empty());
  EXPECT_EQ(read(session), std::vector<std::string>{"mine"});
}

// Rule 26: positions say how far all before them goes.
TEST_F(ReplaceTest, rule_26_no_position_overtakes_what_was_dropped) {
  const SessionId session = hub->open({.v1 = true});
  live(session, "a", {}, 1, "wide");
  live(session, "b", {}, 2, "other");
  deliver(run(1, 1, {"secret"}));
  feed::Passed passed;
  passed.partition = Partition(0);
  passed.lsn = Lsn(9);
  hub->on_event(passed);
  clock.now += std::chrono::minutes(1);
  hub->tick();
  replace(session, "a", "narrow");
  EXPECT_TRUE(read(session).empty());
}

TEST_F(ReplaceTest, a_name_that_shared_the_query_goes_on_with_it) {
  const SessionId session = hub->open({.v1 = true});
  live(session, "a", {}, 1, "shared");
  subscribe(session, "b", {}, "shared");
  read(session);
  deliver(run(1, 1, {"for b too"}));
  replace(session, "a", "narrow");
  EXPECT_EQ(read(session), std::vector<std::string>{"for b too"});
  const auto names = hub->requested(session);
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[0].routing_key, "narrow");
  EXPECT_EQ(names[0].request, "asked for a");
  EXPECT_EQ(names[1].routing_key, "shared");
  const std::size_t asked = commands_of<feed::SubscribeCommand>().size();
  replace(session, "b", "narrow");  // and now they share again
  EXPECT_EQ(commands_of<feed::SubscribeCommand>().size(), asked);
  EXPECT_NE(read(session).at(0).find(R"("same_as":"a","reason":"policy")"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::hub
