#pragma once

// Internal to auth/: includes Boost.JSON.

#include <boost/json/object.hpp>
#include <optional>
#include <string_view>

namespace tidegate::auth {

/// A JSON object in which no name stands twice: readers that disagree about which one counts can be played
/// off against each other (RFC 7515 section 4, RFC 7519 section 4). Nothing where the text is anything else,
/// or nests deeply.
std::optional<boost::json::object> parse_claims(std::string_view json);

}  // namespace tidegate::auth
