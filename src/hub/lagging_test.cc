// Rules 26 and 27, and issue 4's point 5: an outbox that holds what may not be held becomes a place, whatever
// is half written, and the client gets exactly what it would have got.
#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"
#include "hub/testing.h"
#include "protocol/cursor.h"

namespace tidegate::hub {
namespace {

using protocol::Encoding;

class LaggingTest : public HubTest {
 protected:
  static std::string text(std::uint64_t seq) { return std::string(100, static_cast<char>('a' + seq % 26)); }
  void deliver_each(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t seq = first; seq <= last; ++seq) deliver(run(1, seq, {text(seq)}));
  }
  std::optional<FeedSeq> last_asked(SubscriptionId id) {
    std::optional<FeedSeq> after;
    for (const auto& asked : commands_of<feed::CatchUpCommand>()) {
      if (asked.subscription == id) after = asked.after;
    }
    return after;
  }
  void evict(std::uint64_t up_to) {
    static_cast<void>(hub->take_dirty());  // as the shard does when it flushes
    hub->on_event(feed::Evicted{up_to});
  }
  std::uint64_t given_back() {
    return metrics
        .counter("tidegate_given_back_total",
                 "Times that a subscription's queued frames were dropped, to be fetched again.")
        .value();
  }
};

TEST_F(LaggingTest, rule_26_an_evicted_batch_leaves_the_outbox_but_for_the_frame_that_is_half_written) {
  const SessionId session = hub->open({});
  const SubscriptionId id = live(session, "a");
  commands.clear();
  std::vector<std::weak_ptr<const feed::FrameBatch>> batches;
  for (std::uint64_t seq = 1; seq <= 3; ++seq) {
    const auto made = run(1, seq, {text(seq)});
    batches.push_back(made.batch);
    deliver(made);
  }
  take(session, 50);
  evict(1);
  for (const auto& batch : batches) EXPECT_TRUE(batch.expired());
  EXPECT_EQ(hub->outbox(session).bytes(), 52u);
  EXPECT_EQ(hub->outbox(session).own_bytes(), 52u);
  EXPECT_TRUE(commands.empty()) << "nothing is asked for before the socket takes something";
  EXPECT_EQ(read(session), std::vector<std::string>{text(1)});
  hub->written(session);
  EXPECT_EQ(last_asked(id), FeedSeq(1));
  caught_up(id, 3, {run(1, 2, {text(2), text(3)})});
  deliver_each(4, 4);
  EXPECT_EQ(read(session), (std::vector<std::string>{text(2), text(3), text(4)}));
}

TEST_F(LaggingTest, rule_26_a_run_of_frames_that_lie_together_is_cut_at_a_frames_end) {
  const SessionId session = hub->open({});
  const SubscriptionId id = live(session, "a", Encoding::raw);
  // As the feed encodes where everybody wants raw frames: no other bytes in between.
  auto batch = std::make_shared<feed::FrameBatch>();
  feed::FrameRun frames;
  for (std::uint64_t seq = 1; seq <= 4; ++seq) {
    feed::Frame frame;
    frame.channel = ChannelId(1);
    frame.seq = FeedSeq(seq);
    frame.lsn = Lsn(seq);
    const auto at = static_cast<std::uint32_t>(batch->bytes.size());
    protocol::append_frame_header(batch->bytes, protocol::Opcode::binary, text(seq).size());
    batch->bytes += text(seq);
    frame.slices[static_cast<std::size_t>(Encoding::raw)] = {at, 102};
    batch->frames.push_back(frame);
    frames.frames.push_back(static_cast<std::uint32_t>(seq - 1));
  }
  batch->number = 7;
  frames.batch = batch;
  deliver(frames);
  take(session, 102 + 30);
  evict(7);
  EXPECT_EQ(hub->outbox(session).bytes(), 72u);
  EXPECT_EQ(read(session), (std::vector<std::string>{text(1), text(2)}));
  hub->written(session);
  EXPECT_EQ(last_asked(id), FeedSeq(2));
}

TEST_F(LaggingTest, rule_26_who_does_not_point_into_it_and_who_has_everything_stay_live) {
  const SessionId behind = hub->open({});
  const SessionId younger = hub->open({});
  const SessionId idle = hub->open({});
  for (SessionId session : {behind, younger, idle}) live(session, "a");
  deliver_each(1, 1);
  read(younger);
  deliver_each(2, 2);
  read(idle);
  for (SessionId session : {younger, idle}) hub->written(session);
  commands.clear();
  evict(1);
  deliver_each(3, 3);
  EXPECT_EQ(read(idle), std::vector<std::string>{text(3)});
  EXPECT_EQ(read(younger), (std::vector<std::string>{text(2), text(3)}));
  EXPECT_TRUE(read(behind).empty());
  EXPECT_EQ(given_back(), 1u);
}

TEST_F(LaggingTest, rule_26_who_was_about_to_be_written_is_turned_when_it_blocks) {
  const SessionId session = hub->open({});
  live(session, "a");
  static_cast<void>(hub->take_dirty());
  deliver_each(1, 2);
  hub->on_event(feed::Evicted{2});  // before the shard flushes
  EXPECT_EQ(hub->outbox(session).bytes(), 204u);
  static_cast<void>(hub->take_dirty());
  take(session, 102);
  hub->tick();
  EXPECT_EQ(hub->outbox(session).bytes(), 0u);
  EXPECT_EQ(read(session), std::vector<std::string>{text(1)});
}

TEST_F(LaggingTest, rule_26_a_text_whose_head_is_written_is_kept_whole_and_the_next_is_fetched_again) {
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId id = live(session, "a", Encoding::json);
  const std::string tail = R"(,"version":"1","cursor":{"lsn":"1"},"changes":[],"last":true})";
  for (std::uint64_t seq = 1; seq <= 3; ++seq) deliver(run(1, seq, {tail}));
  take(session, 4);
  evict(3);
  auto texts = read(session);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0], R"({"op":"diff","hashId":"a")" + tail);
  EXPECT_NE(texts[1].find(R"("status")"), std::string::npos) << "it is told that it lags";
  hub->written(session);
  EXPECT_EQ(last_asked(id), FeedSeq(1));
  caught_up(id, 3, {run(1, 2, {tail, tail})});
  EXPECT_EQ(read(session).size(), 2u);
}

