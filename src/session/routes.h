#pragma once

#include <string_view>

#include "session/edge.h"

namespace tidegate::session {

/// The handler for a request's target: that of its exact path (without the query), else that of the longest
/// prefix (routes that end in `*`); null if there is none.
const HttpHandler* find_route(const std::map<std::string, HttpHandler>& routes, std::string_view target);

}  // namespace tidegate::session
