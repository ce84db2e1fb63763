#pragma once

// Internal to auth/: includes Boost.JSON.

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "auth/auth.h"
#include "base/clock.h"

namespace tidegate::auth {

/// `token: ` and the rest.
Refused refused(Refusal reason, std::string_view message);

/// What the claims of a token whose signature is right say. In this order: `exp`, `nbf`, `iss`, `aud`, those
/// that must be there, `sub`, the tenant.
Verdict check_claims(const boost::json::object& claims, const Options& options, const Clock& clock);

}  // namespace tidegate::auth
