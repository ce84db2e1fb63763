// Invariants: what a follower holds is the snapshot and every diff of the channel after its `after`, each
// once and in order; nothing of another epoch, generation or activation; a ack a subscribe.

#include <gtest/gtest.h>

#include "feed/testing.h"

namespace tidegate::feed {
namespace {

constexpr std::uint64_t kActivation = 0xabc;

class ManagedTest : public testing::Test {
 protected:
  explicit ManagedTest(Options options = {}) : stage(true, options) {}
  void SetUp() override { stage.start(); }

  /// A subscription that is live after a snapshot with `fence` until H.
  Follower& live(std::uint64_t v, std::uint64_t h, protocol::Encoding encoding = protocol::Encoding::v1) {
    Follower& follower = stage.subscribe(key, query, {}, {}, encoding);
    stage.active(key, *query, kActivation, v);
    stage.progress(v, v);
    stage.source.wait_begun(1);
    stage.source.release({.fence = fence(h)});
    stage.until_live(follower);
    return follower;
  }
  static Fence fence(std::uint64_t h) { return {Lsn(h), XidSnapshot{Xid(1), Xid(1), {}}}; }
  protocol::Cursor cursor(std::uint64_t lsn, std::uint64_t activation = kActivation) const {
    return {stage.epoch, query->hash(), Activation(activation), stage.partition_of(key), Offset(0),
            Lsn(lsn),    std::nullopt};
  }

