#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::query {

struct JsonMember;

/// A JSON value that keeps what a query's meaning needs and JSON libraries drop: a number's own digits (a
/// bigint or a numeric does not survive a double) and members that stand twice.
struct Json {
  enum class Kind { null, boolean, number, string, array, object } kind = Kind::null;
  std::string text;                 ///< `true`/`false`, the digits, the string
  std::vector<Json> items;          ///< of an array
  std::vector<JsonMember> members;  ///< of an object, in order, doubles too

  /// The first member of that name, or null.
  [[nodiscard]] const Json* find(std::string_view name) const;
};

struct JsonMember {
  std::string name;
  Json value;
};

/// Strict JSON, at most `depth_max` levels deep. The error (`invalid`) says where.
Result<Json> parse_json_tree(std::string_view text, std::size_t depth_max = 32);

}  // namespace tidegate::query
