// One meaning, one tree: what differs by order, repetition, NOT, IN or a row of ORs has one canonical form;
// and a tree in normal form says of every row what three-valued logic says of the tree as it was written.
#include "query/normal_form.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "base/testing.h"
#include "query/op.h"
#include "query/testing.h"

namespace tidegate::query {
namespace {

using Answer = std::optional<bool>;

std::string canonical(const std::string& where) {
  const auto parsed = parse_sql("select id from things where " + where, {});
  EXPECT_TRUE(parsed.ok()) << where << ": " << (parsed ? "" : parsed.error().message);
  if (!parsed) return where;
  const auto query = bind_things(*parsed);
  EXPECT_TRUE(query.ok()) << where << ": " << (query ? "" : query.error().message);
  return query ? (*query)->canonical().substr((*query)->canonical().find("\"where\"")) : where;
}

TEST(NormalFormTest, spellings_of_one_meaning_are_one) {
  const std::vector<std::vector<std::string>> groups = {
      {"count = 1 or count = 2 or count in (3, 1)", "count in (3, 2, 1)", "count = any (array[1, 2, 3])",
       "not count not in (1, 2, 3)", "not (count <> 1 and count <> 2 and count <> 3)",
       "count = any ('{1, 2, 3}')"},
      {"count <> 1 and count <> 2", "count not in (2, 1)", "not (count = 1 or count = 2)",
       "count <> all (array[1, 2])"},
      {"count between 1 and 5", "count >= 1 and count <= 5", "not (count < 1 or count > 5)",
       "5 >= count and 1 <= count"},
      {"not count < 1", "count >= 1", "not not count >= 1", "(count >= 1) is true",
       "count >= 1 and count >= 01"},
      {"done", "done = true", "done is true", "not done = false", "done <> false", "not done is not true"},
      {"not done", "done = false", "done is false", "done <> true"},
      {"(count = 1 and title = 'a') or id > 5", "id > 5 or (title = 'a' and count = 1)",
       "not (id <= 5 and (count <> 1 or title <> 'a'))"},
      {"title like 'a'", "title = 'a'"},
      {"title like 'a%'", "starts_with(title, 'a')", "title ^@ 'a'", "title like 'a%%'"},
      {"code ilike 'A_%'", "code ~~* 'a_%'", "code ilike 'a%_'"},
      {"count is distinct from 1", "not count is not distinct from 1", "(count = 1) is not true"},
      {"count is not distinct from 1", "count = 1"},
      {"count is distinct from null", "count is not null", "not count is null"},
      {"small < id", "id > small", "not small >= id"},
      {"total in (1, 1.0, 2e0)", "total in (2, 1)"},
      {"ratio = 1.0 or ratio = 1e0", "ratio = '1'"},
      {"doc @> '{\"a\": 1.0, \"b\": []}'", "doc @> '{\"b\":[],\"a\":1}'"},
      {"(count = 1) is unknown", "((count = 1) is not true) and ((count = 1) is not false)"},
  };
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const std::string& text : groups[i])
      EXPECT_EQ(canonical(text), canonical(groups[i].front())) << text;
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(canonical(groups[i].front()), canonical(groups[j].front()));
  }
}

TEST(NormalFormTest, is_this_text) {
  EXPECT_EQ(canonical("not (count = 1 or code ilike 'A%' and doc -> 'a' ->> 0 is not null) and small <> id"),
            R"("where":[["or",[["code","text","ilike",["a%"],{"truth":"is false"}],)"
            R"(["doc","jsonb","is null",[],{"path":["a",0],"text":true}]]],)"
            R"(["id","bigint","<>",[],{"other":["small","smallint"]}],["count","integer","<>",["1"]]]})");
}

