// The JSON tree keeps what a query's meaning needs (digits, doubles, order), takes strict JSON only, and
// never goes deeper than it was told.
#include "query/json_tree.h"

#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"

namespace tidegate::query {
namespace {

Json parsed(std::string_view text) {
  const auto tree = parse_json_tree(text);
  EXPECT_TRUE(tree.ok()) << text << ": " << (tree ? "" : tree.error().message);
  return tree ? *tree : Json{};
}

TEST(JsonTreeTest, keeps_a_number_s_own_digits) {
  for (const char* digits : {"0", "-0", "9007199254740993", "123456789012345678901234567890", "1.50", "1e3",
                             "-1E-7", "1e400", "0.1000000000000000055511151231257827"}) {
    const Json number = parsed(digits);
    EXPECT_EQ(number.kind, Json::Kind::number);
    EXPECT_EQ(number.text, digits);
  }
}

TEST(JsonTreeTest, keeps_members_in_order_and_twice) {
  const Json tree = parsed(R"({"b":1,"a":[true,null,"x"],"b":2,"":{}})");
  ASSERT_EQ(tree.members.size(), 4u);
  EXPECT_EQ(tree.members[0].name, "b");
  EXPECT_EQ(tree.members[2].value.text, "2");
  EXPECT_EQ(tree.find("b")->text, "1") << "the first of two";
  EXPECT_EQ(tree.find("c"), nullptr);
  const Json* list = tree.find("a");
  ASSERT_EQ(list->items.size(), 3u);
  EXPECT_EQ(list->items[0].text, "true");
  EXPECT_EQ(list->items[1].kind, Json::Kind::null);
  EXPECT_EQ(list->items[2].text, "x");
}

TEST(JsonTreeTest, reads_escapes_as_utf8) {
  EXPECT_EQ(parsed(R"("\u00e9\u65e5\ud83d\ude00\/\n")").text, "\u00e9\u65e5\U0001F600/\n");
}

TEST(JsonTreeTest, takes_strict_json_only) {
  for (const char* bad : {"",        " ",      "{",   "[1,]", "{\"a\":1,}", "{a:1}",    "'a'",        "01",
                          "+1",      ".5",     "1.",  "nan",  "NaN",        "Infinity", "tru",        "\"a",
                          "\"\\x\"", "\"\t\"", "1 2", "[1]]", "{\"a\" 1}",  "// c\n1",  "\"\\ud800\""}) {
    const auto tree = parse_json_tree(bad);
    ASSERT_FALSE(tree.ok()) << bad;
    EXPECT_EQ(tree.error().fault, Fault::invalid);
    EXPECT_FALSE(tree.error().message.empty());
  }
}

TEST(JsonTreeTest, goes_no_deeper_than_it_was_told) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json_tree(nested(3), 3).ok());
  EXPECT_FALSE(parse_json_tree(nested(5), 3).ok());
  EXPECT_FALSE(parse_json_tree(std::string(1'000'000, '[')).ok());
  EXPECT_FALSE(parse_json_tree(std::string(1'000'000, '{')).ok());
}

TEST(JsonTreeTest, no_text_crashes) {
  const auto seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string good =
      R"({"table":"a","where":[{"column":"b","op":"in","values":[1,-2.5e3,"\u00e9",null]}]})";
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (auto flips = 1 + random() % 4; flips > 0; --flips) {
      text[random() % text.size()] =
          random() % 2 == 0 ? good[random() % good.size()] : static_cast<char>(random());
    }
    const auto tree = parse_json_tree(text);
    ASSERT_TRUE(tree.ok() || tree.error().fault == Fault::invalid);
  }
}

}  // namespace
}  // namespace tidegate::query
