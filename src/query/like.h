#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidegate::query {

/// The one spelling of a LIKE pattern: `\` escapes what would else be a wildcard and nothing more; of
/// neighbouring wildcards the `_` come first and one `%` last. `escape` is one character or empty (no
/// escapes). Nothing where the pattern ends with an escape, over which Postgres raises an error, or where
/// `escape` is longer.
std::optional<std::string> canonical_like(std::string_view pattern, std::string_view escape);

/// What a canonical pattern asks for, if it has no wildcard but a `%` at its end.
struct PlainPattern {
  std::string text;
  bool prefix = false;  ///< begins with the text; else is the text
};
std::optional<PlainPattern> plain_pattern(std::string_view canonical);

/// The canonical LIKE pattern of a regular expression, as far as one says the same: characters, `\` before
/// what is no letter or digit, `.`, `.*`, `.+`, `^` at the beginning, `$` at the end. `.` is any character, a
/// line's end too.
std::optional<std::string> like_of_regex(std::string_view pattern);

/// Whether the text matches a canonical pattern. Texts are UTF-8; `_` is one character. With `fold` the case
/// of ASCII's letters does not matter, and the pattern has none of the upper case. Time is at most the
/// product of both lengths.
bool like(std::string_view text, std::string_view canonical, bool fold);

/// ASCII's letters in lower case, as `lower()` does under the collation C.
std::string ascii_lower(std::string_view text);

}  // namespace tidegate::query