  std::string key = "t/things/1";
  std::shared_ptr<const query::Query> query = query_for(1);
  Stage stage;
};

TEST_F(ManagedTest, a_subscribe_registers_and_is_acked_before_the_matcher_has_answered) {
  Follower& follower = stage.subscribe(key, query);
  stage.until([&] { return follower.accepted.has_value(); });
  EXPECT_FALSE(follower.accepted->resumed);
  EXPECT_EQ(follower.accepted->query, query->hash());
  EXPECT_EQ(follower.accepted->partition, stage.partition_of(key));
  bool registered = false;
  auto following = stage.registry.follow(
      [&](const registry::Entry& entry) {
        const auto* registration = std::get_if<registry::Registration>(&entry.record);
        registered |= registration != nullptr && registration->routing_key == key &&
                      registration->canonical == query->canonical();
      },
      [] {});
  EXPECT_TRUE(registered);
}

TEST_F(ManagedTest, rule_17_the_snapshot_begins_only_when_v_has_reached_r) {
  Follower& follower = stage.subscribe(key, query);
  stage.active(key, *query, kActivation, 100);
  stage.settle(120, 99);
  EXPECT_EQ(stage.source.begun(), 0);
  stage.progress(120, 100);
  stage.source.wait_begun(1);
  stage.source.release({.fence = fence(130), .rows = {thing(1, "one")}});
  stage.until_live(follower);
  ASSERT_EQ(follower.snapshots.size(), 1u);
  EXPECT_EQ(follower.snapshots[0].fence, fence(130));
  const std::string_view tail = follower.snapshots[0].spool->in_memory(0).value();
  EXPECT_NE(tail.find(R"("version":130)"), std::string::npos) << tail;
  EXPECT_NE(tail.find(R"("lsn":"100")"), std::string::npos) << tail;
  EXPECT_NE(tail.find(R"("title":"one")"), std::string::npos) << tail;
  EXPECT_NE(tail.find(R"("until":"130")"), std::string::npos) << tail;
  EXPECT_TRUE(stage.has_metric("tidegate_feed_active_after_milliseconds_count 1")) << stage.metrics.text();
  EXPECT_TRUE(stage.has_metric("tidegate_feed_rows_after_milliseconds_count 1"));
}

TEST_F(ManagedTest, rule_17_the_tail_goes_on_before_the_first_diff_above_v) {
  Follower& follower = stage.subscribe(key, query);
  stage.active(key, *query, kActivation, 100);
  stage.diff(key, 110, "visible");
  stage.diff(key, 120, "doubtful");
  stage.settle(120, 110);
  stage.source.wait_begun(1);
  stage.diff(key, 130, "while it is read");
  stage.settle(130, 110);
  stage.source.release({.fence = fence(140)});
  stage.until_live(follower);
  stage.diff(key, 150, "live");
  stage.settle(150, 110);
  const std::vector<Got> expected = {
      {Lsn(120), "doubtful"}, {Lsn(130), "while it is read"}, {Lsn(150), "live"}};
  EXPECT_EQ(follower.got, expected);
}

TEST_F(ManagedTest, many_subscribers_share_one_flight_and_its_spool) {
  std::vector<Follower*> followers;
  for (int i = 0; i < 50; ++i) followers.push_back(&stage.subscribe(key, query));
  stage.active(key, *query, kActivation, 100);
  stage.progress(100, 100);
  stage.source.wait_begun(1);
  for (int i = 0; i < 50; ++i) followers.push_back(&stage.subscribe(key, query));
  stage.until([&] { return followers.back()->accepted.has_value(); });
  stage.source.release({.fence = fence(100)});
  for (Follower* follower : followers) stage.until_live(*follower);
  EXPECT_EQ(stage.source.begun(), 1);
  EXPECT_EQ(followers.front()->snapshots[0].spool, followers.back()->snapshots[0].spool);
  EXPECT_EQ(stage.last_snapshot.size(), 100u);
}

TEST_F(ManagedTest, a_recent_snapshot_serves_who_comes_soon_together_with_the_tail) {
  live(100, 100);
  stage.diff(key, 110, "later");
  Follower& second = stage.subscribe(key, query);
  stage.settle(110, 110);
  stage.until_live(second);
  EXPECT_EQ(second.got, std::vector<Got>({{Lsn(110), "later"}}));
  EXPECT_EQ(stage.source.begun(), 1);
  stage.clock.advance(std::chrono::milliseconds(5'001));
  Follower& third = stage.subscribe(key, query);
  stage.source.wait_begun(2);
  stage.source.release({.fence = fence(110)});
  stage.until_live(third);
  EXPECT_TRUE(third.got.empty());
}

TEST_F(ManagedTest, a_resume_is_served_from_the_tail_without_a_snapshot) {
  live(100, 100);
  stage.diff(key, 110, "a");
  stage.diff(key, 120, "b");
  stage.diff(key, 130, "c");
  stage.settle(130, 130);
  protocol::Cursor with_fence = cursor(110);
  with_fence.fence = fence(115);
  Follower& back = stage.subscribe(key, query, with_fence);
  stage.until_live(back);
  EXPECT_TRUE(back.accepted->resumed);
  EXPECT_EQ(back.accepted->floor, Lsn(110));
  EXPECT_EQ(back.accepted->fence, fence(115));
  EXPECT_EQ(back.got, std::vector<Got>({{Lsn(120), "b"}, {Lsn(130), "c"}}));
  EXPECT_TRUE(back.snapshots.empty());
}

TEST_F(ManagedTest,
       rule_14_a_cursor_of_another_activation_epoch_query_or_of_before_the_tail_gets_a_snapshot) {
  live(100, 100);
  protocol::Cursor other_epoch = cursor(100);
  other_epoch.epoch = Epoch(78);
  protocol::Cursor other_query = cursor(100);
  other_query.query = query_for(2)->hash();
  for (const auto& wrong : {cursor(100, 0xdef), other_epoch, other_query, cursor(99)}) {
    Follower& follower = stage.subscribe(key, query, wrong);
    stage.until_live(follower);
    EXPECT_FALSE(follower.accepted->resumed);
    EXPECT_EQ(follower.snapshots.size(), 1u);
  }
}

TEST_F(ManagedTest, rule_16_a_resume_waits_for_active_and_is_acked_within_five_seconds) {
  Follower& early = stage.subscribe(key, query, cursor(100));
  Follower& late = stage.subscribe("t/things/2", query_for(2), cursor(100));
  stage.active(key, *query, kActivation, 100);
  stage.until_live(early);
  EXPECT_TRUE(early.accepted->resumed);
  EXPECT_FALSE(late.accepted);
  stage.clock.advance(std::chrono::seconds(5));
  stage.until([&] { return late.accepted.has_value(); });
  EXPECT_FALSE(late.accepted->resumed);
  stage.clock.advance(std::chrono::seconds(30));
  stage.until([&] { return late.waiting == 1; });
  EXPECT_EQ(early.waiting, 0);
  EXPECT_FALSE(late.refused) << "to wait is no error";
  stage.active("t/things/2", *query_for(2), 0xdef, 100);
  stage.progress(100, 100);
  stage.source.wait_begun(1);
  stage.source.release({.fence = fence(100)});
  stage.until_live(late);
  EXPECT_EQ(late.snapshots.size(), 1u) << "the snapshot follows by itself";
}

TEST_F(ManagedTest, rule_18_an_lsn_alone_is_answered_by_a_fresh_snapshot) {
  live(100, 100);
  stage.settle(110, 110);
  stage.clock.advance(std::chrono::minutes(1));  // past the reuse of the first snapshot
  Follower& follower = stage.subscribe(key, query, {}, Lsn(105), protocol::Encoding::v1);
  stage.source.wait_begun(2);
  stage.source.release({.fence = fence(110)});
  stage.until_live(follower);
  EXPECT_FALSE(follower.accepted->resumed);
  EXPECT_EQ(follower.snapshots.size(), 1u);
}

TEST_F(ManagedTest, rule_14_the_channels_own_closed_resets_it_and_another_ones_does_not) {
  Follower& follower = live(100, 100);
  stage.closed(key, 0xdef, 110);
  stage.diff(key, 120, "still");
  stage.settle(120, 120);
  EXPECT_EQ(follower.got.size(), 1u);
  EXPECT_EQ(follower.unsolicited, 0);
  stage.closed(key, kActivation, 130);
  stage.until([&] { return follower.unsolicited == 1; });
  stage.diff(key, 140, "of nobody");
  stage.active(key, *query, 0xdef, 150);
  stage.progress(150, 150);
  stage.source.wait_begun(2);
  stage.source.release({.fence = fence(150)});
  stage.until([&] { return follower.snapshots.size() == 2 && follower.live; });
  stage.diff(key, 160, "again");
  stage.settle(160, 160);
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(160), "again"}}));
}

