// LIKE's patterns come to one spelling and match as Postgres's do; a pattern costs the product of the lengths
// at most, however it is written.
#include "query/like.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "base/testing.h"

namespace tidegate::query {
namespace {

bool matches(std::string_view text, std::string_view pattern, bool fold = false) {
  auto canonical = canonical_like(pattern, "\\");
  EXPECT_TRUE(canonical) << pattern;
  return canonical && like(text, fold ? ascii_lower(*canonical) : *canonical, fold);
}

TEST(LikeTest, wildcards_stand_for_characters) {
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("", "%"));
  EXPECT_FALSE(matches("", "_"));
  EXPECT_TRUE(matches("é", "_"));
  EXPECT_FALSE(matches("é", "__"));
  EXPECT_TRUE(matches("\U0001F600é", "__"));
  EXPECT_TRUE(matches("日本", "_%"));
  EXPECT_TRUE(matches("abcabd", "%abd"));
  EXPECT_TRUE(matches("aab", "%ab"));
  EXPECT_FALSE(matches("abc", "abcd"));
  EXPECT_FALSE(matches("abcd", "abc"));
  EXPECT_TRUE(matches("a\nb", "a_b"));
}

TEST(LikeTest, an_escape_makes_a_wildcard_a_character) {
  EXPECT_TRUE(matches("50%", "50\\%"));
  EXPECT_FALSE(matches("500", "50\\%"));
  EXPECT_TRUE(matches("a_b", "a\\_b"));
  EXPECT_FALSE(matches("axb", "a\\_b"));
  EXPECT_TRUE(matches("\\", "\\\\"));
  EXPECT_TRUE(matches("ab", "\\a\\b"));
}

TEST(LikeTest, case_is_folded_for_ascii_alone) {
  EXPECT_TRUE(matches("HeLLo", "h_llO", true));
  EXPECT_FALSE(matches("É", "é", true));
  EXPECT_FALSE(matches("\u212a", "k", true));  // the Kelvin sign
  EXPECT_FALSE(matches("A", "a"));
}

TEST(LikeTest, patterns_of_one_meaning_are_one) {
  EXPECT_EQ(canonical_like("%_%%_", "\\"), "__%");
  EXPECT_EQ(canonical_like("\\a!%", "!"), "\\\\a\\%");
  EXPECT_EQ(canonical_like("a\\%", ""), "a\\\\%");
  EXPECT_EQ(canonical_like("aéb", "é"), "ab");
  EXPECT_EQ(canonical_like("a\\", "\\"), std::nullopt);
  EXPECT_EQ(canonical_like("a!", "!"), std::nullopt);
  EXPECT_EQ(canonical_like("a", "!!"), std::nullopt);
}

TEST(LikeTest, a_regular_expression_that_is_a_pattern_becomes_one) {
  EXPECT_EQ(*like_of_regex("^a.c"), "a_c%");
  EXPECT_EQ(*like_of_regex("a.*b$"), "%a%b");
  EXPECT_EQ(*like_of_regex("^a%.+\\.$"), "a\\%_%.");
  EXPECT_EQ(*like_of_regex(""), "%");
  EXPECT_EQ(*like_of_regex("^$"), "");
  for (const std::string bad :
       {"a*", "[a]", "a|b", "(a)", "a?", ".*?", ".**", "\\d", "\\", "a^", "$a", "a{2}", "***=a", "\\é"}) {
    EXPECT_FALSE(like_of_regex(bad)) << bad;
  }
}

TEST(LikeTest, a_plain_pattern_is_a_text_or_its_beginning) {
  EXPECT_EQ(plain_pattern("a\\%b")->text, "a%b");
  EXPECT_FALSE(plain_pattern("a\\%b")->prefix);
  EXPECT_TRUE(plain_pattern("a%")->prefix);
  EXPECT_FALSE(plain_pattern("a%b"));
  EXPECT_FALSE(plain_pattern("_"));
}

TEST(LikeTest, canonical_patterns_stay_as_they_are) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string alphabet = "ab%_\\";
  for (int round = 0; round < 20'000; ++round) {
    std::string pattern;
    for (std::size_t left = random() % 8; left > 0; --left) pattern += alphabet[random() % alphabet.size()];
    const auto once = canonical_like(pattern, "\\");
    if (!once) continue;
    EXPECT_EQ(canonical_like(*once, "\\"), once) << pattern;
    std::string text;
    for (std::size_t left = random() % 8; left > 0; --left) text += alphabet[random() % alphabet.size()];
    if (const auto plain = plain_pattern(*once)) {
      EXPECT_EQ(like(text, *once, false), plain->prefix ? text.starts_with(plain->text) : text == plain->text)
          << pattern;
    }
  }
}

TEST(LikeTest, many_wildcards_are_not_exponential) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "%a";
  EXPECT_FALSE(matches(std::string(2'000, 'a') + "b", pattern + "c"));
  EXPECT_TRUE(matches(std::string(2'000, 'a'), pattern));
}

}  // namespace
}  // namespace tidegate::query
