// Results hold one side or the other; ids of different kinds don't convert.
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <unordered_set>

#include "base/ids.h"

namespace tidegate {
namespace {

static_assert(!std::is_convertible_v<Lsn, Xid>);
static_assert(!std::is_convertible_v<std::uint64_t, Lsn>);
static_assert(!std::is_convertible_v<Lsn, std::uint64_t>);
static_assert(!std::is_constructible_v<Lsn, Xid>);
static_assert(sizeof(Lsn) == sizeof(std::uint64_t));

TEST(StrongTest, IsOrderedAndHashedLikeItsValue) {
  EXPECT_LT(Lsn(1), Lsn(2));
  EXPECT_LT(Generation(-1), Generation(0));
  EXPECT_GT(Lsn(UINT64_MAX), Lsn(1)) << "unsigned stays unsigned";
  EXPECT_EQ(Lsn(1).next(), Lsn(2));
  EXPECT_EQ(Lsn(), Lsn(0));
  EXPECT_EQ((std::unordered_set<Lsn>{Lsn(1), Lsn(1), Lsn(2)}).size(), 2u);
}

TEST(QueryHashTest, IsWrittenAsItsBytesStand) {
  QueryHash hash;
  hash.bytes[0] = 0x0a;
  hash.bytes[15] = 0xff;
  EXPECT_EQ(hash.hex(), "0a0000000000000000000000000000ff");
  EXPECT_EQ((std::unordered_set<QueryHash>{hash, hash, QueryHash()}).size(), 2u);
}

TEST(ResultTest, HoldsAValueOrAnError) {
  const Result<int> good = 7;
  EXPECT_TRUE(good.ok());
  EXPECT_TRUE(static_cast<bool>(good));
  EXPECT_EQ(*good, 7);
  const Result<int> bad = Error{Fault::lost, "gone"};
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().fault, Fault::lost);
  EXPECT_EQ(bad.error().message, "gone");
}

TEST(ResultTest, LetsAValueBeMovedOut) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  EXPECT_EQ(**result, 3);
  const std::unique_ptr<int> out = std::move(result).value();
  EXPECT_EQ(*out, 3);
  Result<std::string> text = std::string("a");
  text->push_back('b');
  *text += "c";
  EXPECT_EQ(text.value(), "abc");
}

TEST(StatusTest, IsSuccessUnlessToldOtherwise) {
  EXPECT_TRUE(Status().ok());
  const Status bad = Error{Fault::denied, "no"};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "no");
}

TEST(ResultDeathTest, AssertsWhereTheWrongSideIsRead) {
  const Result<int> bad = Error{};
  const Result<int> good = 1;
  EXPECT_DEBUG_DEATH((void)*bad, "ok");
  EXPECT_DEBUG_DEATH((void)good.error(), "ok");
}

}  // namespace
}  // namespace tidegate
