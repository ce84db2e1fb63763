// Invariants, of any conditions that can be bound, over any two rows, whose cells may be no values at all:
// exactly one of IS TRUE, IS FALSE and IS UNKNOWN holds; a query matches where each of its conditions holds;
// the index finds what evaluating all queries finds, also when one of them has gone; a row's JSON is JSON;
// and what `bound` requires.
#include "base/utf8.h"
#include "everything.h"
#include "input.h"
#include "matcher/predicate_index.h"
#include "query/array_text.h"
#include "query/evaluate.h"
#include "query/json_tree.h"
#include "query/op.h"

namespace {

using namespace tidegate;
using fuzz::Input;
using fuzz::require;
using query::ColumnSchema;
using query::Op;
using query::ParsedCondition;
using query::ParsedLiteral;
using query::Type;

const ColumnSchema& choose_column(Input& input) {
  const auto& columns = fuzz::everything()->columns;
  return columns[input.below(columns.size())];
}

/// Mostly one of the samples, else any bytes.
std::string choose_text(Input& input, Type type) {
  const auto& all = fuzz::samples(type);
  const std::uint8_t choice = input.byte();
  return choice < 0xe0 ? all[choice % all.size()] : std::string(input.text());
}

ParsedLiteral choose_literal(Input& input, const ColumnSchema& column) {
  const std::uint8_t choice = input.byte();
  if (choice >= 0xfc) return {};
  if (choice >= 0xf8) return {ParsedLiteral::Kind::boolean, choice % 2 == 0 ? "true" : "false"};
  const Type type = column.type == Type::array && choice % 4 != 0 ? column.element : column.type;
  ParsedLiteral literal{ParsedLiteral::Kind::string, choose_text(input, type)};
  // A client's literals are UTF-8, whichever way they came, and its JSON is JSON.
  if (!storable_text(literal.text)) literal.text = "\u00e9";
  if (choice >= 0xf0 && query::parse_json_tree(literal.text)) literal.kind = ParsedLiteral::Kind::json;
  literal.whole = column.type == Type::array && choice % 4 == 0;
  return literal;
}

/// Arithmetic over any columns and constants.
query::ParsedExpression choose_expression(Input& input, int depth) {
  query::ParsedExpression expression;
  const std::uint8_t choice = input.byte();
  if (depth == 0 || choice < 0x40) {
    expression.column = choose_column(input).name;
    return expression;
  }
  if (choice < 0x70) {
    expression.kind = query::Arithmetic::constant;
    expression.constant = {ParsedLiteral::Kind::number, choose_text(input, Type::numeric)};
    if (!query::parse_json_tree(expression.constant.text)) expression.constant.text = "7";
    return expression;
  }
  expression.kind = static_cast<query::Arithmetic>(2 + choice % 7);
  const bool one = expression.kind <= query::Arithmetic::negate;
  if (expression.kind == query::Arithmetic::cast) expression.cast = static_cast<Type>(1 + input.below(5));
  for (int left = one ? 1 : 2; left > 0; --left)
    expression.operands.push_back(choose_expression(input, depth - 1));
  return expression;
}

ParsedCondition choose_leaf(Input& input) {
  const ColumnSchema& column = choose_column(input);
  ParsedCondition leaf;
  leaf.column = column.name;
  leaf.op = static_cast<Op>(input.below(static_cast<std::size_t>(Op::all_of)));
  if (column.type == Type::jsonb) {
    for (std::size_t steps = input.below(4); steps > 0; --steps) {
      const std::uint8_t step = input.byte();
      leaf.path.push_back(step < 0x80 ? query::PathStep{"a", false}
                                      : query::PathStep{std::to_string(static_cast<int>(step) - 0xc0), true});
    }
    leaf.as_text = !leaf.path.empty() && input.below(2) != 0;
  }
  if (query::is_null_test(leaf.op)) return leaf;
  const std::uint8_t choice = input.byte();
  if (choice >= 0xe0)
    leaf.left = std::make_shared<const query::ParsedExpression>(choose_expression(input, 3));
  if (choice >= 0xfc) {
    leaf.right = std::make_shared<const query::ParsedExpression>(choose_expression(input, 3));
    return leaf;
  }
  if (choice >= 0xf0) {
    leaf.other = choose_column(input).name;
    return leaf;
  }
  const std::size_t count = query::takes_list(leaf.op) ? 1 + input.below(4) : 1;
  for (std::size_t i = 0; i < count; ++i) leaf.values.push_back(choose_literal(input, column));
  return leaf;
}

/// Two ends in one column, of which the index makes one.
ParsedCondition choose_range(Input& input) {
  const ColumnSchema& column = choose_column(input);
  ParsedCondition low;
  low.column = column.name;
  low.op = input.below(2) != 0 ? Op::ge : Op::gt;
  low.values = {choose_literal(input, column)};
  ParsedCondition high = low;
  high.op = input.below(2) != 0 ? Op::le : Op::lt;
  high.values = {choose_literal(input, column)};
  return query::joined(Op::all_of, {std::move(low), std::move(high)}, -1);
}

ParsedCondition choose_condition(Input& input, int depth) {
  const std::uint8_t choice = input.byte();
  if (choice >= 0x60 && choice < 0x80) return choose_range(input);
  if (depth == 0 || choice < 0x80) return choose_leaf(input);
  constexpr auto kFirst = static_cast<std::size_t>(Op::all_of);
  constexpr auto kCount = static_cast<std::size_t>(Op::is_unknown) + 1 - kFirst;
  const Op op = static_cast<Op>(kFirst + choice % kCount);
  std::vector<ParsedCondition> children;
  for (std::size_t left = op == Op::all_of || op == Op::any_of ? 2 + input.below(3) : 1; left > 0; --left)
    children.push_back(choose_condition(input, depth - 1));
  return query::joined(op, std::move(children), -1);
}

query::ParsedQuery asking(std::vector<ParsedCondition> where) {
  return {"things", {"id", "doc", "tags", "ratio", "title"}, std::move(where)};
}

query::Row choose_row(Input& input) {
  query::Row row;
  for (const ColumnSchema& column : fuzz::everything()->columns) {
    const bool null = input.byte() < 0x20;
    row.push_back(null ? query::Cell() : query::Cell(choose_text(input, column.type)));
  }
  return row;
}

void require_one_truth(const ParsedCondition& condition, const std::vector<const query::Row*>& rows) {
  std::vector<std::shared_ptr<const query::Query>> truths;
  for (const Op op : {Op::is_true, Op::is_false, Op::is_unknown}) {
    auto truth = query::Query::bind(asking({query::joined(op, {condition}, -1)}), fuzz::everything());
    if (!truth) return;
    truths.push_back(std::move(*truth));
  }
  for (const query::Row* row : rows) {
    int held = 0;
    for (const auto& truth : truths) held += truth->matches(*row) ? 1 : 0;
    require(held == 1, "one of IS TRUE, IS FALSE and IS UNKNOWN holds");
  }
}

bool matches(const query::Query& query, const query::Row& row) {
  bool all = true;
  for (const query::Condition& condition : query.where()) all = all && holds(condition, query.table(), row);
  require(query.matches(row) == all, "a query matches where each of its conditions holds");
  return all;
}

using Queries = std::vector<std::shared_ptr<const query::Query>>;

void require_found(matcher::PredicateIndex& index, const Queries& queries, const query::Row& before,
                   const query::Row& after) {
  std::vector<matcher::Hit> hits;
  index.probe(fuzz::everything()->relation, &before, &after, hits);
  std::size_t expected = 0;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (!queries[i]) continue;
    const bool old_in = matches(*queries[i], before);
    const bool new_in = matches(*queries[i], after);
    std::size_t found = 0;
    for (const matcher::Hit& hit : hits) {
      if (hit.number != matcher::QueryNumber(i)) continue;
      ++found;
      require(hit.old_in == old_in && hit.new_in == new_in, "the index says which row is in the result");
    }
    require(found == (old_in || new_in ? 1u : 0u), "the index finds what evaluating all queries finds, once");
    expected += found;
  }
  require(hits.size() == expected, "the index finds nothing else");
}

