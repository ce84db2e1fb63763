#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/algorithm.h"
#include "base/result.h"

// OpenSSL's key, so that its headers stay in this module's .cc files.
using EVP_PKEY = struct evp_pkey_st;

namespace tidegate::auth {

inline constexpr std::size_t kSecretBytesMin = 32;

/// A key that tokens are verified with. What it is decides, when it is made, which algorithms it permits; a
/// token's `alg` only selects among them. A secret is held as bytes and computes nothing but HMAC, a public
/// key is held as OpenSSL's and computes nothing but signatures, so neither can be taken for the other.
/// Immutable but for `only` and `name`; then any thread.
class Key {
 public:
  /// HS256 from 32 bytes on, HS384 from 48, HS512 from 64 (RFC 7518 section 3.2). Refused: shorter ones, and
  /// what is a public key or a certificate in any of the usual forms.
  static Result<Key> of_secret(std::string bytes);
  /// RSA of 2048 to 8192 bits (RS and PS; of the PSS kind PS alone), P-256 (ES256), P-384 (ES384), Ed25519.
  static Result<Key> of_public(std::shared_ptr<EVP_PKEY> key);

  [[nodiscard]] bool permits(Algorithm algorithm) const {
    return permitted_.test(static_cast<std::size_t>(algorithm));
  }
  [[nodiscard]] Algorithms permitted() const { return permitted_; }
  /// Permits nothing but this; false where it permits that neither.
  [[nodiscard]] bool only(Algorithm algorithm);
  /// The `kid` that tokens name it by.
  void name(std::string id) { id_ = std::move(id); }
  [[nodiscard]] const std::optional<std::string>& id() const { return id_; }

  /// False also where it does not permit the algorithm, and for signatures of any wrong shape.
  [[nodiscard]] bool verifies(Algorithm algorithm, std::string_view text, std::string_view signature) const;

 private:
  using Material = std::variant<std::string, std::shared_ptr<EVP_PKEY>>;
  Key(Material material, Algorithms permitted) : material_(std::move(material)), permitted_(permitted) {}

  Material material_;
  Algorithms permitted_;
  std::optional<std::string> id_;
};

using KeySet = std::vector<Key>;

/// The HMAC that HS256 is, for minting.
std::string hs256(std::string_view secret, std::string_view text);

}  // namespace tidegate::auth
