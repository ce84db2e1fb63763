#pragma once

// Internal to auth/: includes Boost.JSON.

#include <boost/json/object.hpp>

#include "auth/jwks.h"
#include "auth/key.h"
#include "base/result.h"

namespace tidegate::auth {

/// One key of a set; the error says why it can't be used, without any of its values.
Result<Key> read_jwk(const boost::json::object& jwk, Secrets secrets);

}  // namespace tidegate::auth
