#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "query/query.h"

namespace tidegate::query {

// jsonb values by their text, as Postgres prints them or as `canonical_jsonb` does. A document may be nested
// as deep as Postgres lets it: nothing here recurses deeper than the client's own value, which is bounded.

/// The one spelling of a client's value: no blanks, members sorted, of doubles the last, numbers normalised.
/// Nothing where it is not JSON, nested deeper than 32, holds a NUL or a number beyond `kNumericDigitsMax`.
std::optional<std::string> canonical_jsonb(std::string_view text);

/// `document = value`; recurses as deep as `value`.
bool equal_jsonb(std::string_view document, std::string_view value);
/// `document @> value`; recurses as deep as `value`.
bool contains_jsonb(std::string_view document, std::string_view value);
/// `document ? key`.
bool has_key_jsonb(std::string_view document, std::string_view key);

/// `document -> step`: a part of the document's text, or nothing (NULL).
std::optional<std::string_view> step_into_jsonb(std::string_view document, const PathStep& step);
/// What `->>` makes of `->`'s result: a string without its quotes, NULL of null, else the text.
std::optional<std::string> text_of_jsonb(std::string_view value);

}  // namespace tidegate::query
