#pragma once

#include <optional>
#include <string_view>

#include "query/query.h"

namespace tidegate::query {

/// How an operator is written in JSON, in the canonical form and in messages: `=`, `is null`, `in`, `and`.
std::string_view op_text(Op op);
/// The reverse, case-insensitive; also `!=`.
std::optional<Op> parse_op(std::string_view text);

/// The operator that is false exactly where this one is true, and unknown with it; none for those that have
/// none of their own.
std::optional<Op> complement(Op op);
/// `a op b` as `b op a`.
Op mirrored(Op op);

bool is_null_test(Op op);  ///< IS NULL, IS NOT NULL
bool is_order(Op op);      ///< < <= > >=
bool is_equality(Op op);   ///< = <> IN, NOT IN
bool is_group(Op op);      ///< joins or turns other conditions
bool takes_list(Op op);    ///< IN, NOT IN, arrays' @> and &&

/// The truth of a NOT's inside.
Truth inverted(Truth truth);

/// Ways of writing that are not operators of their own.
ParsedCondition negated(ParsedCondition condition);
ParsedCondition joined(Op op, std::vector<ParsedCondition> children, int place);
/// `left IS [NOT] DISTINCT FROM right`, where `equal` is `left = right`. NULL on the right is meant as such.
ParsedCondition distinct(ParsedCondition equal, bool from);

}  // namespace tidegate::query
