// Rule 23: one encoder from (type, text) to JSON, whose every output is JSON.
#include <gtest/gtest.h>

#include "query/json_tree.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

std::string cell_json(Type type, Cell cell, Type element = Type::other) {
  ColumnSchema schema = column("c", type);
  schema.element = element;
  std::string out;
  append_cell_json(out, schema, cell);
  EXPECT_TRUE(parse_json_tree(out).ok()) << out;
  return out;
}

TEST(CellJsonTest, rule_23_scalars_follow_their_type) {
  struct Case {
    Type type;
    std::string cell;
    std::string json;
  };
  const std::vector<Case> cases = {
      {Type::boolean, "t", "true"},
      {Type::boolean, "f", "false"},
      {Type::int2, "-5", "-5"},
      {Type::int4, "2147483647", "2147483647"},
      {Type::int8, "9007199254740993", "\"9007199254740993\""},
      {Type::numeric, "1.50", "\"1.50\""},
      {Type::numeric, "NaN", "\"NaN\""},
      {Type::float8, "0.1", "0.1"},
      {Type::float8, "1e+20", "1e+20"},
      {Type::float8, "1e-05", "1e-05"},
      {Type::float8, "-0", "-0"},
      {Type::float4, "3.4028235e+38", "3.4028235e+38"},
      {Type::float8, "NaN", "\"NaN\""},
      {Type::float8, "Infinity", "\"Infinity\""},
      {Type::float8, "-Infinity", "\"-Infinity\""},
      {Type::text, "a\"\\\n\x01ü", "\"a\\\"\\\\\\n\\u0001ü\""},
      {Type::varchar, "1", "\"1\""},
      {Type::bpchar, "a  ", "\"a  \""},
      {Type::uuid, "123e4567-e89b-12d3-a456-426614174000", "\"123e4567-e89b-12d3-a456-426614174000\""},
      {Type::date, "2026-01-31", "\"2026-01-31\""},
      {Type::timestamptz, "2026-01-31 10:00:00+00", "\"2026-01-31 10:00:00+00\""},
      {Type::interval, "1 day", "\"1 day\""},
      {Type::json, "{ \"a\":1 }", "\"{ \\\"a\\\":1 }\""},
      {Type::jsonb, "{\"a\": [1, null]}", "{\"a\": [1, null]}"},
      {Type::bytea, "\\x00ff", "\"\\\\x00ff\""},
      {Type::enumeration, "happy", "\"happy\""},
  };
  for (const Case& test : cases) EXPECT_EQ(cell_json(test.type, test.cell), test.json) << test.cell;
}

TEST(CellJsonTest, null_is_null_in_every_type) {
  for (int type = 0; type <= static_cast<int>(Type::other); ++type) {
    EXPECT_EQ(cell_json(static_cast<Type>(type), std::nullopt), "null");
  }
}

TEST(CellJsonTest, rule_23_what_is_no_number_becomes_a_string) {
  for (const std::string cell :
       {"", "-", "01", "1.", ".5", "1e", "1e+", "+1", "abc", "1 ", "0x10", "1.5.5", "--1"}) {
    EXPECT_EQ(cell_json(Type::int4, cell), "\"" + cell + "\"");
    EXPECT_EQ(cell_json(Type::float8, cell), "\"" + cell + "\"");
  }
  EXPECT_EQ(cell_json(Type::boolean, "true"), "\"true\"");
}

TEST(CellJsonTest, rule_23_arrays_are_arrays) {
  struct Case {
    Type element;
    std::string cell;
    std::string json;
  };
  const std::vector<Case> cases = {
      {Type::int4, "{}", "[]"},
      {Type::int4, "{1,2,NULL,-3}", "[1,2,null,-3]"},
      {Type::int8, "{1,2}", "[\"1\",\"2\"]"},
      {Type::boolean, "{t,f,NULL}", "[true,false,null]"},
      {Type::text, "{a,\"b c\",\"NULL\",NULL,\"\"}", "[\"a\",\"b c\",\"NULL\",null,\"\"]"},
      {Type::text, R"({"a\"b","c\\d","{","}",",",null})", R"(["a\"b","c\\d","{","}",",",null])"},
      {Type::int4, "{{1,2},{3,4}}", "[[1,2],[3,4]]"},
      {Type::int4, "{{{1},{2}},{{3},{NULL}}}", "[[[1],[2]],[[3],[null]]]"},
      {Type::int4, "[0:1]={1,2}", "[1,2]"},
      {Type::int4, "[0:0][2:3]={{1,2}}", "[[1,2]]"},
      {Type::jsonb, R"({"{\"a\": 1}",NULL,"\"x\"",5})", R"([{"a": 1},null,"x",5])"},
      {Type::json, R"({"{\"a\": 1}"})", R"(["{\"a\": 1}"])"},
      {Type::float8, "{1.5,NaN,1e+20}", "[1.5,\"NaN\",1e+20]"},
      {Type::timestamp, "{\"2026-01-01 00:00:00\"}", "[\"2026-01-01 00:00:00\"]"},
      {Type::date, "{2026-01-01,infinity}", "[\"2026-01-01\",\"infinity\"]"},
  };
  for (const Case& test : cases)
    EXPECT_EQ(cell_json(Type::array, test.cell, test.element), test.json) << test.cell;
}

TEST(CellJsonTest, what_is_no_array_becomes_a_string) {
  for (const std::string cell : {"", "{", "}", "{1", "{1,", "{1,}", "{,1}", "1", "{1}}", "{1}x", "{{1}",
                                 "{\"a", "[0:1]", "{a\"b\"}", "{\"a\\"}) {
    std::string wanted = "\"";
    for (char c : cell) wanted += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
    EXPECT_EQ(cell_json(Type::array, cell, Type::text), wanted + "\"") << cell;
  }
}

TEST(RowJsonTest, only_the_projection_shows_in_the_order_of_the_table) {
  TableSchema table = things();
  table.key = {3, 0};  // the key's own order is another
  const auto query = Query::bind({"things", {"done", "doc"}, {}}, shared(table));
  ASSERT_TRUE(query.ok());
  Row row(table.columns.size(), "secret");
  row[0] = "7";
  row[3] = "a \"title\"";
  row[7] = "t";
  row[14] = std::nullopt;
  std::string json;
  (*query)->append_row_json(json, row);
  EXPECT_EQ(json, R"({"id":"7","title":"a \"title\"","done":true,"doc":null})");
  std::string key;
  (*query)->append_key_json(key, row);
  EXPECT_EQ(key, R"(["7","a \"title\""])");
  std::string columns;
  (*query)->append_columns_json(columns);
  EXPECT_EQ(columns,
            R"([{"name":"id","type":"bigint","key":true},{"name":"title","type":"text","key":true},)"
            R"({"name":"done","type":"boolean","key":false},{"name":"doc","type":"jsonb","key":false}])");
}

TEST(RowJsonTest, the_key_alone_is_enough_for_a_delete) {
  const auto query = bind_things({"things", {"title"}, {}});
  std::string key;
  (*query)->append_key_json(key, row_with((*query)->table(), "id", "7"));
  EXPECT_EQ(key, R"(["7"])");
}

TEST(RowJsonTest, types_of_arrays_and_enums_have_names) {
  const auto query = bind_things({"things", {"tags", "mood"}, {}});
  std::string columns;
  (*query)->append_columns_json(columns);
  EXPECT_EQ(columns,
            R"([{"name":"id","type":"bigint","key":true},{"name":"tags","type":"text[]","key":false},)"
            R"({"name":"mood","type":"shop.mood","key":false}])");
}

}  // namespace
}  // namespace tidegate::query
