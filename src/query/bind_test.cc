// Rule 21: binding is closed. What fits is brought to one spelling; whatever does not fit is refused with a
// message that names column, operator, literal and what would fit.
#include <gtest/gtest.h>

#include "query/op.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

std::string fault(const Result<std::shared_ptr<const Query>>& query) {
  return query ? "no error" : query.error().message;
}

std::string bound_value(const std::string& name, const ParsedLiteral& literal) {
  const auto query = bind_things({"things", {}, {compare(name, Op::eq, {literal})}});
  return query ? (*query)->where().front().values.front() : "! " + query.error().message;
}

TEST(BindTest, literals_come_to_their_type_s_text) {
  struct Case {
    std::string column;
    ParsedLiteral literal;
    std::string value;
  };
  const std::vector<Case> cases = {
      {"small", number("-32768"), "-32768"},
      {"small", number("007"), "7"},
      {"count", number("1e3"), "1000"},
      {"count", number("1.0"), "1"},
      {"count", number("-0"), "0"},
      {"count", string("12"), "12"},
      {"id", string("9223372036854775807"), "9223372036854775807"},
      {"id", number("-9223372036854775808"), "-9223372036854775808"},
      {"total", number("1.50"), "1.5"},
      {"total", number(".5"), "0.5"},
      {"total", number("1E-3"), "0.001"},
      {"total", string("nan"), "NaN"},
      {"total", string("-inf"), "-Infinity"},
      {"done", boolean(true), "t"},
      {"done", string("false"), "f"},
      {"title", string(" a "), " a "},
      {"label", string("1"), "1"},
      {"ref", string("123E4567-E89B-12D3-A456-426614174000"), "123e4567-e89b-12d3-a456-426614174000"},
      {"ref", string("{123e4567e89b12d3a456426614174000}"), "123e4567-e89b-12d3-a456-426614174000"},
      {"ref", string("123e-4567-e89b-12d3-a456-4266-1417-4000"), "123e4567-e89b-12d3-a456-426614174000"},
      {"ratio", number("1.50"), "1.5"},
      {"ratio", string("1e400"),
       "! column \"ratio\" (double precision): `=` can't take \"1e400\"; it takes a number within "
       "the type's range, or NaN, Infinity, -Infinity"},
      {"ratio", number("-0"), "0"},
      {"fixed", string("ab  "), "ab"},
      {"doc", string("{\"b\": [1.0, null], \"a\": \"x\", \"b\" : 2e1}"), "{\"a\":\"x\",\"b\":20}"},
      {"doc", boolean(true), "true"},
      {"mood", string("low"), "low"},
      {"day", string("2024-02-29"), "2024-02-29"},
      {"day", string("0044-03-15 BC"), "0044-03-15 BC"},
      {"at", string("2026-01-31"), "2026-01-31 00:00:00"},
      {"at", string("2026-01-31T10:20"), "2026-01-31 10:20:00"},
      {"at", string("2026-01-31 10:20:30.500"), "2026-01-31 10:20:30.5"},
      {"made", string("2026-01-31T10:20:30.123456Z"), "2026-01-31 10:20:30.123456+00"},
      {"made", string("2026-01-31 00:20:30+05:30"), "2026-01-30 18:50:30+00"},
      {"made", string("infinity"), "infinity"},
  };
  for (const Case& test : cases)
    EXPECT_EQ(bound_value(test.column, test.literal), test.value) << test.literal.text;
}

