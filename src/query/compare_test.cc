// The order of the types whose text does not show it: floating point, intervals, padded text, times.
#include "query/compare.h"

#include <gtest/gtest.h>

#include <vector>

#include "query/interval.h"
#include "query/query.h"
#include "query/real.h"

namespace tidegate::query {
namespace {

/// Each group is of equal values; groups ascend.
void expect_ascending(Type type, const std::vector<std::vector<std::string>>& groups) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::size_t j = 0; j < groups.size(); ++j) {
      for (const std::string& left : groups[i]) {
        for (const std::string& right : groups[j]) {
          EXPECT_EQ(compare_values(type, left, right), i <=> j) << left << " against " << right;
          EXPECT_EQ(equal_values(type, left, right), i == j) << left << " against " << right;
          EXPECT_EQ(index_value(type, left) == index_value(type, right), i == j)
              << left << " against " << right;
        }
      }
    }
  }
}

TEST(CompareTest, nan_is_above_all_floats_and_zero_has_no_sign) {
  for (const Type type : {Type::float4, Type::float8}) {
    expect_ascending(type, {{"-Infinity", "-inf"},
                            {"-1e30"},
                            {"-1", "-1.0"},
                            {"-1e-40"},
                            {"0", "-0", "0.0", "0e5"},
                            {"1e-40"},
                            {"0.1", ".1", "1e-1"},
                            {"1e+06", "1000000"},
                            {"Infinity"},
                            {"NaN", "nan"}});
  }
  expect_ascending(Type::float8, {{"0.3"}, {"0.30000000000000004"}, {"1e300"}});
  expect_ascending(Type::float4, {{"16777216", "16777217"}, {"16777218"}});
}

TEST(CompareTest, a_month_is_thirty_days_and_a_day_24_hours) {
  expect_ascending(Type::interval, {{"-178956970 years -8 mons"},
                                    {"-1 days", "-24:00:00"},
                                    {"-00:00:00.000001"},
                                    {"00:00:00", "1 day -24:00:00", "1 mon -30 days"},
                                    {"00:00:00.000001"},
                                    {"23:59:59", "1 day -00:00:01"},
                                    {"1 day", "24:00:00", "1 days", "86400 seconds"},
                                    {"1 week", "7 days"},
                                    {"1 mon", "30 days", "720:00:00", "1 month"},
                                    {"1 year", "12 mons", "360 days"},
                                    {"178956970 years 7 mons"}});
}

TEST(CompareTest, blanks_at_the_end_of_padded_text_do_not_count) {
  expect_ascending(Type::bpchar, {{"", "     "}, {" a", " a "}, {"a", "a    "}, {"ab"}});
}

TEST(CompareTest, times_end_with_24_00) {
  for (const std::string later : {"00:00:00.000001", "12:00:00", "23:59:59.999999", "24:00:00"}) {
    EXPECT_EQ(compare_values(Type::time, "00:00:00", later), std::strong_ordering::less) << later;
  }
}

TEST(CompareTest, what_is_no_value_has_no_order) {
  for (const Type type :
       {Type::int4, Type::numeric, Type::float4, Type::float8, Type::date, Type::time, Type::interval}) {
    for (const std::string text : {"", "x", "1x", "1:", "--1", "1 fortnight", "\xff"}) {
      EXPECT_EQ(compare_values(type, text, text), std::nullopt) << type_name(type) << " " << text;
    }
  }
  EXPECT_EQ(compare_values(Type::jsonb, "1", "1"), std::nullopt);
  EXPECT_EQ(compare_values(Type::enumeration, "a", "a"), std::nullopt);
}

TEST(RealTest, what_a_type_can_t_hold_is_no_value) {
  EXPECT_FALSE(read_real(Type::float8, "1e400"));
  EXPECT_FALSE(read_real(Type::float8, "1e-400"));
  EXPECT_FALSE(read_real(Type::float4, "1e40"));
  EXPECT_FALSE(read_real(Type::float4, "1e-50"));
  EXPECT_TRUE(read_real(Type::float8, "5e-324"));
  for (const std::string text : {"", "+", "-", "0x10", "1_000", "+-1", " 1", "1 ", "nan(1)", "-NaN"}) {
    EXPECT_FALSE(read_real(Type::float8, text)) << text;
  }
  EXPECT_EQ(real_text(Type::float4, *read_real(Type::float4, "0.1")), "0.1");
}

TEST(IntervalTest, all_spellings_come_to_one_that_reads_back) {
  EXPECT_EQ(interval_text(*read_interval("1 year 2 mons -3 days 04:05:06.7")), "13 mons 27 days 04:05:06.7");
  EXPECT_EQ(interval_text(*read_interval("-1 mons +3 days -00:00:01")), "-27 days -00:00:01");
  EXPECT_EQ(interval_text(*read_interval("90 minutes")), "01:30:00");
  EXPECT_EQ(interval_text(*read_interval("0 days")), "00:00:00");
  for (std::int64_t days = -70; days < 70; ++days) {
    for (const std::int64_t us : {0LL, 1LL, 3'600'000'000LL, 86'399'999'999LL}) {
      const Interval interval{days, us};
      EXPECT_EQ(read_interval(interval_text(interval)), interval) << interval_text(interval);
    }
  }
  for (const std::string text : {"", " ", "1", "1 day ", "day", "1.5 days", "00:61:00", "1 day 2",
                                 "00:00:00.1234567", "12345678901 days", "infinity", "P1D", "1 day ago"}) {
    EXPECT_FALSE(read_interval(text)) << text;
  }
  EXPECT_FALSE(storable_interval(*read_interval("2147483648 mons")));
  EXPECT_TRUE(storable_interval(*read_interval("178956970 years 7 mons")));
}

}  // namespace
}  // namespace tidegate::query
