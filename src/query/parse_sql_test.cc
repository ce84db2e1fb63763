// The third way in. Whatever is not a SELECT of plain columns from one table under conditions that we know is
// refused by name and place (rule 21), and no text crashes the parser.
#include <gtest/gtest.h>

#include <random>

#include "base/testing.h"
#include "query/op.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

void show(std::string& out, const ParsedCondition& condition) {
  if (is_group(condition.op)) {
    out += "|(" + std::string(op_text(condition.op)) + " ";
    for (const ParsedCondition& child : condition.children) show(out, child);
    out += ")@" + std::to_string(condition.place);
    return;
  }
  out += "|" + condition.column;
  for (const PathStep& step : condition.path) out += (step.position ? "#" : ".") + step.key;
  if (condition.as_text) out += "!";
  out += " " + std::to_string(static_cast<int>(condition.op));
  for (const ParsedLiteral& literal : condition.values) {
    out += " " + std::string(1, "0bnsj"[static_cast<int>(literal.kind)]) + ":" + literal.text;
  }
  if (!condition.other.empty()) out += " c:" + condition.other;
  out += "@" + std::to_string(condition.place);
}

std::string show(const ParsedQuery& query) {
  std::string out = query.table + "|";
  for (const std::string& name : query.columns) out += name + ",";
  for (const ParsedCondition& condition : query.where) show(out, condition);
  return out;
}

std::string parsed(std::string_view sql, const std::vector<ParsedLiteral>& parameters = {}) {
  const auto query = parse_sql(sql, parameters);
  return query ? show(*query) : query.error().message;
}

TEST(ParseSqlTest, reads_what_is_supported) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"select * from orders", "orders|"},
      {"select * from orders;", "orders|"},
      {"select id, Title from Shop.Orders", "shop.orders|id,title,"},
      {"select \"Id\" from \"Orders\"", "Orders|Id,"},
      {"select id, * from orders", "orders|"},
      {"select orders.id from orders", "orders|id,"},
      {"select o.id, o.* from shop.orders o where o.a = 1", "shop.orders||a 0 n:1@42"},
      {"select shop.orders.id from shop.orders", "shop.orders|id,"},
      {"select a from t where a=0", "t|a,|a 0 n:0@22"},
      {"select a from t where a = -5", "t|a,|a 0 n:-5@22"},
      {"select a from t where a <> 1.50", "t|a,|a 1 n:1.50@22"},
      {"select a from t where a != 3000000000", "t|a,|a 1 n:3000000000@22"},
      {"select a from t where a < 1e3", "t|a,|a 2 n:1e3@22"},
      {"select a from t where a <= 'x''y'", "t|a,|a 3 s:x'y@22"},
      {"select a from t where a > E'\\n'", "t|a,|a 4 s:\n@22"},
      {"select a from t where a >= true", "t|a,|a 5 b:true@22"},
      {"select a from t where a = false", "t|a,|a 0 b:false@22"},
      {"select a from t where a = null", "t|a,|a 0 0:@22"},
      {"select a from t where a is null and b is not null", "t|a,|a 6@22|b 7@36"},
      {"select a from t where a in (1, 'x', true)", "t|a,|a 8 n:1 s:x b:true@22"},
      {"select a from t where (a = 1 and (b = 2 and c = 3)) and d = 4",
       "t|a,|a 0 n:1@23|(and |b 0 n:2@34|c 0 n:3@44)@34|d 0 n:4@56"},
      {"select a from t where 5 < a", "t|a,|a 4 n:5@22"},
      {"select a from t where 5 >= a", "t|a,|a 3 n:5@22"},
      {"select a from t where a = 1 or not b = 2", "t|a,|(or |a 0 n:1@22|(not |b 0 n:2@35)@31)@22"},
      {"select a from t where a", "t|a,|a 0 b:true@22"},
      {"select a from t where a is not true", "t|a,|(not |(is true |a 0 b:true@22)@22)@22"},
      {"select a from t where a like 'x'", "t|a,|a 10 s:x@22"},
      {"select a from t where a not ilike 'x'", "t|a,|(not |a 11 s:x@22)@22"},
      {"select a from t where a like 'x!%' escape '!'", "t|a,|a 10 s:x\\%@22"},
      {"select a from t where starts_with(a, 'x')", "t|a,|a 12 s:x@22"},
      {"select a from t where a between 1 and 2", "t|a,|a 5 n:1@22|a 3 n:2@22"},
      {"select a from t where a not in (1)", "t|a,|a 9 n:1@22"},
      {"select a from t where a = any (array[1])", "t|a,|a 8 n:1@22"},
      {"select a from t where 1 = any (a)", "t|a,|a 18 n:1@22"},
      {"select a from t where array[1,2] <@ a", "t|a,|a 15 n:1 n:2@22"},
      {"select a from t where a && '{1,2}'", "t|a,|a 16 s:{1,2}@22"},
      {"select a from t where a is distinct from 1", "t|a,|(not |(is true |a 0 n:1@22)@22)@22"},
      {"select a from t where a operator(pg_catalog.=) 1", "t|a,|a 0 n:1@22"},
      {"select a from t where a < b", "t|a,|a 2 c:b@22"},
      {"select a from t where a -> 'b' -> 0 ->> 'c' = 'x'", "t|a,|a.b#0.c! 0 s:x@22"},
      {"select a from t where a ? 'x'", "t|a,|a 17 s:x@22"},
      {"select a from t where a = date '2026-01-01'", "t|a,|a 0 s:2026-01-01@22"},
      {"select a from t -- all of it", "t|a,"},
      {"table orders", "orders|"},
      {"select a from t where ü = 1 and b = 2", "t|a,|ü 0 n:1@22|b 0 n:2@33"},
  };
  for (const auto& [sql, wanted] : cases) EXPECT_EQ(parsed(sql), wanted) << sql;
}

