// The first way in. Nothing is dropped: unknown fields are refused, numbers keep their digits.
#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

std::string fault(std::string_view json) {
  const auto query = parse_json(json);
  return query ? "no error" : query.error().message;
}

TEST(ParseJsonTest, reads_every_field) {
  const auto query = parse_json(R"({"table": "shop.orders", "columns": ["id", "title"], "where": [
      {"column": "status", "op": "=", "value": "open"},
      {"column": "total", "op": ">=", "value": 100.50},
      {"column": "big", "op": "!=", "value": 12345678901234567890123},
      {"column": "done", "op": "<>", "value": false},
      {"column": "x", "op": "IN", "values": [1, "a", true, null]},
      {"column": "y", "op": "is null"}, {"column": "z", "op": "Is Not Null"},
      {"column": "n", "op": "<", "value": null}]})");
  ASSERT_TRUE(query.ok()) << query.error().message;
  EXPECT_EQ(query->table, "shop.orders");
  EXPECT_EQ(query->columns, (std::vector<std::string>{"id", "title"}));
  ASSERT_EQ(query->where.size(), 8u);
  EXPECT_EQ(query->where[0].values[0].text, "open");
  EXPECT_EQ(query->where[0].values[0].kind, ParsedLiteral::Kind::string);
  EXPECT_EQ(query->where[1].op, Op::ge);
  EXPECT_EQ(query->where[1].values[0].text, "100.50");
  EXPECT_EQ(query->where[1].values[0].kind, ParsedLiteral::Kind::number);
  EXPECT_EQ(query->where[2].values[0].text, "12345678901234567890123");
  EXPECT_EQ(query->where[2].op, Op::ne);
  EXPECT_EQ(query->where[3].values[0].text, "false");
  EXPECT_EQ(query->where[4].op, Op::in);
  ASSERT_EQ(query->where[4].values.size(), 4u);
  EXPECT_EQ(query->where[4].values[3].kind, ParsedLiteral::Kind::null);
  EXPECT_EQ(query->where[5].op, Op::is_null);
  EXPECT_EQ(query->where[6].op, Op::is_not_null);
  EXPECT_EQ(query->where[7].values[0].kind, ParsedLiteral::Kind::null);
}

TEST(ParseJsonTest, reads_trees_and_what_is_written_by_other_operators) {
  const auto same = [](std::string_view left, std::string_view right) {
    const auto bound = [](std::string_view where) {
      const auto parsed = parse_json(R"({"where":)" + std::string(where) + "}");
      EXPECT_TRUE(parsed.ok()) << where << (parsed ? "" : parsed.error().message);
      const auto query = parsed ? bind_things(*parsed) : Result<std::shared_ptr<const Query>>(parsed.error());
      EXPECT_TRUE(query.ok()) << where << (query ? "" : query.error().message);
      return query ? (*query)->canonical() : std::string(where);
    };
    EXPECT_EQ(bound(left), bound(right));
  };
  same(R"({"not":{"or":[{"column":"count","op":"=","value":1},{"column":"title","op":"is null"}]}})",
       R"([{"column":"title","op":"is not null"},{"column":"count","op":"<>","value":1}])");
  same(R"([{"column":"count","op":"between","values":[1,5]}])",
       R"([{"column":"count","op":"<=","value":5},{"column":"count","op":">=","value":1}])");
  same(R"([{"column":"count","op":"NOT BETWEEN","values":[1,5]}])",
       R"({"or":[{"column":"count","op":"<","value":1},{"column":"count","op":">","value":5}]})");
  same(R"([{"column":"count","op":"is distinct from","value":null}])",
       R"([{"column":"count","op":"is not null"}])");
  same(R"([{"column":"count","op":"is not distinct from","value":1}])",
       R"([{"column":"count","op":"=","value":1}])");
  same(R"([{"column":"done","op":"is not true"}])", R"([{"not":{"column":"done","op":"is true"}}])");
  same(R"([{"column":"title","op":"like","value":"50!%%","escape":"!"}])",
       R"([{"column":"title","op":"starts with","value":"50%"}])");
  same(R"([{"column":"title","op":"not like","value":"a"}])",
       R"([{"column":"title","op":"<>","value":"a"}])");
  same(R"([{"column":"count","op":"<","other":"id"}])", R"([{"column":"id","op":">","other":"count"}])");
  same(R"([{"column":"tags","op":"@>","values":["a","b"]}])",
       R"([{"column":"tags","op":"@>","values":["b","a","b"]}])");
  same(R"([{"column":"tags","op":"has","value":"a"}])",
       R"([{"not":{"column":"tags","op":"not has","value":"a"}}])");
  same(R"([{"column":"doc","op":"@>","value":{"b":1,"a":[true]}}])",
       R"([{"column":"doc","op":"@>","value":"{\"a\":[true],\"b\":1.0}"}])");
  same(R"([{"column":"doc","path":["a",0],"text":true,"op":"=","value":"x"}])",
       R"({"not":{"column":"doc","path":["a",0],"text":true,"op":"!=","value":"x"}})");
}

TEST(ParseJsonTest, numbers_keep_their_digits) {
  for (const std::string digits :
       {"0", "-0", "9007199254740993", "9223372036854775808", "18446744073709551616", "0.1", "1.10", "1e3",
        "-1.5E-7", "123456789.123456789123456789"}) {
    const auto query = parse_json(R"({"where":[{"column":"a","op":"=","value":)" + digits + "}]}");
    ASSERT_TRUE(query.ok()) << digits;
    EXPECT_EQ(query->where[0].values[0].text, digits);
  }
}