TEST(BindTest, what_does_not_fit_says_what_would) {
  struct Case {
    std::string column;
    ParsedLiteral literal;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"small", number("32768"),
       R"(column "small" (smallint): `=` can't take 32768; it takes a whole number from -32768 to 32767)"},
      {"count", number("2147483648"), "from -2147483648 to 2147483647"},
      {"count", number("1e400"), "from -2147483648"},
      {"count", number("1.5"), "can't take 1.5; it takes a whole number, not a fraction"},
      {"count", string("abc"), "can't take \"abc\"; it takes a whole number"},
      {"count", string(""), "a whole number"},
      {"count", string(" 1"), "a whole number"},
      {"count", string("NaN"), "a whole number"},
      {"count", boolean(true), "can't take true; it takes a whole number"},
      {"id", number("9223372036854775808"), "from -9223372036854775808"},
      {"id", number("1e999999999999"), "from -9223372036854775808"},
      {"total", string("12,5"), "a number like 12.5"},
      {"total", number("1e2000"), "at most 1000 digits"},
      {"total", boolean(false), "a number"},
      {"done", number("1"), "can't take 1; it takes true or false"},
      {"done", string("yes"), "true or false"},
      {"title", number("5"), "column \"title\" (text): `=` can't take 5; it takes a string"},
      {"title", boolean(true), "a string"},
      {"title", string(std::string("a\0b", 3)), "UTF-8 without NUL"},
      {"title", string("\xed\xa0\x80"), "UTF-8 without NUL"},
      {"ref", string("123e4567"), "a UUID like"},
      {"ref", string("123e4567-e89b-12d3-a456-42661417400g"), "a UUID like"},
      {"ref", string("123e4567--e89b-12d3-a456-426614174000"), "a UUID like"},
      {"ref", string("123e4567-e89b-12d3-a456-426614174000-"), "a UUID like"},
      {"ref", number("1"), "a UUID like"},
      {"day", string("2023-02-29"), "a date like"},
      {"day", string("01/02/2026"), "a date like"},
      {"day", string("today"), "a date like"},
      {"day", string("2026-01-01 00:00:00"), "a date like"},
      {"at", string("2026-01-31 10:20:30Z"), "without a zone, since the column has none"},
      {"at", string("2026-01-31 24:00:00"), "without a zone"},
      {"at", string("2026-01-31 10:20:30.1234567"), "without a zone"},
      {"at", number("1767225600"), "without a zone"},
      {"made", string("2026-01-31 10:20:30"), "a time with its zone"},
      {"made", string("2026-01-31 10:20:30+16"), "a time with its zone"},
      {"made", string("2026-01-31"), "a time with its zone"},
      {"made", string("now"), "a time with its zone"},
  };
  for (const Case& test : cases) {
    const auto query = bind_things({"things", {}, {compare(test.column, Op::eq, {test.literal})}});
    ASSERT_FALSE(query.ok()) << test.column << " " << test.literal.text;
    EXPECT_EQ(query.error().fault, Fault::invalid);
    EXPECT_NE(query.error().message.find(test.says), std::string::npos) << query.error().message;
    EXPECT_NE(query.error().message.find("\"" + test.column + "\""), std::string::npos)
        << query.error().message;
  }
}

TEST(BindTest, null_is_refused_with_the_way_to_write_it) {
  EXPECT_EQ(fault(bind_things({"things", {}, {compare("count", Op::eq, {null()})}})),
            "column \"count\": `=` with NULL never holds; write IS NULL");
  EXPECT_EQ(fault(bind_things({"things", {}, {compare("count", Op::ne, {null()})}})),
            "column \"count\": `<>` with NULL never holds; write IS NOT NULL");
  EXPECT_FALSE(bind_things({"things", {}, {compare("count", Op::in, {number("1"), null()})}}).ok());
}

TEST(BindTest, text_is_compared_only_where_bytes_decide) {
  for (const Op op : {Op::eq, Op::ne, Op::in}) {
    EXPECT_TRUE(bind_things({"things", {}, {compare("title", op, {string("a")})}}).ok());
    EXPECT_EQ(fault(bind_things({"things", {}, {compare("folded", op, {string("a")})}})).substr(0, 36),
              "column \"folded\" can't be compared by");
  }
  for (const Op op : {Op::lt, Op::le, Op::gt, Op::ge}) {
    EXPECT_TRUE(bind_things({"things", {}, {compare("code", op, {string("a")})}}).ok());
    const auto query = bind_things({"things", {}, {compare("title", op, {string("a")})}});
    EXPECT_NE(fault(query).find("collation is \"C\""), std::string::npos) << fault(query);
  }
  EXPECT_NE(
      fault(bind_things({"things", {}, {compare("folded", Op::eq, {string("a")})}})).find("nondeterministic"),
      std::string::npos);
}

