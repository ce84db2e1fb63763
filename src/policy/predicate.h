#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/claims.h"
#include "query/predicate.h"

namespace tidegate::policy {

/// Which rows of a table a token's claims show: a condition of our SQL over columns and `$claims.…`, read
/// once. Claims are only ever values; what is about claims alone is decided before anything is bound. No
/// claim is NULL: without it nobody gets through. Immutable; any thread.
class Predicate {
 public:
  /// `table` as the configuration names it; it may stand before columns. `invalid` says what and where.
  /// Needs an 8 MB stack.
  static Result<std::shared_ptr<const Predicate>> parse(std::string_view text, std::string_view table);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::vector<ClaimName>& claims() const { return claims_; }

  /// What is left of it once the claims are known.
  struct Narrowing {
    std::optional<bool> constant;      ///< true: every row; false: none
    query::ParsedCondition condition;  ///< where it is not constant
  };
  /// `denied` where a claim is missing or of no fitting kind.
  [[nodiscard]] Result<Narrowing> over(const Claims& claims) const;

  /// Its conditions over rows, each alone, with their claims left open or put in.
  [[nodiscard]] std::vector<query::ParsedCondition> open_conditions() const;
  struct Closed {
    std::string claims;  ///< that stand in it
    query::ParsedCondition condition;
  };
  [[nodiscard]] std::vector<Closed> closed_conditions(const Claims& claims) const;

 private:
  Predicate() = default;
  std::string text_;
  std::vector<ClaimName> claims_;
  query::ParsedPredicate root_;
};

}  // namespace tidegate::policy