TEST_F(ManagedTest, a_reset_record_brings_a_fresh_snapshot_not_before_v_has_reached_it) {
  Follower& follower = live(100, 100);
  stage.append(log::Kind::reset, stage.partition_of(key), key, "{}", 110);
  stage.settle(110, 109);
  EXPECT_EQ(follower.unsolicited, 1);
  EXPECT_EQ(stage.source.begun(), 1);
  stage.diff(key, 120, "after");
  stage.progress(120, 110);
  stage.source.wait_begun(2);
  stage.source.release({.fence = fence(115)});
  stage.until([&] { return follower.snapshots.size() == 2 && follower.live; });
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(120), "after"}}));
}

TEST_F(ManagedTest, rule_10_a_new_epoch_resets_and_records_of_another_one_are_dropped) {
  Follower& follower = live(100, 100);
  const Epoch old = std::exchange(stage.epoch, Epoch(88));
  stage.registry.append(stage.bound(), [](const Result<Offset>&) {});
  stage.until([&] { return follower.unsolicited == 1; });
  stage.active(key, *query, 0xdef, 10);
  stage.epoch = old;
  stage.diff(key, 200, "of before");
  stage.epoch = Epoch(88);
  stage.progress(10, 10);
  stage.source.wait_begun(2);
  stage.source.release({.fence = fence(10)});
  stage.until([&] { return follower.snapshots.size() == 2 && follower.live; });
  stage.diff(key, 20, "of now");
  stage.until([&] { return !follower.got.empty(); });
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(20), "of now"}}));
  EXPECT_TRUE(stage.has_metric(R"(tidegate_feed_dropped_total{reason="other_epoch"} 1)"))
      << stage.metrics.text();
}

