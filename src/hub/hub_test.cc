// Invariants: every subscription gets exactly its channel's frames after its place, once, in order; what one
// session does is never seen by another; no event looks at subscriptions that it does not concern.
#include "hub/hub.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/testing.h"
#include "hub/testing.h"
#include "protocol/cursor.h"
#include "protocol/deflate.h"

namespace tidegate::hub {
namespace {

using protocol::Encoding;

TEST_F(HubTest, pass_through_answers_ack_and_snapshot_as_the_seed_does) {
  const SessionId session = hub->open({.v1 = false, .pass_through = true});
  const SubscriptionId id = subscribe(session, "a1");
  accept(id);
  snapshot({id}, 0, {R"(,"version":0,"cursor":{"lsn":"7"},"rows":[]})"});
  const std::vector<std::string> expected = {
      R"({"op":"ack","hashId":"a1"})",
      R"({"op":"snapshot","hashId":"a1","version":0,"cursor":{"lsn":"7"},"rows":[]})"};
  EXPECT_EQ(read(session), expected);
}

TEST_F(HubTest, c10_who_comes_while_the_data_is_stale_is_told_so) {
  const auto told = [this](SessionId session) {
    const auto messages = read(session);
    const std::string stale = R"({"op":"status","stale_since":7})";
    return std::count(messages.begin(), messages.end(), stale);
  };
  const SessionId early = hub->open({.v1 = true});
  hub->on_event(feed::Stale{7});
  EXPECT_EQ(told(early), 1);
  const SessionId late = hub->open({.v1 = true});
  accept(subscribe(late, "a"));
  EXPECT_EQ(told(late), 1);
  hub->on_event(feed::Stale{});
  const SessionId later = hub->open({.v1 = true});
  accept(subscribe(later, "a"));
  EXPECT_EQ(told(later), 0);
}

TEST_F(HubTest, nothing_is_delivered_before_the_snapshot_is_written_and_caught_up) {
  const SessionId session = hub->open({});
  const SubscriptionId id = subscribe(session, "a");
  accept(id);
  deliver(run(1, 1, {"early"}));
  read(session);
  snapshot({id}, 0);
  deliver(run(1, 2, {"between"}));
  EXPECT_EQ(read(session).size(), 1u) << "the snapshot alone";
  const auto asked = commands_of<feed::CatchUpCommand>();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].after, FeedSeq(0));
  caught_up(id, 2, {run(1, 1, {"early", "between"})});
  deliver(run(1, 3, {"live"}));
  EXPECT_EQ(read(session), (std::vector<std::string>{"early", "between", "live"}));
}

TEST_F(HubTest, a_large_snapshot_is_written_as_the_outbox_has_room) {
  make({.outbox_bytes_max = 1000, .outbox_bytes_low = 100});
  const SessionId session = hub->open({});
  const SubscriptionId id = subscribe(session, "a");
  accept(id);
  std::vector<std::string> tails(20, "," + std::string(400, 'x'));
  snapshot({id}, 0, tails);
  EXPECT_LT(hub->outbox(session).bytes(), 2000u);
  std::size_t parts = 0;
  for (int turn = 0; turn < 100 && parts < 21; ++turn) {
    parts += read(session).size();
    hub->written(session);
  }
  EXPECT_EQ(parts, 21u) << "the ack and twenty parts";
  EXPECT_EQ(commands_of<feed::CatchUpCommand>().size(), 1u);
}

TEST_F(HubTest, c7_a_full_outbox_makes_its_subscription_lag_and_nobody_else_s) {
  make({.outbox_bytes_max = 1000, .outbox_bytes_low = 100, .outbox_bytes_hard = 1 << 20});
  const SessionId slow = hub->open({});
  const SessionId quick = hub->open({});
  const SubscriptionId lagging = live(slow, "a");
  live(quick, "a");
  std::size_t quick_got = 0;
  for (std::uint64_t seq = 1; seq <= 100; ++seq) {
    deliver(run(1, seq, {std::string(100, 'x')}));
    quick_got += read(quick).size();
  }
  EXPECT_EQ(quick_got, 100u);
  EXPECT_LT(hub->outbox(slow).bytes(), 1200u);
  commands.clear();
  const std::size_t slow_got = read(slow).size();
  hub->written(slow);
  const auto asked = commands_of<feed::CatchUpCommand>();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].subscription, lagging);
  EXPECT_EQ(asked[0].after, FeedSeq(slow_got)) << "exactly behind what was queued";
}

