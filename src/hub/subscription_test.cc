#include "hub/subscription.h"

#include <gtest/gtest.h>

namespace tidegate::hub {
namespace {

using Verdict = Place::Verdict;

feed::Frame frame(std::uint64_t seq, std::uint64_t lsn, std::optional<std::uint64_t> xid = {},
                  bool last = true) {
  feed::Frame made;
  made.seq = FeedSeq(seq);
  made.lsn = Lsn(lsn);
  if (xid) made.xid = Xid(*xid);
  made.last = last;
  return made;
}

Verdict take(Place& place, const feed::Frame& offered) {
  const Verdict verdict = place.offer(offered);
  if (verdict == Verdict::deliver) place.delivered(offered);
  return verdict;
}

Fence fence(std::uint64_t until, std::uint64_t xmin, std::uint64_t xmax, std::vector<Xid> open = {}) {
  return {Lsn(until), XidSnapshot{Xid(xmin), Xid(xmax), std::move(open)}};
}

TEST(Phase, only_a_snapshot_or_a_resume_leaves_pending) {
  EXPECT_EQ(next_phase(Phase::pending, Trigger::snapshot), Phase::snapshotting);
  EXPECT_EQ(next_phase(Phase::pending, Trigger::resumed), Phase::lagging);
  for (Trigger trigger : {Trigger::written, Trigger::caught_up, Trigger::full}) {
    EXPECT_EQ(next_phase(Phase::pending, trigger), Phase::pending);
  }
}

TEST(Phase, a_snapshot_is_followed_by_catching_up_and_only_then_by_live) {
  EXPECT_EQ(next_phase(Phase::snapshotting, Trigger::caught_up), Phase::snapshotting);
  EXPECT_EQ(next_phase(Phase::snapshotting, Trigger::written), Phase::lagging);
  EXPECT_EQ(next_phase(Phase::lagging, Trigger::caught_up), Phase::live);
  EXPECT_EQ(next_phase(Phase::live, Trigger::full), Phase::lagging);
}

TEST(Phase, a_snapshot_may_come_at_any_time) {
  for (Phase phase : {Phase::pending, Phase::snapshotting, Phase::lagging, Phase::live}) {
    EXPECT_EQ(next_phase(phase, Trigger::snapshot), Phase::snapshotting);
  }
}

TEST(Phase, a_reset_voids_whatever_was_under_way) {
  for (Phase phase : {Phase::pending, Phase::snapshotting, Phase::lagging, Phase::live}) {
    EXPECT_EQ(next_phase(phase, Trigger::reset), Phase::pending);
  }
}

// Rule 18: until the stream has passed H, the xid decides and not the LSN.
TEST(Place, rule_18_a_commit_below_h_that_the_snapshot_does_not_see_is_delivered) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(10), fence(/*until=*/1000, /*xmin=*/50, /*xmax=*/60, {Xid(50), Xid(55)}));
  EXPECT_EQ(take(place, frame(11, 900, 55)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(12, 901, 52)), Verdict::contained);
  EXPECT_EQ(take(place, frame(13, 902, 60)), Verdict::deliver) << "the xmax arm";
  EXPECT_EQ(take(place, frame(14, 903, 49)), Verdict::contained);
}

TEST(Place, rule_18_after_h_everything_is_delivered_and_nothing_below_it) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), fence(1000, 50, 60));
  EXPECT_EQ(take(place, frame(1, 1001, 55)), Verdict::deliver)
      << "visible xid, but above H: a reused number would be lost";
  EXPECT_FALSE(place.filter());
  EXPECT_EQ(take(place, frame(2, 999, 70)), Verdict::contained);
}

TEST(Place, rule_18_passing_h_without_a_frame_ends_the_filter_and_raises_the_floor) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), fence(1000, 50, 60));
  place.passed(Lsn(999));
  EXPECT_TRUE(place.filter());
  place.passed(Lsn(1000));
  EXPECT_FALSE(place.filter());
  EXPECT_EQ(place.floor(), Lsn(1000));
  EXPECT_EQ(take(place, frame(1, 1000, 99)), Verdict::contained);
  EXPECT_EQ(take(place, frame(2, 1001, 99)), Verdict::deliver);
}