TEST(ParseJsonTest, the_table_may_be_absent) {
  const auto query = parse_json("{}");
  ASSERT_TRUE(query.ok());
  EXPECT_TRUE(query->table.empty() && query->columns.empty() && query->where.empty());
}

TEST(ParseJsonTest, the_field_at_fault_is_named) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "query: not JSON at byte 0: incomplete JSON"},
      {"{", "query: not JSON at byte 1: incomplete JSON"},
      {"{} x", "query: not JSON at byte 3: extra data"},
      {"[]", "query: must be an object"},
      {"1", "query: must be an object"},
      {R"({"tabel":"t"})", "query: has no field \"tabel\"; its fields are table, columns, where"},
      {R"({"table":"t","table":"u"})", "query: the field \"table\" stands twice"},
      {R"({"table":1})", "query.table: must be a string"},
      {R"({"columns":"id"})", "query.columns: must be an array"},
      {R"({"columns":[1]})", "query.columns: must hold strings"},
      {R"({"columns":[]})", "query.columns: is empty; leave it out for all columns"},
      {R"({"where":{}})", "query.where.column: must be a string or arithmetic"},
      {R"({"where":1})", "query.where: must be an array or a condition"},
      {R"({"where":{"or":[]}})", "query.where.or: must be an array of conditions, and not empty"},
      {R"({"where":[{"and":[{"not":{"column":1}}]}]})",
       "query.where[0].and[0].not.column: must be a string or arithmetic"},
      {R"({"where":[{"or":[],"and":[]}]})",
       "query.where[0]: has no field \"or\"; its fields are column, op, value, values, other, path, text, "
       "escape"},
      {R"({"where":[{"column":"a","op":"between","values":[1]}]})",
       "query.where[0].values: must hold two values"},
      {R"({"where":[{"column":"a","op":"like","value":"x!","escape":"!"}]})",
       "query.where[0].escape: must be one character or none, and no pattern may end with it"},
      {R"({"where":[{"column":"a","op":"=","value":"x","escape":"!"}]})",
       "query.where[0].escape: is a string, for `like` and `ilike`"},
      {R"({"where":[{"column":"a","op":"=","value":1,"path":[true]}]})",
       "query.where[0].path: must hold members' names and places in arrays"},
      {R"({"where":[{"column":"a","op":"=","value":1,"text":true}]})", "query.where[0]: `text` needs `path`"},
      {R"({"where":[1]})", "query.where[0]: must be an object"},
      {R"({"where":[{"column":"a","op":"=","value":1},{"op":"="}]})",
       "query.where[1].column: must be a string or arithmetic"},
      {R"({"where":[{"column":"a"}]})", "query.where[0].op: must be a string"},
      {R"({"where":[{"column":"a","op":"similar to","value":"x"}]})",
       "query.where[0].op: \"similar to\" is not an operator"},
      {R"({"where":[{"column":"a","op":"!~x","value":"x"}]})",
       "query.where[0].op: \"!~x\" is not an operator"},
      {R"({"where":[{"column":"a","op":"not =","value":"x","other":"b"}]})",
       "query.where[0]: `not =` takes no `value`"},
      {R"({"where":[{"column":"a","op":"="}]})", "query.where[0]: `=` needs `value`"},
      {R"({"where":[{"column":"a","op":"=","values":[1]}]})", "query.where[0]: `=` needs `value`"},
      {R"({"where":[{"column":"a","op":"=","value":1,"values":[1]}]})",
       "query.where[0]: `=` takes no `values`"},
      {R"({"where":[{"column":"a","op":"in","value":1}]})", "query.where[0]: `in` takes no `value`"},
      {R"({"where":[{"column":"a","op":"in","values":1}]})", "query.where[0].values: must be an array"},
      {R"({"where":[{"column":"a","op":"is null","value":1}]})",
       "query.where[0]: `is null` takes no `value`"},
      {R"({"where":[{"column":"a","op":"=","value":1,"or":1}]})",
       "query.where[0]: has no field \"or\"; its fields are column, op, value, values, other, path, text, "
       "escape"},
  };
  for (const auto& [json, wanted] : cases) {
    EXPECT_EQ(fault(json), wanted) << json;
    EXPECT_TRUE(!parse_json(json) && parse_json(json).error().fault == Fault::invalid);
  }
}

TEST(ParseJsonTest, deep_or_broken_text_is_an_error) {
  EXPECT_NE(fault(std::string(100'000, '[')), "no error");
  EXPECT_NE(fault(std::string("{\"table\":\"\xff\"}")), "no error");
  EXPECT_NE(fault(R"({"table":"\ud800"})"), "no error");
  EXPECT_NE(fault(R"({"table":NaN})"), "no error");
  const std::string good =
      R"({"table":"t","columns":["a","b"],"where":[{"column":"a","op":"in","values":[1,"xü",true]}]})";
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_json(good.substr(0, size)).ok()) << size;
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (int count = static_cast<int>(random() % 3); count >= 0; --count) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    const auto query = parse_json(text);
    EXPECT_TRUE(query.ok() || !query.error().message.empty());
  }
}

}  // namespace
}  // namespace tidegate::query
