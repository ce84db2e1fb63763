#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "query/query.h"

namespace tidegate::query {

/// One comparison ready to be evaluated: its literals read once. SQL's logic of three values, with unknown as
/// false, which is right as long as nothing negates a predicate.
class Predicate {
 public:
  Predicate(const Comparison& comparison, Type type);
  [[nodiscard]] bool holds(const Row& row) const;

 private:
  [[nodiscard]] bool equals(std::string_view cell) const;
  /// -1, 0, 1 of the cell against the literal; 2 where the cell is no value of the type.
  [[nodiscard]] int order(std::string_view cell) const;

  int column_;
  Op op_;
  Type type_;
  std::vector<std::string> values_;  // as index_value gives them, sorted
  std::int64_t value_ = 0;           // integers, dates and timestamps
};

/// What a Query works out once from its meaning. Shared by its copies, immutable.
struct Compiled {
  std::vector<Predicate> predicates;
  std::vector<std::string> members;  ///< `"name":` of each projected column, escaped
};

}  // namespace tidegate::query
