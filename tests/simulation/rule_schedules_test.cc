// Each rule of docs/EXACTNESS.md that lives in these modules as a schedule that opens its hole: the shortest
// history in which a system without the rule loses, doubles or mixes something up. tests/mutants breaks each
// rule's code once.

#include <gtest/gtest.h>

#include "simulation/world.h"

namespace tidegate::simulation {

void reseed_ids(std::uint64_t seed);

namespace {

class RuleSchedules : public testing::Test {
 protected:
  static Sizes roomy() {
    return {.partitions = 1,
            .tail_bytes = 1'000'000,
            .outbox_bytes = 100'000,
            .catch_up_bytes = 100'000,
            .part_bytes = 900'000,
            .snapshot_part_bytes = 100'000,
            .diff_bytes_max = 1'000'000,
            .linger_ms = 60'000,
            .reuse_ms = 0,
            .gaps = false,
            .nested_max = 0};
  }

  /// A matcher and two gateways; of the clients those that `present` names, live.
  void begin(std::initializer_list<std::size_t> present, Sizes sizes = roomy()) {
    reseed_ids(7);
    made_ = std::make_unique<World>(sizes, tally);
    for (std::size_t i = 0; i < world().clients.size(); ++i) {
      world().clients[i]->away = std::find(present.begin(), present.end(), i) == present.end();
    }
    start_matcher(0);
    ASSERT_TRUE(world().perform(Kind::gateway_start, 0));
    ASSERT_TRUE(world().perform(Kind::gateway_start, 1));
    for (int i = 0; i < 3; ++i) commit();
    world().rounds(8);
    for (std::size_t i : present) ASSERT_TRUE(up_to_date(i)) << world().wrong();
  }
  World& world() { return *made_; }
  /// What happened is in `tally` then.
  void end() { made_.reset(); }
  Database& database() { return world().surroundings.database; }

  void start_matcher(std::uint32_t which) { ASSERT_TRUE(world().perform(Kind::matcher_start, which, 0)); }
  /// A transaction that changes rows of every query, most of them; `doubtful`: nobody sees it yet.
  Lsn commit(bool doubtful = false) {
    const auto before = database().commits().size();
    for (int tries = 0; database().commits().size() == before; ++tries) {
      if (tries > 20) world().perform(Kind::reveal);  // all rows are locked
      world().perform(doubtful ? Kind::commit_doubtful : Kind::commit, 0, ++choice_);
    }
    return database().commits().back().lsn;
  }
  void join(std::size_t client) { world().clients[client]->away = false; }
  void leave(std::size_t client) {
    world().clients[client]->away = true;
    ASSERT_TRUE(world().perform(Kind::client_leave, static_cast<std::uint32_t>(client)));
  }
  bool up_to_date(std::size_t client) {
    for (const Watched& watched : world().clients[client]->watched()) {
      if (!watched.up_to_date()) return false;
    }
    return true;
  }
  bool whole(std::size_t client) { return world().clients[client]->watched()[0].replica.whole(); }
  std::uint64_t snapshots(std::size_t client) {
    return world().clients[client]->watched()[0].replica.counts().snapshots;
  }
  /// Without faults from here on everybody ends up with the truth, and nobody had anything else on the way.
  void ends_well() {
    for (const auto& client : world().clients) client->away = false;
    EXPECT_EQ(world().converge(), "");
  }
  /// The server's side and the matcher's alone, without the control topic: what a process does that has been
  /// cut off.
  void run_matcher(std::uint32_t which, int times = 4) {
    for (int i = 0; i < times; ++i) world().perform(Kind::matcher_step, which, 0);
  }

  Tally tally;

