// Rule 21: the SQL of a snapshot is canonical text of ours; what a client wrote is only ever a parameter.
#include <gtest/gtest.h>

#include "query/testing.h"

namespace tidegate::query {
namespace {

TableSchema orders() {
  TableSchema table;
  table.schema = "public";
  table.name = "orders";
  table.columns = {
      column("id", Type::int8),          column("status", Type::varchar), column("total", Type::numeric),
      column("made", Type::timestamptz), column("code", Type::text),      column("open", Type::boolean),
      column("ref", Type::uuid),         column("day", Type::date),       column("at", Type::timestamp),
      column("small", Type::int2),       column("count", Type::int4)};
  table.columns[4].bytewise = true;
  table.key = {0};
  return table;
}

constexpr std::string_view kSelect =
    R"(SELECT "id", "status", "total", "made", "code", "open", "ref", "day", "at", "small", "count" FROM "public"."orders")";

SqlText sql(std::vector<ParsedCondition> where) {
  const auto query = Query::bind({"orders", {"id"}, std::move(where)}, shared(orders()));
  EXPECT_TRUE(query.ok()) << (query ? "" : query.error().message);
  return (*query)->to_sql();
}

TEST(SqlTextTest, every_column_is_read_whatever_is_projected) {
  EXPECT_EQ(sql({}).text, kSelect);
  EXPECT_TRUE(sql({}).parameters.empty());
}

TEST(SqlTextTest, each_type_has_its_cast_and_operator) {
  struct Case {
    ParsedCondition comparison;
    std::string condition;
    std::vector<std::string> parameters;
  };
  const std::vector<Case> cases = {
      {compare("id", Op::eq, {number("1")}), R"("id" OPERATOR(pg_catalog.=) $1::pg_catalog.int8)", {"1"}},
      {compare("small", Op::lt, {number("1")}),
       R"("small" OPERATOR(pg_catalog.<) $1::pg_catalog.int2)",
       {"1"}},
      {compare("count", Op::ne, {number("1")}),
       R"("count" OPERATOR(pg_catalog.<>) $1::pg_catalog.int4)",
       {"1"}},
      {compare("total", Op::ge, {number("1.50")}),
       R"("total" OPERATOR(pg_catalog.>=) $1::pg_catalog.numeric)",
       {"1.5"}},
      {compare("open", Op::eq, {boolean(true)}),
       R"("open" OPERATOR(pg_catalog.=) $1::pg_catalog.bool)",
       {"t"}},
      {compare("status", Op::eq, {string("x'")}),
       R"("status"::pg_catalog.text OPERATOR(pg_catalog.=) $1::pg_catalog.text)",
       {"x'"}},
      {compare("code", Op::eq, {string("x")}), R"("code" OPERATOR(pg_catalog.=) $1::pg_catalog.text)", {"x"}},
      {compare("code", Op::le, {string("x")}),
       R"("code" COLLATE pg_catalog."C" OPERATOR(pg_catalog.<=) $1::pg_catalog.text)",
       {"x"}},
      {compare("day", Op::gt, {string("2026-01-01")}),
       R"("day" OPERATOR(pg_catalog.>) $1::pg_catalog.date)",
       {"2026-01-01"}},
      {compare("at", Op::gt, {string("2026-01-01")}),
       R"("at" OPERATOR(pg_catalog.>) $1::pg_catalog.timestamp)",
       {"2026-01-01 00:00:00"}},
      {compare("made", Op::gt, {string("2026-01-01 01:00+01")}),
       R"("made" OPERATOR(pg_catalog.>) $1::pg_catalog.timestamptz)",
       {"2026-01-01 00:00:00+00"}},
      {compare("ref", Op::eq, {string("123E4567E89B12D3A456426614174000")}),
       R"("ref" OPERATOR(pg_catalog.=) $1::pg_catalog.uuid)",
       {"123e4567-e89b-12d3-a456-426614174000"}},
      {compare("count", Op::in, {number("2"), number("1")}),
       R"("count" OPERATOR(pg_catalog.=) ANY (ARRAY[$1::pg_catalog.int4, $2::pg_catalog.int4]))",
       {"1", "2"}},
      {compare("status", Op::is_null), R"("status" IS NULL)", {}},
      {compare("status", Op::is_not_null), R"("status" IS NOT NULL)", {}},
  };
  for (const Case& test : cases) {
    const SqlText text = sql({test.comparison});
    EXPECT_EQ(text.text, std::string(kSelect) + " WHERE (" + test.condition + ")");
    EXPECT_EQ(text.parameters, test.parameters);
  }
}

TEST(SqlTextTest, conditions_are_joined_in_the_canonical_order_and_parameters_counted_through) {
  const SqlText text = sql({compare("count", Op::in, {number("2"), number("1")}),
                            compare("id", Op::gt, {number("5")}), compare("status", Op::is_null)});
  EXPECT_EQ(text.text,
            std::string(kSelect) +
                R"( WHERE ("id" OPERATOR(pg_catalog.>) $1::pg_catalog.int8) AND ("status" IS NULL) AND )"
                R"(("count" OPERATOR(pg_catalog.=) ANY (ARRAY[$2::pg_catalog.int4, $3::pg_catalog.int4])))");
  EXPECT_EQ(text.parameters, (std::vector<std::string>{"5", "1", "2"}));
}

TEST(SqlTextTest, names_are_quoted) {
  TableSchema table = orders();
  table.schema = "a\"b";
  table.name = "select";
  table.columns.resize(1);
  table.columns[0].name = "x\"; drop table y; --";
  const auto query = Query::bind({"", {}, {}}, shared(table));
  EXPECT_EQ((*query)->to_sql().text, R"(SELECT "x""; drop table y; --" FROM "a""b"."select")");
}

}  // namespace
}  // namespace tidegate::query
