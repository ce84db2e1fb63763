#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "query/query.h"

namespace tidegate::query {

/// Whether columns of the type can be compared with literals at all (rule 21's table has a row for it).
bool comparable(Type type);

/// Brings a literal to the canonical text of a column's type. The error (`invalid`) says only what would fit;
/// the binder says where. `null` never fits.
Result<std::string> canonical_literal(Type type, const ParsedLiteral& literal);

/// The literal as a message shows it: `12`, `"open"`, `true`, `NULL`.
std::string literal_for_message(const ParsedLiteral& literal);

}  // namespace tidegate::query
