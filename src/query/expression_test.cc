// Arithmetic: typed as Postgres types it, taken where nothing can be out of range, computed exactly.
#include "query/expression.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "query/decimal.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

TableSchema goods() {
  TableSchema table = things();
  table.columns.push_back(column("price", Type::numeric, "numeric(10,2)"));
  table.columns.push_back(column("fee", Type::numeric, "numeric(10,2)"));
  table.columns.push_back(column("rounded", Type::numeric, "numeric(3,-2)"));
  table.columns.push_back(column("long", Type::numeric, "numeric(1000,900)"));
  return table;
}

Result<std::shared_ptr<const Query>> asked(const std::string& where) {
  const auto parsed = parse_sql("select id from things where " + where, {});
  if (!parsed) return parsed.error();
  return Query::bind(*parsed, shared(goods()));
}

std::string outcome(const std::string& where) {
  const auto query = asked(where);
  return query ? "taken" : query.error().message;
}

std::string hash(const std::string& where) {
  const auto query = asked(where);
  return query ? (*query)->hash().hex() : query.error().message;
}

bool holds(const std::string& where, const std::map<std::string, std::string>& cells) {
  const TableSchema table = goods();
  Row row(table.columns.size());
  for (const auto& [name, cell] : cells) row[static_cast<std::size_t>(table.find(name))] = cell;
  const auto query = asked(where);
  EXPECT_TRUE(query.ok()) << outcome(where);
  return query && (*query)->matches(row);
}

TEST(ArithmeticTest, rule_22_what_may_be_out_of_range_over_a_row_is_refused) {
  EXPECT_EQ(outcome("count + 1 > 5"),
            "`+` in integer may reach 2147483648, which fails over a row; write ::bigint behind a column in "
            "it (at byte 28)");
  EXPECT_EQ(outcome("small - small > 5").substr(0, 64),
            "`-` in smallint may reach 65535, which fails over a row; write :");
  for (const std::string taken :
       {"small + 1 > 5", "small::int * small = 4", "count::bigint * count > 0", "count::bigint + 1 = 2",
        "id::numeric + 1 > 5", "id / 2 = 1", "id % 10 = 3", "-(small::int) = 3", "id % -1 = 0",
        "small - 1::int2 * 2::int4 = 3", "price * fee > 1.5", "price - 1 = 0.25", "price % 0.7 = 0",
        "rounded * 3 = 300", "- price < fee", "(count % 10)::int2 + 1 = 4"}) {
    EXPECT_EQ(outcome(taken), "taken") << taken;
  }
  for (const std::string refused :
       {"count * 2 = 4", "id + 1 = 2", "-id = 1", "-small = 1", "id / -1 = 1", "small::int2 + 1::int2 = 2",
        "count - -1 = 0", "2147483647 + 1 = count", "count::bigint * count * 4 > 0", "long * long = 0",
        "(count::bigint + 1)::int = 4"}) {
    EXPECT_NE(outcome(refused), "taken") << refused;
  }
}

TEST(ArithmeticTest, rule_22_nothing_is_divided_by_what_may_be_zero) {
  for (const std::string refused : {"id / small = 1", "id % small = 1", "id / 0 = 1", "id % (2 - 2) = 1",
                                    "id = 1 / 0", "price % 0.0 = 1"})
    EXPECT_NE(outcome(refused), "taken") << refused;
}

TEST(ArithmeticTest, rule_21_what_is_not_known_to_be_exact_is_refused_with_its_reason_and_place) {
  EXPECT_EQ(outcome("price / 2 > 1"),
            "`/` of numeric rounds, to as many digits as the values have; multiply the other side instead "
            "(at byte 28)");
  EXPECT_EQ(outcome("ratio + 1 > 1"),
            "column \"ratio\" (double precision) can't take part in arithmetic: floating point rounds, and "
            "raises errors where "
            "it overflows (at byte 28)");
  EXPECT_EQ(outcome("total + 1 > 1"),
            "column \"total\" (numeric) can't take part in arithmetic: without a precision its values may be "
            "so long that a "
            "result is out of range; declare it as numeric(p, s) (at byte 28)");
  for (const std::string refused : {"day + 1 > '2026-01-01'",
                                    "made - made > '1 day'",
                                    "title + 1 = 2",
                                    "small + '1' = 2",
                                    "small + null = 1",
                                    "small + true = 1",
                                    "(doc ->> 'a')::int + 1 = 2",
                                    "small + 1 like 'a'",
                                    "small + 1",
                                    "1 + 1 = 2",
                                    "small + 1 = 'a'",
                                    "small + 1 = 1.5",
                                    "(price + 1)::int = 2",
                                    "small::real + 1 = 2",
                                    "abs(small) = 1",
                                    "small ^ 2 = 4",
                                    "small & 1 = 1",
                                    "small << 1 = 4",
                                    "small + 1 = array[2]",
                                    "small + 1 = null",
                                    "no + 1 = 2",
                                    "small + nullif(small, 1) = 2"}) {
    EXPECT_NE(outcome(refused), "taken") << refused;
  }
  std::string deep = "small::numeric";
  for (int i = 0; i < 30; ++i) deep = "(" + deep + ") + 1";
  EXPECT_NE(outcome(deep + " = 1"), "taken");
}