TEST_F(ManagedTest, rule_4_a_lower_generation_is_dropped_once_a_higher_one_was_seen) {
  Follower& follower = live(100, 100);
  stage.generation = Generation(5);
  stage.progress(100, 100);
  stage.generation = Generation(1);
  stage.diff(key, 110, "of a matcher that was overthrown");
  stage.generation = Generation(5);
  stage.diff(key, 105, "of the new one");
  stage.settle(110, 110);
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(105), "of the new one"}}));
}

TEST_F(ManagedTest, rule_4_a_fence_drops_lower_generations_from_its_offset_on) {
  Follower& follower = live(100, 100);
  const Offset end = stage.log.watermarks(stage.partition_of(key))->end;
  stage.registry.append(registry::GenerationFence{stage.partition_of(key), Generation(5), end.next()},
                        [](const Result<Offset>&) {});
  stage.diff(key, 110, "below the fence");
  stage.diff(key, 120, "at it");
  stage.generation = Generation(5);
  stage.settle(130, 130);
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(110), "below the fence"}}));
}

TEST_F(ManagedTest, rule_4_a_later_fence_does_not_lift_an_earlier_one) {
  Follower& follower = live(100, 100);
  const Partition partition = stage.partition_of(key);
  const Offset end = stage.log.watermarks(partition)->end;
  stage.registry.append(registry::GenerationFence{partition, Generation(5), end},
                        [](const Result<Offset>&) {});
  stage.registry.append(registry::GenerationFence{partition, Generation(9), end.next()},
                        [](const Result<Offset>&) {});
  stage.diff(key, 110, "of the first, behind the second one's fence");
  stage.generation = Generation(9);
  stage.settle(130, 130);
  EXPECT_TRUE(follower.got.empty());
}

TEST_F(ManagedTest, rule_11_a_record_in_another_partition_than_its_key_s_is_dropped) {
  Follower& follower = live(100, 100);
  const Partition other(1 - stage.partition_of(key).value());
  stage.append(log::Kind::diff, other, key, "astray", 110, Xid(110));
  stage.diff(key, 120, "at home");
  stage.settle(120, 120);
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(120), "at home"}}));
}

TEST_F(ManagedTest, rule_4_what_is_streamed_again_is_given_once) {
  Follower& follower = live(100, 100);
  stage.diff(key, 110, "a");
  stage.diff(key, 120, "b");
  stage.generation = Generation(2);
  stage.diff(key, 90, "of before the activation");
  stage.diff(key, 110, "a");
  stage.diff(key, 120, "b");
  stage.diff(key, 130, "c");
  stage.settle(130, 130);
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(110), "a"}, {Lsn(120), "b"}, {Lsn(130), "c"}}));
}

TEST_F(ManagedTest, rule_5_parts_of_an_unfinished_transaction_are_begun_again_by_the_next_generation) {
  Follower& follower = live(100, 100);
  const Partition partition = stage.partition_of(key);
  stage.append(log::Kind::diff, partition, key, "x0", 110, Xid(1), 0, false);
  stage.append(log::Kind::diff, partition, key, "x1", 110, Xid(1), 1, false);
  stage.generation = Generation(2);
  stage.append(log::Kind::diff, partition, key, "y0", 110, Xid(1), 0, false);
  stage.append(log::Kind::diff, partition, key, "y1", 110, Xid(1), 1, true);
  stage.append(log::Kind::diff, partition, key, "y1", 110, Xid(1), 1, true);
  stage.settle(110, 110);
  EXPECT_EQ(
      follower.got,
      std::vector<Got>({{Lsn(110), "x0", 0}, {Lsn(110), "x1", 1}, {Lsn(110), "y0", 0}, {Lsn(110), "y1", 1}}));
  EXPECT_EQ(follower.unsolicited, 0);
}

