#pragma once

#include <string_view>
#include <vector>

#include "query/sql_tree.h"
#include "query/text_left.h"

namespace tidegate::query {

/// Reads constants, parameters, lists and casts of them.
class SqlLiterals {
 public:
  SqlLiterals(std::string_view sql, const std::vector<ParsedLiteral>& parameters)
      : sql_(sql), parameters_(parameters), used_(parameters.size(), false) {}

  Result<ParsedLiteral> read(const Json& node);
  /// ARRAY[…], or a string or parameter that holds an array's text.
  Result<std::vector<ParsedLiteral>> read_array(const Json& node);
  /// An error where a parameter is given but was not read.
  [[nodiscard]] Status all_used() const;

 private:
  Result<ParsedLiteral> read_parameter(const Json& node, const Json& parameter);
  Result<ParsedLiteral> read_constant(const Json& node, const Json& constant) const;
  Result<ParsedLiteral> read_constant_arithmetic(const Json& node);
  [[nodiscard]] Result<std::string> read_not_positive(int place) const;

  const std::string_view sql_;
  const std::vector<ParsedLiteral>& parameters_;
  std::vector<bool> used_;
  TextLeft left_;  // of parameters, each where it is used
};

/// The type that a TypeCast names; `array` where it is one, then of that type.
struct SqlCast {
  Type type = Type::other;
  bool array = false;
};
Result<SqlCast> read_cast(const Json& node, const Json& cast);

}  // namespace tidegate::query