TEST(BindTest, each_type_takes_its_operators_and_no_others) {
  TableSchema table = things();
  table.columns.push_back(column("plain_json", Type::json));
  table.columns.push_back(column("money", Type::other, "money"));
  const auto says = [&](const ParsedCondition& condition) {
    return fault(Query::bind({"things", {"id"}, {condition}}, shared(table)));
  };
  struct Case {
    std::string column;
    Op op;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {"plain_json", Op::eq, "columns of type json only take IS NULL and IS NOT NULL"},
      {"money", Op::is_null, "its type \"money\" is not supported"},
      {"mood", Op::lt, "the order of an enum's labels is not known here"},
      {"doc", Op::ge, "the order of jsonb is not known here"},
      {"tags", Op::eq, "arrays take IS NULL, `has` (= ANY), @> and &&, not ="},
      {"tags", Op::in, "arrays take IS NULL"},
      {"title", Op::has, "it takes an array, not text"},
      {"title", Op::contains, "it takes an array or jsonb, not text"},
      {"tags", Op::has_key, "it takes jsonb, not text[]"},
      {"count", Op::like, "it takes text, not integer"},
      {"fixed", Op::starts_with, "it takes text without padding, not character"},
      {"title", Op::ilike, "which letters are alike is only known where the column's collation is \"C\""},
      {"folded", Op::like, "its collation is nondeterministic"},
      {"fixed", Op::lt, "the order of strings is only known where the column's collation is \"C\""},
  };
  for (const Case& test : cases) {
    const ParsedCondition condition =
        test.op == Op::is_null ? compare(test.column, test.op) : compare(test.column, test.op, {string("1")});
    EXPECT_NE(says(condition).find(test.reason), std::string::npos) << test.column << ": " << says(condition);
  }
  for (const std::string name : {"doc", "tags", "mood", "plain_json", "folded"}) {
    EXPECT_EQ(says(compare(name, Op::is_null)), "no error") << name;
  }
}

TEST(BindTest, Rule22_what_could_fail_over_a_row_is_refused) {
  TableSchema table = things();
  table.columns.push_back(column("plain_json", Type::json));
  const auto says = [&](ParsedCondition condition) {
    return fault(Query::bind({"things", {"id"}, {std::move(condition)}}, shared(table)));
  };
  ParsedCondition cast = compare("title", Op::gt, {number("1")});
  cast.cast = Type::int4;
  EXPECT_NE(says(cast).find("a cast to integer may fail over a row"), std::string::npos) << says(cast);
  ParsedCondition narrow = compare("id", Op::eq, {number("1")});
  narrow.cast = Type::int2;
  EXPECT_NE(says(narrow).find("a cast to smallint may fail over a row"), std::string::npos);
  ParsedCondition wide = compare("small", Op::eq, {number("1")});
  wide.cast = Type::numeric;
  EXPECT_EQ(says(wide), "no error");
  ParsedCondition path = compare("plain_json", Op::is_null);
  path.path = {{"a", false}};
  EXPECT_NE(says(path).find("`->` in json may fail over a row"), std::string::npos) << says(path);
  EXPECT_NE(
      says(compare("title", Op::like, {string("a\\")})).find("the pattern \"a\\\" ends with its escape"),
      std::string::npos)
      << says(compare("title", Op::like, {string("a\\")}));
}

TEST(BindTest, a_cast_of_a_literal_must_leave_it_as_it_is) {
  const auto says = [](const std::string& name, ParsedLiteral literal, Type cast) {
    literal.cast = cast;
    return fault(bind_things({"things", {"id"}, {compare(name, Op::eq, {literal})}}));
  };
  EXPECT_EQ(says("total", number("1.0"), Type::int4), "no error");
  EXPECT_EQ(says("total", string("1.5"), Type::numeric), "no error");
  EXPECT_EQ(says("label", string("a"), Type::text), "no error");
  EXPECT_EQ(says("day", string("2026-01-31"), Type::date), "no error");
  EXPECT_NE(says("total", number("1.5"), Type::int4), "no error");
  EXPECT_NE(says("id", number("40000"), Type::int2), "no error");
  EXPECT_NE(says("at", string("2026-01-31"), Type::date), "no error");
  EXPECT_NE(says("ratio", string("0.1"), Type::float4), "no error");
  EXPECT_NE(says("fixed", string("a"), Type::text), "no error");
}