TEST_F(ManagedTest, rule_5_parts_are_a_reset_for_who_has_no_room_for_their_numbers) {
  Follower& with_header = live(100, 100);
  Follower& without = stage.subscribe(key, query, {}, {}, protocol::Encoding::raw);
  stage.until_live(without);
  const Partition partition = stage.partition_of(key);
  stage.append(log::Kind::diff, partition, key, "x0", 110, Xid(1), 0, false);
  stage.append(log::Kind::diff, partition, key, "x1", 110, Xid(1), 1, true);
  stage.settle(110, 109);
  EXPECT_EQ(without.unsolicited, 1);
  EXPECT_EQ(with_header.unsolicited, 0);
  EXPECT_EQ(with_header.got, std::vector<Got>({{Lsn(110), "x0", 0}, {Lsn(110), "x1", 1}}));
  EXPECT_EQ(stage.source.begun(), 1) << "a snapshot of before would be followed by the same parts";
  stage.progress(110, 110);
  stage.source.wait_begun(2);
  stage.source.release({.fence = fence(110)});
  stage.until([&] { return without.snapshots.size() == 2 && without.live; });
  EXPECT_TRUE(without.got.empty());
}

TEST_F(ManagedTest, rule_5_parts_of_an_epoch_that_is_over_keep_nobody_waiting) {
  Follower& with_header = live(100, 100);
  Follower& follower = stage.subscribe(key, query, {}, {}, protocol::Encoding::raw);
  stage.until_live(follower);
  const Partition partition = stage.partition_of(key);
  stage.append(log::Kind::diff, partition, key, "x0", 110, Xid(1), 0, false);
  stage.append(log::Kind::diff, partition, key, "x1", 110, Xid(1), 1, true);
  stage.settle(110, 105);
  ASSERT_EQ(follower.unsolicited, 1) << "it waits for V to pass them";
  stage.epoch = Epoch(88);
  stage.registry.append(stage.bound(), [](const Result<Offset>&) {});
  stage.until([&] { return with_header.unsolicited == 1; });
  stage.active(key, *query, 0xdef, 50);
  stage.progress(50, 50);
  stage.source.wait_begun(2);
  stage.source.release({.fence = fence(50)});
  stage.until([&] { return follower.snapshots.size() == 2 && follower.live; });
}

TEST_F(ManagedTest, rule_5_who_has_no_room_for_part_numbers_and_lags_behind_parts_is_reset) {
  Follower& follower = live(100, 100, protocol::Encoding::base64);
  follower.lagging = true;  // from its place of before the parts, after them
  const FeedSeq before = follower.place;
  const Partition partition = stage.partition_of(key);
  stage.append(log::Kind::diff, partition, key, "x0", 110, Xid(1), 0, false);
  stage.settle(109, 109);
  EXPECT_TRUE(stage.feed->post(CatchUpCommand{follower.id, before, before}));
  stage.until([&] { return follower.unsolicited == 1; });
  EXPECT_TRUE(follower.got.empty());
}

TEST_F(ManagedTest, rule_19_who_asked_before_it_knew_of_its_snapshot_is_not_answered) {
  Follower& follower = live(100, 100);
  const FeedSeq before = follower.place;
  stage.append(log::Kind::reset, stage.partition_of(key), key, "", 110);
  stage.progress(110, 110);
  stage.source.wait_begun(2);
  stage.source.release({.fence = fence(110)});
  stage.until([&] { return follower.snapshots.size() == 2 && follower.live; });
  EXPECT_TRUE(stage.feed->post(CatchUpCommand{follower.id, before, before}));
  stage.diff(key, 120, "b");
  stage.until([&] { return !follower.got.empty(); });
  EXPECT_EQ(follower.unsolicited, 1) << "its snapshot answers it, and no second one";
}