TEST(Place, rule_18_h_is_no_cursor_while_the_filter_is_on) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), fence(1000, 50, 60, {Xid(55)}));
  EXPECT_EQ(take(place, frame(1, 500, 55)), Verdict::deliver);
  EXPECT_EQ(place.floor(), Lsn(500)) << "not H";
}

TEST(Place, rule_18_what_the_snapshot_holds_moves_the_place_too) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(10), fence(1000, 50, 60), Lsn(800));
  EXPECT_EQ(take(place, frame(11, 900, 49)), Verdict::contained);
  EXPECT_EQ(place.after(), FeedSeq(11));
  EXPECT_EQ(place.floor(), Lsn(900))
      << "a place that says less than it holds is no lowest place of a stretch";
}

TEST(Place, rule_30_without_xids_everything_up_to_h_is_contained) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), Fence{Lsn(7), std::nullopt});
  EXPECT_FALSE(place.filter());
  EXPECT_EQ(take(place, frame(1, 7)), Verdict::contained);
  EXPECT_EQ(take(place, frame(2, 8)), Verdict::deliver);
}

TEST(Place, c3_a_frame_that_is_offered_again_is_not_delivered_again) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), std::nullopt);
  EXPECT_EQ(take(place, frame(1, 5)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(1, 5)), Verdict::seen);
  EXPECT_EQ(take(place, frame(2, 5)), Verdict::contained) << "streamed again by a matcher that restarted";
}

TEST(Place, rule_5_parts_move_the_floor_at_the_last) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), std::nullopt);
  EXPECT_EQ(take(place, frame(1, 5, {}, false)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(2, 5, {}, false)), Verdict::deliver);
  EXPECT_EQ(place.offered(), FeedSeq(2));
  EXPECT_EQ(place.floor(), Lsn(0));
  EXPECT_EQ(take(place, frame(3, 5, {}, true)), Verdict::deliver);
  EXPECT_EQ(place.floor(), Lsn(5));
}

TEST(Place, being_told_that_all_was_offered_does_not_pass_an_unfinished_transaction) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), std::nullopt);
  take(place, frame(2, 5, {}, false));
  place.advance(FeedSeq(9));
  EXPECT_EQ(place.after(), FeedSeq(0));
  take(place, frame(10, 5, {}, true));
  place.advance(FeedSeq(12));
  EXPECT_EQ(place.after(), FeedSeq(12));
}

TEST(Place, rule_26_going_back_in_the_middle_of_parts_asks_for_the_rest) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), std::nullopt);
  EXPECT_EQ(take(place, frame(1, 4)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(2, 5, {}, false)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(3, 5, {}, false)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(4, 5, {}, true)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(5, 6)), Verdict::deliver);
  place.go_back(frame(3, 5, {}, false));
  EXPECT_EQ(place.offered(), FeedSeq(2));
  EXPECT_EQ(place.after(), FeedSeq(1)) << "a log is read from the first part on";
  EXPECT_EQ(place.floor(), Lsn(4));
  EXPECT_EQ(take(place, frame(2, 5, {}, false)), Verdict::seen);
  EXPECT_EQ(take(place, frame(3, 5, {}, false)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(4, 5, {}, true)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(5, 6)), Verdict::deliver);
  EXPECT_EQ(place.after(), FeedSeq(5));
}

TEST(Place, rule_26_going_back_behind_more_transactions_than_are_remembered_reads_all_again) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(7), std::nullopt);
  for (std::uint64_t lsn = 10; lsn < 40; ++lsn) {
    EXPECT_EQ(take(place, frame(lsn * 10, lsn, {}, false)), Verdict::deliver);
    EXPECT_EQ(take(place, frame(lsn * 10 + 1, lsn)), Verdict::deliver);
  }
  place.go_back(frame(301, 30));
  EXPECT_EQ(place.after(), FeedSeq(291));
  place.go_back(frame(111, 11));
  EXPECT_EQ(place.offered(), FeedSeq(110));
  EXPECT_EQ(place.after(), FeedSeq(7));
}

