#pragma once

#include <optional>
#include <string_view>

#include "query/query.h"

namespace tidegate::query {

/// How an operator is written in JSON, in the canonical form and in messages: `=`, `is null`, `in`.
std::string_view op_text(Op op);
/// The reverse, case-insensitive; also `!=`.
std::optional<Op> parse_op(std::string_view text);

}  // namespace tidegate::query
