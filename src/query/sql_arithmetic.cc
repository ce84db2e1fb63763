#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "query/bind_expression.h"
#include "query/sql_condition.h"
#include "query/sql_names.h"

namespace tidegate::query {

bool is_arithmetic(const Json& node) {
  const Json* expression = as(&node, "A_Expr");
  if (expression == nullptr || text_of(*expression, "kind") != "AEXPR_OP") return false;
  const auto symbol = symbol_of(*expression);
  return symbol && symbol->size() == 1 &&
         std::string_view("+-*/%").find(symbol->front()) != std::string_view::npos;
}

bool names_a_column(const Json& node) {
  if (as(&node, "ColumnRef") != nullptr) return true;
  return std::any_of(node.members.begin(), node.members.end(),
                     [](const JsonMember& member) { return names_a_column(member.value); }) ||
         std::any_of(node.items.begin(), node.items.end(), names_a_column);
}

Result<ParsedExpression> SqlConditions::read_term(const Json& node) {
  ParsedExpression term;
  term.place = place_of(node);
  if (!names_a_column(node)) {
    auto constant = literals_.read(node);
    if (!constant) return constant.error();
    term.kind = Arithmetic::constant;
    term.constant = std::move(*constant);
    return term;
  }
  if (const Json* reference = as(&node, "ColumnRef")) {
    auto name = table_.read_column(*reference);
    if (!name) return name.error();
    if (!*name) return refused_sql(term.place, "* can't be computed with");
    term.column = std::move(**name);
    return term;
  }
  if (const Json* cast = as(&node, "TypeCast")) {
    const auto type = read_cast(node, *cast);
    if (!type) return type.error();
    if (type->array) return refused_sql(term.place, "a cast to an array is not supported in arithmetic");
    auto inside = read_term(*cast->find("arg"));
    if (!inside) return inside;
    term.kind = Arithmetic::cast;
    term.cast = type->type;
    term.operands.push_back(std::move(*inside));
    return term;
  }
  if (!is_arithmetic(node))
    return refused_sql(
        term.place, node_in_sql(kind_of(node)) + " is not supported in arithmetic, only columns and numbers");
  return read_operation(node);
}

Result<ParsedExpression> SqlConditions::read_operation(const Json& node) {
  const Json& expression = *as(&node, "A_Expr");
  const std::string symbol = *symbol_of(expression);
  const Json* left = expression.find("lexpr");
  const Json* right = expression.find("rexpr");
  if (right == nullptr) return unsupported_node(node);
  auto last = read_term(*right);
  if (!last || (left == nullptr && symbol == "+")) return last;
  ParsedExpression operation;
  operation.place = place_of(node);
  if (left != nullptr) {
    auto first = read_term(*left);
    if (!first) return first;
    operation.operands.push_back(std::move(*first));
  }
  operation.operands.push_back(std::move(*last));
  const auto kind = parse_arithmetic(symbol, operation.operands.size());
  if (!kind) return unsupported_node(node);
  operation.kind = *kind;
  return operation;
}

Result<ParsedLiteral> SqlLiterals::read_constant_arithmetic(const Json& node) {
  static const SqlTable kNoTable;
  auto expression = SqlConditions(kNoTable, *this).read_operation(node);
  if (!expression) return expression.error();
  auto literal = folded(*expression);
  if (!literal) return refused_sql(-1, literal.error().message);
  return literal;
}

}  // namespace tidegate::query
