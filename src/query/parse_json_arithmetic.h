#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "query/json_tree.h"
#include "query/query.h"

namespace tidegate::query {

/// Reads `["+", "total", 12]`, `["-", "total"]` or `["cast", "count", "bigint"]`: a string is a column's
/// name, a number itself. `path` says where, for messages.
Result<std::shared_ptr<const ParsedExpression>> parse_json_arithmetic(const Json& node,
                                                                      const std::string& path);

}  // namespace tidegate::query
