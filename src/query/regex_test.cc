// The subset of Postgres's regular expressions: one spelling each, a refusal by name for all else, time
// linear in the text. That it means what Postgres means is shown by QueryLanguageTest over a real database.
#include "query/regex.h"

#include <gtest/gtest.h>

#include "query/regex_tree.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

std::string spelled(std::string_view pattern, bool fold = false, bool ascii = true) {
  auto text = canonical_regex(pattern, fold, ascii);
  return text ? *text : "refused: " + text.error().message;
}

bool matches(std::string_view pattern, std::string_view text, bool fold = false) {
  const auto regex = Regex::compile(spelled(pattern, fold));
  EXPECT_TRUE(regex.ok()) << pattern;
  return regex && (*regex)->matches(text);
}

TEST(RegexTest, rule_24_an_empty_group_beside_others_leaves_no_trace) {
  for (const char* pattern : {"()(a|b)", "(a|b)(?:)", "((a|b)())", "(?:)(?:()(a|b))()", "a|b"}) {
    const auto canonical = canonical_regex(pattern, false, false);
    ASSERT_TRUE(canonical.ok()) << pattern;
    EXPECT_EQ(*canonical, "a|b") << pattern;
  }
  const auto empty = canonical_regex("()()", false, false);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*canonical_regex(*empty, false, false), *empty);
}

TEST(RegexTest, one_meaning_has_one_spelling) {
  EXPECT_EQ(spelled("(a)(?:b)"), "ab");
  EXPECT_EQ(spelled("(a|b)*?"), "(?:a|b)*");
  EXPECT_EQ(spelled("a{1}b{0,1}c{0,}d{1,}e{2,2}f{2,}g{02,5}?"), "ab?c*d+e{2}f{2,}g{2,5}");
  EXPECT_EQ(spelled("[cba][x][a-cb-f]"), "[a-c]x[a-f]");
  EXPECT_EQ(spelled("[]a-][^-\\]^]"), "[\\-\\]a][^\\-\\]\\^]");
  EXPECT_EQ(spelled("\\d\\W[[:upper:]\\s]"), "[0-9][^0-9A-Z_a-z][\t-\r A-Z]");
  EXPECT_EQ(spelled("\\.\\-\\n}]\\_"), "\\.-\n\\}\\]_");
  EXPECT_EQ(spelled("a1[^k]\u00e9", true), "[Aa]1[^Kk]\u00e9");
  EXPECT_EQ(spelled("[A-z]", true), "[A-z]");
  EXPECT_EQ(spelled("[[:lower:]]", true), "[A-Za-z]");
  EXPECT_EQ(spelled("(a|b)c(|d)"), "(?:a|b)c(?:|d)");
}

TEST(RegexTest, what_is_too_large_once_its_letters_are_alike_is_refused) {
  const std::string letters(150, 'd');
  EXPECT_EQ(spelled(letters), letters);
  EXPECT_NE(spelled(letters, true).find("more than 200 characters and ranges"), std::string::npos);
}

TEST(RegexTest, a_spelling_is_spelled_as_it_is) {
  for (const std::string pattern : {"(a|b){2,3}c", "((a)|(b|c))+", "^([a-z0-9]+-?)*$", "[^\\^\\-\\\\]|\\$",
                                    "(a*)*", "(?:){3}", "a||b", "(^|x)a", "[\u00e9-\u65e5]{0}"}) {
    for (const bool fold : {false, true}) {
      const std::string once = spelled(pattern, fold);
      EXPECT_EQ(spelled(once, false, false), once) << pattern;
    }
  }
}

TEST(RegexTest, texts_match_as_in_postgres) {
  EXPECT_TRUE(matches("^[A-Z]{2}-[0-9]{3,}$", "AB-1234"));
  EXPECT_FALSE(matches("^[A-Z]{2}-[0-9]{3,}$", "AB-12"));
  EXPECT_TRUE(matches("a.b", "a\nb"));
  EXPECT_TRUE(matches("a[^x]b", "a\nb"));
  EXPECT_FALSE(matches("a$", "a\n"));
  EXPECT_FALSE(matches("^b", "a\nb"));
  EXPECT_TRUE(matches("^.$", "\U0001F600"));
  EXPECT_TRUE(matches("k", "K", true));
  EXPECT_FALSE(matches("k", "\u212a", true));
  EXPECT_FALSE(matches("\\w", "\u00e9"));
}