TEST(Place, rule_26_going_back_below_h_filters_again) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), fence(1000, 50, 60, {Xid(55), Xid(56)}));
  EXPECT_EQ(take(place, frame(1, 900, 55)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(2, 910, 56)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(3, 920, 52)), Verdict::contained);
  EXPECT_EQ(take(place, frame(4, 1001, 70)), Verdict::deliver);
  EXPECT_FALSE(place.filter());
  place.go_back(frame(2, 910, 56));
  EXPECT_TRUE(place.filter());
  EXPECT_EQ(take(place, frame(2, 910, 56)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(3, 920, 52)), Verdict::contained);
  EXPECT_EQ(take(place, frame(4, 1001, 70)), Verdict::deliver);
  place.go_back(frame(4, 1001, 70));
  EXPECT_FALSE(place.filter());
  EXPECT_EQ(take(place, frame(4, 1001, 70)), Verdict::deliver);
}

TEST(Place, rule_26_the_fence_is_kept_until_nothing_can_be_taken_back) {
  Place place(false);
  place.start_at_snapshot(FeedSeq(0), fence(1000, 50, 60));
  place.written();
  EXPECT_TRUE(place.has_fence()) << "the filter is on";
  place.passed(Lsn(1000));
  EXPECT_TRUE(place.has_fence());
  place.written();
  EXPECT_FALSE(place.has_fence());
}

TEST(Place, rule_26_going_back_in_pass_through_delivers_several_records_of_one_lsn_again) {
  Place place(true);
  place.start_at_snapshot(FeedSeq(0), std::nullopt);
  for (std::uint64_t seq : {1, 2}) EXPECT_EQ(take(place, frame(seq, 60)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(3, 55)), Verdict::contained);
  EXPECT_EQ(take(place, frame(4, 61)), Verdict::deliver);
  place.go_back(frame(2, 60));
  EXPECT_EQ(take(place, frame(2, 60)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(3, 55)), Verdict::contained);
  EXPECT_EQ(take(place, frame(4, 61)), Verdict::deliver);
}

TEST(Place, rule_18_a_cursor_with_a_fence_goes_on_filtering) {
  Place place(false);
  place.start_at_cursor(FeedSeq(3), Lsn(500), fence(1000, 50, 60, {Xid(55)}));
  EXPECT_EQ(take(place, frame(4, 500, 55)), Verdict::contained) << "the cursor's own";
  EXPECT_EQ(take(place, frame(5, 501, 52)), Verdict::contained) << "in the snapshot";
  EXPECT_EQ(take(place, frame(6, 502, 55)), Verdict::deliver);
}

// Fault F of the seed: of several records with one LSN on one key only the first arrived.
TEST(Place, fault_f_pass_through_delivers_several_records_of_one_lsn) {
  Place place(true);
  place.start_at_snapshot(FeedSeq(0), std::nullopt);
  EXPECT_EQ(take(place, frame(1, 60)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(2, 60)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(3, 55)), Verdict::contained);
  EXPECT_EQ(take(place, frame(4, 61)), Verdict::deliver);
}

// Fault G: a late lower LSN of another key was lost to a new subscriber.
TEST(Place, fault_g_pass_through_counts_the_lsn_from_the_first_delivered_record_on) {
  Place place(true);
  place.start_at_snapshot(FeedSeq(100), std::nullopt);
  EXPECT_EQ(take(place, frame(101, 3)), Verdict::deliver);
}

TEST(Place, a_resume_in_pass_through_delivers_only_what_is_above_the_cursor) {
  Place place(true);
  place.start_at_cursor(FeedSeq(0), Lsn(60), std::nullopt);
  EXPECT_EQ(take(place, frame(1, 60)), Verdict::contained);
  EXPECT_EQ(take(place, frame(2, 61)), Verdict::deliver);
  EXPECT_EQ(take(place, frame(3, 61)), Verdict::deliver);
}

TEST(Place, the_empty_snapshot_of_a_resume_keeps_the_cursor_s_floor) {
  Place place(true);
  place.start_at_cursor(FeedSeq(0), Lsn(60), std::nullopt);
  place.start_at_snapshot(FeedSeq(0), std::nullopt);
  EXPECT_EQ(take(place, frame(1, 60)), Verdict::contained);
}

}  // namespace
}  // namespace tidegate::hub
