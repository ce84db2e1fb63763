// Rule 21: our evaluator gives PostgreSQL's answer for every operator and type that binding lets through;
// unknown counts as no.
#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

bool holds(const std::string& name, Op op, std::initializer_list<ParsedLiteral> values, Cell cell) {
  const auto query = bind_things({"things", {"id"}, {compare(name, op, values)}});
  EXPECT_TRUE(query.ok()) << (query ? "" : query.error().message);
  return query && (*query)->matches(row_with((*query)->table(), name, std::move(cell)));
}

/// Checks all six comparisons and IN of a cell against a literal. `order` is -1, 0 or 1.
void expect_order(const std::string& column, const std::string& cell, const ParsedLiteral& literal,
                  int order) {
  SCOPED_TRACE(column + ": " + cell + " against " + literal.text);
  EXPECT_EQ(holds(column, Op::eq, {literal}, cell), order == 0);
  EXPECT_EQ(holds(column, Op::ne, {literal}, cell), order != 0);
  EXPECT_EQ(holds(column, Op::lt, {literal}, cell), order < 0);
  EXPECT_EQ(holds(column, Op::le, {literal}, cell), order <= 0);
  EXPECT_EQ(holds(column, Op::gt, {literal}, cell), order > 0);
  EXPECT_EQ(holds(column, Op::ge, {literal}, cell), order >= 0);
}

struct Ordered {
  std::string column;
  std::vector<std::string> ascending;  // in the source's text form; each is a literal too
};

