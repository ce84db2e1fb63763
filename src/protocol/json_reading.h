#pragma once

// Internal to protocol/: includes Boost.JSON.

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/cursor.h"

namespace tidegate::protocol {

/// Strict JSON (UTF-8 checked, nesting bounded); nothing where it is none.
std::optional<boost::json::value> parse_json(std::string_view text);

/// A non-negative integer, however it is spelled (`7`, `7.0`, `7e0`): exact up to 2^64-1 as an integer, up to
/// 2^53 in the other spellings.
std::optional<std::uint64_t> read_u64(const boost::json::value& value);

/// The string member of that name, or nothing.
std::optional<std::string_view> string_member(const boost::json::object& object, std::string_view name);

std::optional<Cursor> read_cursor(const boost::json::value& value);

/// The text of a member's value in an object's text, as it was sent: a number keeps its digits. The last one
/// of several of that name, as parsers take it. `object` has been parsed before, so that it is known to be
/// well-formed.
std::optional<std::string_view> raw_member(std::string_view object, std::string_view name);
/// Likewise the elements of an array's text.
std::vector<std::string_view> raw_elements(std::string_view array);

}  // namespace tidegate::protocol