/// What a database gives is UTF-8, and JSON where it says so.
bool is_told_by_a_database(const query::Row& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!row[i]) continue;
    if (!storable_text(*row[i])) return false;
    const bool json = fuzz::everything()->columns[i].type == Type::jsonb;
    if (json && !query::parse_json_tree(*row[i])) return false;
  }
  return true;
}

void require_json(const query::Query& query, const query::Row& row) {
  std::string json;
  query.append_row_json(json, row);
  query.append_key_json(json += ",", row);
  if (is_told_by_a_database(row)) require(query::parse_json_tree("[" + json + "]", 64).ok(), "JSON is JSON");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(fuzz::bytes_of(data, size));
  const query::Row before = choose_row(input);
  query::Row after = choose_row(input);
  if (input.below(2) != 0) {  // an update of one column
    const std::size_t column = input.below(after.size());
    const query::Cell cell = after[column];
    after = before;
    after[column] = cell;
  }
  Queries queries;
  matcher::PredicateIndex index;
  while (!input.empty() && queries.size() < 4) {
    std::vector<ParsedCondition> where;
    for (std::size_t left = 1 + input.below(3); left > 0; --left) where.push_back(choose_condition(input, 3));
    require_one_truth(where.front(), {&before, &after});
    const auto query = fuzz::bound(asking(std::move(where)));
    if (!query) continue;
    require_json(*query, after);
    index.add(matcher::QueryNumber(queries.size()), query);
    queries.push_back(query);
  }
  if (queries.empty()) return 0;
  require_found(index, queries, before, after);
  const std::size_t gone = size % queries.size();
  index.remove(fuzz::everything()->relation, matcher::QueryNumber(gone));
  queries[gone] = nullptr;
  require_found(index, queries, before, after);
  return 0;
}