TEST(EvaluateTest, orders_every_type_as_the_database_does) {
  const std::vector<Ordered> cases = {
      {"small", {"-32768", "-10", "-9", "0", "9", "10", "32767"}},
      {"count", {"-2147483648", "-1", "0", "2", "10", "2147483647"}},
      {"id",
       {"-9223372036854775808", "-1", "0", "9007199254740992", "9007199254740993", "9223372036854775807"}},
      {"total",
       {"-Infinity", "-1000", "-10.5", "-10.49", "-2", "-0.001", "0", "0.00099", "0.001", "0.01", "2", "10",
        "10.0000000000000000000000001", "100", "123456789012345678901234567890", "Infinity", "NaN"}},
      {"code", {"", "10", "9", "A", "Z", "a", "aa", "b", "z", "é", "日"}},
      {"done", {"f", "t"}},
      {"ref",
       {"00000000-0000-0000-0000-000000000000", "0fffffff-0000-0000-0000-000000000000",
        "a0000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}},
      {"day",
       {"-infinity", "4714-11-24 BC", "0044-03-15 BC", "0001-12-31 BC", "0001-01-01", "0999-01-01",
        "1999-12-31", "2000-01-01", "2024-02-29", "9999-12-31", "10000-01-01", "5874897-12-31", "infinity"}},
      {"at",
       {"-infinity", "4714-11-24 00:00:00 BC", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:01 BC",
        "1999-12-31 23:59:59", "1999-12-31 23:59:59.5", "2000-01-01 00:00:00", "2000-01-01 00:00:00.000001",
        "2026-01-01 09:00:00", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999", "infinity"}},
      {"made",
       {"-infinity", "0044-03-15 12:00:00+00 BC", "2026-01-01 09:00:00+00", "2026-01-01 09:00:00.25+00",
        "10000-01-01 00:00:00+00", "infinity"}},
  };
  for (const Ordered& ordered : cases) {
    for (std::size_t i = 0; i < ordered.ascending.size(); ++i) {
      for (std::size_t j = 0; j < ordered.ascending.size(); ++j) {
        expect_order(ordered.column, ordered.ascending[i], string(ordered.ascending[j]),
                     i < j   ? -1
                     : i > j ? 1
                             : 0);
      }
    }
  }
}

TEST(EvaluateTest, numeric_ignores_scale) {
  for (const std::string cell : {"1", "1.0", "1.000"}) {
    expect_order("total", cell, number("1.00"), 0);
    EXPECT_TRUE(holds("total", Op::in, {number("3"), number("1")}, cell)) << cell;
  }
  expect_order("total", "0.00", number("-0"), 0);
  expect_order("total", "-1.50", number("-15e-1"), 0);
  expect_order("total", "100", number("1e2"), 0);
  expect_order("total", "101", number("1e2"), 1);
}

TEST(EvaluateTest, zones_are_one_moment) {
  expect_order("made", "2026-01-01 09:00:00+00", string("2026-01-01T11:00:00+02:00"), 0);
  expect_order("made", "2026-01-01 09:00:00+00", string("2025-12-31 23:30:00-0930"), 0);
  expect_order("made", "2025-12-31 23:00:00+00", string("2026-01-01 00:00:00+01"), 0);
}

TEST(EvaluateTest, text_equality_is_of_bytes) {
  EXPECT_TRUE(holds("title", Op::eq, {string("é")}, "é"));
  EXPECT_FALSE(holds("title", Op::eq, {string("é")}, "e\xcc\x81"));
  EXPECT_FALSE(holds("title", Op::eq, {string("a")}, "A"));
  EXPECT_FALSE(holds("title", Op::eq, {string("a")}, "a "));
  EXPECT_FALSE(holds("label", Op::eq, {string("1")}, "1.0"));
  EXPECT_TRUE(holds("label", Op::ne, {string("1")}, "1.0"));
  EXPECT_TRUE(holds("label", Op::eq, {string("")}, ""));
}

TEST(EvaluateTest, null_is_unknown_and_unknown_is_no) {
  for (const Op op : {Op::eq, Op::ne, Op::lt, Op::le, Op::gt, Op::ge}) {
    EXPECT_FALSE(holds("count", op, {number("1")}, std::nullopt)) << static_cast<int>(op);
    EXPECT_FALSE(holds("total", op, {number("1")}, std::nullopt)) << static_cast<int>(op);
  }
  EXPECT_FALSE(holds("count", Op::in, {number("1"), number("2")}, std::nullopt));
  EXPECT_TRUE(holds("count", Op::is_null, {}, std::nullopt));
  EXPECT_FALSE(holds("count", Op::is_not_null, {}, std::nullopt));
  EXPECT_FALSE(holds("count", Op::is_null, {}, "1"));
  EXPECT_TRUE(holds("count", Op::is_not_null, {}, "1"));
  EXPECT_FALSE(holds("title", Op::is_null, {}, ""));
}

TEST(EvaluateTest, in_finds_each_of_its_values_and_no_other) {
  for (int cell = -3; cell < 30; ++cell) {
    EXPECT_EQ(
        holds("count", Op::in, {number("10"), number("9"), number("-2"), number("22")}, std::to_string(cell)),
        cell == 10 || cell == 9 || cell == -2 || cell == 22)
        << cell;
  }
}

TEST(EvaluateTest, all_conditions_must_hold) {
  const auto query =
      bind_things({"things",
                   {},
                   {compare("count", Op::gt, {number("1")}), compare("count", Op::lt, {number("5")}),
                    compare("title", Op::ne, {string("x")})}});
  ASSERT_TRUE(query.ok());
  const auto matches = [&](Cell count, Cell title) {
    Row row = row_with((*query)->table(), "count", std::move(count));
    row[3] = std::move(title);
    return (*query)->matches(row);
  };
  EXPECT_TRUE(matches("2", "y"));
  EXPECT_FALSE(matches("1", "y"));
  EXPECT_FALSE(matches("5", "y"));
  EXPECT_FALSE(matches("2", "x"));
  EXPECT_FALSE(matches("2", std::nullopt));
  EXPECT_FALSE(matches(std::nullopt, "y"));
}

TEST(EvaluateTest, no_condition_is_every_row) {
  const auto query = bind_things({"things", {}, {}});
  EXPECT_TRUE((*query)->matches(Row((*query)->table().columns.size())));
}

TEST(EvaluateTest, a_cell_that_is_no_value_of_its_type_is_unknown_to_order) {
  for (const std::string column : {"count", "total", "day", "at", "made"}) {
    const ParsedLiteral literal = column == "day"    ? string("2026-01-01")
                                  : column == "at"   ? string("2026-01-01 00:00:00")
                                  : column == "made" ? string("2026-01-01 00:00:00+00")
                                                     : number("1");
    for (const Op op : {Op::eq, Op::lt, Op::le, Op::gt, Op::ge}) {
      for (const std::string cell : {"", "abc", "1x", "-", "2026-99-01", "\xff"}) {
        EXPECT_FALSE(holds(column, op, {literal}, cell)) << column << " " << cell;
      }
    }
  }
}

TEST(IndexValueTest, equal_values_have_equal_bytes) {
  EXPECT_EQ(index_value(Type::numeric, "1.00"), "1");
  EXPECT_EQ(index_value(Type::numeric, "-0.10"), "-0.1");
  EXPECT_EQ(index_value(Type::numeric, "NaN"), "NaN");
  EXPECT_EQ(index_value(Type::numeric, "junk"), "junk");
  EXPECT_EQ(index_value(Type::text, "1.00"), "1.00");
  EXPECT_EQ(index_value(Type::int4, "12"), "12");
}

TEST(IndexValueTest, every_row_that_matches_is_found_by_its_probe) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2'000; ++round) {
    const std::string literal = std::to_string(random() % 5) + "." + std::to_string(random() % 3);
    const auto query =
        bind_things({"things", {}, {compare("total", Op::in, {number(literal), number("7")})}});
    ASSERT_TRUE(query.ok());
    const auto& values = (*query)->where().front().values;
    const std::string cell = std::to_string(random() % 8) + (random() % 2 ? ".0" : ".100");
    const bool found =
        std::find(values.begin(), values.end(), index_value(Type::numeric, cell)) != values.end();
    EXPECT_EQ((*query)->matches(row_with((*query)->table(), "total", cell)), found) << cell << " " << literal;
  }
}

}  // namespace
}  // namespace tidegate::query
