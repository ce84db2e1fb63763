// Rule 1. Invariant: V lies below every transaction that no snapshot has seen, and nowhere else below the
// position.

#include "matcher/visibility.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/testing.h"

namespace tidegate::matcher {
namespace {

XidSnapshot snapshot(std::uint64_t xmin, std::uint64_t xmax, std::vector<Xid> in_progress = {}) {
  return {Xid(xmin), Xid(xmax), std::move(in_progress)};
}

TEST(VisibleWatermark, Rule1IsThePositionWhileNothingIsDoubtful) {
  VisibleWatermark watermark(Lsn(100));
  EXPECT_EQ(watermark.visible(), Lsn(100));
  watermark.reached(Lsn(150));
  EXPECT_EQ(watermark.visible(), Lsn(150));
  watermark.streamed(Lsn(200), std::nullopt);
  EXPECT_EQ(watermark.visible(), Lsn(200));
  watermark.reached(Lsn(120));
  EXPECT_EQ(watermark.position(), Lsn(200));
}

TEST(VisibleWatermark, Rule1StaysBelowACommitThatNoSnapshotSees) {
  VisibleWatermark watermark(Lsn(100));
  watermark.streamed(Lsn(200), Xid(7));
  watermark.streamed(Lsn(300), Xid(5));
  watermark.reached(Lsn(400));
  EXPECT_EQ(watermark.visible(), Lsn(199));
  watermark.seen(snapshot(6, 9, {Xid(7)}));
  EXPECT_EQ(watermark.visible(), Lsn(199)) << "5 is seen, 7 still waits for its standby";
  EXPECT_EQ(watermark.doubtful(), 1U);
  watermark.seen(snapshot(8, 9));
  EXPECT_EQ(watermark.visible(), Lsn(400));
}

TEST(VisibleWatermark, Rule1ATransactionAboveXmaxIsNotSeen) {
  VisibleWatermark watermark(Lsn(100));
  watermark.streamed(Lsn(200), Xid(9));
  watermark.seen(snapshot(9, 9));
  EXPECT_EQ(watermark.visible(), Lsn(199));
}

TEST(VisibleWatermark, Rule1AgreesWithASetOfWhatWasNotSeen) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  VisibleWatermark watermark{Lsn()};
  std::set<std::pair<std::uint64_t, std::uint64_t>> unseen;  // lsn, xid
  std::uint64_t lsn = 0;
  for (int round = 0; round < 5'000; ++round) {
    lsn += 1 + random() % 5;
    if (random() % 3 > 0) {
      const std::uint64_t xid = lsn / 2 + random() % 20;
      watermark.streamed(Lsn(lsn), Xid(xid));
      unseen.emplace(lsn, xid);
    } else {
      watermark.reached(Lsn(lsn));
    }
    if (random() % 4 == 0) {
      const auto taken = snapshot(lsn / 2, lsn / 2 + random() % 20, {});
      watermark.seen(taken);
      std::erase_if(unseen, [&](const auto& each) { return taken.visible(Xid(each.second)); });
    }
    ASSERT_EQ(watermark.visible(), unseen.empty() ? Lsn(lsn) : Lsn(unseen.begin()->first - 1));
  }
}

}  // namespace
}  // namespace tidegate::matcher
