#pragma once

#include <compare>
#include <optional>
#include <string_view>

#include "query/schema.h"

namespace tidegate::query {

/// The order that Postgres gives two values of a type, in their text form; texts by bytes, as under the
/// collation C. Nothing where one is no value of the type, or the type has no order that we know (jsonb,
/// json, arrays).
std::optional<std::strong_ordering> compare_values(Type type, std::string_view left, std::string_view right);

/// Whether two values are equal; for enums and jsonb too. Nothing as above.
std::optional<bool> equal_values(Type type, std::string_view left, std::string_view right);

/// Whether equal values of the type have equal bytes.
bool one_spelling(Type type);

}  // namespace tidegate::query
