#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/key.h"
#include "base/clock.h"

namespace tidegate::auth {

inline constexpr std::size_t kTokenBytesMax = 8'192;
/// A token without a `kid` is tried with so many keys, so that none costs a shard more than that.
inline constexpr std::size_t kTriesMax = 4;

struct Options {
  enum class Mode : std::uint8_t { none, jwt } mode = Mode::jwt;
  // Keys: any of these, or several.
  std::string secret;                         ///< kSecretBytesMin or more
  std::vector<std::string> public_key_files;  ///< PEM
  std::string jwks;                           ///< a path, or a http:// or https:// URL
  std::string jwks_ca_file;                   ///< for https; empty: the system's
  std::chrono::seconds jwks_refresh{300};     ///< of a URL
  /// Between two requests to a URL, whatever asks for them.
  std::chrono::milliseconds jwks_cooldown{10'000};
  // Claims.
  std::string tenant_claim = "tenant";  ///< a string or an integer claim
  std::vector<std::string> issuers;     ///< `iss` must be one of them; empty: any or none
  std::vector<std::string> audiences;   ///< `aud` must hold one of them; empty: any or none
  std::vector<std::string> required;    ///< claims that must be there besides `exp`, `sub` and the tenant's
  std::chrono::seconds leeway{30};
  // A connection's token.
  std::chrono::seconds warning{60};  ///< so long before `exp` its client is told; 0: not at all
  std::chrono::seconds grace{10};  ///< so long after `exp` and the leeway it may still renew it, without data
};

/// What a verified token says.
struct Principal {
  std::string subject;
  std::string tenant;
  std::int64_t expires_unix_s = 0;                           ///< 0: never
  std::string claims;                                        ///< all of them: the JSON object that was signed
  std::string token_id;                                      ///< `jti`; empty: it has none
  std::optional<std::int64_t> issued_unix_s = std::nullopt;  ///< `iat`
};

/// Why a token was refused, for metrics.
enum class Refusal : std::uint8_t {
  malformed,
  algorithm,
  unknown_key,
  signature,
  expired,
  not_yet_valid,
  claim,
  no_keys,
  revoked,
  revocations_unread
};
inline constexpr std::size_t kRefusals = 10;

struct Refused {
  Refusal reason = Refusal::malformed;
  std::string message;  ///< names what is wrong; never a byte of the token, a key or a secret
};

/// A principal, or why there is none.
struct Verdict {
  std::optional<Principal> principal;
  Refused refused;
};

/// Verifies a JSON Web Token (RFC 7515, 7519). Which algorithms count is the keys' affair, `alg` and `kid`
/// only choose among them. `exp` is required, `nbf` honoured, `sub` and the tenant claim required, `iss`,
/// `aud` and others as the options say; no name may stand twice, no extension is understood. Any thread.
Verdict verify(std::string_view token, const KeySet& keys, const Options& options, const Clock& clock);

/// Mints a development token (HS256): `tidegate token`. Times are written as they are; the tenant as a
/// string; `iat` and `jti` where the principal has them; of `claims`, a JSON object or nothing, whatever is
/// in it.
std::string mint(const Principal& principal, const Options& options);

}  // namespace tidegate::auth