TEST(RegexTest, rule_21_what_is_not_known_to_agree_is_refused_by_name_and_place) {
  const auto place = [](std::string_view what, int at) {
    return "refused: `" + std::string(what) + "` at byte " + std::to_string(at) +
           " of the regular expression is not supported: ";
  };
  EXPECT_EQ(spelled("(a)\\1"),
            place("\\1", 3) + "it refers back to what a group matched, which takes more than linear time");
  EXPECT_EQ(spelled("a\\yb"),
            place("\\y", 1) +
                "which characters make a word depends on the collation; write the characters around it");
  EXPECT_EQ(spelled("(?=a)b"), place("(?=", 0) + "it looks around without matching anything");
  EXPECT_EQ(spelled("(?<!a)b"), place("(?<!", 0) + "it looks around without matching anything");
  EXPECT_EQ(spelled("(?i)a"), place("(?i", 0) + "an option; write the expression without, or ~*");
  EXPECT_EQ(spelled("[[.a.]]"),
            place("[.a.]", 1) + "collating elements depend on the collation; write the character");
  EXPECT_EQ(spelled("a**"), place("**", 1) + "a repetition of a repetition; put the first in a group");
  EXPECT_EQ(spelled("***=a"),
            place("*", 0) + "a director that changes the language; write the expression alone");
  EXPECT_EQ(spelled("x\\d", false, false),
            place("\\d", 1) +
                "which characters are [:digit:] is only known where the column's collation is \"C\"; write "
                "them, as in [0-9]");
  for (const std::string bad :
       {"*a",     "a|*",      "^*",       "(^a)*", "a{2,1}", "a{256}",   "a{1",           "{1}",
        "(",      ")",        "(a",       "[a",    "[]",     "[b-a]",    "[a-c-e]",       "[\\w-z]",
        "[^\\D]", "[[:no:]]", "[[=a=]]",  "\\",    "\\q",    "\\\u00e9", "a{1}{2}",       "a+??",
        "(?#x)",  "(?",       "(?P<a>b)", "\\x41", "\\b",    "\\A",      "(a{100}){100}", "[a-",
        "[[:"}) {
    EXPECT_EQ(spelled(bad).substr(0, 8), "refused:") << bad;
  }
  EXPECT_EQ(spelled(std::string(1'001, 'a')).substr(0, 8), "refused:");
  EXPECT_EQ(spelled(std::string(30, '(') + std::string(30, ')')).substr(0, 8), "refused:");
}

TEST(RegexTest, patterns_made_to_be_slow_take_time_linear_in_the_text) {
  const std::string text(100'000, 'a');
  for (const std::string pattern :
       {"(a*)*b", "(a|a)*b", "(a|aa)+$b", "(a?){90}a{90}b", "^(([a-z])+.)+[A-Z]([a-z])+$", ".*.*.*.*=.*",
        "(x+x+)+y", "(.|a){1,90}c"}) {
    EXPECT_FALSE(matches(pattern, text)) << pattern;
  }
}

TEST(RegexTest, a_beginning_is_known_where_it_is_the_same_for_all) {
  EXPECT_EQ(prefix_of_regex("^ab\\.c[0-9]"), "ab.c");
  EXPECT_EQ(prefix_of_regex("^\u00e9a{2}"), "\u00e9");
  EXPECT_EQ(prefix_of_regex("^ab?c"), "a");
  EXPECT_EQ(prefix_of_regex("^a|^ab[x-z]"), "");
  EXPECT_EQ(prefix_of_regex("ab"), "");
}

std::string hash_of(std::string_view column, Op op, std::string pattern) {
  const auto query =
      bind_things({"things", {"id"}, {compare(std::string(column), op, {string(std::move(pattern))})}});
  return query ? (*query)->hash().hex() : query.error().message;
}

TEST(RegexTest, what_like_can_say_is_still_the_same_query) {
  EXPECT_EQ(hash_of("title", Op::match, "a[b]."), hash_of("title", Op::like, "%ab_%"));
  EXPECT_EQ(hash_of("title", Op::match, "^(?:ab)"), hash_of("title", Op::starts_with, "ab"));
  EXPECT_EQ(hash_of("code", Op::imatch, "^(a)[B]"), hash_of("code", Op::ilike, "ab%"));
  EXPECT_EQ(hash_of("code", Op::imatch, "[a]+"), hash_of("code", Op::match, "[Aa]{1,}?"));
  EXPECT_NE(hash_of("title", Op::match, "a+"), hash_of("title", Op::match, "a*"));
}

TEST(RegexTest, a_condition_holds_its_expression_compiled_and_equal_ones_share_it) {
  Projections projections;
  const auto one = projections.compiled("a+");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(*projections.compiled("a+"), *one);
  EXPECT_NE(*projections.compiled("b+"), *one);
}

}  // namespace
}  // namespace tidegate::query
