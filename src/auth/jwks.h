#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/key.h"
#include "base/result.h"

namespace tidegate::auth {

inline constexpr std::size_t kJwksBytesMax = 1 << 20;
inline constexpr std::size_t kJwksKeysMax = 100;

struct Jwks {
  KeySet keys;
  /// For the log, one a key: which and why. What an issuer wrote stands in it only as a shortened `kid`.
  std::vector<std::string> ignored;
};

enum class Secrets : std::uint8_t { taken, ignored };

/// Reads a JWK Set (RFC 7517, 7518 section 6, 8037). Keys that can't be used are ignored: other uses than
/// signatures, other kinds, private ones, unsound ones, secrets where they are not wanted, more than
/// kJwksKeysMax. Without one that can be used it is an error.
Result<Jwks> read_jwks(std::string_view text, Secrets secrets);

}  // namespace tidegate::auth