TEST_F(ManagedTest, rule_5_a_part_of_another_generation_does_not_go_on_where_the_first_was_cut_off) {
  Follower& follower = live(100, 100);
  const Partition partition = stage.partition_of(key);
  stage.append(log::Kind::diff, partition, key, "x0", 110, Xid(1), 0, false);
  stage.generation = Generation(2);
  stage.append(log::Kind::diff, partition, key, "y1", 110, Xid(1), 1, true);
  stage.settle(110, 109);
  EXPECT_EQ(follower.unsolicited, 1);
  EXPECT_EQ(follower.got, std::vector<Got>({{Lsn(110), "x0", 0}}));
}

TEST_F(ManagedTest, rule_5_parts_without_their_first_reset_the_channel) {
  Follower& follower = live(100, 100);
  stage.append(log::Kind::diff, stage.partition_of(key), key, "x1", 110, Xid(1), 1, true);
  stage.settle(110, 109);
  EXPECT_EQ(follower.unsolicited, 1);
  EXPECT_TRUE(follower.got.empty());
}

TEST_F(ManagedTest, a_schema_record_refuses_its_subscribers_and_ends_the_channel) {
  Follower& follower = live(100, 100);
  stage.append(log::Kind::schema, stage.partition_of(key), key,
               R"({"code":"schema_changed","message":"the column is gone"})", 110);
  stage.until([&] { return follower.refused.has_value(); });
  EXPECT_EQ(follower.refused->code, protocol::ErrorCode::schema_changed);
  EXPECT_FALSE(follower.refused->keeps);
}

TEST_F(ManagedTest, trust_why_a_query_no_longer_fits_is_told_to_operators_alone) {
  const std::string reason = R"({"code":"bad_query","message":"t has no column owner_id"})";
  for (std::uint64_t lsn : {110U, 120U}) {  // a query that two clients have, one after the other
    Follower& follower = stage.subscribe(key, query);
    stage.settle(lsn - 1, lsn - 1);
    stage.append(log::Kind::schema, stage.partition_of(key), key, reason, lsn);
    stage.until([&] { return follower.refused.has_value(); });
    EXPECT_EQ(follower.refused->code, protocol::ErrorCode::bad_query);
    EXPECT_EQ(follower.refused->message.find("owner_id"), std::string::npos) << "a policy may hide it";
    EXPECT_NE(follower.refused->message.find("subscribe again"), std::string::npos);
  }
  ASSERT_EQ(stage.warned.size(), 1U) << "once for all that it ends";
  EXPECT_NE(stage.warned[0].find("t has no column owner_id"), std::string::npos);
}

TEST_F(ManagedTest, rule_29_a_snapshot_of_another_database_is_refused) {
  Follower& follower = stage.subscribe(key, query);
  stage.active(key, *query, kActivation, 100);
  stage.progress(100, 100);
  stage.source.release({.fence = fence(100), .identity = {"another", 1, "shop"}});
  stage.until([&] { return follower.refused.has_value(); });
  EXPECT_EQ(follower.refused->code, protocol::ErrorCode::unavailable);
  EXPECT_TRUE(follower.refused->retry_ms.has_value());
}

TEST_F(ManagedTest, rule_22_a_failed_snapshot_says_nothing_of_the_databases_words) {
  Follower& follower = stage.subscribe(key, query);
  stage.active(key, *query, kActivation, 100);
  stage.progress(100, 100);
  stage.source.release({.status = Error{Fault::unavailable, "card number 4711"}});
  stage.until([&] { return follower.refused.has_value(); });
  EXPECT_EQ(follower.refused->message.find("4711"), std::string::npos);
}

TEST_F(ManagedTest, rule_3_nothing_from_the_matcher_is_stale_until_something_comes) {
  EXPECT_FALSE(stage.feed->ready().ok());
  stage.settle(10, 10);
  stage.clock.advance(std::chrono::seconds(6));
  stage.until([&] { return stage.stale.size() == 1; });
  EXPECT_TRUE(stage.stale[0].since_unix_ms.has_value());
  EXPECT_FALSE(stage.feed->ready().ok());
  stage.settle(20, 20);
  stage.clock.advance(std::chrono::milliseconds(100));
  stage.until([&] { return stage.stale.size() == 2; });
  EXPECT_FALSE(stage.stale[1].since_unix_ms.has_value());
  EXPECT_TRUE(stage.feed->ready().ok());
}

