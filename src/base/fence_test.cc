// Rule 18: what a snapshot sees, by 64-bit xids, through a wrap of the 32-bit ones.
#include "base/fence.h"

#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"

namespace tidegate {
namespace {

constexpr std::uint64_t kWrap = 1ULL << 32;

XidSnapshot parsed(std::string_view text) {
  const auto snapshot = XidSnapshot::parse(text);
  EXPECT_TRUE(snapshot) << text;
  return snapshot.value_or(XidSnapshot{});
}

TEST(XidSnapshotTest, SeesWhatIsBelowXminAndWhatIsNotInProgressBelowXmax) {
  const XidSnapshot snapshot = parsed("10:20:10,14");
  for (const std::uint64_t seen : {1, 9, 11, 13, 15, 19}) EXPECT_TRUE(snapshot.visible(Xid(seen))) << seen;
  for (const std::uint64_t not_seen : {10, 14, 20, 21})
    EXPECT_FALSE(snapshot.visible(Xid(not_seen))) << not_seen;
  const XidSnapshot idle = parsed("20:20:");
  EXPECT_TRUE(idle.visible(Xid(19)));
  EXPECT_FALSE(idle.visible(Xid(20))) << "nothing is in progress, and yet it is of later";
}

TEST(XidSnapshotTest, IsReadAndWrittenAsPostgresDoes) {
  for (const char* text : {"10:20:10,14", "20:20:", "4294967290:4294967310:4294967290,4294967296,4294967309",
                           "18446744073709551614:18446744073709551615:"}) {
    EXPECT_EQ(parsed(text).text(), text);
  }
  EXPECT_EQ(parsed("1:9:5,3").text(), "1:9:3,5") << "sorted, since it is searched";
}

TEST(XidSnapshotTest, RefusesAnyOtherText) {
  for (const char* bad : {"", ":", "::", "1:2", "1:2:3:4", "a:2:", "1:b:", "1:2:c", "1:2:,", "1:2:3,,4",
                          "-1:2:", "1:2: 3", "1:18446744073709551616:"}) {
    EXPECT_FALSE(XidSnapshot::parse(bad)) << bad;
  }
}

TEST(FullXid, IsRightOnBothSidesOfAWrap) {
  EXPECT_EQ(full_xid(100, Xid(200)), Xid(100));
  EXPECT_EQ(full_xid(300, Xid(200)), Xid(300));
  EXPECT_EQ(full_xid(4294967290U, Xid(kWrap + 5)), Xid(kWrap - 6)) << "of before, read after";
  EXPECT_EQ(full_xid(5, Xid(kWrap - 6)), Xid(kWrap + 5)) << "of after, with a reference of before";
  EXPECT_EQ(full_xid(7, Xid(3 * kWrap + 7)), Xid(3 * kWrap + 7));
}

TEST(FullXid, IsRightWithinHalfTheRangeOfAnyReference) {
  const auto seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t reference = kWrap + random() % (5 * kWrap);
    const auto distance = static_cast<std::int64_t>(random() % kWrap) - static_cast<std::int64_t>(kWrap / 2);
    const std::uint64_t xid = reference + static_cast<std::uint64_t>(distance);
    ASSERT_EQ(full_xid(static_cast<std::uint32_t>(xid), Xid(reference)), Xid(xid)) << reference << " " << xid;
  }
}

TEST(FenceTest, GoesByXidWhereThereIsOneAndElseByLsn) {
  const Fence fence{Lsn(100), parsed("10:20:14")};
  EXPECT_TRUE(fence.contains(Lsn(50), Xid(11)));
  EXPECT_FALSE(fence.contains(Lsn(50), Xid(14))) << "streamed below H, and not visible";
  EXPECT_TRUE(fence.contains(Lsn(150), Xid(11)));
  EXPECT_TRUE(fence.contains(Lsn(100), std::nullopt)) << "inclusive";
  EXPECT_FALSE(fence.contains(Lsn(101), std::nullopt));
  const Fence journal{Lsn(100), std::nullopt};
  EXPECT_TRUE(journal.contains(Lsn(100), Xid(99)));
  EXPECT_FALSE(journal.contains(Lsn(101), std::nullopt));
}

}  // namespace
}  // namespace tidegate