TEST_F(LaggingTest, rule_18_frames_below_h_that_are_taken_back_are_filtered_again) {
  const SessionId session = hub->open({.v1 = true});
  const SubscriptionId id = subscribe(session, "a", Encoding::json);
  accept(id);
  const Fence fence{Lsn(100), XidSnapshot{Xid(5), Xid(10), {Xid(5)}}};
  snapshot({id}, 0, {",\"rows\":[]}"}, fence);
  caught_up(id, 0);
  read(session);
  const std::string tail = R"(,"version":"1","cursor":{"lsn":"1"},"changes":[],"last":true})";
  deliver(run(1, 50, {tail}, Xid(5)));
  deliver(run(1, 60, {tail}, Xid(6)));
  hub->on_event(feed::Passed{Partition(0), Offset(3), Lsn(120), Epoch(1)});
  deliver(run(1, 150, {tail}, Xid(12)));
  evict(1'000);
  read(session);
  hub->written(session);
  EXPECT_EQ(last_asked(id), FeedSeq(49));
  caught_up(id, 150, {run(1, 50, {tail}, Xid(5)), run(1, 60, {tail}, Xid(6)), run(1, 150, {tail}, Xid(12))});
  const auto texts = read(session);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0], R"({"op":"diff","hashId":"a")" + protocol::splice_fence(tail, fence));
  EXPECT_EQ(texts[1], R"({"op":"diff","hashId":"a")" + tail);
}

TEST_F(LaggingTest, rule_26_in_the_middle_of_a_transactions_parts_the_rest_is_fetched) {
  const SessionId session = hub->open({});
  const SubscriptionId id = live(session, "a", Encoding::v1);
  for (std::uint64_t part = 0; part < 4; ++part) deliver(part_of_one(part, part == 3));
  deliver(run(1, 5, {text(5)}));
  take(session, 204 + 10);
  evict(5);
  EXPECT_EQ(read(session), (std::vector<std::string>{part_text(0), part_text(1)}));
  hub->written(session);
  EXPECT_EQ(last_asked(id), FeedSeq(2));
  caught_up(id, 3, {part_of_one(2, false)}, false);
  EXPECT_EQ(read(session), std::vector<std::string>{part_text(2)});
  hub->written(session);
  EXPECT_EQ(last_asked(id), FeedSeq(3));
  caught_up(id, 5, {part_of_one(3, true), run(1, 5, {text(5)})});
  EXPECT_EQ(read(session), (std::vector<std::string>{part_text(3), text(5)}));
}

