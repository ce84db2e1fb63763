// Frames of one channel that lie behind each other in a batch may be delivered as one. What a client gets
// must be the same as frame by frame:
//  - each frame that it needs, once, in order, and none that it has;
//  - its place afterwards;
//  - and where the outbox has no room for all of them, as many as it has room for.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/testing.h"
#include "hub/subscription.h"
#include "hub/testing.h"

namespace tidegate::hub {
namespace {

struct Record {
  std::uint64_t seq = 0, lsn = 0;
  std::string payload;
  std::uint32_t part = 0;
  bool last = true;
  std::uint64_t xid = 0;  // 0: none
};

/// Of channel 1 and for `raw` alone, as the feed makes them where nobody wants another encoding.
feed::FrameRun raw_run(const std::vector<Record>& records) {
  auto batch = std::make_shared<feed::FrameBatch>();
  batch->number = records.front().seq;
  feed::FrameRun made;
  for (const Record& record : records) {
    feed::Frame frame;
    frame.channel = ChannelId(1);
    frame.seq = FeedSeq(record.seq);
    frame.lsn = Lsn(record.lsn);
    frame.part = record.part;
    frame.last = record.last;
    if (record.xid != 0) frame.xid = Xid(record.xid);
    const auto at = static_cast<std::uint32_t>(batch->bytes.size());
    protocol::append_frame_header(batch->bytes, protocol::Opcode::binary, record.payload.size());
    batch->bytes += record.payload;
    frame.slices[static_cast<std::size_t>(protocol::Encoding::raw)] = {
        at, static_cast<std::uint32_t>(batch->bytes.size()) - at};
    made.frames.push_back(static_cast<std::uint32_t>(batch->frames.size()));
    batch->frames.push_back(frame);
  }
  made.batch = std::move(batch);
  return made;
}

using NeighboursTest = HubTest;

TEST_F(NeighboursTest, come_to_each_session_once_and_in_order) {
  const SessionId first = hub->open({.pass_through = true}), second = hub->open({.pass_through = true});
  live(first, "a");
  live(second, "a");
  deliver(raw_run({{1, 5, "x"}, {2, 5, "y"}, {3, 7, "z"}}));
  deliver(raw_run({{4, 8, "u"}, {5, 9, "v"}}));
  const std::vector<std::string> all{"x", "y", "z", "u", "v"};
  EXPECT_EQ(read(first), all);
  EXPECT_EQ(read(second), all);
}

TEST_F(NeighboursTest, of_several_events_come_in_their_order_with_what_lies_between) {
  const SessionId session = hub->open({.pass_through = true});
  live(session, "a");
  std::vector<feed::Event> events;
  events.emplace_back(feed::Deliver{raw_run({{1, 5, "x"}, {2, 6, "y"}})});
  events.emplace_back(feed::Deliver{raw_run({{3, 7, "z"}})});
  events.emplace_back(
      feed::Refused{subscribe(session, "b"), protocol::ErrorCode::unavailable, "no", {}, false});
  events.emplace_back(feed::Deliver{raw_run({{4, 8, "u"}})});
  hub->on_events(events);
  const std::vector<std::string> got = read(session);
  ASSERT_EQ(got.size(), 5u);
  EXPECT_EQ(got[2], "z");
  EXPECT_NE(got[3].find("unavailable"), std::string::npos);
  EXPECT_EQ(got[4], "u");
}

TEST_F(NeighboursTest, that_a_session_has_are_left_out) {
  const SessionId session = hub->open({.pass_through = true});
  live(session, "a");
  deliver(raw_run({{1, 5, "x"}, {2, 6, "y"}}));
  deliver(raw_run({{2, 6, "y"}, {3, 7, "z"}}));
  EXPECT_EQ(read(session), (std::vector<std::string>{"x", "y", "z"}));
}

TEST_F(NeighboursTest, whose_lsn_falls_are_looked_at_one_by_one) {
  const SessionId session = hub->open({.pass_through = true});
  live(session, "a");
  deliver(raw_run({{1, 7, "x"}, {2, 6, "below"}, {3, 8, "y"}}));
  EXPECT_EQ(read(session), (std::vector<std::string>{"x", "y"}));
}

TEST_F(NeighboursTest, of_one_lsn_are_two_for_pass_through_and_one_change_where_we_match) {
  const SessionId session = hub->open({});
  live(session, "a");
  deliver(raw_run({{1, 7, "x"}, {2, 7, "again"}, {3, 8, "y"}}));
  EXPECT_EQ(read(session), (std::vector<std::string>{"x", "y"}));
}

TEST_F(NeighboursTest, c7_that_an_outbox_has_no_room_for_make_its_subscription_lag_in_their_middle) {
  make({.outbox_bytes_max = 200, .outbox_bytes_low = 100, .outbox_bytes_hard = 1 << 20});
  const SessionId session = hub->open({.pass_through = true});
  const SubscriptionId id = live(session, "a");
  const std::string large(120, 'x');
  deliver(raw_run({{1, 1, large}, {2, 2, large}, {3, 3, large}, {4, 4, "late"}}));
  EXPECT_EQ(read(session), (std::vector<std::string>{large, large}));
  hub->written(session);
  caught_up(id, 4, {raw_run({{3, 3, large}, {4, 4, "late"}})});
  EXPECT_EQ(read(session), (std::vector<std::string>{large, "late"}));
}

TEST_F(NeighboursTest, rule_18_are_filtered_while_a_snapshot_s_fence_is_on) {
  const SessionId session = hub->open({});
  const SubscriptionId id = subscribe(session, "a");
  accept(id);
  snapshot({id}, 0, {",\"rows\":[]}"}, Fence{Lsn(10), XidSnapshot{Xid(5), Xid(5), {}}});
  caught_up(id, 0);
  read(session);
  deliver(
      raw_run({{1, 8, "held", 0, true, 4}, {2, 9, "not held", 0, true, 6}, {3, 11, "above", 0, true, 3}}));
  EXPECT_EQ(read(session), (std::vector<std::string>{"not held", "above"}));
}

/// A run's worth of random frames: parts, LSNs that stand still, rise and fall.
std::vector<Record> random_records(std::mt19937& random, std::uint64_t& seq, std::uint64_t& lsn) {
  std::vector<Record> records;
  for (std::size_t left = 1 + random() % 5; left > 0; --left) {
    if (random() % 4 != 0) lsn += 1 + random() % 2;
    const std::uint64_t at = random() % 10 == 0 && lsn > 3 ? lsn - random() % 3 : lsn;
    const std::uint32_t parts = random() % 8 == 0 ? 2 + random() % 2 : 1;
    for (std::uint32_t part = 0; part < parts; ++part) {
      ++seq;
      records.push_back({seq, at, std::to_string(seq), part, part + 1 == parts});
    }
  }
  return records;
}

// One hub is given runs, all at once, another each frame of them alone: sessions with cursors and without,
// both modes.
TEST_F(NeighboursTest, c2_c3_random_runs_and_their_frames_alone_are_the_same_to_a_client) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const bool pass_through = random() % 2 == 0;
    std::uint64_t seq = 0, lsn = 5;
    std::vector<std::vector<Record>> runs;
    for (int i = 0; i < 10; ++i) runs.push_back(random_records(random, seq, lsn));
    const std::uint64_t have = random() % 8;  // frames up to here came with the snapshot
    std::array<std::vector<std::string>, 2> got;
    for (const bool whole : {true, false}) {
      make({.outbox_bytes_max = 1 << 20});
      const SessionId session = hub->open({.pass_through = pass_through});
      const SubscriptionId id = subscribe(session, "a");
      accept(id);
      snapshot({id}, have);
      caught_up(id, have);
      read(session);
      std::vector<feed::Event> together;
      for (const std::vector<Record>& run : runs) {
        if (whole) together.emplace_back(feed::Deliver{raw_run(run)});
        for (std::size_t i = 0; !whole && i < run.size(); ++i) deliver(raw_run({run[i]}));
      }
      hub->on_events(together);
      got[whole ? 0 : 1] = read(session);
    }
    ASSERT_EQ(got[0], got[1]);
    ASSERT_FALSE(got[0].empty());
  }
}

}  // namespace
}  // namespace tidegate::hub