// libpg_query's tree leaves a negative integer out.
TEST(ParseSqlTest, negative_numbers_keep_their_value) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"-5", "-5"},
                                                                  {"- 5", "-5"},
                                                                  {"-(5)", "-5"},
                                                                  {"- ( (07))", "-07"},
                                                                  {"-0", "-0"},
                                                                  {"0", "0"},
                                                                  {"00", "00"},
                                                                  {"-(-5)", "5"},
                                                                  {"- - 5", "5"},
                                                                  {"-(-(-5))", "-5"},
                                                                  {"-2147483648", "-2147483648"},
                                                                  {"-9999999999", "-9999999999"},
                                                                  {"-1.50", "-1.50"}};
  for (const auto& [written, wanted] : cases) {
    EXPECT_EQ(parsed("select ü from t where a = " + written + " and b = 1"),
              "t|ü,|a 0 n:" + wanted + "@23|b 0 n:1@" + std::to_string(32 + written.size()))
        << written;
    EXPECT_EQ(parsed("select a from t where " + written + " = a"), "t|a,|a 0 n:" + wanted + "@22") << written;
    EXPECT_EQ(parsed("select a from t where a in (1, " + written + ")"), "t|a,|a 8 n:1 n:" + wanted + "@22")
        << written;
  }
  for (const std::string written : {"-/*9*/5", "- -- 9\n5"}) {
    EXPECT_EQ(parsed("select a from t where a = " + written),
              "sql: this spelling of a number is not supported; write it as in -5 (at byte 26)")
        << written;
  }
}

TEST(ParseSqlTest, parameters_take_their_places) {
  const std::vector<ParsedLiteral> values = {string("open"), number("100")};
  EXPECT_EQ(parsed("select id from orders where status = $1 and total > $2 and x in ($2, $1)", values),
            "orders|id,|status 0 s:open@28|total 4 n:100@44|x 8 n:100 s:open@59");
  EXPECT_EQ(parsed("select a from t where a = $2", {number("1")}),
            "sql: $2 has no value: 1 parameters are given (at byte 26)");
  EXPECT_EQ(parsed("select a from t where a = $1", values), "sql: $2 is given but not used");
  EXPECT_EQ(parsed("select a from t where a = $0", values),
            "sql: $0 has no value: 2 parameters are given (at byte 26)");
}