TEST_F(LaggingTest, rule_26_a_snapshots_parts_stay_and_what_came_before_them_is_void) {
  make({.outbox_bytes_max = 1'000, .outbox_bytes_low = 300, .outbox_bytes_hard = 1 << 20});
  const SessionId session = hub->open({});
  const SubscriptionId id = live(session, "a");
  deliver_each(1, 3);
  commands.clear();
  snapshot({id}, 10, std::vector<std::string>(3, "," + std::string(400, 'x') + "}"));
  evict(3);
  std::size_t parts = 0;
  for (int turn = 0; turn < 10; ++turn) {
    for (const std::string& message : read(session)) {
      EXPECT_NE(message.find("snapshot"), std::string::npos) << message;
      ++parts;
    }
    hub->written(session);
  }
  EXPECT_EQ(parts, 3u);
  EXPECT_EQ(last_asked(id), FeedSeq(10)) << "behind the snapshot, not where the dropped frames were";
}

TEST_F(LaggingTest, rule_26_in_the_middle_of_a_snapshot_what_is_queued_behind_it_goes_back) {
  const SessionId session = hub->open({});
  const SubscriptionId id = subscribe(session, "a");
  accept(id);
  snapshot({id}, 0, {",\"part\":0" + text(0) + "}", ",\"part\":1" + text(1) + "}"});
  caught_up(id, 2, {run(1, 1, {text(1), text(2)})});
  take(session, 60);  // in the middle of the ack or of part 0
  evict(2);
  const auto got = read(session);
  ASSERT_EQ(got.size(), 3u) << "the ack and both parts";
  hub->written(session);
  EXPECT_EQ(last_asked(id), FeedSeq(0));
  caught_up(id, 2, {run(1, 1, {text(1), text(2)})});
  EXPECT_EQ(read(session), (std::vector<std::string>{text(1), text(2)}));
}

// A progress message moves the cursors of all that is before it.
TEST_F(LaggingTest, rule_26_control_messages_stay_in_order_and_progress_goes_with_what_it_speaks_of) {
  const SessionId session = hub->open({.v1 = true});
  live(session, "a");
  hub->on_event(feed::Passed{Partition(0), Offset(3), Lsn(200), Epoch(1)});
  deliver_each(1, 2);
  hub->send(session, "first");
  clock.now += std::chrono::seconds(31);
  hub->tick();
  hub->send(session, "second");
  evict(2);
  const auto got = read(session);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0], "first");
  EXPECT_EQ(got[1], "second");
  EXPECT_NE(got[2].find("lagging"), std::string::npos);
}

TEST_F(LaggingTest, rule_26_an_answer_to_what_was_asked_before_going_back_is_not_taken) {
  make({.outbox_bytes_max = 400, .outbox_bytes_low = 300, .outbox_bytes_hard = 1 << 20});
  const SessionId session = hub->open({});
  const SubscriptionId id = live(session, "a");
  deliver_each(1, 6);
  take(session, 204);  // two of four: it asks for what comes after the fourth
  hub->written(session);
  ASSERT_EQ(last_asked(id), FeedSeq(4));
  evict(4);
  read(session);
  commands.clear();
  hub->on_event(feed::CaughtUp{id, FeedSeq(4), {run(1, 5, {text(5), text(6)})}, FeedSeq(6), true});
  EXPECT_TRUE(read(session).empty());
  ASSERT_EQ(last_asked(id), FeedSeq(2));
  caught_up(id, 6, {run(1, 3, {text(3), text(4), text(5), text(6)})});
  EXPECT_EQ(read(session), (std::vector<std::string>{text(3), text(4), text(5), text(6)}));
}

