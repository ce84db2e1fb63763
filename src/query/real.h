#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "query/schema.h"

namespace tidegate::query {

/// Reads a `real` or `double precision` (a float4's value as a double is exact): digits with an exponent or
/// not, `NaN`, `Infinity`, `-Infinity` in any case. Nothing where the text is none of these, or where the
/// value is too large or too small for the type, which Postgres refuses too.
std::optional<double> read_real(Type type, std::string_view text);

/// The one spelling of a value: the shortest digits that give it back, no `-0`.
std::string real_text(Type type, double value);

}  // namespace tidegate::query
