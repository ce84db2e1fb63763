// The canonical form of a query: JSON text without blanks, what is hashed and registered.
//
//   {"v":1,"schema":"public","table":"orders",
//    "columns":[["id","integer"],["title","text"]],
//    "where":[["total","numeric",">",["100"]],["title","text","is null",[]]]}
//
// Columns stand in the table's order, conditions in the order of the normal form; values are literals in the
// canonical text of the operand's type. A leaf is name, type, operator, values and, where there is more to
// say, an object of `truth` ("is false" and so on), `path` with `text`, or `other`, the column on the right.
// Arithmetic stands in the place of the name, its type that it computes in, and in `right`: ["+",a,b],
// ["-",a],
// ["cast",a] to numeric, ["column","total","numeric"], ["constant","12","bigint"]. A group is
// ["or",[…]] or ["and",[…]]. The types are there because they belong to the meaning: after an ALTER COLUMN
// TYPE the same names are another query. Schema and table stand apart because `a.b` and `c` is not `a` and
// `b.c`.
#include <fmt/format.h>

#include <array>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/bind.h"
#include "query/json_tree.h"
#include "query/op.h"

namespace tidegate::query {
namespace {

/// Two levels a group, one a step of arithmetic, and what stands around.
constexpr std::size_t kTreeDepthMax = 2 * kDepthMax + kExpressionDepthMax + 8;
constexpr std::size_t kNarrowedConditionsMax = 2 * kConditionsMax;  // a client's and a policy's

void append_named_type(std::string& out, const ColumnSchema& column) {
  append_json_string(out, column.name);
  out += ',';
  append_json_string(out, column_type_text(column));
}

constexpr std::array<std::string_view, 4> kTruths = {"is true", "is false", "is not true", "is not false"};

void append_strings(std::string& out, const std::vector<std::string>& values) {
  char separator = '[';
  for (const std::string& value : values) {
    out += separator;
    append_json_string(out, value);
    separator = ',';
  }
  out += values.empty() ? "[]" : "]";
}

/// Recurses as deep as the expression, which binding bounds.
void append_expression(std::string& out, const TableSchema& table, const Expression& expression) {
  out += '[';
  append_json_string(out, arithmetic_text(expression.kind));
  if (expression.kind == Arithmetic::column) {
    out += ',';
    append_named_type(out, table.columns[static_cast<std::size_t>(expression.column)]);
  } else if (expression.kind == Arithmetic::constant) {
    out += ',';
    append_json_string(out, expression.constant);
    out += ',';
    append_json_string(out, type_name(expression.type));
  }
  for (const Expression& operand : expression.operands) {
    out += ',';
    append_expression(out, table, operand);
  }
  out += ']';
}

void append_more(std::string& out, const TableSchema& table, const Condition& leaf) {
  char separator = '{';
  const auto member = [&](std::string_view name) {
    out += separator;
    separator = ',';
    append_json_string(out, name);
    out += ':';
  };
  out += ',';
  if (leaf.truth != Truth::is_true) {
    member("truth");
    append_json_string(out, kTruths[static_cast<std::size_t>(leaf.truth)]);
  }
  if (!leaf.path.empty()) {
    member("path");
    char comma = '[';
    for (const PathStep& step : leaf.path) {
      out += comma;
      comma = ',';
      step.position ? void(out += step.key) : append_json_string(out, step.key);
    }
    out += ']';
    member("text");
    out += leaf.as_text ? "true" : "false";
  }
  if (leaf.terms() && leaf.terms()->right) {
    member("right");
    append_expression(out, table, *leaf.terms()->right);
  }
  if (leaf.other >= 0) {
    member("other");
    out += '[';
    append_named_type(out, table.columns[static_cast<std::size_t>(leaf.other)]);
    out += ']';
  }
  out += '}';
}

void append_condition(std::string& out, const TableSchema& table, const Condition& condition) {
  out += '[';
  if (is_group(condition.op)) {
    append_json_string(out, op_text(condition.op));
    char separator = '[';
    out += ',';
    for (const Condition& child : condition.children) {
      out += separator;
      separator = ',';
      append_condition(out, table, child);
    }
    out += "]]";
    return;
  }
  if (condition.terms()) {
    append_expression(out, table, condition.terms()->left);
    out += ',';
    append_json_string(out, type_name(condition.terms()->left.type));
  } else {
    append_named_type(out, table.columns[static_cast<std::size_t>(condition.column)]);
  }
  out += ',';
  append_json_string(out, op_text(condition.op));
  out += ',';
  append_strings(out, condition.values);
  const bool right = condition.other >= 0 || (condition.terms() && condition.terms()->right);
  if (condition.truth != Truth::is_true || !condition.path.empty() || right) {
    append_more(out, table, condition);
  }
  out += ']';
}

Error malformed() {
  return {Fault::invalid, "not the canonical form of a query"};
}

bool are_strings(const std::vector<Json>& items, std::size_t count) {
  if (items.size() < count) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (items[i].kind != Json::Kind::string) return false;
  }
  return true;
}

ParsedExpression cast_of(ParsedExpression inside, Type type) {
  ParsedExpression cast;
  cast.kind = Arithmetic::cast;
  cast.cast = type;
  cast.operands.push_back(std::move(inside));
  return cast;
}

/// Integers are read as bigint, in which they are computed.
ParsedExpression read_named(const Json& node) {
  ParsedExpression named;
  const bool numeric = node.items[2].text == type_name(Type::numeric);
  if (node.items[0].text == arithmetic_text(Arithmetic::column)) {
    named.column = node.items[1].text;
    return numeric ? named : cast_of(std::move(named), Type::int8);
  }
  named.kind = Arithmetic::constant;
  named.constant = {ParsedLiteral::Kind::string, node.items[1].text, numeric ? Type::numeric : Type::int8};
  return named;
}

Result<ParsedExpression> read_expression(const Json& node) {
  if (node.items.size() < 2 || !are_strings(node.items, 1)) return malformed();
  if (node.items.size() == 3 && are_strings(node.items, 3)) return read_named(node);
  std::vector<ParsedExpression> operands;
  for (auto item = node.items.begin() + 1; item != node.items.end(); ++item) {
    auto operand = read_expression(*item);
    if (!operand) return operand;
    operands.push_back(std::move(*operand));
  }
  const std::string& name = node.items[0].text;
  if (name == arithmetic_text(Arithmetic::cast)) return cast_of(std::move(operands.front()), Type::numeric);
  const auto kind = parse_arithmetic(name, operands.size());
  if (!kind) return malformed();
  ParsedExpression expression;
  expression.kind = *kind;
  expression.operands = std::move(operands);
  return expression;
}

/// In the place of a column's name or of the column on the right.
Status read_term(const Json& node, std::shared_ptr<const ParsedExpression>& term) {
  auto expression = read_expression(node);
  if (!expression) return expression.error();
  term = std::make_shared<const ParsedExpression>(std::move(*expression));
  return {};
}

bool read_more(const Json& more, ParsedCondition& leaf, std::string_view& truth) {
  for (const auto& [name, value] : more.members) {
    if (name == "truth") {
      truth = value.text;
    } else if (name == "text") {
      leaf.as_text = value.text == "true";
    } else if (name == "other") {
      if (!are_strings(value.items, 2)) return false;
      leaf.other = value.items[0].text;
    } else if (name == "right") {
      if (!read_term(value, leaf.right)) return false;
    } else {
      for (const Json& step : value.items) leaf.path.push_back({step.text, step.kind == Json::Kind::number});
    }
  }
  return true;
}

Result<ParsedCondition> read_condition(const Json& node) {
  if (node.items.size() == 2 && node.items[0].kind == Json::Kind::string) {
    const auto op = parse_op(node.items[0].text);
    if (!op || !is_group(*op)) return malformed();
    ParsedCondition group = joined(*op, {}, -1);
    for (const Json& child : node.items[1].items) {
      auto read = read_condition(child);
      if (!read) return read;
      group.children.push_back(std::move(*read));
    }
    return group;
  }
  if (node.items.size() < 4 || node.items.size() > 5) return malformed();
  const bool arithmetic = node.items[0].kind == Json::Kind::array;
  for (std::size_t i = arithmetic ? 1 : 0; i < 3; ++i) {
    if (node.items[i].kind != Json::Kind::string) return malformed();
  }
  const auto op = parse_op(node.items[2].text);
  const std::vector<Json>& values = node.items[3].items;
  if (!op || is_group(*op) || !are_strings(values, values.size())) return malformed();
  ParsedCondition leaf;
  if (arithmetic) {
    if (auto status = read_term(node.items[0], leaf.left); !status) return status.error();
  } else {
    leaf.column = node.items[0].text;
  }
  leaf.op = *op;
  for (const Json& value : values) leaf.values.push_back({ParsedLiteral::Kind::string, value.text});
  std::string_view truth = kTruths.front();
  if (node.items.size() == 5 && !read_more(node.items[4], leaf, truth)) return malformed();
  if (truth == kTruths[1]) return negated(std::move(leaf));
  if (truth == kTruths[2]) return negated(joined(Op::is_true, {std::move(leaf)}, -1));
  if (truth == kTruths[3]) return negated(joined(Op::is_false, {std::move(leaf)}, -1));
  return leaf;
}

/// Only names and literals are read; that nothing else differs is known by comparing the texts in the end.
Result<ParsedQuery> read_canonical(const Json& tree) {
  if (tree.members.size() != 5 || tree.members[1].value.kind != Json::Kind::string ||
      tree.members[2].value.kind != Json::Kind::string) {
    return malformed();
  }
  ParsedQuery parsed;
  parsed.table = tree.members[1].value.text + "." + tree.members[2].value.text;
  for (const Json& column : tree.members[3].value.items) {
    if (!are_strings(column.items, 2)) return malformed();
    parsed.columns.push_back(column.items[0].text);
  }
  for (const Json& condition : tree.members[4].value.items) {
    auto read = read_condition(condition);
    if (!read) return read.error();
    parsed.where.push_back(std::move(*read));
  }
  return parsed;
}

}  // namespace

