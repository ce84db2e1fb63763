#include "query/sql_condition.h"

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/like.h"
#include "query/op.h"
#include "query/sql_names.h"

namespace tidegate::query {
namespace {

bool is_step(const Json& node) {
  const Json* expression = as(&node, "A_Expr");
  if (expression == nullptr || text_of(*expression, "kind") != "AEXPR_OP") return false;
  const auto symbol = symbol_of(*expression);
  return symbol == "->" || symbol == "->>";
}

bool may_be_mirrored(Op op) {
  return op <= Op::ge || op == Op::overlaps;
}

/// The name of a function of pg_catalog's, else empty.
std::string function_name(const Json& call) {
  const Json* names = call.find("funcname");
  if (names == nullptr || names->items.empty() || names->items.size() > 2) return "";
  const Json* first = as(&names->items.front(), "String");
  const Json* last = as(&names->items.back(), "String");
  if (first == nullptr || last == nullptr) return "";
  if (names->items.size() == 2 && text_of(*first, "sval") != "pg_catalog") return "";
  return text_of(*last, "sval");
}

const std::vector<Json>* arguments(const Json& call, std::size_t count) {
  const Json* list = call.find("args");
  return list != nullptr && list->items.size() == count ? &list->items : nullptr;
}

}  // namespace

std::optional<std::string> symbol_of(const Json& expression) {
  const Json* names = expression.find("name");
  if (names == nullptr || names->items.empty() || names->items.size() > 2) return std::nullopt;
  const Json* last = as(&names->items.back(), "String");
  const Json* first = as(&names->items.front(), "String");
  if (last == nullptr || first == nullptr) return std::nullopt;
  if (names->items.size() == 2 && text_of(*first, "sval") != "pg_catalog") return std::nullopt;
  return text_of(*last, "sval");
}

Result<ParsedCondition> SqlConditions::read(const Json& node) {
  if (const Json* boolean = as(&node, "BoolExpr")) return read_boolean(node, *boolean);
  if (const Json* test = as(&node, "NullTest")) return read_null_test(node, *test);
  if (const Json* test = as(&node, "BooleanTest")) return read_truth_test(node, *test);
  if (const Json* call = as(&node, "FuncCall")) return read_function(node, *call);
  if (as(&node, "ColumnRef") != nullptr) {
    auto column = read_operand(node);
    if (column) column->values.push_back({ParsedLiteral::Kind::boolean, "true"});
    return column;
  }
  const Json* expression = as(&node, "A_Expr");
  return expression == nullptr ? Result<ParsedCondition>(unsupported_node(node))
                               : read_expression(node, *expression);
}

Result<ParsedCondition> SqlConditions::read_boolean(const Json& node, const Json& boolean) {
  const std::string op = text_of(boolean, "boolop");
  ParsedCondition group = joined(op == "AND_EXPR"  ? Op::all_of
                                 : op == "OR_EXPR" ? Op::any_of
                                                   : Op::negation,
                                 {}, place_of(node));
  const Json* terms = boolean.find("args");
  for (std::size_t i = 0; terms != nullptr && i < terms->items.size(); ++i) {
    auto term = read(terms->items[i]);
    if (!term) return term;
    group.children.push_back(std::move(*term));
  }
  return group;
}

Result<ParsedCondition> SqlConditions::read_null_test(const Json& node, const Json& test) {
  const Json* argument = test.find("arg");
  if (argument == nullptr || !is_operand(*argument))
    return refused_sql(place_of(node), "IS NULL takes a column");
  auto operand = read_operand(*argument);
  if (!operand) return operand;
  operand->op = text_of(test, "nulltesttype") == "IS_NOT_NULL" ? Op::is_not_null : Op::is_null;
  return operand;
}

Result<ParsedCondition> SqlConditions::read_truth_test(const Json& node, const Json& test) {
  const Json* argument = test.find("arg");
  if (argument == nullptr) return unsupported_node(node);
  auto inside = read(*argument);
  if (!inside) return inside;
  const std::string kind = text_of(test, "booltesttype");
  const Op op = kind.ends_with("TRUE")    ? Op::is_true
                : kind.ends_with("FALSE") ? Op::is_false
                                          : Op::is_unknown;
  ParsedCondition tested = joined(op, {std::move(*inside)}, place_of(node));
  return kind.starts_with("IS_NOT") ? negated(std::move(tested)) : tested;
}

Result<ParsedCondition> SqlConditions::read_expression(const Json& node, const Json& expression) {
  const std::string kind = text_of(expression, "kind");
  const Json* left = expression.find("lexpr");
  const Json* right = expression.find("rexpr");
  const auto symbol = symbol_of(expression);
  if (!symbol) return refused_sql(place_of(node), "OPERATOR(…) of another schema is not supported");
  if (kind == "AEXPR_OP" && left == nullptr) return unsupported_node(node);
  if (left == nullptr || right == nullptr) return unsupported_node(node);
  if (kind == "AEXPR_OP") return read_operator(node, expression, *symbol);
  if (kind == "AEXPR_IN") return read_list(node, *left, *right, *symbol == "=" ? Op::in : Op::not_in);
  if (kind == "AEXPR_LIKE" || kind == "AEXPR_ILIKE") {
    auto condition = read_pattern(node, *left, *right, kind == "AEXPR_LIKE" ? Op::like : Op::ilike);
    return condition && symbol->front() == '!' ? negated(std::move(*condition)) : condition;
  }
  if (kind == "AEXPR_BETWEEN" || kind == "AEXPR_NOT_BETWEEN")
    return read_between(node, expression, kind == "AEXPR_BETWEEN");
  if (kind == "AEXPR_DISTINCT" || kind == "AEXPR_NOT_DISTINCT") {
    auto equal = compare(node, left, Op::eq, right);
    return equal ? distinct(std::move(*equal), kind == "AEXPR_DISTINCT") : equal;
  }
  if (kind == "AEXPR_OP_ANY" || kind == "AEXPR_OP_ALL")
    return read_any(node, expression, kind == "AEXPR_OP_ANY", *symbol);
  return refused_sql(place_of(node), expression_in_sql(kind) + " is not supported");
}

Result<ParsedCondition> SqlConditions::read_operator(const Json& node, const Json& expression,
                                                     std::string_view symbol) {
  const Json* left = expression.find("lexpr");
  const Json* right = expression.find("rexpr");
  if (symbol == "~~" || symbol == "!~~" || symbol == "~~*" || symbol == "!~~*") {
    auto condition = read_pattern(node, *left, *right, symbol.ends_with('*') ? Op::ilike : Op::like);
    return condition && symbol.front() == '!' ? negated(std::move(*condition)) : condition;
  }
  if (symbol == "!~" || symbol == "!~*") {
    auto condition = compare(node, left, symbol == "!~" ? Op::match : Op::imatch, right);
    return condition ? negated(std::move(*condition)) : condition;
  }
  if (symbol == "^@") return compare(node, left, Op::starts_with, right);
  if (symbol == "<@" && !is_operand(*left)) return compare(node, right, Op::contains, left);
  const auto op = parse_op(symbol);
  if (!op)
    return refused_sql(place_of(node), fmt::format("the operator {} is not supported", in_quotes(symbol)));
  return compare(node, left, *op, right);
}

Result<ParsedCondition> SqlConditions::read_between(const Json& node, const Json& expression, bool between) {
  const Json* left = expression.find("lexpr");
  const Json* list = as(expression.find("rexpr"), "List");
  const Json* bounds = list == nullptr ? nullptr : list->find("items");
  if (bounds == nullptr || bounds->items.size() != 2) return unsupported_node(node);
  auto low = compare(node, left, Op::ge, &bounds->items[0]);
  if (!low) return low;
  auto high = compare(node, left, Op::le, &bounds->items[1]);
  if (!high) return high;
  ParsedCondition both = joined(Op::all_of, {std::move(*low), std::move(*high)}, place_of(node));
  return between ? both : negated(std::move(both));
}

Result<ParsedCondition> SqlConditions::read_list(const Json& node, const Json& left, const Json& right,
                                                 Op op) {
  if (!is_operand(left)) {
    return refused_sql(place_of(left), node_in_sql(kind_of(left)) + " can't be compared, only a column");
  }
  auto condition = read_operand(left);
  if (!condition) return condition;
  condition->op = op;
  condition->place = place_of(node);
  const Json* list = as(&right, "List");
  const Json* items = list == nullptr ? nullptr : list->find("items");
  if (items == nullptr) return unsupported_node(right);
  for (const Json& item : items->items) {
    auto value = literals_.read(item);
    if (!value) return value.error();
    condition->values.push_back(std::move(*value));
  }
  return condition;
}

Result<ParsedCondition> SqlConditions::read_any(const Json& node, const Json& expression, bool any,
                                                std::string_view symbol) {
  const Json& left = *expression.find("lexpr");
  const Json& right = *expression.find("rexpr");
  if (symbol != (any ? "=" : "<>")) {
    return refused_sql(place_of(node), fmt::format("{} {} is not supported", symbol, any ? "ANY" : "ALL"));
  }
  if (!is_operand(left) && !is_operand(right)) {
    return refused_sql(place_of(left), node_in_sql(kind_of(left)) + " can't be compared, only a column");
  }
  if (is_operand(left) && is_operand(right))
    return refused_sql(place_of(node), "ANY of a column takes a value on its left");
  auto condition = read_operand(is_operand(left) ? left : right);
  if (!condition) return condition;
  condition->place = place_of(node);
  if (is_operand(left)) {
    condition->op = any ? Op::in : Op::not_in;
    auto values = literals_.read_array(right);
    if (!values) return values.error();
    condition->values = std::move(*values);
    return condition;
  }
  condition->op = Op::has;
  auto value = literals_.read(left);
  if (!value) return value.error();
  condition->values.push_back(std::move(*value));
  return any ? condition : negated(std::move(*condition));
}

Result<ParsedCondition> SqlConditions::read_pattern(const Json& node, const Json& left, const Json& right,
                                                    Op op) {
  const Json* call = as(&right, "FuncCall");
  if (call == nullptr) return compare(node, &left, op, &right);
  const auto* parts = function_name(*call) == "like_escape" ? arguments(*call, 2) : nullptr;
  if (parts == nullptr) return unsupported_node(right);
  auto condition = compare(node, &left, op, &parts->front());
  if (!condition) return condition;
  const auto escape = literals_.read(parts->back());
  if (!escape) return escape.error();
  if (condition->values.size() != 1 || condition->values.front().kind != ParsedLiteral::Kind::string ||
      escape->kind != ParsedLiteral::Kind::string) {
    return refused_sql(place_of(right), "LIKE and ESCAPE take strings");
  }
  auto pattern = canonical_like(condition->values.front().text, escape->text);
  if (!pattern) {
    return refused_sql(place_of(right), "ESCAPE takes one character or none, and no pattern ends with it");
  }
  condition->values.front().text = std::move(*pattern);
  return condition;
}

Result<ParsedCondition> SqlConditions::read_function(const Json& node, const Json& call) {
  const auto* parts = function_name(call) == "starts_with" ? arguments(call, 2) : nullptr;
  if (parts == nullptr) return unsupported_node(node);
  return compare(node, &parts->front(), Op::starts_with, &parts->back());
}

Result<ParsedCondition> SqlConditions::compare(const Json& node, const Json* left, Op op, const Json* right) {
  if (!is_operand(*left) && is_operand(*right) && may_be_mirrored(op)) {
    std::swap(left, right);
    op = mirrored(op);
  }
  if (!is_operand(*left)) {
    return refused_sql(place_of(*left), node_in_sql(kind_of(*left)) + " can't be compared, only a column");
  }
  auto condition = read_operand(*left);
  if (!condition) return condition;
  condition->op = op;
  condition->place = place_of(node);
  if (is_operand(*right)) {
    if (auto status = read_right(*right, *condition); !status) return status.error();
    return condition;
  }
  if (op == Op::contains || op == Op::overlaps) {
    auto values = literals_.read_array(*right);
    if (!values) return values.error();
    condition->values = std::move(*values);
    return condition;
  }
  auto value = literals_.read(*right);
  if (!value) return value.error();
  condition->values.push_back(std::move(*value));
  return condition;
}

/// What stands right of an operator and names a column.
Status SqlConditions::read_right(const Json& right, ParsedCondition& condition) {
  auto other = read_operand(right);
  if (!other) return other.error();
  if (other->left) {
    condition.right = std::move(other->left);
    return {};
  }
  if (condition.left && other->path.empty()) {
    auto term = read_term(right);
    if (!term) return term.error();
    condition.right = std::make_shared<const ParsedExpression>(std::move(*term));
    return {};
  }
  if (!other->path.empty() || other->cast != Type::other)
    return refused_sql(place_of(right), "on the right a column must stand alone");
  condition.other = std::move(other->column);
  return {};
}

Result<ParsedCondition> SqlConditions::read_arithmetic(const Json& node) {
  auto term = read_term(node);
  if (!term) return term.error();
  ParsedCondition operand;
  operand.place = place_of(node);
  operand.left = std::make_shared<const ParsedExpression>(std::move(*term));
  return operand;
}

bool SqlConditions::is_operand(const Json& node) {
  if (as(&node, "ColumnRef") != nullptr || is_step(node)) return true;
  if (is_arithmetic(node)) return names_a_column(node);
  const Json* cast = as(&node, "TypeCast");
  const Json* inside = cast == nullptr ? nullptr : cast->find("arg");
  return inside != nullptr && is_operand(*inside);
}

Result<ParsedCondition> SqlConditions::read_operand(const Json& node) {
  if (const Json* reference = as(&node, "ColumnRef")) {
    auto name = table_.read_column(*reference);
    if (!name) return name.error();
    if (!*name) return refused_sql(place_of(node), "* can't be compared");
    ParsedCondition operand;
    operand.column = std::move(**name);
    operand.place = place_of(node);
    return operand;
  }
  if (is_arithmetic(node)) return read_arithmetic(node);
  if (const Json* cast = as(&node, "TypeCast")) {
    auto operand = read_operand(*cast->find("arg"));
    if (!operand) return operand;
    if (operand->left) return read_arithmetic(node);
    const auto type = read_cast(node, *cast);
    if (!type) return type.error();
    if (type->array || operand->cast != Type::other)
      return refused_sql(place_of(node), "this cast of a column is not supported");
    operand->cast = type->type;
    return operand;
  }
  const Json* expression = as(&node, "A_Expr");
  const Json* left = expression->find("lexpr");
  if (left == nullptr || !is_operand(*left)) return unsupported_node(node);
  auto operand = read_operand(*left);
  if (!operand) return operand;
  if (auto status = read_step(node, *expression, *operand); !status) return status.error();
  return operand;
}

Status SqlConditions::read_step(const Json& node, const Json& expression, ParsedCondition& operand) {
  const Json* right = expression.find("rexpr");
  if (right == nullptr) return unsupported_node(node);
  if (operand.as_text) return refused_sql(place_of(node), "after ->> there is text, which has no parts");
  if (operand.cast != Type::other) return refused_sql(place_of(node), "a path into a cast is not supported");
  const auto key = literals_.read(*right);
  if (!key) return key.error();
  const bool number = key->kind == ParsedLiteral::Kind::number;
  const auto place = parse_i64(key->text);
  const bool place_fits = place && *place >= std::numeric_limits<std::int32_t>::min() &&
                          *place <= std::numeric_limits<std::int32_t>::max();
  if (key->cast != Type::other || (number ? !place_fits : key->kind != ParsedLiteral::Kind::string)) {
    return refused_sql(place_of(*right), "-> takes a member's name or a place in an array");
  }
  operand.path.push_back({number ? std::to_string(*place) : key->text, number});
  operand.as_text = symbol_of(expression) == "->>";
  return {};
}

}  // namespace tidegate::query
