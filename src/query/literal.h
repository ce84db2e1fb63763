#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "query/query.h"

namespace tidegate::query {

/// Whether values of the type can be equal to a literal, and whether they have an order against it: the rows
/// of rule 21's table.
bool has_equality(Type type);
bool has_order(Type type);

/// Whether a literal that the client cast to `cast` is one for `type` all the same.
bool cast_fits(Type type, Type cast);

/// Brings a literal to the canonical text of a column's type. The error (`invalid`) says only what would fit;
/// the binder says where. `null` never fits.
Result<std::string> canonical_literal(Type type, const ParsedLiteral& literal);

/// The literal as a message shows it: `12`, `"open"`, `true`, `NULL`.
std::string literal_for_message(const ParsedLiteral& literal);

}  // namespace tidegate::query
