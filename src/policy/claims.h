#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "query/json_tree.h"
#include "query/query.h"

namespace tidegate::policy {

/// A claim as a predicate names it: `$claims.org`, `$claims.app.role`, `$claims."https://example.com/role"`.
struct ClaimName {
  std::string text;  ///< as above
  std::vector<std::string> path;
};

/// A predicate's text with `$1`, `$2` … in the place of its claims, byte for byte as long.
struct Lexed {
  std::string sql;
  std::vector<ClaimName> claims;
};
/// Finds `$claims.…` outside of strings, quoted identifiers and comments; any other `$` there is an error.
Result<Lexed> lex_claims(std::string_view text);

/// One claim's value: a string, a number or a boolean, or an array of one kind of these.
struct ClaimValue {
  std::vector<query::ParsedLiteral> values;  ///< one where it is no array
  bool array = false;
};

/// What a verified token says.
class Claims {
 public:
  /// `json` is an object.
  explicit Claims(std::string_view json);
  /// `denied`, naming the claim, where the token lacks it, has it as null, or as what can't be compared.
  [[nodiscard]] Result<ClaimValue> value_of(const ClaimName& name) const;
  /// Whether both say the same of it.
  [[nodiscard]] static bool same(const Claims& left, const Claims& right, const ClaimName& name);

 private:
  [[nodiscard]] const query::Json* find(const ClaimName& name) const;
  query::Json root_;
};

}  // namespace tidegate::policy