TEST_F(ManagedTest, rule_14_a_channel_lingers_and_then_its_registration_ends) {
  Follower& follower = live(100, 100);
  stage.unsubscribe(follower);
  stage.clock.advance(std::chrono::seconds(30));
  stage.diff(key, 110, "for who comes back");
  stage.settle(110, 110);
  Follower& back = stage.subscribe(key, query, cursor(100));
  stage.until_live(back);
  EXPECT_EQ(back.got.size(), 1u);
  const std::size_t kept = stage.registry.size();
  stage.unsubscribe(back);
  // A command behind it: the leaving was handled before the clock moves.
  Follower& other = stage.subscribe("t/things/2", query_for(2));
  stage.until([&] { return other.accepted.has_value(); });
  stage.clock.advance(std::chrono::seconds(61));
  stage.settle(120, 120);
  stage.settle(130, 130);
  EXPECT_EQ(stage.registry.size(), kept);  // one more for the other, one less for this
}

TEST(FeedStartTest, rule_29_a_gateway_of_another_database_does_not_start) {
  Stage stage(true);
  stage.source.identity = {"another", 1, "shop"};
  Feed feed({stage.log, &stage.registry, &stage.source, stage.clock, stage.metrics, {stage.shard.port()}},
            {});
  const Status status = feed.start();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("another"), std::string::npos);
}

TEST(FeedTailTest, who_lags_behind_the_tail_and_what_may_be_read_of_the_log_gets_a_fresh_snapshot) {
  Options options;
  options.tail_bytes_max = 4'000;
  options.replay_bytes_max = 3'000;
  Stage stage(true, options);
  stage.start();
  const auto query = query_for(1);
  const std::string key = "t/things/1";
  Follower& follower = stage.subscribe(key, query);
  stage.active(key, *query, kActivation, 100);
  stage.progress(100, 100);
  stage.source.release({.fence = {Lsn(100), std::nullopt}});
  stage.until_live(follower);
  follower.live = false;  // its outbox is full
  std::uint64_t lsn = 100;
  for (int i = 0; i < 10; ++i) {
    stage.diff(key, ++lsn, std::string(1'000, 'x'));
    stage.settle(lsn, lsn);
  }
  stage.catch_up(follower);
  stage.source.release({.fence = {Lsn(lsn), std::nullopt}});
  stage.until([&] { return follower.snapshots.size() == 2 && follower.live; });
  EXPECT_EQ(follower.unsolicited, 1);
}

TEST(FeedTailTest, rule_27_reading_pauses_while_a_shard_cant_keep_up) {
  Stage stage(true);
  stage.start();
  const auto query = query_for(1);
  stage.settle(1, 1);
  stage.shard.set_backlog(std::size_t{1} << 40);
  Follower& first = stage.subscribe("t/things/1", query);
  stage.until([&] { return first.accepted.has_value(); });  // its turn came: from here on it is congested
  Follower& second = stage.subscribe("t/things/1", query);
  stage.progress(50, 50);
  stage.until([&] { return second.accepted.has_value(); });
  const auto pauses = [&] {
    const std::string text = stage.metrics.text();
    const std::string name = "\ntidegate_feed_paused_total ";
    return std::stoul(text.substr(text.find(name) + name.size()));
  };
  const auto before = pauses();
  const auto deadline = std::chrono::steady_clock::now() + kTestPatience;
  while (pauses() <= before + 1 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_GT(pauses(), before + 1) << "it was to put reading off again";
  EXPECT_EQ(stage.passed(Partition(0)), Lsn(1));
  stage.shard.set_backlog(0);
  stage.until([&] { return stage.passed(Partition(0)) == Lsn(50); });
}

}  // namespace
}  // namespace tidegate::feed