TEST_F(LaggingTest, c6_a_session_of_many_lagging_subscriptions_asks_for_a_few_at_a_time_and_all_get_theirs) {
  make({.outbox_bytes_max = 1'000, .outbox_bytes_low = 300, .outbox_bytes_hard = 5'000});
  const SessionId session = hub->open({});
  std::vector<SubscriptionId> ids;
  for (std::uint32_t i = 1; i <= 40; ++i)
    ids.push_back(live(session, "q" + std::to_string(i), {}, i, "k" + std::to_string(i)));
  commands.clear();
  deliver(run(1, 1, std::vector<std::string>(11, text(1))));  // fills the outbox
  for (std::uint32_t i = 2; i <= 40; ++i) deliver(run(i, 100, {text(i)}));
  std::size_t got = read(session).size();
  hub->written(session);
  while (!commands.empty()) {
    std::vector<feed::Command> asked;
    asked.swap(commands);
    EXPECT_LE(asked.size(), 4u);
    for (const auto& command : asked) {
      const auto& question = std::get<feed::CatchUpCommand>(command);
      const auto channel =
          static_cast<std::uint32_t>(std::find(ids.begin(), ids.end(), question.subscription) - ids.begin()) +
          1;
      std::vector<feed::FrameRun> runs;
      if (channel > 1 && question.after < FeedSeq(100)) runs.push_back(run(channel, 100, {text(channel)}));
      if (channel == 1) runs.push_back(run(1, question.after.value() + 1, {text(1)}));
      hub->on_event(
          feed::CaughtUp{question.subscription, question.after, std::move(runs), FeedSeq(200), true});
    }
    got += read(session).size();
    hub->written(session);
  }
  EXPECT_EQ(got, 11u + 39u);
  EXPECT_TRUE(hub->take_debtors().empty());
}

