#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "query/schema.h"

namespace tidegate::query {

// Arithmetic that can't raise an error over any row (rule 22). What a client writes is typed as Postgres
// types it (smallint + smallint is smallint), and taken where the least and the greatest value that the
// columns' types allow fit that type at every step. Then all that matters is the number, which is exact: a
// bound expression computes in bigint as far as the client's types are integers, and in numeric from where
// they are not.

inline constexpr int kExpressionDepthMax = 20;
inline constexpr std::size_t kExpressionSizeMax = 64;  ///< operators, columns and constants

/// The numbers are those of `schemas/query.fbs`.
enum class Arithmetic : std::uint8_t {
  column,
  constant,
  cast,
  negate,
  add,
  subtract,
  multiply,
  divide,
  modulo
};

/// How it is written: `+`; `column`, `constant` and `cast` have no sign of their own.
std::string_view arithmetic_text(Arithmetic kind);
/// The reverse; `-` with one operand is `negate`.
std::optional<Arithmetic> parse_arithmetic(std::string_view text, std::size_t operands);

/// A bound expression over a table's columns.
struct Expression {
  Arithmetic kind = Arithmetic::column;
  Type type = Type::int8;  ///< int8 or numeric; of a column: its own where that is numeric
  int column = -1;
  std::string constant;  ///< in the canonical text of its type
  std::vector<Expression> operands;
  std::strong_ordering operator<=>(const Expression& right) const;
  bool operator==(const Expression& right) const { return (*this <=> right) == 0; }
};

/// What stands in a condition in the place of its column, and in that of the column on the right.
struct Terms {
  Expression left;
  std::optional<Expression> right;
  std::strong_ordering operator<=>(const Terms& right) const;
  bool operator==(const Terms& right) const { return (*this <=> right) == 0; }
};

/// The value over a row, in the text form of `numeric` without zeros to no purpose; nothing where it is NULL.
Cell value_of(const Expression& expression, const Row& row);

bool names_column(const Expression& expression, int column);
/// Its columns, each once.
std::set<int> columns_of(const Expression& expression);
std::size_t hash_of(const Expression& expression);

}  // namespace tidegate::query