std::string column_type_text(const ColumnSchema& column) {
  if (column.type == Type::array) {
    const bool named = column.element != Type::enumeration && column.element != Type::other;
    return named ? std::string(type_name(column.element)) + "[]" : column.declared;
  }
  const bool declared = column.type == Type::enumeration || column.type == Type::other;
  return declared && !column.declared.empty() ? column.declared : std::string(type_name(column.type));
}

std::string canonical_text(const Query& query) {
  const TableSchema& table = query.table();
  std::string out = R"({"v":1,"schema":)";
  append_json_string(out, table.schema);
  out += R"(,"table":)";
  append_json_string(out, table.name);
  out += R"(,"columns":)";
  char separator = '[';
  for (int column : query.columns()) {
    out += separator;
    out += '[';
    append_named_type(out, table.columns[static_cast<std::size_t>(column)]);
    out += ']';
    separator = ',';
  }
  out += R"(],"where":[)";
  for (const Condition& condition : query.where()) {
    if (&condition != &query.where().front()) out += ',';
    append_condition(out, table, condition);
  }
  return out + "]}";
}

std::string Query::canonical() const {
  return canonical_text(*this);
}

Result<std::shared_ptr<const Query>> Query::from_canonical(std::string_view canonical,
                                                           const Catalogue& catalogue,
                                                           Projections* projections) {
  const auto tree = parse_json_tree(canonical, kTreeDepthMax);
  if (!tree) return malformed();
  const auto parsed = read_canonical(*tree);
  if (!parsed) return parsed.error();
  auto table = catalogue.find(parsed->table);
  if (!table) return Error{Fault::not_found, "unknown table " + in_quotes(parsed->table)};
  auto query = bind_query(*parsed, std::move(table), kNarrowedConditionsMax, projections);
  if (!query) return query;
  if ((*query)->canonical() != canonical) {
    return Error{Fault::lost, fmt::format("the table {} no longer has the shape that the query was made for",
                                          in_quotes(parsed->table))};
  }
  return query;
}

std::string routing_key(std::string_view tenant, const Query& query) {
  return fmt::format("{}/{}/{}", percent_encode(tenant), percent_encode(query.table().qualified()),
                     query.hash().hex());
}

}  // namespace tidegate::query