 private:
  std::unique_ptr<World> made_;
  std::uint32_t choice_ = 10;
};

TEST_F(RuleSchedules, rule_01_a_commit_that_nobody_sees_yet_is_not_confirmed_and_streamed_again) {
  begin({2});
  const Lsn doubtful = commit(true);
  world().rounds(40, false);
  EXPECT_LT(world().surroundings.slot.confirmed, doubtful);
  world().perform(Kind::matcher_kill, 0);
  start_matcher(0);
  join(0);  // with a query that nobody had asked for: its snapshot does not hold the commit
  world().rounds(40, false);
  ends_well();
}

TEST_F(RuleSchedules, rule_01_a_snapshot_waits_until_what_was_matched_before_is_visible) {
  begin({2});
  commit(true);
  world().rounds(4, false);
  join(0);
  world().rounds(10, false);
  EXPECT_FALSE(whole(0)) << "the commit was matched before the query was, and the snapshot would not hold it";
  ends_well();
}

TEST_F(RuleSchedules, rule_03_a_registration_is_told_of_v_at_once) {
  begin({2});
  world().rounds(2);
  join(0);
  for (int i = 0; i < 8; ++i) world().perform(Kind::round, 1, 0);  // 40 ms in all
  EXPECT_TRUE(up_to_date(0));
  ends_well();
}

TEST_F(RuleSchedules, rule_03_a_stream_that_stands_still_below_a_filters_h_is_made_to_move) {
  begin({2});
  world().perform(Kind::stand_still, 0);
  world().perform(Kind::write_else, 0, 3);
  const Lsn h = database().wal_end();
  join(0);
  world().rounds(80);
  EXPECT_GT(database().wal_end(), h);
  EXPECT_GE(world().surroundings.slot.confirmed, h) << "the matcher has come past it";
  ends_well();
}

TEST_F(RuleSchedules, rule_04_two_matchers_that_start_together_agree_on_the_epoch) {
  begin({0, 1});
  // Both find another slot, and so begin a new epoch; the first one's start comes last.
  world().perform(Kind::matcher_kill, 0);
  world().perform(Kind::slot_made_anew);
  int words = 0;
  world().between = [&] {
    if (++words != 2) return;
    world().perform(Kind::matcher_start, 1, 0);
    for (int i = 0; i < 3; ++i) world().perform(Kind::control_deliver, 1);
  };
  world().perform(Kind::matcher_start, 0, 0);
  world().between = {};
  world().rounds(10);
  ends_well();
}

TEST_F(RuleSchedules, rule_04_they_agree_also_where_compaction_has_taken_the_first_ones_epoch) {
  begin({0, 1});
  world().perform(Kind::matcher_kill, 0);
  world().perform(Kind::slot_made_anew);
  int words = 0;
  world().between = [&] {
    // The other one has begun its epoch and its reign before the first one reads its own word.
    if (++words == 2) world().perform(Kind::matcher_start, 1, 0);
    if (words == 2) world().perform(Kind::control_compact);
  };
  world().perform(Kind::matcher_start, 0, 0);
  world().between = {};
  world().rounds(10);
  ends_well();
}

TEST_F(RuleSchedules, rule_04_a_matcher_that_was_paused_ends_when_it_sees_another_start) {
  begin({0, 1});
  world().perform(Kind::matcher_pause, 0, 0);
  commit();
  world().perform(Kind::matcher_serve, 0, 2);
  start_matcher(1);
  world().rounds(5);
  world().perform(Kind::pass, 0, 15);  // and it goes on
  run_matcher(0);
  world().rounds(5);
  EXPECT_FALSE(world().matchers[0] && world().matchers[1]);
  ends_well();
}

TEST_F(RuleSchedules, rule_04_what_a_dead_matcher_had_sent_changes_nothing_when_it_arrives_late) {
  begin({0, 1});
  commit();
  run_matcher(0, 1);
  world().perform(Kind::matcher_serve, 0, 2);
  run_matcher(0, 4);  // appended, not stored
  world().perform(Kind::matcher_kill, 0);
  start_matcher(1);
  commit();
  world().rounds(5);
  world().perform(Kind::log_orphans, 0, 9);
  commit();
  world().rounds(5);
  ends_well();
}

TEST_F(RuleSchedules, rule_05_parts_of_two_generations_are_never_put_together) {
  Sizes sizes = roomy();
  sizes.part_bytes = 120;
  begin({0, 1, 2, 3}, sizes);
  for (int i = 0; i < 6; ++i) {
    commit();
    world().perform(Kind::matcher_serve, 0, 2);
    run_matcher(0, 2);
    world().perform(Kind::log_store, 0, 1);  // two records of each partition
    world().perform(Kind::matcher_kill, 0);
    start_matcher(0);
    world().perform(Kind::log_orphans, 0, static_cast<std::uint32_t>(i));
    world().rounds(4);
  }
  ends_well();
}

TEST_F(RuleSchedules, rule_05_a_diff_above_the_limit_is_a_fresh_snapshot) {
  Sizes sizes = roomy();
  sizes.diff_bytes_max = 20;
  begin({0, 1}, sizes);
  const auto before = snapshots(0);
  commit();
  world().rounds(20);
  EXPECT_GT(snapshots(0), before);
  ends_well();
}

TEST_F(RuleSchedules, rule_09_gaps_between_offsets_are_no_loss_and_retention_past_a_reader_is) {
  Sizes sizes = roomy();
  sizes.gaps = true;
  begin({0, 1}, sizes);
  const auto before = snapshots(0);
  for (int i = 0; i < 5; ++i) {
    commit();
    world().rounds(3);
  }
  EXPECT_EQ(snapshots(0), before);
  world().perform(Kind::gateway_pause, 0, 1);
  world().perform(Kind::gateway_pause, 1, 1);
  commit();
  world().rounds(3);
  world().perform(Kind::retain, 0, 0);
  world().rounds(30);
  EXPECT_GT(snapshots(0), before);
  ends_well();
}

TEST_F(RuleSchedules, rule_10_a_slot_that_was_made_anew_is_a_new_epoch) {
  begin({0, 1});
  world().perform(Kind::matcher_kill, 0);
  commit();  // nobody streams it
  world().perform(Kind::slot_made_anew);
  start_matcher(0);
  world().rounds(4);
  ends_well();
}

TEST_F(RuleSchedules, rule_10_a_log_that_lost_its_end_is_a_new_epoch) {
  begin({0, 1});
  world().rounds(30);
  commit();
  world().rounds(30);  // acknowledged, noted, confirmed
  world().perform(Kind::gateway_kill, 0);
  world().perform(Kind::gateway_kill, 1);
  world().perform(Kind::end_lost, 0, 11);
  world().perform(Kind::matcher_kill, 0);
  start_matcher(0);
  world().perform(Kind::gateway_start, 0);
  world().rounds(10);
  EXPECT_EQ(world().surroundings.control.epochs().size(), 2u);
  ends_well();
}

TEST_F(RuleSchedules, rule_10_another_primary_is_a_new_epoch) {
  begin({0, 1});
  commit();
  world().rounds(5);
  world().perform(Kind::fail_over, 0, 1);  // it lacks the newest commit
  commit();
  world().rounds(5);
  EXPECT_TRUE(world().perform(Kind::matcher_start, 0, 0));
  world().rounds(10);
  ends_well();
}

TEST_F(RuleSchedules, rule_11_another_partition_count_ends_the_processes_and_the_epoch) {
  begin({0, 1});
  world().perform(Kind::repartition);
  commit();
  world().rounds(5);
  EXPECT_FALSE(world().matchers[0]);
  EXPECT_FALSE(world().gateways[0]);
  start_matcher(0);
  ends_well();
  EXPECT_EQ(world().surroundings.control.epochs().size(), 2u);
}

TEST_F(RuleSchedules, rule_12_who_comes_back_below_the_tail_is_served_from_the_log) {
  Sizes sizes = roomy();
  sizes.tail_bytes = 1'500;
  begin({0, 1}, sizes);
  const auto before = snapshots(0);
  leave(0);
  for (int i = 0; i < 8; ++i) {
    commit();
    world().rounds(2);
  }
  join(0);
  world().rounds(10);
  EXPECT_EQ(snapshots(0), before);
  EXPECT_TRUE(up_to_date(0));
  ends_well();
  end();
  EXPECT_GT(tally.metrics["resumes held by: log"], 0u);
}

TEST_F(RuleSchedules, rule_14_a_cursor_of_an_ended_activation_does_not_count) {
  begin({0, 1});
  leave(0);
  leave(1);
  world().perform(Kind::gateway_stop, 0);
  world().perform(Kind::gateway_stop, 1);
  for (int i = 0; i < 300; ++i) world().rounds(1);  // 15 s: the matcher has ended what nobody wants
  commit();                                         // nobody's
  world().rounds(3);
  world().perform(Kind::gateway_start, 0);
  join(1);
  world().rounds(10);
  join(0);
  world().rounds(10);
  ends_well();
}

TEST_F(RuleSchedules, rule_14_an_activation_goes_on_under_the_next_matcher) {
  begin({0, 1});
  const auto before = snapshots(0);
  world().perform(Kind::matcher_kill, 0);
  commit();
  start_matcher(1);
  world().rounds(10);
  EXPECT_EQ(snapshots(0), before) << "nothing was missed, so nothing is read again";
  EXPECT_TRUE(up_to_date(0));
  ends_well();
}

TEST_F(RuleSchedules, rule_15_a_gateway_that_was_away_longer_than_its_lease_begins_anew) {
  begin({0, 1, 2, 3});
  world().perform(Kind::gateway_pause, 0, 1);
  world().perform(Kind::gateway_pause, 1, 1);
  for (int i = 0; i < 26; ++i) {
    world().perform(Kind::pass, 0, 10);  // 1.1 s: the matcher looks at its lease clock in between
    world().rounds(1);
    if (i == 23) commit();  // after the queries have ended
  }
  world().rounds(20);
  ends_well();
}

TEST_F(RuleSchedules, rule_15_a_matcher_that_starts_grants_everybody_one_lease) {
  begin({0, 1});
  const auto before = snapshots(0);
  world().perform(Kind::matcher_kill, 0);
  world().perform(Kind::pass, 0, 13);  // 6 s
  start_matcher(0);
  world().rounds(5);
  commit();
  world().rounds(5);
  EXPECT_EQ(snapshots(0), before + 1) << "half a lease without a renewal is a new incarnation, once";
  ends_well();
}

TEST_F(RuleSchedules, rule_16_a_client_whose_query_can_not_be_answered_is_told_that_it_waits) {
  begin({2});
  world().perform(Kind::matcher_kill, 0);
  join(0);
  for (int i = 0; i < 130; ++i) world().rounds(1);  // 6.5 s
  EXPECT_TRUE(world().clients[0]->watched()[0].replica.acknowledged()) << "the ack waits for 5 s at most";
  EXPECT_FALSE(whole(0));
  EXPECT_GT(world().clients[0]->told_stale(), 0) << "C10: stale data is called stale";
  start_matcher(0);
  ends_well();
}

TEST_F(RuleSchedules, rule_17_a_snapshot_begins_only_when_v_has_reached_r) {
  begin({2});
  world().perform(Kind::gateway_step, 0, 3);
  join(0);
  commit(true);
  world().perform(Kind::matcher_serve, 0, 2);
  run_matcher(0, 2);
  world().rounds(6, false);
  EXPECT_FALSE(whole(0));
  ends_well();
}

TEST_F(RuleSchedules, rule_18_commits_around_a_snapshot_are_told_apart_by_their_transactions) {
  begin({2});
  for (int i = 0; i < 6; ++i) {
    join(0);
    world().perform(Kind::begin, 0, static_cast<std::uint32_t>(i));
    world().rounds(1, false);
    commit(i % 2 == 0);
    world().perform(Kind::commit_open_doubtful, 0, static_cast<std::uint32_t>(i));
    world().perform(Kind::gateway_step, 0, 3);
    world().perform(Kind::gateway_step, 1, 3);
    world().perform(Kind::gateway_work, 0, static_cast<std::uint32_t>(i + 3));
    world().perform(Kind::gateway_work, 1, static_cast<std::uint32_t>(i + 3));
    world().rounds(6);
    leave(0);
    world().rounds(1);
  }
  ends_well();
}

TEST_F(RuleSchedules, rule_18_a_cursor_from_before_h_carries_the_snapshot) {
  begin({2});
  commit(true);
  join(1);
  world().rounds(10);
  for (int i = 0; i < 4; ++i) {
    commit(true);
    world().rounds(2, false);
    world().perform(Kind::client_connect, 1, 1);
    world().rounds(2, false);
  }
  ends_well();
}

TEST_F(RuleSchedules, rule_19_a_snapshot_that_the_tail_does_not_reach_back_to_is_taken_again) {
  Sizes sizes = roomy();
  sizes.tail_bytes = 1'500;
  begin({2}, sizes);
  join(0);
  commit(true);
  for (int i = 0; i < 6; ++i) {
    world().rounds(1, false);
    for (int more = 0; more < 4; ++more) commit(more % 2 == 0);
    world().perform(Kind::gateway_step, 0, 3);
    world().perform(Kind::gateway_work, 0, 5);
  }
  ends_well();
}

TEST_F(RuleSchedules, rule_20_a_failed_snapshot_is_said_and_tried_again) {
  begin({2});
  world().perform(Kind::snapshot_fails, 0);
  world().perform(Kind::snapshot_fails, 1);
  join(0);
  world().rounds(10);
  EXPECT_GT(world().clients[0]->watched()[0].errors + world().clients[0]->watched()[1].errors, 0u);
  ends_well();
}

TEST_F(RuleSchedules, rule_26_a_client_that_falls_behind_gets_what_it_missed_in_order) {
  Sizes sizes = roomy();
  sizes.outbox_bytes = 700;
  sizes.catch_up_bytes = 200;
  begin({0, 1}, sizes);
  for (int i = 0; i < 12; ++i) {
    commit();
    for (int step = 0; step < 4; ++step) {
      world().perform(Kind::matcher_serve, 0, 2);
      run_matcher(0, 1);
      world().perform(Kind::log_store, 0, 4);
      world().perform(Kind::gateway_step, static_cast<std::uint32_t>(step), 3);
      for (std::uint32_t shard = 0; shard < 4; ++shard) world().perform(Kind::shard, shard, 3);
      world().perform(Kind::client_read, 0, 40);
    }
  }
  ends_well();
}

TEST_F(RuleSchedules, rule_27_a_tail_that_is_overrun_costs_a_snapshot_and_nothing_else) {
  Sizes sizes = roomy();
  sizes.tail_bytes = 1'500;
  sizes.outbox_bytes = 700;
  begin({0, 1}, sizes);
  for (int i = 0; i < 20; ++i) {
    commit();
    world().perform(Kind::matcher_serve, 0, 2);
    run_matcher(0, 2);
    world().perform(Kind::log_store, 0, 4);
    for (std::uint32_t which = 0; which < 2; ++which) world().perform(Kind::gateway_step, which, 3);
    for (std::uint32_t shard = 0; shard < 4; ++shard) world().perform(Kind::shard, shard, 3);
  }
  ends_well();
}

TEST_F(RuleSchedules, rule_29_a_snapshot_of_another_database_is_not_given) {
  begin({2});
  for (auto& gateway : world().gateways)
    gateway->source.other_identity = SourceIdentity{"another", 1, "shop"};
  join(0);
  world().rounds(10);
  EXPECT_FALSE(whole(0));
  for (auto& gateway : world().gateways) gateway->source.other_identity.reset();
  ends_well();
}

}  // namespace
}  // namespace tidegate::simulation
