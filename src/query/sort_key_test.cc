// Invariants: numbers stand in the order that `compare_values` gives; exact ones are equal only where values
// are; where a value has an order, it has a number.

#include "query/sort_key.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/testing.h"
#include "query/compare.h"

namespace tidegate::query {
namespace {

struct Case {
  Type type;
  std::vector<std::string> texts;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {Type::int2, {"-32768", "-1", "0", "1", "32767", "x", ""}},
      {Type::int8, {"-9223372036854775808", "-10", "-9", "0", "9", "10", "9223372036854775807", "1.0"}},
      {Type::numeric,
       {"NaN",
        "-Infinity",
        "Infinity",
        "0",
        "-0.0",
        "0.00",
        "1",
        "1.0",
        "1.10",
        "-1.5",
        "19.99",
        "-19.99",
        "20",
        "12345678901234567890.123456789",
        "12345678901234567890.123456788",
        "0.1",
        "0.10000000000000000000000000000000001",
        "-0.10000000000000000000000000000000001",
        std::string(400, '9'),
        "-" + std::string(400, '9'),
        "1" + std::string(500, '0'),
        "0." + std::string(400, '0') + "1",
        "-0." + std::string(400, '0') + "1",
        "1e3",
        "+5",
        ".5",
        "5.",
        "junk",
        "",
        "-",
        std::string(1'500, '1'),
        "1." + std::string(1'500, '0')}},
      {Type::float8,
       {"NaN", "-Infinity", "Infinity", "0", "-0", "1", "1.5", "-1.5", "5e-324", "-5e-324",
        "1.7976931348623157e+308", "-1.7976931348623157e+308", "0.1", "0.30000000000000004", "x"}},
      {Type::float4, {"NaN", "-Infinity", "0", "-0", "1.1", "-1.1", "3.4028235e+38", "1e-45", "16777216"}},
      {Type::date,
       {"-infinity", "4714-11-24 BC", "0001-01-01", "2026-01-31", "5874897-12-31", "infinity", "x"}},
      {Type::time, {"00:00:00", "12:30:00.5", "23:59:59.999999", "24:00:00"}},
      {Type::timestamp,
       {"-infinity", "0044-03-15 12:00:00 BC", "2026-01-31 12:30:00.5", "294276-12-31 23:59:59.999999",
        "infinity"}},
      {Type::timestamptz,
       {"-infinity", "2026-01-31 12:30:00+00", "2026-01-31 12:30:00.000001+00", "infinity"}},
      {Type::interval,
       {"00:00:00", "-00:00:01", "1 day", "24:00:00", "-1 days", "1 mon", "30 days",
        "1 year 2 mons 3 days 04:05:06.7", "100000000 days", "99999999 days", "178000000 years",
        "-178000000 years", "-177999999 years", "x"}},
      {Type::text, {"", "a", "a ", "ab", "abcdefgh", "abcdefghi", "abcdefgz", "é", "Z", "z", "\x7f", "日本"}},
      {Type::bpchar, {"", "a  ", "a", "ab ", "abcdefgh  ", "abcdefghi"}},
      {Type::boolean, {"t", "f"}},
      {Type::uuid,
       {"00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff"}},
      {Type::bytea, {"\\x", "\\x00", "\\x00ff", "\\xff"}},
  };
  return all;
}

std::optional<SortKey> number(Type type, const std::string& text) {
  if (!ordered_by_bytes(type)) return sort_key(type, text);
  return SortKey{leading_bytes(sort_bytes(type, text)), false};
}

void expect_order(Type type, const std::string& left, const std::string& right) {
  const auto order = compare_values(type, left, right);
  if (!order) return;
  SCOPED_TRACE(std::string(type_name(type)) + ": " + left + " and " + right);
  const auto one = number(type, left);
  const auto other = number(type, right);
  ASSERT_TRUE(one && other);
  if (*order == 0) {
    EXPECT_EQ(one->number, other->number);
    return;
  }
  const bool less = *order < 0;
  EXPECT_LE((less ? one : other)->number, (less ? other : one)->number);
  EXPECT_TRUE(!one->exact || !other->exact || one->number != other->number);
}

TEST(SortKeyTest, numbers_stand_in_the_order_of_the_values) {
  for (const Case& each : cases()) {
    for (const std::string& left : each.texts) {
      for (const std::string& right : each.texts) expect_order(each.type, left, right);
    }
  }
}

TEST(SortKeyTest, what_is_no_value_has_no_number) {
  for (const Case& each : cases()) {
    for (const std::string& text : each.texts)
      EXPECT_EQ(number(each.type, text).has_value(), compare_values(each.type, text, text).has_value())
          << type_name(each.type) << " " << text;
  }
}

TEST(SortKeyTest, numbers_of_everyday_length_are_exact) {
  for (const std::string text : {"0", "19.99", "-19.99", "1000000000000000000000", "0.000001", "NaN",
                                 "Infinity", "123456789012345", "0.00", "100.00"})
    EXPECT_TRUE(sort_key(Type::numeric, text)->exact) << text;
  for (const std::string text : {"1234567890123456", "0.1000000000000000000001", "9007199254740993"})
    EXPECT_FALSE(sort_key(Type::numeric, text)->exact) << text;
}

TEST(SortKeyTest, random_numbers_stand_in_their_order) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto digits = [&](std::size_t most) {
    std::string text;
    for (std::size_t left = 1 + random() % most; left > 0; --left)
      text += static_cast<char>('0' + random() % 10);
    return text;
  };
  for (int round = 0; round < 20'000; ++round) {
    const auto numeric = [&] {
      return std::string(random() % 2 ? "-" : "") + digits(random() % 20 ? 4 : 330) + "." +
             digits(random() % 20 ? 3 : 40);
    };
    expect_order(Type::numeric, numeric(), numeric());
    const auto interval = [&] {
      return (random() % 2 ? "-" : "") + digits(9) + " days " + (random() % 2 ? "-" : "") + "0" + digits(1) +
             ":30:00";
    };
    expect_order(Type::interval, interval(), interval());
  }
}

}  // namespace
}  // namespace tidegate::query