TEST(BindTest, a_tree_is_bounded_in_depth_and_size) {
  ParsedCondition deep = compare("count", Op::eq, {number("1")});
  for (int i = 0; i < kDepthMax; ++i) deep = negated(std::move(deep));
  EXPECT_EQ(fault(bind_things({"things", {}, {deep}})), "no error");
  EXPECT_EQ(fault(bind_things({"things", {}, {negated(deep)}})),
            "conditions may stand in one another at most 20 deep");
  ParsedCondition doubled = compare("count", Op::eq, {number("1")});
  for (int i = 0; i < 10; ++i) doubled = joined(Op::is_unknown, {doubled}, -1);
  EXPECT_EQ(fault(bind_things({"things", {}, {doubled}})), "a query has at most 100 conditions");
  EXPECT_NE(fault(bind_things({"things", {}, {joined(Op::any_of, {}, -1)}})), "no error");
  ParsedCondition path = compare("doc", Op::is_null);
  path.path.assign(kPathMax + 1, {"a", false});
  EXPECT_NE(fault(bind_things({"things", {}, {path}})).find("at most 16 steps"), std::string::npos);
  ParsedQuery wide{"things", {}, {}};
  ParsedCondition in = compare("count", Op::in);
  in.values.assign(kInValuesMax, number("1"));
  wide.where.assign(21, in);
  EXPECT_EQ(fault(bind_things(wide)), "a query has at most 20000 values");
}

TEST(BindTest, columns_are_compared_with_columns_of_their_type) {
  const auto says = [](const std::string& left, Op op, const std::string& right) {
    ParsedCondition condition = compare(left, op);
    condition.other = right;
    return fault(bind_things({"things", {"id"}, {condition}}));
  };
  EXPECT_EQ(says("id", Op::lt, "small"), "no error");
  EXPECT_EQ(says("title", Op::eq, "code"), "no error");
  EXPECT_EQ(
      says("title", Op::eq, "label"),
      "column \"title\" can't be compared with column \"label\": text and character varying are two types");
  EXPECT_NE(says("code", Op::lt, "title").find("collation is \"C\""), std::string::npos);
  EXPECT_NE(says("title", Op::eq, "folded").find("nondeterministic"), std::string::npos);
  EXPECT_NE(says("title", Op::eq, "nope").find("has no column \"nope\""), std::string::npos);
  EXPECT_NE(says("tags", Op::overlaps, "tags").find("takes a value"), std::string::npos);
}

TEST(BindTest, the_number_of_values_is_the_operator_s) {
  EXPECT_EQ(fault(bind_things({"things", {}, {compare("count", Op::eq)}})),
            "column \"count\": `=` takes one value, not 0");
  EXPECT_FALSE(bind_things({"things", {}, {compare("count", Op::lt, {number("1"), number("2")})}}).ok());
  EXPECT_FALSE(bind_things({"things", {}, {compare("count", Op::is_null, {number("1")})}}).ok());
  EXPECT_FALSE(bind_things({"things", {}, {compare("count", Op::in)}}).ok());
}

TEST(BindTest, conditions_and_lists_are_bounded) {
  ParsedQuery parsed{"things", {}, {}};
  parsed.where.assign(kConditionsMax, compare("count", Op::eq, {number("1")}));
  EXPECT_TRUE(bind_things(parsed).ok());
  parsed.where.push_back(parsed.where.front());
  EXPECT_EQ(fault(bind_things(parsed)), "a query has at most 100 conditions");
  ParsedCondition in = compare("count", Op::in);
  in.values.assign(kInValuesMax, number("1"));
  EXPECT_TRUE(bind_things({"things", {}, {in}}).ok());
  in.values.push_back(number("1"));
  EXPECT_EQ(fault(bind_things({"things", {}, {in}})),
            "column \"count\": `in` takes at most 1000 values, not 1001");
}

