// Rules 4, 10, 14 across two reigns: what a new generation takes over, and when it must not.

#include "matcher/succession.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/encoding.h"
#include "matcher/reign_testing.h"

namespace tidegate::matcher {
namespace {

using Kinds = std::vector<log::Kind>;
using log::Kind;

const std::string kAll = orders_query("{}")->canonical();

Predecessor predecessor() {
  return {.epoch = registry::EpochBound{Epoch(1), {"system", 1, "shop"}, "slot", 2},
          .checkpoints = {{Partition(0), {Partition(0), Generation(3), Offset(9), Lsn(50)}},
                          {Partition(1), {Partition(1), Generation(3), Offset(4), Lsn(40)}}}};
}
Circumstances circumstances() {
  return {{"system", 1, "shop"}, "slot", 2, Lsn(40)};
}

TEST(Epoch, Rule10IsCarriedOnWhereNothingChangedAndTheSlotIsNotAboveTheCheckpoints) {
  EXPECT_EQ(breaks_epoch(predecessor(), circumstances()), "");
}

TEST(Epoch, Rule10IsBrokenByWhateverItIsBoundTo) {
  EXPECT_NE(breaks_epoch({}, circumstances()), "");
  auto now = circumstances();
  now.source.timeline = 2;
  EXPECT_NE(breaks_epoch(predecessor(), now), "");
  now = circumstances();
  now.slot = "other";
  EXPECT_NE(breaks_epoch(predecessor(), now), "");
  for (const std::int32_t partitions : {1, 3}) {
    now = circumstances();
    now.partitions = partitions;
    EXPECT_NE(breaks_epoch(predecessor(), now), "") << partitions;
  }
  now = circumstances();
  now.start_position = Lsn(41);
  EXPECT_NE(breaks_epoch(predecessor(), now), "");
  auto before = predecessor();
  before.checkpoints.erase(Partition(1));
  EXPECT_NE(breaks_epoch(before, circumstances()), "");
}

TEST(Epoch, Rule11ARecordLiesInThePartitionThatAnyClientComputes) {
  World world(7);
  Reign reign(world.parts(), Options{});
  ASSERT_TRUE(reign.start().ok());
  for (int i = 0; i < 20; ++i) world.wants(1, "key " + std::to_string(i), kAll);
  for (int i = 0; i < 3; ++i) {  // begin, be stored, be active
    ASSERT_TRUE(reign.settle().ok());
    ASSERT_TRUE(reign.tick().ok());
  }
  std::size_t seen = 0;
  for (std::int32_t partition = 0; partition < 7; ++partition) {
    for (const auto& record : world.logged(Partition(partition))) {
      if (record.headers.kind != Kind::active) continue;
      ++seen;
      EXPECT_EQ(static_cast<std::int32_t>(murmur2_positive(record.key) % 7U), partition) << record.key;
    }
  }
  EXPECT_EQ(seen, 20U);
}

TEST(Rule29, TheTopicsOfAnotherDatabaseAreLeftAlone) {
  EXPECT_EQ(of_another_database(predecessor(), circumstances()), "");
  EXPECT_EQ(of_another_database({}, circumstances()), "");
  auto now = circumstances();
  now.source.timeline = 2;
  EXPECT_EQ(of_another_database(predecessor(), now), "") << "a failover is the same database";
  now.source.database = "other";
  EXPECT_NE(of_another_database(predecessor(), now).find("--topic"), std::string::npos);
  now = circumstances();
  now.source.system = "other";
  EXPECT_NE(of_another_database(predecessor(), now), "");
}

class SuccessionTest : public testing::Test {
 protected:
  std::unique_ptr<Reign> begin(World& world) {
    auto reign = std::make_unique<Reign>(world.parts(), Options{});
    const auto started = reign->start();
    EXPECT_TRUE(started.ok()) << (started ? "" : started.error().message);
    return reign;
  }
  void step(Reign& reign) {
    EXPECT_TRUE(reign.settle().ok());
    EXPECT_TRUE(reign.tick().ok());
  }
  /// A reign that matched one transaction, told where it was, and matched another; then the process is gone.
  std::unique_ptr<Reign> first() {
    auto reign = begin(world_);
    world_.wants(1, "q", kAll);
    step(*reign);
    step(*reign);
    EXPECT_TRUE(reign->handle(transaction(200, {}, {inserted(order(1, "eu", "5"))})).ok());
    world_.clock.advance(1'000);
    for (int i = 0; i < 3; ++i) step(*reign);  // progress, its checkpoint, confirmed
    EXPECT_TRUE(reign->handle(transaction(300, {}, {inserted(order(2, "eu", "5"))})).ok());
    return reign;
  }
  std::vector<std::string> activations() {
    std::vector<std::string> ids;
    for (const auto& each : world_.logged()) {
      if (each.headers.kind == Kind::active) ids.push_back(each.value.substr(0, each.value.find(',')));
    }
    return ids;
  }
  World world_{2};
};

TEST_F(SuccessionTest, Rule14TheNextGenerationKeepsEpochAndActivationAndAppendsAgainWhatIsStreamedAgain) {
  auto before = first();
  const Epoch epoch = before->epoch();
  const Generation generation = before->generation();
  EXPECT_EQ(world_.stream.confirmed_, Lsn(200));
  before.reset();
  world_.stream.start_position_ = world_.stream.confirmed_;
  auto after = begin(world_);
  EXPECT_EQ(after->epoch(), epoch) << after->epoch_break();
  EXPECT_GT(after->generation(), generation);
  EXPECT_TRUE(after->handle(transaction(300, {}, {inserted(order(2, "eu", "5"))})).ok());
  ASSERT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::diff, Kind::diff, Kind::active, Kind::diff}));
  const auto records = world_.logged();
  EXPECT_EQ(records[2].value, records[4].value);
  EXPECT_EQ(records[3].headers.lsn, Lsn(200)) << "R: what the new generation does not match again";
  EXPECT_EQ(records[4].headers.generation, after->generation());
  EXPECT_EQ(activations()[0], activations()[1]);
}

