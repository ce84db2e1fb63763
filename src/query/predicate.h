#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "query/query.h"

namespace tidegate::query {

/// A policy's predicate as its tree: conditions over a table's rows and over a token's claims, joined and
/// turned.
struct ParsedPredicate {
  enum class Kind : std::uint8_t {
    group,   ///< `op` of `children`: `all_of`, `any_of`, or one that turns its only child
    rows,    ///< `leaf` names columns; the values of it that are of kind `claim` are to be put in
    claims,  ///< `leaf` names claims in the place of columns, and constants
  };
  Kind kind = Kind::group;
  Op op = Op::all_of;
  std::vector<ParsedPredicate> children;
  ParsedCondition leaf;
};

/// Reads what may stand behind WHERE; `table` and `schema` (may be empty) may stand before columns. `$1`,
/// `$2` … are the claims of these names. `invalid` says what and at which byte. Needs an 8 MB stack, as
/// `parse_sql`.
Result<ParsedPredicate> parse_sql_predicate(std::string_view sql, std::string_view schema,
                                            std::string_view table, const std::vector<std::string>& claims);

}  // namespace tidegate::query
