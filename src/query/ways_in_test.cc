// One meaning, whichever way it came in: SQL with literals, SQL with parameters and JSON bind to one hash,
// which the canonical form gives back; narrowing commutes.
#include <gtest/gtest.h>

#include <random>

#include "base/encoding.h"
#include "base/testing.h"
#include "query/op.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

struct Column {
  std::string name;
  bool quoted;  // its literals are strings
  std::vector<std::string> values;
};

std::vector<Column> columns() {
  return {{"id", false, {"1", "-1", "9007199254740993"}},
          {"count", false, {"0", "7", "-2147483648"}},
          {"total", false, {"1", "1.0", "1e2", "100", "-0.5"}},
          {"code", true, {"", "a", "it's", "\"", "\u00e9", "\\n", "$1"}},
          {"ref", true, {"123E4567-e89b-12d3-a456-426614174000"}},
          {"day", true, {"2024-02-29", "infinity"}},
          {"made", true, {"2026-01-31T10:20:30Z", "2026-01-31 11:20:30+01"}}};
}

std::string sql_string(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

/// One random query, written three ways.
struct Written {
  std::string sql;
  std::string sql_with_parameters;
  std::vector<ParsedLiteral> parameters;
  std::string json;
};

Written write(std::mt19937& random) {
  Written out;
  out.sql = out.sql_with_parameters = "select code, id from things where ";
  out.json = R"({"table":"things","columns":["id","code"],"where":[)";
  const std::size_t count = 1 + random() % 4;
  const std::vector<Column> all = columns();
  for (std::size_t i = 0; i < count; ++i) {
    const Column& column = all[random() % all.size()];
    const Op op = static_cast<Op>(random() % 9);
    const bool list = op == Op::in;
    const std::string head =
        (i == 0 ? "" : " and ") + column.name + " " + std::string(op_text(op)) + (list ? " (" : " ");
    out.sql += head;
    out.sql_with_parameters += head;
    out.json += std::string(i == 0 ? "" : ",") + R"({"column":")" + column.name + R"(","op":")" +
                std::string(op_text(op)) + "\"";
    if (op != Op::is_null && op != Op::is_not_null) {
      out.json += list ? R"(,"values":[)" : R"(,"value":)";
      for (std::size_t left = list ? 1 + random() % 3 : 1; left > 0; --left) {
        const std::string& value = column.values[random() % column.values.size()];
        out.sql += column.quoted ? sql_string(value) : value;
        out.parameters.push_back(column.quoted ? string(value) : number(value));
        out.sql_with_parameters += "$" + std::to_string(out.parameters.size());
        if (column.quoted) {
          append_json_string(out.json, value);
        } else {
          out.json += value;
        }
        const std::string comma = left > 1 ? "," : "";
        out.sql += comma;
        out.sql_with_parameters += comma;
        out.json += comma;
      }
      if (list) out.json += "]";
    }
    if (list) {
      out.sql += ")";
      out.sql_with_parameters += ")";
    }
    out.json += "}";
  }
  out.json += "]}";
  return out;
}

std::shared_ptr<const Query> bound(const Result<ParsedQuery>& parsed) {
  EXPECT_TRUE(parsed.ok()) << (parsed ? "" : parsed.error().message);
  if (!parsed) return nullptr;
  auto query = bind_things(*parsed);
  EXPECT_TRUE(query.ok()) << (query ? "" : query.error().message);
  return query ? *query : nullptr;
}

TEST(WaysInTest, sql_parameters_and_json_are_one_query) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Catalogue catalogue({shared(things())});
  for (int i = 0; i < 1'000; ++i) {
    const Written written = write(random);
    SCOPED_TRACE(written.sql);
    const auto sql = bound(parse_sql(written.sql, {}));
    const auto parameters = bound(parse_sql(written.sql_with_parameters, written.parameters));
    const auto json = bound(parse_json(written.json));
    ASSERT_TRUE(sql && parameters && json);
    EXPECT_EQ(sql->canonical(), parameters->canonical());
    EXPECT_EQ(sql->canonical(), json->canonical());
    const auto again = Query::from_canonical(sql->canonical(), catalogue);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ((*again)->hash(), sql->hash());
    EXPECT_EQ((*again)->where(), sql->where());
    EXPECT_EQ((*again)->to_sql().text, sql->to_sql().text);
  }
}

TEST(WaysInTest, the_order_of_narrowing_does_not_matter) {
  const auto wide = bind_things({"things", {}, {}});
  ASSERT_TRUE(wide.ok());
  const auto first = compare("code", Op::eq, {string("acme")});
  const auto second = compare("count", Op::gt, {number("3")});
  const auto one = (*(*wide)->narrowed(first))->narrowed(second);
  const auto other = (*(*wide)->narrowed(second))->narrowed(first);
  const auto at_once = bind_things({"things", {}, {second, first}});
  EXPECT_EQ((*one)->hash(), (*other)->hash());
  EXPECT_EQ((*one)->hash(), (*at_once)->hash());
  EXPECT_TRUE((*wide)->where().empty()) << "the wide query is untouched";
}

}  // namespace
}  // namespace tidegate::query