TEST_F(SuccessionTest, Rule10ASlotAboveTheCheckpointsIsANewEpochWithNewActivations) {
  auto before = first();
  const Epoch epoch = before->epoch();
  before.reset();
  world_.stream.start_position_ = Lsn(201);
  auto after = begin(world_);
  EXPECT_NE(after->epoch(), epoch);
  ASSERT_EQ(activations().size(), 2U);
  EXPECT_NE(activations()[0], activations()[1]);
}

TEST_F(SuccessionTest, Rule10ALogThatDoesNotHoldTheCheckpointsIsANewEpoch) {
  auto before = first();
  before.reset();
  world_.stream.start_position_ = Lsn(200);
  HeldLog emptied(2);
  Parts parts{world_.stream, world_.catalogue, emptied, world_.registry, world_.clock, world_.metrics};
  Reign after(parts, Options{});
  ASSERT_TRUE(after.start().ok());
  EXPECT_EQ(after.epoch_break(), "the log does not hold what the checkpoints say");
}

TEST_F(SuccessionTest, Rule10ALogThatIsOutOfReachEndsNoEpoch) {
  auto before = first();
  const Epoch epoch = before->epoch();
  before.reset();
  world_.stream.start_position_ = Lsn(200);
  world_.log.away = true;
  {
    Reign after(world_.parts(), Options{});
    const Status started = after.start();
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.error().fault, Fault::unavailable);
  }
  world_.log.away = false;
  EXPECT_EQ(begin(world_)->epoch(), epoch);
}

TEST_F(SuccessionTest, Rule10AnOrderlyEndLeavesNothingToStreamAgain) {
  auto before = first();
  ASSERT_TRUE(before->finish().ok());
  EXPECT_EQ(world_.stream.confirmed_, Lsn(300));
  before.reset();
  world_.stream.start_position_ = Lsn(300);
  EXPECT_EQ(begin(world_)->epoch_break(), "");
}

TEST_F(SuccessionTest, Rule14AnOpenActivationThatNobodyWantsIsClosedByTheNextGeneration) {
  auto before = first();
  before.reset();
  world_.leaves(1, "q");
  world_.stream.start_position_ = Lsn(200);
  auto after = begin(world_);
  EXPECT_TRUE(after->handle(transaction(300, {}, {inserted(order(2, "eu", "5"))})).ok());
  EXPECT_EQ(world_.kinds(), (Kinds{Kind::active, Kind::diff, Kind::diff, Kind::closed}));
}

TEST_F(SuccessionTest, Rule4FencesStandAtTheFirstRecordOfTheGeneration) {
  std::map<Partition, registry::GenerationFence> fences;
  auto following = world_.registry.follow(
      [&](const registry::Entry& entry) {
        if (const auto* fence = std::get_if<registry::GenerationFence>(&entry.record))
          fences[fence->partition] = *fence;
      },
      [] {});
  auto before = first();
  before.reset();
  auto after = begin(world_);
  ASSERT_EQ(fences.size(), 2U);
  for (const auto& [partition, fence] : fences) {
    EXPECT_EQ(fence.generation, after->generation());
    for (const auto& each : world_.logged(partition)) {
      EXPECT_EQ(each.offset >= fence.offset, each.headers.generation == after->generation());
    }
  }
}

}  // namespace
}  // namespace tidegate::matcher
