#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "query/query.h"

namespace tidegate::query {

/// What is compared: a column, or what a path finds in a jsonb column.
struct Operand {
  std::string name;  ///< in quotes, for messages
  std::string type_text;
  Type type = Type::other;
  Type element = Type::other;
  bool deterministic = true;
  bool bytewise = false;
  bool ascii_case = false;
};

/// Binds conditions of one query by the closed table of rule 21 and brings them to normal form. What is bound
/// can't raise an error over any row (rule 22).
class ConditionBinder {
 public:
  /// `projections` may be null.
  ConditionBinder(ColumnNames names, std::size_t conditions_max, Projections* projections)
      : names_(names),
        table_(names.table),
        conditions_max_(conditions_max),
        values_max_(conditions_max > kConditionsMax ? 2 * kValuesMax : kValuesMax),
        projections_(projections) {}
  /// A claim, whose value is not known yet, is taken where some value fits.
  void leave_claims_open() { claims_open_ = true; }

  /// The condition that holds where `parsed` has that truth.
  Result<Condition> bind(const ParsedCondition& parsed, Truth truth = Truth::is_true, int depth = 0);

 private:
  Result<Condition> bind_group(const ParsedCondition& parsed, Op op, Truth each, int depth);
  Result<Condition> bind_leaf(const ParsedCondition& parsed, Truth truth);
  Result<Condition> bind_terms(const ParsedCondition& parsed, Truth truth);
  Result<Condition> bind_two_terms(const ParsedCondition& parsed, Expression left, Truth truth);
  Result<Condition> null_test_of(const ParsedCondition& parsed, const Expression& expression, Truth truth);
  Status count_one();
  Status bind_values(const ParsedCondition& parsed, const Operand& operand, Condition& bound);
  [[nodiscard]] Result<Operand> operand_of(const ParsedCondition& parsed, int column) const;
  Status bind_pattern(const ParsedCondition& parsed, const Operand& operand, Condition& leaf);
  Status bind_other(const ParsedCondition& parsed, const Operand& left, Condition& bound) const;

  [[nodiscard]] Status check_claim(const ParsedCondition& parsed, const Operand& operand) const;

  ColumnNames names_;
  const TableSchema& table_;
  std::size_t conditions_max_;
  std::size_t regexes_ = 0;
  std::size_t values_max_;
  Projections* projections_;
  std::size_t conditions_ = 0;
  std::size_t values_ = 0;
  bool claims_open_ = false;
};

/// ` (at byte 12)`, for messages; empty where the place is not known.
std::string in_text(int place);

/// Of two operators that say the same the one that needs no NOT; of a boolean's `<>` and `=` the latter.
void settle_truth(Condition& leaf, Type type);

/// The operand of a bound leaf.
Operand operand_of(const TableSchema& table, const Condition& leaf);

}  // namespace tidegate::query
