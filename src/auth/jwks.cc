#include "auth/jwks.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "auth/claims.h"
#include "auth/jwk.h"

namespace tidegate::auth {
namespace {

constexpr std::size_t kShownBytesMax = 64;

// `key 2 (kid "abc")`, or without its kid where that is not plain.
std::string shown(std::size_t number, const boost::json::value& jwk) {
  std::string out = fmt::format("key {}", number + 1);
  const auto* id = jwk.is_object() ? jwk.get_object().if_contains("kid") : nullptr;
  if (id == nullptr || !id->is_string()) return out;
  const std::string_view text = id->get_string();
  for (const char c : text) {
    if (c <= ' ' || c > '~') return out;
  }
  return out +
         fmt::format(" (kid {}{})", text.substr(0, kShownBytesMax), text.size() > kShownBytesMax ? "…" : "");
}

}  // namespace

Result<Jwks> read_jwks(std::string_view text, Secrets secrets) {
  if (text.size() > kJwksBytesMax) {
    return Error{Fault::invalid, fmt::format("longer than {} bytes", kJwksBytesMax)};
  }
  const auto set = parse_claims(text);
  const auto* members = set ? set->if_contains("keys") : nullptr;
  if (members == nullptr || !members->is_array()) {
    return Error{Fault::invalid, R"(not a JWK Set: it must be JSON like {"keys": [{"kty": …}]})"};
  }
  Jwks out;
  std::size_t number = 0;
  for (const auto& member : members->get_array()) {
    auto key = !member.is_object()      ? Result<Key>(Error{Fault::invalid, "not an object"})
               : number >= kJwksKeysMax ? Result<Key>(Error{Fault::invalid, "one too many"})
                                        : read_jwk(member.get_object(), secrets);
    if (key) {
      out.keys.push_back(std::move(*key));
    } else if (number <= kJwksKeysMax) {
      out.ignored.push_back(shown(number, member) + ": " + key.error().message);
    }
    ++number;
  }
  if (!out.keys.empty()) return out;
  std::string message =
      "it holds no key that can be used: RSA (2048 bits or more), EC (P-256, P-384), OKP "
      "(Ed25519) are, for signatures";
  for (const std::string& why : out.ignored) {
    if (message.size() < 1'000) message += "; " + why;
  }
  return Error{Fault::invalid, std::move(message)};
}

}  // namespace tidegate::auth
