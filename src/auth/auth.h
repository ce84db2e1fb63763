#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tidegate::auth {

struct Options {
  enum class Mode : std::uint8_t { none, jwt } mode = Mode::jwt;
  std::string hs256_secret;             ///< at least 32 bytes
  std::string tenant_claim = "tenant";  ///< a string or an integer claim
  std::chrono::seconds leeway{30};
};

/// What a verified token says.
struct Principal {
  std::string subject;
  std::string tenant;
  std::int64_t expires_unix_s = 0;  ///< 0: never
};

/// Verifies an HS256 JSON Web Token (RFC 7515, 7519): the algorithm comes from the key, never from the token; `exp` is
/// required, `nbf` honoured, `sub` and the tenant claim required. `denied` says what is wrong, without the token's text.
/// Any thread.
Result<Principal> verify(std::string_view token, const Options& options, const Clock& clock);

/// Mints a development token: `tidegate token`.
std::string mint(const Principal& principal, const Options& options);

}  // namespace tidegate::auth
