// The Diff FlatBuffer. Invariants: what is encoded is read back; bytes that are no Diff are refused, wherever
// they lie in memory; no bytes crash the reader.

#include "protocol/diff.h"

#include <gtest/gtest.h>

#include <random>

#include "base/encoding.h"
#include "base/testing.h"

namespace tidegate::protocol {
namespace {

Diff example() {
  Diff diff;
  diff.query.bytes[15] = 0xff;
  diff.lsn = Lsn(0xfedcba9876543210);
  diff.xid = Xid(1ULL << 40);
  diff.commit_time_us = -5;
  diff.changes = {{ChangeKind::insert, "[1]", R"({"id":1})"},
                  {ChangeKind::update, "[2]", R"({"id":2,"name":"æ"})"},
                  {ChangeKind::remove, "[3]", ""}};
  return diff;
}

void expect_equal(const Diff& a, const Diff& b) {
  EXPECT_EQ(a.query, b.query);
  EXPECT_EQ(a.lsn, b.lsn);
  EXPECT_EQ(a.xid, b.xid);
  EXPECT_EQ(a.commit_time_us, b.commit_time_us);
  ASSERT_EQ(a.changes.size(), b.changes.size());
  for (std::size_t i = 0; i < a.changes.size(); ++i) {
    EXPECT_EQ(a.changes[i].kind, b.changes[i].kind);
    EXPECT_EQ(a.changes[i].key, b.changes[i].key);
    EXPECT_EQ(a.changes[i].row, b.changes[i].row);
  }
}

TEST(Diff, IsReadBack) {
  const auto decoded = decode_diff(encode_diff(example()));
  ASSERT_TRUE(decoded);
  expect_equal(*decoded, example());
}

TEST(Diff, WithoutXidOrChangesIsReadBack) {
  Diff diff;
  diff.lsn = Lsn(3);
  const auto decoded = decode_diff(encode_diff(diff));
  ASSERT_TRUE(decoded);
  expect_equal(*decoded, diff);
}

// Written down so that a changed schema is noticed: log records outlive a program's version.
TEST(Diff, HasItsGoldenBytes) {
  Diff diff;
  diff.lsn = Lsn(1);
  diff.xid = Xid(2);
  diff.commit_time_us = 3;
  diff.changes = {{ChangeKind::update, "[4]", "{}"}};
  constexpr std::string_view kGolden =
      "1400000000000e00240004000c0014001c0008000e000000280000001c00000001000000000000000200000000000000"
      "030000000000000001000000340000002000000030303030303030303030303030303030303030303030303030303030"
      "3030303000000a001000070008000c000a000000000000011000000004000000020000007b7d0000030000005b345d00";
  EXPECT_EQ(hex_encode(encode_diff(diff)), kGolden);
  const auto decoded = decode_diff(*hex_decode(kGolden));
  ASSERT_TRUE(decoded);
  expect_equal(*decoded, diff);
}

TEST(Diff, OfMillionChangesIsReadBack) {
  Diff diff;
  diff.changes.resize(1'100'000, RowChange{ChangeKind::remove, "[1]", ""});
  const auto decoded = decode_diff(encode_diff(diff));
  ASSERT_TRUE(decoded) << "the verifier's bound on tables must follow the size";
  EXPECT_EQ(decoded->changes.size(), diff.changes.size());
}

TEST(Diff, IsReadFromAnyAddress) {
  const std::string bytes = encode_diff(example());
  for (std::size_t shift = 0; shift < 9; ++shift) {
    const std::string moved = std::string(shift, 'x') + bytes;
    const auto decoded = decode_diff(std::string_view(moved).substr(shift));
    ASSERT_TRUE(decoded) << shift;
    expect_equal(*decoded, example());
  }
}

TEST(Diff, CutShortIsRefused) {
  const std::string bytes = encode_diff(example());
  for (std::size_t size = 0; size + 8 < bytes.size(); ++size) {
    EXPECT_FALSE(decode_diff(std::string_view(bytes).substr(0, size))) << size;
  }
}

TEST(Diff, OfAWrongHashOrKindIsRefused) {
  const std::string bytes = encode_diff(example());
  std::string wrong = bytes;
  wrong[wrong.find("00ff")] = 'g';
  EXPECT_FALSE(decode_diff(wrong));
}

TEST(Diff, NoBytesCrashTheReader) {
  const auto number = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << number);
  std::mt19937 random(number);
  const std::string valid = encode_diff(example());
  std::size_t accepted = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes = valid;
    for (std::size_t edits = 1 + random() % 4; edits > 0; --edits) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const auto decoded = decode_diff(bytes);
    if (!decoded) continue;
    ++accepted;
    for (const RowChange& change : decoded->changes) ASSERT_LE(change.kind, ChangeKind::remove);
  }
  EXPECT_GT(accepted, 0U);
}

}  // namespace
}  // namespace tidegate::protocol
