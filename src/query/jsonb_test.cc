// jsonb by its text: what `->`, `->>`, `@>`, `?` and `=` say, as deep documents as a database may hold.
#include "query/jsonb.h"

#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"

namespace tidegate::query {
namespace {

std::string step(std::string_view document, PathStep step) {
  const auto found = step_into_jsonb(document, step);
  return found ? std::string(*found) : "NULL";
}

TEST(JsonbTest, a_value_comes_to_one_spelling) {
  EXPECT_EQ(canonical_jsonb(R"( { "b" : 1.50, "a": [ true , null ], "b": 2e1 } )"),
            R"({"a":[true,null],"b":20})");
  EXPECT_EQ(canonical_jsonb("{}"), "{}");
  EXPECT_EQ(canonical_jsonb("[]"), "[]");
  EXPECT_EQ(canonical_jsonb(R"("\u00e9\/")"), "\"é/\"");
  EXPECT_EQ(canonical_jsonb("-0.0"), "0");
  for (const std::string bad : {"", "{", "nul", "'a'", "1 2", R"("\u0000")", R"({"\u0000":1})", "1e5000"}) {
    EXPECT_EQ(canonical_jsonb(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(canonical_jsonb(std::string(40, '[') + std::string(40, ']')), std::nullopt);
}

TEST(JsonbTest, steps_lead_to_members_and_places) {
  const std::string document = R"({"a": [1, {"b": "x, y"}, "]"], "": null, "q\"": {"c": {}}})";
  EXPECT_EQ(step(document, {"a"}), R"([1, {"b": "x, y"}, "]"])");
  EXPECT_EQ(step(document, {"b"}), "NULL");
  EXPECT_EQ(step(document, {""}), "null");
  EXPECT_EQ(step(document, {"q\""}), R"({"c": {}})");
  EXPECT_EQ(step(document, {"0", true}), "NULL");
  const std::string array = step(document, {"a"});
  EXPECT_EQ(step(array, {"0", true}), "1");
  EXPECT_EQ(step(array, {"-1", true}), "\"]\"");
  EXPECT_EQ(step(array, {"1", true}), R"({"b": "x, y"})");
  EXPECT_EQ(step(array, {"3", true}), "NULL");
  EXPECT_EQ(step(array, {"-4", true}), "NULL");
  EXPECT_EQ(step(array, {"0"}), "NULL");
  EXPECT_EQ(step("5", {"0", true}), "5");
  EXPECT_EQ(step("5", {"1", true}), "NULL");
  EXPECT_EQ(step("[]", {"0", true}), "NULL");
}

TEST(JsonbTest, text_has_no_quotes_and_null_is_null) {
  EXPECT_EQ(text_of_jsonb(R"("a\n\"\u0001é")"), "a\n\"\x01é");
  EXPECT_EQ(text_of_jsonb("null"), std::nullopt);
  EXPECT_EQ(text_of_jsonb("1.50"), "1.50");
  EXPECT_EQ(text_of_jsonb("[1, 2]"), "[1, 2]");
}

TEST(JsonbTest, equality_is_of_values) {
  EXPECT_TRUE(equal_jsonb("1.0", "1"));
  EXPECT_TRUE(equal_jsonb(R"({"b": 1, "aa": [1.00]})", R"({"aa":[1],"b":1})"));
  EXPECT_FALSE(equal_jsonb(R"({"a": 1, "b": 2})", R"({"a":1})"));
  EXPECT_FALSE(equal_jsonb(R"({"a": 1})", R"({"a":1,"b":2})"));
  EXPECT_FALSE(equal_jsonb("[1, 2]", "[2,1]"));
  EXPECT_FALSE(equal_jsonb("[1, 2]", "[1]"));
  EXPECT_FALSE(equal_jsonb("[1]", "[1,2]"));
  EXPECT_FALSE(equal_jsonb("\"1\"", "1"));
  EXPECT_FALSE(equal_jsonb("{}", "[]"));
  EXPECT_FALSE(equal_jsonb("null", "false"));
}

TEST(JsonbTest, containment_is_postgres_s) {
  struct Case {
    const char* document;
    const char* value;
    bool contains;
  };
  const std::vector<Case> cases = {
      {R"({"a": 1, "b": 2})", R"({"b":2})", true},
      {R"({"a": [1, 2]})", R"({"a":[2]})", true},
      {R"({"a": [1, 2]})", R"({"a":2})", false},
      {R"({"a": {"b": 1, "c": 2}})", R"({"a":{"c":2}})", true},
      {"[1, 2, [1, 3]]", "[1,3]", false},
      {"[1, 2, [1, 3]]", "[[1,3]]", true},
      {"[1, [1, 3]]", "[[3],1]", true},
      {"[1, 2]", "[1,1,1]", true},
      {R"(["foo", "bar"])", R"("bar")", true},
      {R"("bar")", R"(["bar"])", false},
      {"[[1]]", "1", false},
      {"{}", "[]", false},
      {"[]", "{}", false},
      {"[{}]", "[{}]", true},
      {"5", "5", true},
      {"null", "null", true},
      {R"({"a": null})", R"({"a":null})", true},
      {R"({"b": null})", R"({"a":null})", false},
  };
  for (const Case& test : cases)
    EXPECT_EQ(contains_jsonb(test.document, test.value), test.contains) << test.document << test.value;
}

TEST(JsonbTest, keys_are_members_and_strings_in_arrays) {
  EXPECT_TRUE(has_key_jsonb(R"({"a": {"b": 1}})", "a"));
  EXPECT_FALSE(has_key_jsonb(R"({"a": {"b": 1}})", "b"));
  EXPECT_TRUE(has_key_jsonb(R"(["a", 1])", "a"));
  EXPECT_FALSE(has_key_jsonb("[1]", "1"));
  EXPECT_TRUE(has_key_jsonb("\"a\"", "a"));
  EXPECT_FALSE(has_key_jsonb("1", "1"));
}

TEST(JsonbTest, a_deep_document_costs_no_stack) {
  std::string deep;
  for (int i = 0; i < 200'000; ++i) deep += "[";
  deep += std::string(200'000, ']');
  EXPECT_TRUE(contains_jsonb(deep, "[[[]]]"));
  EXPECT_FALSE(equal_jsonb(deep, "[[[]]]"));
  EXPECT_FALSE(has_key_jsonb(deep, "a"));
  EXPECT_EQ(step(deep, {"1", true}), "NULL");
}

TEST(JsonbTest, no_text_crashes) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string alphabet = "{}[]\",:\\ u0a1-tn";
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    for (std::size_t left = random() % 16; left > 0; --left) text += alphabet[random() % alphabet.size()];
    (void)canonical_jsonb(text);
    (void)equal_jsonb(text, R"({"a":[1,{"b":null}]})");
    (void)contains_jsonb(text, R"([{"a":1},[2],"u"])");
    (void)contains_jsonb(text, R"({"a":{"a":1}})");
    (void)has_key_jsonb(text, "a");
    (void)text_of_jsonb(text);
    (void)step(text, {"a"});
    (void)step(text, {"-1", true});
  }
}

}  // namespace
}  // namespace tidegate::query