TEST(ParseSqlTest, trust_a_parameter_counts_wherever_it_stands) {
  std::string in = "$1";
  for (int i = 1; i < 5'000; ++i) in += ",$1";
  EXPECT_EQ(parsed("select a from t where a in (" + in + ")", {string(std::string(100'000, 'x'))}),
            "sql: the query's texts are together larger than 400 KiB (at byte 40)");
}

TEST(ParseSqlTest, refuses_the_rest_by_name_and_place) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "empty (at byte 0)"},
      {"  ;", "empty (at byte 0)"},
      {"sel", "syntax error at or near \"sel\" (at byte 0)"},
      {"select 'ü' frm t t t", "syntax error at or near \"t\" (at byte 16)"},
      {"select a from t where a = 'x", "unterminated quoted string at or near \"'x\" (at byte 26)"},
      {"select 1; select 2", "more than one statement (at byte 9)"},
      {"delete from t", "only SELECT is supported (at byte 0)"},
      {"select from t", "SELECT names no columns; write * for all (at byte 0)"},
      {"select 1", "FROM is missing (at byte 0)"},
      {"select 1 from t", "a constant is not supported in the list of columns (at byte 7)"},
      {"select count(*) from t", "a function call is not supported in the list of columns (at byte 7)"},
      {"select a::int from t", "a cast is not supported in the list of columns (at byte 7)"},
      {"select a + 1 from t", "an expression is not supported in the list of columns (at byte 7)"},
      {"select a as b from t", "another name for a column is not supported (at byte 7)"},
      {"select a from t, u", "FROM takes one table (at byte 17)"},
      {"select a from t join u on true", "JOIN is not supported here (at byte 14)"},
      {"select a from (select 1) t", "a subquery in FROM is not supported here (at byte 22)"},
      {"select a from f()", "a function in FROM is not supported here (at byte 14)"},
      {"select a from t tablesample system (1)", "TABLESAMPLE is not supported here (at byte 14)"},
      {"select a from only t", "ONLY is not supported (at byte 19)"},
      {"select a from d.s.t", "a table of another database is not supported (at byte 14)"},
      {"select a from t as u(b)", "other names for columns are not supported (at byte 14)"},
      {"select x.a from t", "\"x\" is not the table of this query (at byte 7)"},
      {"select t.a from t u", "\"t\" is not the table of this query (at byte 7)"},
      {"select u.t.a from s.t", "\"t\" is not the table of this query (at byte 7)"},
      {"select distinct a from t", "DISTINCT is not supported (at byte 0)"},
      {"select a from t group by a", "GROUP BY is not supported (at byte 25)"},
      {"select a from t having true", "HAVING is not supported (at byte 23)"},
      {"select a from t order by a", "ORDER BY is not supported (at byte 25)"},
      {"select a from t limit 1", "LIMIT is not supported (at byte 22)"},
      {"select a from t offset 1", "OFFSET is not supported (at byte 23)"},
      {"select a from t for update", "FOR UPDATE or FOR SHARE is not supported (at byte 0)"},
      {"select a into b from t", "INTO is not supported (at byte 14)"},
      {"select a from t window w as ()", "WINDOW is not supported (at byte 28)"},
      {"with w as (select 1) select a from t", "WITH is not supported (at byte 5)"},
      {"select a from t union select a from u", "UNION, INTERSECT or EXCEPT is not supported (at byte 0)"},
      {"values (1)", "VALUES is not supported (at byte 8)"},
      {"select a from t where true", "a constant is not supported here (at byte 22)"},
      {"select a from t where a in (select 1)", "a subquery is not supported here (at byte 22)"},
      {"select a from t where a operator(public.=) 1",
       "OPERATOR(…) of another schema is not supported (at byte 22)"},
      {"select a from t where a between symmetric 1 and 2",
       "BETWEEN SYMMETRIC is not supported (at byte 22)"},
      {"select a from t where a similar to 'x'", "SIMILAR TO is not supported (at byte 22)"},
      {"select a from t where a < any (array[1])", "< ANY is not supported (at byte 22)"},
      {"select a from t where a like 'x!' escape '!'",
       "ESCAPE takes one character or none, and no pattern ends with it (at byte 24)"},
      {"select a from t where a = 'x'::money", "a cast to \"money\" is not supported (at byte 26)"},
      {"select a from t where a = '1'::numeric(3,1)",
       "a cast with a length or precision is not supported (at byte 26)"},
      {"select a from t where a <@ array[1]", "the operator \"<@\" is not supported (at byte 22)"},
      {"select a from t where a ?| array['x']", "the operator \"?|\" is not supported (at byte 22)"},
      {"select a from t where a #> '{x}' = '1'",
       "an expression can't be compared, only a column (at byte 22)"},
      {"select a from t where a = b -> 'x'", "on the right a column must stand alone (at byte 26)"},
      {"select a from t where a ~~~ 'x'", "the operator \"~~~\" is not supported (at byte 22)"},
      {"select a from t where 1 = 1", "a constant can't be compared, only a column (at byte 22)"},
      {"select a from t where lower(a) = 'x'",
       "a function call can't be compared, only a column (at byte 22)"},
      {"select a from t where a = now()", "a function call is not supported here (at byte 26)"},
      {"select a from t where a = current_date",
       "a function of session or time is not supported here (at byte 26)"},
      {"select a from t where a = B'1'", "a bit string is not supported (at byte 26)"},
      {"select a from t where a = (select 1)", "a subquery is not supported here (at byte 26)"},
      {"select a from t where (a, b) = (1, 2)", "a row can't be compared, only a column (at byte 22)"},
      {"select a from t where a collate \"C\" = 'x'",
       "COLLATE can't be compared, only a column (at byte 22)"},
      {"select a from t where 1 is null", "IS NULL takes a column (at byte 22)"},
      {"select a from t where t.* = 1", "* can't be compared (at byte 22)"},
      {"select a from t where t.* is null", "* can't be compared (at byte 22)"},
      {"select a from t where exists (select 1)", "a subquery is not supported here (at byte 22)"},
  };
  for (const auto& [sql, wanted] : cases) {
    EXPECT_EQ(parsed(sql), "sql: " + wanted) << sql;
    EXPECT_TRUE(!parse_sql(sql, {}) && parse_sql(sql, {}).error().fault == Fault::invalid) << sql;
  }
}

TEST(ParseSqlTest, long_deep_or_broken_text_is_an_error) {
  const std::string head = "select a from t where a = ";
  EXPECT_EQ(parsed(head + std::string(kSqlBytesMax, '1')).substr(0, 10), "sql: 32794");
  std::string sum = head + "1";
  while (sum.size() + 2 < kSqlBytesMax) sum += "+1";
  EXPECT_EQ(parsed(sum), "sql: nested too deep");
  std::string nots = "select a from t where ";
  while (nots.size() + 5 < kSqlBytesMax) nots += "not ";
  EXPECT_EQ(parsed(nots + "a"), "sql: nested too deep");
  // Parentheses leave no trace in the tree; that they don't crash is enough.
  const std::string open(kSqlBytesMax / 2 - 40, '(');
  const auto nested = parse_sql(head + open + "1" + std::string(open.size(), ')'), {});
  EXPECT_TRUE(nested.ok() || !nested.error().message.empty());
  EXPECT_EQ(parsed(std::string_view("select a\0 from t", 16)), "sql: not UTF-8, or it holds a NUL");
  EXPECT_EQ(parsed("select '\xff' from t"), "sql: not UTF-8, or it holds a NUL");
}

TEST(ParseSqlTest, what_libpg_query_quotes_is_told_in_utf8) {
  EXPECT_EQ(parsed("select a from t where a = $1\u044f"),
            "sql: trailing junk after parameter at or near \"$1?\" (at byte 26)");
}

TEST(ParseSqlTest, many_conditions_are_read) {
  std::string sql = "select a from t where a = 1";
  for (int i = 0; i < 1'000; ++i) sql += " and a = 1";
  const auto query = parse_sql(sql, {});
  ASSERT_TRUE(query.ok()) << query.error().message;
  EXPECT_EQ(query->where.size(), 1'001u);
}

TEST(ParseSqlTest, no_mutation_crashes) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string good =
      "select id, o.title from shop.orders o where a = 'x' and $1 > b and c in (1, 2.5) and d is null";
  const std::string other =
      "select * from t where not (a like 'x!%' escape '!' or b -> 'c' ->> 0 is distinct from $1) and d is "
      "not true "
      "or array[1,2]::int[] <@ e and f between 1 and g or 'x' = any (h) or i ~ '^a' or j @> '{}'::jsonb";
  const std::string alphabet = "()',.;*$\"\\=<>-+ 01aEx\xc3\xbc";
  for (int round = 0; round < 5'000; ++round) {
    std::string text = round % 2 == 0 ? good : other;
    for (int count = static_cast<int>(random() % 4); count >= 0; --count) {
      text.replace(random() % text.size(), random() % 3, 1, alphabet[random() % alphabet.size()]);
    }
    const auto query = parse_sql(text, {number("1")});
    ASSERT_TRUE(query.ok() || !query.error().message.empty());
    if (query) (void)bind_things(*query);
  }
}

}  // namespace
}  // namespace tidegate::query
