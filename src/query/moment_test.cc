#include "query/moment.h"

#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"

namespace tidegate::query {
namespace {

TEST(MomentTest, counts_from_the_year_2000) {
  EXPECT_EQ(read_moment(Type::date, "2000-01-01"), 0);
  EXPECT_EQ(read_moment(Type::date, "1999-12-31"), -1);
  EXPECT_EQ(read_moment(Type::date, "4714-11-24 BC"), -2'451'545);
  EXPECT_EQ(read_moment(Type::date, "5874897-12-31"), 2'145'031'948);
  EXPECT_EQ(read_moment(Type::timestamp, "2000-01-01 00:00:00.000001"), 1);
  EXPECT_EQ(read_moment(Type::timestamp, "1999-12-31 23:59:59.999999"), -1);
  EXPECT_EQ(read_moment(Type::timestamptz, "2000-01-01 01:00:00+01"), 0);
  EXPECT_EQ(read_moment(Type::timestamptz, "1999-12-31 23:40:28-00:19:32"), 0);
  EXPECT_EQ(read_moment(Type::timestamp, "4714-11-24 00:00:00 BC"), -211'813'488'000'000'000);
}

TEST(MomentTest, the_range_is_the_database_s) {
  EXPECT_FALSE(read_moment(Type::date, "4714-11-23 BC"));
  EXPECT_FALSE(read_moment(Type::date, "5874898-01-01"));
  EXPECT_FALSE(read_moment(Type::timestamp, "4714-11-23 23:59:59 BC"));
  EXPECT_TRUE(read_moment(Type::timestamp, "294276-12-31 23:59:59.999999"));
  EXPECT_FALSE(read_moment(Type::timestamp, "294277-01-01 00:00:00"));
  EXPECT_FALSE(read_moment(Type::timestamp, "9999999-12-31 00:00:00"));
  EXPECT_FALSE(read_moment(Type::timestamp, "9999999-12-31 00:00:00 BC"));
  EXPECT_TRUE(read_moment(Type::timestamptz, "294277-01-01 00:30:00+01"));
  EXPECT_FALSE(read_moment(Type::timestamptz, "294276-12-31 23:30:00-01"));
}

TEST(MomentTest, the_calendar_is_checked) {
  EXPECT_TRUE(read_moment(Type::date, "2000-02-29"));
  EXPECT_FALSE(read_moment(Type::date, "1900-02-29"));
  EXPECT_TRUE(read_moment(Type::date, "0001-02-29 BC"));  // the year 0
  EXPECT_FALSE(read_moment(Type::date, "0002-02-29 BC"));
  for (const std::string text :
       {"2026-00-10", "2026-13-10", "2026-04-31", "2026-04-00", "0000-01-01", "26-01-01", "2026-1-1",
        "2026-01-01x", "2026-01-01 ", " 2026-01-01", "+2026-01-01", "20260101", "", "BC", " BC"}) {
    EXPECT_FALSE(read_moment(Type::date, text)) << text;
  }
}

TEST(MomentTest, every_day_comes_back_as_it_went) {
  std::int64_t expected = *read_moment(Type::date, "0401-01-01 BC");
  for (std::int64_t day = expected; day < 400 * 366 * 3; ++day) {
    const std::string text = moment_text(Type::date, day);
    ASSERT_EQ(read_moment(Type::date, text), day) << text;
  }
}

TEST(MomentTest, every_time_comes_back_as_it_went) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::int64_t> any(-211'813'488'000'000'000, 9'223'371'331'199'999'999);
  for (int round = 0; round < 50'000; ++round) {
    const Moment moment = any(random);
    for (const Type type : {Type::timestamp, Type::timestamptz}) {
      const std::string text = moment_text(type, moment);
      ASSERT_EQ(read_moment(type, text), moment) << text;
    }
  }
  EXPECT_EQ(moment_text(Type::timestamp, *read_moment(Type::timestamp, "infinity")), "infinity");
  EXPECT_EQ(moment_text(Type::date, *read_moment(Type::date, "-infinity")), "-infinity");
}

TEST(MomentTest, no_text_crashes) {
  std::mt19937 random(11);
  const std::string alphabet = "0123456789-:.+ TZBC";
  for (int round = 0; round < 200'000; ++round) {
    std::string text = "2026-01-31 10:20:30.5+00 BC";
    for (int count = static_cast<int>(random() % 5); count >= 0; --count) {
      text.replace(random() % text.size(), random() % 4, random() % 3, alphabet[random() % alphabet.size()]);
      if (text.empty()) text = "x";
    }
    for (const Type type : {Type::date, Type::timestamp, Type::timestamptz}) {
      const auto moment = read_moment(type, text);
      ASSERT_TRUE(!moment || read_moment(type, moment_text(type, *moment)) == moment) << text;
    }
  }
}

}  // namespace
}  // namespace tidegate::query