TEST_F(LaggingTest, c6_a_frame_larger_than_the_hard_limit_is_data_and_no_debt) {
  make({.outbox_bytes_max = 1'000, .outbox_bytes_low = 300, .outbox_bytes_hard = 5'000});
  const SessionId session = hub->open({});
  live(session, "a");
  deliver(run(1, 1, {std::string(50'000, 'x')}));
  EXPECT_TRUE(hub->take_debtors().empty());
  EXPECT_EQ(read(session).at(0).size(), 50'000u);
}

TEST_F(LaggingTest, rule_27_under_pressure_all_outboxes_become_places_and_then_the_largest_debtor_is_cut) {
  std::vector<SessionId> sessions;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(hub->open({}));
    live(sessions.back(), "a", Encoding::base64);
  }
  deliver_each(1, 5);
  for (int i = 0; i < 3; ++i)
    hub->send(sessions[static_cast<std::size_t>(i)], std::string(i == 1 ? 500 : 50, 'c'));
  static_cast<void>(hub->take_dirty());
  const std::size_t before = memory->used();
  EXPECT_GT(before, 0u);
  hub->on_event(feed::Relieve{});
  EXPECT_EQ(given_back(), 3u);
  EXPECT_LT(memory->used(), before);
  EXPECT_TRUE(hub->take_debtors().empty());
  hub->on_event(feed::Relieve{.cut = true});
  EXPECT_EQ(hub->take_debtors(), std::vector<SessionId>{sessions[1]});
  for (SessionId session : sessions) hub->close(session);
  EXPECT_EQ(memory->used(), 0u);
}

TEST_F(LaggingTest, rule_27_nobody_is_cut_for_what_was_about_to_be_written) {
  const SessionId healthy = hub->open({});
  live(healthy, "a");
  deliver(run(1, 1, {std::string(1'000, 'x')}));
  hub->on_event(feed::Relieve{.cut = true});
  EXPECT_EQ(read(healthy).size(), 1u);
  EXPECT_TRUE(hub->take_debtors().empty());
}

TEST_F(LaggingTest, rule_27_a_snapshot_in_memory_counts_as_debt_of_who_does_not_fetch_it) {
  make({.outbox_bytes_max = 100, .outbox_bytes_low = 50});
  const SessionId snapshotting = hub->open({});
  const SessionId other = hub->open({});
  live(other, "a");
  const SubscriptionId id = subscribe(snapshotting, "b", {}, "kb");
  accept(id, 2);
  snapshot({id}, 0, std::vector<std::string>(10, "," + std::string(400, 'x') + "}"));
  hub->send(other, std::string(1'000, 'c'));
  hub->on_event(feed::Relieve{.cut = true});
  EXPECT_EQ(hub->take_debtors(), std::vector<SessionId>{snapshotting});
}

TEST_F(LaggingTest, rule_27_what_is_kept_of_queries_counts_as_debt_also_of_who_reads_all) {
  const auto ask = [&](SessionId session, std::size_t kept) {
    SubscribeRequest request;
    request.hash_id = "a";
    request.routing_key = "k" + std::to_string(kept);
    request.kept_bytes = kept;
    hub->subscribe(session, std::move(request));
    read(session);
  };
  const SessionId greedy = hub->open({});
  const SessionId usual = hub->open({});
  const SessionId reading = hub->open({});
  ask(greedy, 3 << 20);
  ask(usual, 100'000);
  ask(reading, 1'000);
  hub->send(reading, std::string(1'000, 'c'));
  hub->on_event(feed::Relieve{.cut = true});
  EXPECT_EQ(hub->take_debtors(), std::vector<SessionId>{greedy});
  hub->close(greedy);
  read(reading);
  hub->on_event(feed::Relieve{.cut = true});
  EXPECT_TRUE(hub->take_debtors().empty()) << "a usual query, and nothing queued";
}

TEST_F(LaggingTest, rule_27_snapshots_out_of_files_are_copied_as_far_as_memory_has_room) {
  constexpr std::size_t kParts = 10;
  memory = std::make_shared<Budget>(5'000);
  make({});
  auto spool = std::make_shared<feed::Spool>(feed::SpoolRoom{.memory_bytes = 0, .directory = "/var/tmp"});
  for (std::size_t i = 0; i < kParts; ++i) ASSERT_TRUE(spool->append(std::string(1'000, 'x')).ok());
  std::vector<SessionId> sessions;
  feed::SnapshotReady event;
  for (int i = 0; i < 20; ++i) {
    sessions.push_back(hub->open({.v1 = true}));
    event.subscriptions.push_back(subscribe(sessions.back(), "a"));
    accept(event.subscriptions.back());
  }
  event.spool = spool;
  hub->on_event(event);
  EXPECT_GT(memory->used(), 5'000u);
  EXPECT_LT(memory->used(), 10'000u) << "20 of them wait, of 10 kB each";
  std::map<SessionId, std::size_t> got;
  for (int turn = 0; turn < 100; ++turn) {
    for (SessionId session : sessions) {
      const std::vector<std::string> texts = read(session);
      for (const std::string& text : texts)
        got[session] += text.find("snapshot") != std::string::npos ? 1 : 0;
      if (!texts.empty()) hub->written(session);  // as a socket that took something
    }
    hub->tick();
    EXPECT_LT(memory->used(), 10'000u);
  }
  for (SessionId session : sessions) EXPECT_EQ(got[session], kParts);
}

// A feed that is exact, clients that read any number of bytes at a time, batches that are evicted under
// them: each gets every record once, in order.
TEST_F(LaggingTest, rule_26_random_evictions_lose_and_double_nothing) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  make({.outbox_bytes_max = 500, .outbox_bytes_low = 200, .outbox_bytes_hard = 1 << 20});
  std::vector<feed::FrameRun> log;  // one record each; seq and number are the index + 1
  std::uint64_t lsn = 0;
  bool last = true;
  const auto append = [&] {
    feed::FrameRun made =
        run(1, log.size() + 1, {std::to_string(log.size()) + std::string(random() % 60, '.')});
    auto batch = std::make_shared<feed::FrameBatch>();
    batch->bytes = made.batch->bytes;
    batch->frames = made.batch->frames;
    batch->number = log.size() + 1;
    if (last) ++lsn;
    last = random() % 3 != 0;
    batch->frames[0].lsn = Lsn(lsn);
    batch->frames[0].last = last;
    made.batch = std::move(batch);
    log.push_back(std::move(made));
  };
  std::vector<SessionId> sessions;
  std::map<std::uint64_t, std::string> got;
  for (int i = 0; i < 8; ++i) {
    sessions.push_back(hub->open({}));
    live(sessions.back(), "a", i % 2 == 0 ? Encoding::v1 : Encoding::json);
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
  for (int step = 0; step < 20'000; ++step) {
    const SessionId session = sessions[random() % sessions.size()];
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        append();
        deliver(log.back());
        break;
      case 3:
      case 4:
        take(session, random() % 200);
        hub->written(session);
        break;
      case 5:
        if (random() % 4 == 0) evict(log.size() - std::min<std::size_t>(log.size(), random() % 5));
        break;
      default:
        answer();
    }
  }
  for (int turn = 0; turn < 20'000; ++turn) {
    for (SessionId session : sessions) {
      take(session, 1'000);
      hub->written(session);
    }
    if (commands.empty()) break;
    answer();
  }
  EXPECT_GT(given_back(), 100u);
  for (SessionId session : sessions) {
    const auto received = read(session);
    ASSERT_EQ(received.size(), log.size());
    for (std::size_t i = 0; i < log.size(); ++i) {
      const std::size_t at = received[i].starts_with("{") ? received[i].find(R"("a")") + 3 : 0;
      ASSERT_EQ(std::stoull(received[i].substr(at)), i);
    }
  }
}

}  // namespace
}  // namespace tidegate::hub
