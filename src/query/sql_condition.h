#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "query/sql_literal.h"
#include "query/sql_tree.h"

namespace tidegate::query {

/// An operator's symbol where it is pg_catalog's, or the client names no schema.
std::optional<std::string> symbol_of(const Json& expression);

/// Whether the node is `+ - * / %` of whatever; whether it names a column anywhere.
bool is_arithmetic(const Json& node);
bool names_a_column(const Json& node);

/// Reads a WHERE's tree. Recurses as deep as the tree, which its parser bounds.
class SqlConditions {
 public:
  SqlConditions(const SqlTable& table, SqlLiterals& literals) : table_(table), literals_(literals) {}

  Result<ParsedCondition> read(const Json& node);
  /// Arithmetic, which `is_arithmetic`.
  Result<ParsedExpression> read_operation(const Json& node);

 private:
  Result<ParsedCondition> read_boolean(const Json& node, const Json& boolean);
  Result<ParsedCondition> read_null_test(const Json& node, const Json& test);
  Result<ParsedCondition> read_truth_test(const Json& node, const Json& test);
  Result<ParsedCondition> read_expression(const Json& node, const Json& expression);
  Result<ParsedCondition> read_between(const Json& node, const Json& expression, bool between);
  Result<ParsedCondition> read_list(const Json& node, const Json& left, const Json& list, Op op);
  Result<ParsedCondition> read_any(const Json& node, const Json& expression, bool any,
                                   std::string_view symbol);
  Result<ParsedCondition> read_pattern(const Json& node, const Json& left, const Json& right, Op op);
  Result<ParsedCondition> read_function(const Json& node, const Json& call);
  Result<ParsedCondition> compare(const Json& node, const Json* left, Op op, const Json* right);
  Result<ParsedCondition> read_operator(const Json& node, const Json& expression, std::string_view symbol);

  [[nodiscard]] static bool is_operand(const Json& node);
  /// A column, a path into it or a cast of it: what stands left of an operator.
  Result<ParsedCondition> read_operand(const Json& node);
  Result<ParsedExpression> read_term(const Json& node);
  Result<ParsedCondition> read_arithmetic(const Json& node);
  Status read_right(const Json& right, ParsedCondition& condition);
  Status read_step(const Json& node, const Json& expression, ParsedCondition& operand);

  const SqlTable& table_;
  SqlLiterals& literals_;
};

}  // namespace tidegate::query