TEST(BindTest, trust_what_takes_long_over_a_row_or_fills_a_record_is_bounded) {
  const auto says = [](ParsedCondition condition) {
    return fault(bind_things({"things", {"id"}, {std::move(condition)}}));
  };
  const std::string run(1'000, 'a');
  EXPECT_EQ(says(compare("title", Op::like, {string("%" + run.substr(2) + "%")})), "no error");
  EXPECT_EQ(says(compare("title", Op::like, {string("%" + run + "%")})),
            "column \"title\": a pattern of 1002 bytes; 1000 are allowed");
  EXPECT_EQ(says(compare("title", Op::match, {string(run)})),
            "column \"title\": a pattern of 1002 bytes; 1000 are allowed")
      << "it is a LIKE";
  EXPECT_EQ(says(compare("title", Op::like, {string(run + run + "%")})), "no error")
      << "a prefix is looked up";
  const std::string json = "[\"" + std::string(4'092, 'a') + "\"]";
  EXPECT_EQ(says(compare("doc", Op::contains, {string(json)})), "no error");
  EXPECT_EQ(says(compare("doc", Op::contains, {string("[1," + json.substr(1))})),
            "column \"doc\": @> takes at most 4096 bytes of JSON");
  EXPECT_EQ(says(compare("title", Op::eq, {string(std::string(500'000, 'a'))})),
            "the query's texts are together larger than 400 KiB");
}

TEST(BindTest, trust_regular_expressions_are_few) {
  ParsedQuery query{"things", {"id"}, {}};
  for (std::size_t i = 0; i < kRegexesMax; ++i)
    query.where.push_back(compare("title", Op::match, {string("a+" + std::to_string(i))}));
  EXPECT_EQ(fault(bind_things(query)), "no error");
  query.where.push_back(compare("title", Op::match, {string("b+")}));
  EXPECT_EQ(fault(bind_things(query)), "a query has at most 20 regular expressions");
}

TEST(BindTest, unknown_columns_are_named_with_their_place) {
  EXPECT_EQ(fault(bind_things({"things", {"nope"}, {}})), "table \"public.things\" has no column \"nope\"");
  const auto sql = parse_sql("select id, \"Nope\" from things", {});
  ASSERT_TRUE(sql.ok());
  EXPECT_EQ(fault(bind_things(*sql)), "table \"public.things\" has no column \"Nope\" (at byte 11)");
  ParsedCondition comparison = compare("Count", Op::eq, {number("1")});
  comparison.place = 37;
  EXPECT_EQ(fault(bind_things({"things", {}, {comparison}})),
            "table \"public.things\" has no column \"Count\" (at byte 37)");
}

TEST(BindTest, rule_25_the_key_is_always_projected_and_columns_stand_in_the_table_s_order) {
  const auto query = bind_things({"things", {"done", "count", "done"}, {}});
  ASSERT_TRUE(query.ok());
  EXPECT_EQ((*query)->columns(), (std::vector<int>{0, 2, 7}));
  EXPECT_EQ((*bind_things({"things", {}, {}}))->columns().size(), things().columns.size());
}

TEST(BindTest, what_can_t_be_shown_is_refused_by_name) {
  TableSchema table = things();
  table.columns.push_back(column("price", Type::other, "money"));
  EXPECT_NE(fault(Query::bind({"things", {}, {}}, shared(table)))
                .find("\"price\" can't be shown: values of type \"money\""),
            std::string::npos);
  EXPECT_FALSE(Query::bind({"things", {"price"}, {}}, shared(table)).ok());
  EXPECT_TRUE(Query::bind({"things", {"title"}, {}}, shared(table)).ok());
  EXPECT_FALSE(Query::bind({"things", {"title"}, {compare("price", Op::is_null)}}, shared(table)).ok());
  table.columns.back() = column("prices", Type::array, "money[]");
  EXPECT_FALSE(Query::bind({"things", {"prices"}, {}}, shared(table)).ok());
  table.columns.back() = column("sum", Type::int4);
  table.columns.back().generated = true;
  EXPECT_NE(
      fault(Query::bind({"things", {}, {}}, shared(table))).find("\"sum\" can't be shown: it is generated"),
      std::string::npos);
  EXPECT_NE(fault(Query::bind({"things", {"id"}, {compare("sum", Op::eq, {number("1")})}}, shared(table)))
                .find("it is generated"),
            std::string::npos);
}

TEST(BindTest, a_table_that_can_t_be_exact_is_denied) {
  TableSchema table = things();
  table.refusal = "row security is on";
  const auto refused = Query::bind({"things", {}, {}}, shared(table));
  EXPECT_EQ(refused.error().fault, Fault::denied);
  EXPECT_EQ(refused.error().message, "row security is on");
  table = things();
  table.key.clear();
  EXPECT_EQ(Query::bind({"things", {}, {}}, shared(table)).error().fault, Fault::denied);
}

/// Changes tell the old values of `id` and `count`; `title` is large at times.
TableSchema told_in_part() {
  TableSchema table = things();
  for (ColumnSchema& column : table.columns) column.old_told = column.name == "id" || column.name == "count";
  table.columns[static_cast<std::size_t>(table.find("title"))].left_out = true;
  table.replica_identity = "index";
  table.identity_remedy = "ALTER TABLE things REPLICA IDENTITY FULL";
  return table;
}

TEST(BindTest, rule_25_an_identity_in_part_serves_what_needs_no_more_of_old_rows) {
  const auto bound = [](ParsedQuery parsed) { return Query::bind(parsed, shared(told_in_part())); };
  EXPECT_TRUE(bound({"things", {"id", "done"}, {compare("count", Op::gt, {number("3")})}}).ok());
  EXPECT_TRUE(bound({"things", {"done"}, {}}).ok());
  const auto by_total = bound({"things", {"id"}, {compare("total", Op::gt, {number("3")})}});
  ASSERT_FALSE(by_total.ok());
  EXPECT_EQ(by_total.error().fault, Fault::denied);
  for (const char* words : {"\"total\"", "condition", "index", "ALTER TABLE things REPLICA IDENTITY FULL"}) {
    EXPECT_NE(by_total.error().message.find(words), std::string::npos) << by_total.error().message;
  }
  ParsedCondition either{"", Op::any_of, {}, -1};
  either.children = {compare("count", Op::eq, {number("1")}), compare("done", Op::eq, {boolean("true")})};
  EXPECT_FALSE(bound({"things", {"id"}, {either}}).ok()) << "however deep";
  ParsedCondition other = compare("count", Op::lt, {});
  other.other = "small";
  EXPECT_FALSE(bound({"things", {"id"}, {other}}).ok()) << "on either side";
  const auto shown = bound({"things", {"id", "title"}, {}});
  ASSERT_FALSE(shown.ok());
  EXPECT_NE(shown.error().message.find("\"title\""), std::string::npos) << shown.error().message;
}

TEST(BindTest, rule_25_a_policy_needs_old_values_too) {
  const auto query = Query::bind({"things", {"id", "done"}, {}}, shared(told_in_part()));
  ASSERT_TRUE(query.ok());
  EXPECT_TRUE((*query)->narrowed(compare("count", Op::eq, {number("1")})).ok());
  EXPECT_EQ((*query)->narrowed(compare("total", Op::eq, {number("1")})).error().fault, Fault::denied);
}

TEST(BindTest, rule_25_without_the_key_of_old_rows_nothing_is_served) {
  TableSchema table = told_in_part();
  table.columns[0].old_told = false;
  EXPECT_EQ(Query::bind({"things", {"done"}, {}}, shared(table)).error().fault, Fault::denied);
}

TEST(BindTest, messages_stay_utf8_and_short) {
  const auto query =
      bind_things({"things", {}, {compare("count", Op::eq, {string("\xff" + std::string(5'000, 'x'))})}});
  EXPECT_LT(fault(query).size(), 250u);
  EXPECT_NE(fault(query).find("\"?xxx"), std::string::npos);
}

TEST(NarrowedTest, one_more_condition_is_another_query) {
  const auto wide = bind_things({"things", {"title"}, {compare("count", Op::eq, {number("1")})}});
  const auto narrow = (*wide)->narrowed(compare("title", Op::eq, {string("a")}));
  ASSERT_TRUE(narrow.ok());
  const auto whole =
      bind_things({"things",
                   {"title"},
                   {compare("title", Op::eq, {string("a")}), compare("count", Op::eq, {number("1")})}});
  EXPECT_EQ((*narrow)->hash(), (*whole)->hash());
  EXPECT_NE((*narrow)->hash(), (*wide)->hash());
  EXPECT_EQ((*wide)->where().size(), 1u);
  EXPECT_EQ((*narrow)->columns(), (*wide)->columns());
  EXPECT_FALSE((*wide)->narrowed(compare("count", Op::eq, {string("x")})).ok());
}

TEST(NarrowedTest, the_same_condition_again_changes_nothing) {
  const auto wide = bind_things({"things", {}, {compare("count", Op::eq, {number("1")})}});
  EXPECT_EQ((*(*wide)->narrowed(compare("count", Op::eq, {string("01")})))->hash(), (*wide)->hash());
}

}  // namespace
}  // namespace tidegate::query
