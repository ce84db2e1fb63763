#pragma once

#include <cstddef>

#include "base/result.h"
#include "query/decimal.h"
#include "query/expression.h"
#include "query/query.h"

namespace tidegate::query {

/// An expression with what is known of its values: all lie between `low` and `high`, or are NaN where it is
/// numeric.
struct BoundExpression {
  Expression expression;
  Type type = Type::int8;  ///< as Postgres types what the client wrote: int2, int4, int8 or numeric
  Decimal low;
  Decimal high;
  unsigned scale = 0;  ///< digits behind the point, at most
  bool constant = false;
};

/// Binds one expression: `invalid`, with the operator, the reason and the place, where it may raise an error
/// over a row or its meaning is not known to be exact.
class ExpressionBinder {
 public:
  explicit ExpressionBinder(ColumnNames names) : names_(names), table_(names.table) {}
  Result<BoundExpression> bind(const ParsedExpression& parsed, int depth = 0);

 private:
  Result<BoundExpression> bind_column(const ParsedExpression& parsed) const;
  Result<BoundExpression> bind_operands(const ParsedExpression& parsed, int depth);

  ColumnNames names_;
  const TableSchema& table_;
  std::size_t size_ = 0;
};

/// The literal that an expression without columns is.
Result<ParsedLiteral> folded(const ParsedExpression& parsed);

}  // namespace tidegate::query
