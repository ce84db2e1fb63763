#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tidegate::auth {

inline constexpr std::size_t kSecretBytesMin = 32;
inline constexpr std::size_t kTokenBytesMax = 8'192;

struct Options {
  enum class Mode : std::uint8_t { none, jwt } mode = Mode::jwt;
  std::string hs256_secret;             ///< at least kSecretBytesMin; with a shorter one nothing is verified
  std::string tenant_claim = "tenant";  ///< a string or an integer claim
  std::chrono::seconds leeway{30};
};

/// What a verified token says.
struct Principal {
  std::string subject;
  std::string tenant;
  std::int64_t expires_unix_s = 0;  ///< 0: never
};

/// Verifies an HS256 JSON Web Token (RFC 7515, 7519): the algorithm comes from the key, never from the token;
/// `exp` is required, `nbf` honoured, `sub` and the tenant claim required, no name may stand twice. `denied`
/// says what is wrong, without the token's text. Any thread.
Result<Principal> verify(std::string_view token, const Options& options, const Clock& clock);

/// Mints a development token: `tidegate token`. `expires_unix_s` is written as it is; the tenant as a string.
std::string mint(const Principal& principal, const Options& options);

}  // namespace tidegate::auth