TEST_F(HubTest, a_lagging_subscription_is_served_in_chunks_and_asks_for_each) {
  make({.outbox_bytes_max = 300, .outbox_bytes_low = 100, .outbox_bytes_hard = 1 << 20});
  const SessionId session = hub->open({});
  const SubscriptionId id = live(session, "a");
  for (std::uint64_t seq = 1; seq <= 10; ++seq) deliver(run(1, seq, {std::string(100, 'x')}));
  std::size_t got = read(session).size();
  commands.clear();
  for (std::uint64_t next = got + 1; next <= 10; next += 2) {
    hub->written(session);
    ASSERT_EQ(commands_of<feed::CatchUpCommand>().back().after, FeedSeq(next - 1));
    const std::size_t count = std::min<std::size_t>(2, 10 - next + 1);
    caught_up(id, next + count - 1, {run(1, next, std::vector<std::string>(count, std::string(100, 'x')))},
              next + count > 10);
    got += read(session).size();
  }
  EXPECT_EQ(got, 10u);
  deliver(run(1, 11, {"live"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"live"});
}

// A transaction of several parts, each as large as one answer: the next question goes on behind the part that
// was offered, else the first part is asked for without end.
TEST_F(HubTest, c2_rule_5_parts_that_come_in_several_answers_are_got_past) {
  const SessionId session = hub->open({});
  const SubscriptionId id = subscribe(session, "a", Encoding::v1);
  accept(id);
  snapshot({id}, 0);
  read(session);
  for (std::uint64_t part = 0; part < 4; ++part) {
    const auto asked = commands_of<feed::CatchUpCommand>();
    ASSERT_EQ(asked.size(), part + 1);
    ASSERT_EQ(asked.back().after, FeedSeq(part));
    caught_up(id, part + 1, {part_of_one(part, part == 3)}, part == 3);
    EXPECT_EQ(read(session), std::vector<std::string>{part_text(part)});
  }
  deliver(run(1, 5, {"live"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"live"});
}

TEST_F(HubTest, rule_5_parts_without_a_number_are_not_written) {
  const SessionId session = hub->open({});
  live(session, "a");
  deliver(part_of_one(0, false));
  deliver(part_of_one(1, true));
  deliver(run(1, 3, {"whole"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"whole"});
}

// What is in the outbox will be written, so nothing of it may be said again: the texts of a large `diff` have
// no numbers by which a client could tell.
TEST_F(HubTest, c3_rule_5_falling_behind_in_the_middle_of_parts_goes_on_there) {
  make({.outbox_bytes_max = 300, .outbox_bytes_low = 100, .outbox_bytes_hard = 1 << 20});
  const SessionId session = hub->open({});
  const SubscriptionId id = live(session, "a", Encoding::v1);
  commands.clear();
  for (std::uint64_t part = 0; part < 3; ++part) deliver(part_of_one(part, false));
  const std::size_t got = read(session).size();
  ASSERT_GT(got, 0u);
  ASSERT_LT(got, 3u);
  hub->written(session);
  ASSERT_EQ(commands_of<feed::CatchUpCommand>().size(), 1u);
  EXPECT_EQ(commands_of<feed::CatchUpCommand>().back().after, FeedSeq(got));
  std::vector<feed::FrameRun> rest;
  for (std::uint64_t part = got; part < 4; ++part) rest.push_back(part_of_one(part, part == 3));
  caught_up(id, 4, rest, true);
  EXPECT_EQ(read(session).size(), 4 - got);
}

TEST_F(HubTest, rule_18_a_filter_ends_by_passed_only_for_a_live_subscription) {
  const SessionId session = hub->open({});
  const SubscriptionId id = subscribe(session, "a");
  accept(id);
  snapshot({id}, 0, {",\"rows\":[]}"}, Fence{Lsn(100), XidSnapshot{Xid(5), Xid(10), {Xid(5)}}});
  hub->on_event(feed::Passed{Partition(0), Offset(3), Lsn(200), Epoch(1)});
  // Invisible in the snapshot, streamed before H was passed: must arrive although the stream is past H by
  // now.
  caught_up(id, 20, {run(1, 20, {"doubtful"}, Xid(5))});
  read(session);
  deliver(run(1, 90, {"below the floor"}, Xid(5)));
  deliver(run(1, 201, {"above"}, Xid(5)));
  EXPECT_EQ(read(session), std::vector<std::string>{"above"});
}

TEST_F(HubTest, rule_18_another_partition_s_progress_says_nothing) {
  const SessionId session = hub->open({});
  const SubscriptionId id = subscribe(session, "a");
  accept(id);
  snapshot({id}, 0, {",\"rows\":[]}"}, Fence{Lsn(100), XidSnapshot{Xid(5), Xid(10), {Xid(5)}}});
  caught_up(id, 0);
  read(session);
  hub->on_event(feed::Passed{Partition(1), Offset(3), Lsn(200), Epoch(1)});
  deliver(run(1, 50, {"invisible"}, Xid(5)));
  EXPECT_EQ(read(session), std::vector<std::string>{"invisible"});
}

TEST_F(HubTest, rule_18_what_a_partition_passed_before_it_was_closed_ends_no_filter) {
  hub->on_event(feed::Passed{Partition(0), Offset(3), Lsn(200), Epoch(1)});
  hub->on_event(feed::Unread{Partition(0)});  // a failover meanwhile, to a server that was behind
  const SessionId session = hub->open({});
  const SubscriptionId id = subscribe(session, "a");
  accept(id);
  snapshot({id}, 0, {",\"rows\":[]}"}, Fence{Lsn(100), XidSnapshot{Xid(5), Xid(10), {Xid(5)}}});
  caught_up(id, 0);
  read(session);
  deliver(run(1, 50, {"invisible"}, Xid(5)));
  EXPECT_EQ(read(session), std::vector<std::string>{"invisible"});
}

TEST_F(HubTest, rule_18_a_text_diff_carries_the_filter_in_its_cursor_while_it_is_on) {
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId id = subscribe(session, "a", Encoding::json);
  accept(id);
  const Fence fence{Lsn(100), XidSnapshot{Xid(5), Xid(10), {Xid(5)}}};
  snapshot({id}, 0, {",\"rows\":[]}"}, fence);
  caught_up(id, 0);
  read(session);
  const std::string tail = R"(,"version":"1","cursor":{"lsn":"1"},"changes":[],"last":true})";
  deliver(run(1, 50, {tail}, Xid(5)));
  deliver(run(1, 150, {tail}, Xid(5)));
  const auto texts = read(session);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0], R"({"op":"diff","hashId":"a")" + protocol::splice_fence(tail, fence));
  EXPECT_EQ(texts[1], R"({"op":"diff","hashId":"a")" + tail);
}

TEST_F(HubTest, a_compressed_text_is_its_own_head_as_it_is_and_the_tail_that_all_share) {
  const SessionId session = hub->open({.v1 = true, .deflate = true});
  const SubscriptionId id = subscribe(session, "a", Encoding::json);
  EXPECT_EQ(commands_of<feed::SubscribeCommand>().at(0).encoding, Encoding::json_deflated);
  accept(id);
  const Fence fence{Lsn(100), XidSnapshot{Xid(5), Xid(10), {Xid(5)}}};
  snapshot({id}, 0, {",\"rows\":[]}"}, fence);
  caught_up(id, 0);
  read(session);
  const std::string tail =
      R"(,"version":"1","cursor":{"lsn":"1"},"changes":[")" + std::string(1'000, 'x') + R"("],"last":true})";
  const auto compressed = [&](std::uint64_t seq) {
    feed::FrameRun made = run(1, seq, {tail}, Xid(5));
    auto batch = std::make_shared<feed::FrameBatch>();
    batch->bytes = made.batch->bytes;
    batch->frames = made.batch->frames;
    const auto at = static_cast<std::uint32_t>(batch->bytes.size());
    protocol::Deflater deflater;
    EXPECT_TRUE(deflater.append(batch->bytes, {tail}));
    batch->frames[0].slices[static_cast<std::size_t>(Encoding::json_deflated)] = {
        at, static_cast<std::uint32_t>(batch->bytes.size()) - at};
    made.batch = std::move(batch);
    return made;
  };
  deliver(compressed(50));
  deliver(compressed(150));
  const auto texts = read(session);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0], R"({"op":"diff","hashId":"a")" + protocol::splice_fence(tail, fence))
      << "the filter is on";
  EXPECT_LT(texts[1].size(), 200u);
  std::string text;
  EXPECT_EQ(protocol::inflate_message(texts[1], 1 << 20, text), protocol::Inflated::whole);
  EXPECT_EQ(text, R"({"op":"diff","hashId":"a")" + tail);
}

