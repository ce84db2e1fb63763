#include "query/numeric.h"

#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"

namespace tidegate::query {
namespace {

TEST(NumericTest, one_number_has_one_spelling) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0", "0"},
      {"-0", "0"},
      {"000", "0"},
      {"0.00", "0"},
      {"-0.0e5", "0"},
      {"+1", "1"},
      {"1.", "1"},
      {".5", "0.5"},
      {"-.50", "-0.5"},
      {"1.230", "1.23"},
      {"0012.30", "12.3"},
      {"1e3", "1000"},
      {"1E+3", "1000"},
      {"1.5e1", "15"},
      {"1.55e1", "15.5"},
      {"12345e-3", "12.345"},
      {"5e-3", "0.005"},
      {"100e-2", "1"},
      {"-1200e-1", "-120"},
      {"0e999999", "0"},
      {"nan", "NaN"},
      {"NAN", "NaN"},
      {"inf", "Infinity"},
      {"+Infinity", "Infinity"},
      {"-INF", "-Infinity"},
      {"99999999999999999999999999.99", "99999999999999999999999999.99"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(normalise_numeric(text), wanted) << text;
}

TEST(NumericTest, what_is_no_number_has_none) {
  for (const std::string text :
       {"",       "-",       "+",  ".",  "e5",  "1e",   "1e+",   "1e+-5", "1e--5", "1.2.3",
        "1,5",    "0x10",    " 1", "1 ", "--1", "-nan", "infin", "1e5.0", "1_000", "1e99999999999999999999",
        "1e1001", "1e-1001", "١"}) {
    EXPECT_EQ(normalise_numeric(text), std::nullopt) << text;
    EXPECT_EQ(compare_numeric(text, "1"), std::nullopt) << text;
    EXPECT_EQ(compare_numeric("1", text), std::nullopt) << text;
  }
  EXPECT_TRUE(normalise_numeric(std::string(kNumericDigitsMax, '9')));
  EXPECT_FALSE(normalise_numeric(std::string(kNumericDigitsMax + 1, '9')));
  EXPECT_FALSE(normalise_numeric("1e999999999"));
}

TEST(NumericTest, a_long_cell_still_compares) {
  const std::string nines(5'000, '9');
  EXPECT_EQ(compare_numeric(nines, "1"), std::strong_ordering::greater);
  EXPECT_EQ(compare_numeric("-" + nines, "1"), std::strong_ordering::less);
  EXPECT_EQ(compare_numeric("0." + nines, "1"), std::strong_ordering::less);
  EXPECT_EQ(compare_numeric(nines, nines), std::strong_ordering::equal);
}

TEST(NumericTest, nan_is_above_all_and_equals_itself) {
  EXPECT_EQ(compare_numeric("NaN", "Infinity"), std::strong_ordering::greater);
  EXPECT_EQ(compare_numeric("NaN", "NaN"), std::strong_ordering::equal);
  EXPECT_EQ(compare_numeric("-Infinity", "-1e900"), std::strong_ordering::less);
}

/// Thousandths as text with a random scale and form.
std::string spell(std::int64_t thousandths, std::mt19937& random) {
  const std::string sign = thousandths < 0 ? "-" : "";
  const std::int64_t magnitude = thousandths < 0 ? -thousandths : thousandths;
  if (random() % 3 == 0) return sign + std::to_string(magnitude) + "e-3";
  std::string fraction = std::to_string(magnitude % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  return sign + std::string(random() % 3, '0') + std::to_string(magnitude / 1000) + "." + fraction +
         std::string(random() % 3, '0');
}

TEST(NumericTest, compares_like_integers_of_its_thousandths) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 100'000; ++round) {
    const std::int64_t width = random() % 2 == 0 ? 50 : 5'000'000;
    const std::int64_t left = static_cast<std::int64_t>(random() % static_cast<unsigned>(width)) - width / 2;
    const std::int64_t right = static_cast<std::int64_t>(random() % static_cast<unsigned>(width)) - width / 2;
    const std::string left_text = spell(left, random);
    const std::string right_text = spell(right, random);
    ASSERT_EQ(compare_numeric(left_text, right_text), left <=> right) << left_text << " " << right_text;
    ASSERT_EQ(normalise_numeric(left_text) == normalise_numeric(right_text), left == right);
  }
}

}  // namespace
}  // namespace tidegate::query