TEST(NormalFormTest, lists_that_grow_too_long_stay_apart) {
  ParsedCondition one = compare("count", Op::in);
  ParsedCondition other = compare("count", Op::in);
  for (std::size_t i = 0; i < 600; ++i) {
    one.values.push_back(number(std::to_string(i)));
    other.values.push_back(number(std::to_string(i + 600)));
  }
  const auto query = bind_things({"things", {"id"}, {joined(Op::any_of, {one, other}, -1)}});
  ASSERT_TRUE(query.ok()) << query.error().message;
  EXPECT_EQ((*query)->where().at(0).children.size(), 2u);
  EXPECT_TRUE(Query::from_canonical((*query)->canonical(), Catalogue({shared(things())})).ok());
}

// ---- random trees against three-valued logic ----

ParsedCondition random_tree(std::mt19937& random, int depth) {
  const auto leaf = [&] {
    static const std::vector<std::string> kColumns = {"id", "small", "count"};
    const Op op = static_cast<Op>(random() % 8);
    ParsedCondition condition = compare(kColumns[random() % kColumns.size()], op);
    if (!is_null_test(op)) condition.values.push_back(number(std::to_string(random() % 3)));
    return condition;
  };
  if (depth == 0 || random() % 4 == 0) return leaf();
  const Op op = static_cast<Op>(static_cast<int>(Op::all_of) + static_cast<int>(random() % 6));
  std::vector<ParsedCondition> children;
  const bool joins = op == Op::all_of || op == Op::any_of;
  for (std::size_t left = joins ? 1 + random() % 3 : 1; left > 0; --left)
    children.push_back(random_tree(random, depth - 1));
  return joined(op, std::move(children), -1);
}

Answer expected(const ParsedCondition& tree, const TableSchema& table, const Row& row) {
  if (!is_group(tree.op)) {
    const Cell& cell = row[static_cast<std::size_t>(table.find(tree.column))];
    if (is_null_test(tree.op)) return cell.has_value() == (tree.op == Op::is_not_null);
    if (!cell) return std::nullopt;
    const int order = cell->compare(tree.values.front().text);
    const std::vector<bool> answers = {order == 0, order != 0, order < 0, order <= 0, order > 0, order >= 0};
    return answers[static_cast<std::size_t>(tree.op)];
  }
  const Answer first = expected(tree.children.front(), table, row);
  if (tree.op == Op::negation) return first ? Answer(!*first) : first;
  if (tree.op == Op::is_true) return first == true;
  if (tree.op == Op::is_false) return first == false;
  if (tree.op == Op::is_unknown) return !first.has_value();
  const bool ends = tree.op == Op::any_of;
  Answer all = !ends;
  for (const ParsedCondition& child : tree.children) {
    const Answer one = expected(child, table, row);
    if (one == ends) return ends;
    if (!one) all = std::nullopt;
  }
  return all;
}

TEST(NormalFormTest, says_what_three_valued_logic_says_of_the_tree) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto table = shared(things());
  const Catalogue catalogue({table});
  std::vector<Row> rows;
  for (int i = 0; i < 64; ++i) {
    Row row(table->columns.size());
    for (int column = 0, code = i; column < 3; ++column, code /= 4) {
      if (code % 4 < 3) row[static_cast<std::size_t>(column)] = std::to_string(code % 4);
    }
    rows.push_back(std::move(row));
  }
  int bound = 0;
  for (int round = 0; round < 1'500; ++round) {
    const ParsedCondition tree = random_tree(random, 5);
    const auto query = Query::bind({"things", {"id"}, {tree}}, table);
    if (!query) continue;  // grew beyond the bound
    ++bound;
    for (const Row& row : rows)
      ASSERT_EQ((*query)->matches(row), expected(tree, *table, row) == true) << (*query)->canonical();
    const auto again = Query::from_canonical((*query)->canonical(), catalogue);
    ASSERT_TRUE(again.ok()) << again.error().message;
    ASSERT_EQ((*again)->hash(), (*query)->hash());
  }
  EXPECT_GT(bound, 1'000);
}

}  // namespace
}  // namespace tidegate::query