TEST_F(HubTest, a_second_name_for_an_equal_query_follows_the_first_and_outlives_it) {
  const SessionId session = hub->open({.v1 = true});
  live(session, "one");
  commands.clear();
  subscribe(session, "two");
  EXPECT_TRUE(commands.empty()) << "no second subscription at the feed";
  const auto answers = read(session);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(answers[0].find(R"("same_as":"one")"), std::string::npos) << answers[0];
  hub->unsubscribe(session, "one");
  read(session);
  deliver(run(1, 1, {"still"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"still"});
  hub->unsubscribe(session, "two");
  EXPECT_EQ(commands_of<feed::UnsubscribeCommand>().size(), 1u);
  read(session);
  deliver(run(1, 2, {"gone"}));
  EXPECT_TRUE(read(session).empty());
}

TEST_F(HubTest, a_subscribe_on_a_used_name_ends_the_earlier) {
  const SessionId session = hub->open({});
  live(session, "a", {}, 1, "first");
  const SubscriptionId second = subscribe(session, "a", {}, "second");
  deliver(run(1, 1, {"of the first"}));
  EXPECT_TRUE(read(session).empty());
  accept(second, 2);
  snapshot({second}, 1);
  caught_up(second, 1);
  read(session);
  deliver(run(2, 2, {"of the second"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"of the second"});
}

TEST_F(HubTest, when_all_end_nothing_queued_is_delivered_and_the_session_goes_on) {
  const SessionId session = hub->open({});
  live(session, "a", {}, 1, "first");
  live(session, "b", {}, 2, "second");
  deliver(run(1, 1, {"queued"}));
  hub->unsubscribe_all(session);
  EXPECT_EQ(commands_of<feed::UnsubscribeCommand>().size(), 2u);
  deliver(run(2, 2, {"of the second"}));
  hub->send(session, "still here");
  EXPECT_EQ(read(session), std::vector<std::string>{"still here"});
  live(session, "a", {}, 3, "first");
  deliver(run(3, 3, {"again"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"again"});
}

TEST_F(HubTest, one_change_looks_at_its_own_subscribers_alone) {
  constexpr std::uint32_t kQueries = 10'000;
  std::vector<SessionId> sessions;
  for (std::uint32_t i = 0; i < kQueries; ++i) {
    sessions.push_back(hub->open({}));
    live(sessions.back(), "q", {}, i + 1, "key" + std::to_string(i));
  }
  static_cast<void>(hub->take_dirty());
  const std::uint64_t before = probed();
  deliver(run(777, 1, {"change"}));
  EXPECT_EQ(probed() - before, 1u);
  EXPECT_EQ(hub->take_dirty(), std::vector<SessionId>{sessions[776]});
  EXPECT_EQ(read(sessions[776]), std::vector<std::string>{"change"});
}

TEST_F(HubTest, c6_a_session_that_reads_nothing_and_asks_without_end_is_cut) {
  make({.outbox_bytes_max = 1000, .outbox_bytes_low = 100, .outbox_bytes_hard = 2000});
  const SessionId session = hub->open({});
  for (int i = 0; i < 1000 && hub->take_debtors().empty(); ++i) hub->send(session, R"({"op":"pong"})");
  EXPECT_LT(hub->outbox(session).bytes(), 2100u);
}

TEST_F(HubTest, c6_the_bytes_that_wait_are_counted_until_they_are_written_or_dropped) {
  auto& gauge = metrics.gauge("tidegate_outbox_bytes", "Bytes that wait to be written to connections.");
  const auto told = [&] {
    hub->flushed();
    return gauge.value();
  };
  const SessionId session = hub->open({});
  live(session, "a");
  hub->written(session);
  deliver(run(1, 1, {std::string(100, 'x')}));
  static_cast<void>(hub->take_dirty());
  EXPECT_EQ(told(), 102);
  read(session);
  hub->written(session);
  EXPECT_EQ(told(), 0);
  deliver(run(1, 2, {std::string(100, 'x')}));
  static_cast<void>(hub->take_dirty());
  hub->close(session);
  EXPECT_EQ(told(), 0);
}

TEST_F(HubTest, too_many_subscriptions_are_refused_and_the_others_go_on) {
  make({.subscriptions_max = 2});
  const SessionId session = hub->open({});
  live(session, "a", {}, 1, "ka");
  live(session, "b", {}, 2, "kb");
  subscribe(session, "c", {}, "kc");
  const auto answers = read(session);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(answers[0].find("too_many_subscriptions"), std::string::npos);
  deliver(run(1, 1, {"x"}));
  EXPECT_EQ(read(session).size(), 1u);
}

TEST_F(HubTest, trust_what_a_connection_asked_for_is_counted_and_bounded) {
  memory = std::make_shared<Budget>(12 << 20);
  make({});
  const auto ask = [&](SessionId session, const std::string& name, std::size_t kept) {
    SubscribeRequest request;
    request.hash_id = name;
    request.routing_key = name;
    request.kept_bytes = kept;
    hub->subscribe(session, std::move(request));
    const auto answers = read(session);
    return answers.empty() ? std::string() : answers.at(0);
  };
  const SessionId session = hub->open({});
  EXPECT_EQ(ask(session, "a", 5 << 20), "");
  EXPECT_NE(ask(session, "b", 5 << 20).find("too_many_subscriptions"), std::string::npos);
  EXPECT_EQ(ask(session, "a", 6 << 20), "") << "in the place of the earlier";
  EXPECT_GE(memory->used(), 6u << 20);
  const SessionId other = hub->open({});
  EXPECT_NE(ask(other, "b", 7 << 20).find("unavailable"), std::string::npos);
  EXPECT_EQ(ask(other, "b", 100), "");
  hub->close(session);
  EXPECT_LT(memory->used(), 1u << 20);
  EXPECT_EQ(ask(other, "c", 7 << 20), "");
}

TEST_F(HubTest, a_full_feed_is_answered_unavailable_with_a_retry_time) {
  const SessionId session = hub->open({});
  feed_full = true;
  subscribe(session, "a");
  const auto answers = read(session);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(answers[0].find(R"("code":"unavailable")"), std::string::npos);
  EXPECT_NE(answers[0].find("retry_ms"), std::string::npos);
}

TEST_F(HubTest, what_a_full_feed_did_not_take_is_said_again) {
  const SessionId session = hub->open({});
  const SessionId leaving = hub->open({});
  const SubscriptionId id = subscribe(session, "a");
  accept(id);
  live(leaving, "b");
  commands.clear();
  feed_full = true;
  snapshot({id}, 0);
  hub->close(leaving);
  hub->tick();
  EXPECT_TRUE(commands.empty());
  feed_full = false;
  hub->tick();
  EXPECT_EQ(commands_of<feed::CatchUpCommand>().size(), 1u);
  EXPECT_EQ(commands_of<feed::UnsubscribeCommand>().size(), 1u);
}

TEST_F(HubTest, a_snapshot_begins_again_when_the_name_that_it_came_under_leaves) {
  make({.outbox_bytes_max = 100, .outbox_bytes_low = 50});
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId id = subscribe(session, "one");
  accept(id);
  subscribe(session, "two");
  snapshot({id}, 0, {",\"part\":0" + std::string(200, ' ') + "}", ",\"part\":1}"});
  read(session);
  hub->unsubscribe(session, "one");
  hub->written(session);
  std::string all;
  for (int turn = 0; turn < 5; ++turn) {
    for (const std::string& text : read(session)) all += text + "\n";
    hub->written(session);
  }
  EXPECT_NE(all.find(R"("hashId":"two","part":0)"), std::string::npos) << all;
  EXPECT_NE(all.find(R"("hashId":"two","part":1)"), std::string::npos) << all;
}

TEST_F(HubTest, overflow_is_announced_before_the_snapshot_that_replaces) {
  const SessionId session = hub->open({.v1 = false, .pass_through = true});
  const SubscriptionId id = live(session, "a");
  hub->on_event(feed::SnapshotReady{{id}, feed::Spool::of({",\"rows\":[]}"}), {}, FeedSeq(9), Lsn(), true});
  const auto answers = read(session);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0], R"({"op":"error","code":"overflow","message":"reset-to-snapshot"})");
}

TEST_F(HubTest, nothing_is_delivered_between_a_reset_s_ack_and_its_snapshot) {
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId id = live(session, "a");
  feed::Accepted reset;
  reset.subscription = id;
  reset.channel = ChannelId(1);
  reset.partition = Partition(0);
  reset.unsolicited = true;
  hub->on_event(reset);
  deliver(run(1, 1, {"of the old activation"}));
  EXPECT_EQ(read(session).size(), 1u) << "the ack alone";
  snapshot({id}, 5);
  caught_up(id, 5);
  read(session);
  deliver(run(1, 6, {"new"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"new"});
}

TEST_F(HubTest, a_refusal_concerns_one_query) {
  const SessionId session = hub->open({});
  const SubscriptionId bad = live(session, "bad", {}, 1, "kb");
  live(session, "good", {}, 2, "kg");
  hub->on_event(feed::Refused{bad, protocol::ErrorCode::schema_changed, "column gone", {}, false});
  const auto answers = read(session);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(answers[0].find("schema_changed"), std::string::npos);
  deliver(run(1, 1, {"no"}));
  deliver(run(2, 2, {"yes"}));
  EXPECT_EQ(read(session), std::vector<std::string>{"yes"});
}

TEST_F(HubTest, rule_3_progress_is_sent_when_due_and_never_past_a_backlog) {
  make({.outbox_bytes_max = 100, .outbox_bytes_low = 10, .outbox_bytes_hard = 1 << 20});
  const SessionId ready = hub->open({.v1 = true});
  const SessionId behind = hub->open({.v1 = true});
  live(ready, "a");
  live(behind, "a");
  hub->on_event(feed::Passed{Partition(0), Offset(3), Lsn(200), Epoch(1)});
  for (std::uint64_t seq = 1; seq < 5; ++seq) {
    deliver(run(1, seq, {std::string(100, 'x')}));
    read(ready);
  }
  clock.now += std::chrono::seconds(31);
  hub->tick();
  const auto answers = read(ready);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(answers[0].find(R"("op":"progress")"), std::string::npos);
  for (const auto& text : read(behind)) EXPECT_EQ(text.find("progress"), std::string::npos);
}

TEST_F(HubTest, events_for_subscriptions_and_sessions_that_are_gone_do_nothing) {
  const SessionId session = hub->open({});
  const SubscriptionId id = live(session, "a");
  hub->close(session);
  EXPECT_EQ(commands_of<feed::UnsubscribeCommand>().size(), 1u);
  accept(id);
  snapshot({id}, 0);
  caught_up(id, 1, {run(1, 1, {"x"})});
  deliver(run(1, 2, {"x"}));
  hub->on_event(feed::Refused{id, protocol::ErrorCode::unavailable, "", {}, false});
  EXPECT_TRUE(hub->take_dirty().empty());
}

// A feed that is exact, and clients that read in fits and starts: each gets every record once, in order.
TEST_F(HubTest, c2_c3_random_stalls_lose_and_double_nothing) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  make({.outbox_bytes_max = 500, .outbox_bytes_low = 200, .outbox_bytes_hard = 1 << 20});
  std::vector<feed::FrameRun> log;  // one record each; seq is the index + 1
  std::vector<SessionId> sessions;
  std::map<std::uint64_t, std::vector<std::string>> got;
  for (int i = 0; i < 8; ++i) {
    sessions.push_back(hub->open({}));
    live(sessions.back(), "a");
  }
  const auto answer = [&] {
    std::vector<feed::Command> asked;
    asked.swap(commands);
    for (const auto& command : asked) {
      const auto* catch_up = std::get_if<feed::CatchUpCommand>(&command);
      if (catch_up == nullptr) continue;
      const std::uint64_t from = catch_up->after.value();
      const std::uint64_t to = std::min<std::uint64_t>(log.size(), from + 1 + random() % 4);
      std::vector<feed::FrameRun> runs(log.begin() + static_cast<std::ptrdiff_t>(from),
                                       log.begin() + static_cast<std::ptrdiff_t>(to));
      hub->on_event(feed::CaughtUp{catch_up->subscription, catch_up->after, std::move(runs), FeedSeq(to),
                                   to == log.size()});
    }
  };
  const auto drain = [&](SessionId session) {
    for (std::string& payload : read(session)) got[session.value()].push_back(std::move(payload));
    hub->written(session);
  };
  for (int step = 0; step < 5'000; ++step) {
    if (random() % 2 == 0) {
      log.push_back(run(1, log.size() + 1, {std::to_string(log.size()) + std::string(random() % 60, '.')}));
      deliver(log.back());
    } else if (random() % 3 == 0) {
      drain(sessions[random() % sessions.size()]);
    } else {
      answer();
    }
  }
  for (int turn = 0; turn < 10'000; ++turn) {
    for (SessionId session : sessions) drain(session);
    if (commands.empty()) break;
    answer();
  }
  for (SessionId session : sessions) {
    const auto& received = got[session.value()];
    ASSERT_EQ(received.size(), log.size());
    for (std::size_t i = 0; i < log.size(); ++i) ASSERT_EQ(std::stoull(received[i]), i);
  }
}

}  // namespace
}  // namespace tidegate::hub
