#pragma once

#include <string_view>

#include "auth/key.h"
#include "base/result.h"

namespace tidegate::auth {

/// The keys of a PEM file, in its order: public keys and certificates' (whose dates and issuers are not
/// looked at). Anything else in it is refused, private keys above all.
Result<KeySet> read_pem(std::string_view text);

}  // namespace tidegate::auth
