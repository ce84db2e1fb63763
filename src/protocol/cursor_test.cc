#include "protocol/cursor.h"

#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"

namespace tidegate::protocol {
namespace {

QueryHash counting_hash() {
  QueryHash hash;
  for (std::size_t i = 0; i < hash.bytes.size(); ++i) hash.bytes[i] = static_cast<std::uint8_t>(i);
  return hash;
}

std::string text_of(const Cursor& cursor) {
  std::string out;
  append_cursor(out, cursor);
  return out;
}

Cursor plain() {
  return {Epoch(0xabc), counting_hash(), Activation(1), Partition(3), Offset(9), Lsn(12), {}};
}

constexpr std::string_view kPlain =
    R"("epoch":"0000000000000abc","query":"000102030405060708090a0b0c0d0e0f","activation":"0000000000000001",)"
    R"("partition":3,"offset":9,"lsn":"12"})";

TEST(Cursor, HasItsGoldenText) {
  EXPECT_EQ(text_of(plain()), "{" + std::string(kPlain));
  Cursor fenced = plain();
  fenced.fence = Fence{Lsn(77), XidSnapshot{Xid(10), Xid(20), {Xid(11), Xid(15)}}};
  EXPECT_EQ(text_of(fenced), R"({"snapshot":"10:20:11,15","until":"77",)" + std::string(kPlain));
  fenced.fence->snapshot.reset();
  EXPECT_EQ(text_of(fenced), R"({"until":"77",)" + std::string(kPlain));
}

TEST(Cursor, OfAnyValueIsReadBack) {
  const auto number = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << number);
  std::mt19937_64 random(number);
  // Small, large and extreme values alike.
  const auto any = [&random] { return random() >> (random() % 64); };
  for (int round = 0; round < 2'000; ++round) {
    Cursor cursor{Epoch(any()),
                  {},
                  Activation(any()),
                  Partition(static_cast<std::int32_t>(any() >> 33)),
                  Offset(static_cast<std::int64_t>(any() >> 1) - 1),
                  Lsn(any()),
                  {}};
    for (auto& byte : cursor.query.bytes) byte = static_cast<std::uint8_t>(random());
    if (round % 3 != 0) cursor.fence = Fence{Lsn(any()), {}};
    if (round % 3 == 1) cursor.fence->snapshot = XidSnapshot{Xid(5), Xid(any()), {Xid(6), Xid(9)}};
    ASSERT_EQ(parse_cursor(text_of(cursor)), cursor) << text_of(cursor);
  }
}

TEST(Cursor, InAnotherOrderAndWithUnknownMembersIsTheSame) {
  EXPECT_EQ(
      parse_cursor(R"( {"lsn":"12","offset":9,"later":[1],"partition":3,"activation":"0000000000000001",)"
                   R"("query":"000102030405060708090a0b0c0d0e0f","epoch":"0000000000000abc"} )"),
      plain());
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(Cursor, MalformedOrIncompleteIsNone) {
  const std::string good = "{" + std::string(kPlain);
  for (const char* text : {"", "{", "null", "7", "[]", "{}", "\"x\""})
    EXPECT_FALSE(parse_cursor(text)) << text;
  const std::vector<std::pair<const char*, const char*>> edits{{"\"epoch\"", "\"e\""},
                                                               {"0000000000000abc", "abc"},
                                                               {"0000000000000abc", "000000000000zabc"},
                                                               {"\"query\"", "\"q\""},
                                                               {"0e0f", "0e"},
                                                               {"0e0f", "0eXX"},
                                                               {"\"activation\"", "\"a\""},
                                                               {"\"partition\":3", "\"partition\":-1"},
                                                               {":3,", ":2147483648,"},
                                                               {":3,", ":\"3\","},
                                                               {":9,", ":-2,"},
                                                               {":9,", ":1.5,"},
                                                               {":9,", ":9223372036854775808,"},
                                                               {"\"lsn\":\"12\"", "\"lsn\":12"},
                                                               {"\"12\"", "\"-1\""},
                                                               {"\"12\"", "\"18446744073709551616\""},
                                                               {"{", R"({"until":7,)"},
                                                               {"{", R"({"snapshot":"1:2:",)"},
                                                               {"{", R"({"until":"7","snapshot":"1:2",)"},
                                                               {"{", R"({"until":"7","snapshot":null,)"}};
  ASSERT_TRUE(parse_cursor(good));
  for (const auto& [from, to] : edits) {
    const std::string text = replaced(good, from, to);
    EXPECT_FALSE(parse_cursor(text)) << text;
  }
}

TEST(Cursor, TrustAFenceOfAMillionTransactionsIsNone) {
  Cursor cursor;
  cursor.fence = Fence{.until = Lsn(7), .snapshot = XidSnapshot{Xid(1), Xid(1'000'000), {}}};
  cursor.fence->snapshot->in_progress.assign(10'000, Xid(123'456));
  EXPECT_TRUE(parse_cursor(text_of(cursor)));
  cursor.fence->snapshot->in_progress.assign(500'000, Xid(3));
  EXPECT_FALSE(parse_cursor(text_of(cursor)));
}

}  // namespace
}  // namespace tidegate::protocol