TEST(ArithmeticTest, integers_are_cut_off_towards_zero_and_numbers_are_exact) {
  EXPECT_TRUE(holds("id / 2 = -3", {{"id", "-7"}}));
  EXPECT_TRUE(holds("id % 4 = -3", {{"id", "-7"}}));
  EXPECT_TRUE(holds("id % -4 = 3", {{"id", "7"}}));
  EXPECT_TRUE(holds("id::numeric * 3 = 27670116110564327421", {{"id", "9223372036854775807"}}));
  EXPECT_TRUE(holds("price * 3 = 0.3", {{"price", "0.10"}}));
  EXPECT_TRUE(holds("price % 0.7 = -0.3", {{"price", "-1.00"}}));
  EXPECT_TRUE(holds("price + fee = 0", {{"price", "0.10"}, {"fee", "-0.10"}}));
  EXPECT_TRUE(holds("price - 1 > 5", {{"price", "NaN"}}));
  EXPECT_TRUE(holds("price + 1 = 'NaN'", {{"price", "NaN"}}));
  EXPECT_TRUE(
      holds("small + count::bigint > id", {{"small", "1"}, {"count", "2147483647"}, {"id", "2147483647"}}));
  EXPECT_TRUE(holds("price * 2 > count", {{"price", "1.51"}, {"count", "3"}}));
  EXPECT_TRUE(holds("small + 1 between 2 and 4", {{"small", "3"}}));
  EXPECT_TRUE(holds("small + 1 in (7, 4)", {{"small", "3"}}));
}

TEST(ArithmeticTest, null_goes_through) {
  EXPECT_FALSE(holds("small + count::bigint = 1", {{"small", "1"}}));
  EXPECT_FALSE(holds("not small + count::bigint = 1", {{"small", "1"}}));
  EXPECT_TRUE(holds("small + count::bigint is null", {{"small", "1"}}));
  EXPECT_TRUE(holds("small + count::bigint is distinct from 1", {{"small", "1"}}));
  EXPECT_TRUE(holds("small + 1 is not distinct from count::bigint + 1", {}));
}

TEST(ArithmeticTest, rule_21_texts_of_one_meaning_are_one_query) {
  EXPECT_EQ(hash("small + 1 > 5"), hash("5 < 1 + small::bigint"));
  EXPECT_EQ(hash("count > 100 * 12"), hash("count > 1200"));
  EXPECT_EQ(hash("price * 2 > 5"), hash("not 2.0 * price <= 5.0"));
  EXPECT_EQ(hash("small + 1 = 2 or small + 1 = 3"), hash("1 + small in (3, 2)"));
  EXPECT_EQ(hash("price + fee > id"), hash("id < fee + price"));
  EXPECT_EQ(hash("small + 1 is null"), hash("small is null"));
  EXPECT_EQ(hash("+small > 5"), hash("small > 5"));
  EXPECT_NE(hash("small - 1 > 5"), hash("1 - small > 5"));
  EXPECT_NE(hash("small / 2 = 1"), hash("small % 2 = 1"));
}

TEST(ArithmeticTest, the_canonical_form_gives_a_query_back) {
  const Catalogue catalogue({shared(goods())});
  for (const std::string where :
       {"small + 1 > 5", "not price * 2 - fee <> 5", "price > id::numeric * 2", "id % 7 in (1, 2)",
        "(-(count::bigint)) / 3 > small", "(small + 1 = 2) is unknown"}) {
    const auto query = asked(where);
    ASSERT_TRUE(query.ok()) << query.error().message;
    const auto again = Query::from_canonical((*query)->canonical(), catalogue);
    ASSERT_TRUE(again.ok()) << again.error().message << (*query)->canonical();
    EXPECT_EQ((*again)->where(), (*query)->where());
  }
}

TEST(ArithmeticTest, json_means_the_same) {
  const auto json = [&](const std::string& condition) {
    const auto parsed = parse_json(R"({"table":"things","columns":["id"],"where":[)" + condition + "]}");
    if (!parsed) return parsed.error().message;
    const auto query = Query::bind(*parsed, shared(goods()));
    return query ? (*query)->hash().hex() : query.error().message;
  };
  EXPECT_EQ(json(R"({"column":["+","small",1],"op":">","value":5})"), hash("small + 1 > 5"));
  EXPECT_EQ(json(R"({"column":["*",["cast","count","bigint"],2],"op":"in","values":[4,6]})"),
            hash("count::bigint * 2 in (6, 4)"));
  EXPECT_EQ(json(R"({"column":"price","op":"<","other":["-",["-","fee"],0.5]})"), hash("price < -fee - 0.5"));
  EXPECT_EQ(json(R"({"column":["+","small"],"op":">","value":5})").substr(0, 41),
            "query.where[0].column: \"+\" with 1 operand");
  EXPECT_EQ(json(R"({"column":["cast","small","real"],"op":">","value":5})"),
            "query.where[0].column[2]: must be \"smallint\", \"integer\", \"bigint\" or \"numeric\"");
}

TEST(ArithmeticTest, the_snapshots_sql_names_each_type) {
  EXPECT_NE(
      (*asked("small + 1 > 5"))
          ->to_sql()
          .text.find(
              R"( WHERE (("small"::pg_catalog.int8 OPERATOR(pg_catalog.+) $1::pg_catalog.int8) OPERATOR(pg_catalog.>) $2::pg_catalog.int8))"),
      std::string::npos)
      << (*asked("small + 1 > 5"))->to_sql().text;
}

TEST(DecimalTest, is_read_and_written_without_loss) {
  for (const std::string text :
       {"0", "-1", "0.5", "-0.001", "123456789012345678901234567890.5", "10", "100200"})
    EXPECT_EQ(decimal_text(*read_decimal(text)), text);
  EXPECT_EQ(decimal_text(*read_decimal("-0.00")), "0");
  EXPECT_EQ(decimal_text(*read_decimal("00000000000000000000.10")), "0.1");
  for (const std::string text : {"", "-", "1e5", "NaN", "Infinity", "0x1", "1.2.3", "+1"})
    EXPECT_FALSE(read_decimal(text)) << text;
}

}  // namespace
}  // namespace tidegate::query
