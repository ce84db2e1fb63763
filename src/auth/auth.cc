#include "auth/auth.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "auth/claims.h"
#include "base/encoding.h"

namespace tidegate::auth {
namespace {

constexpr std::size_t kSignatureBytes = 32;
constexpr std::int64_t kTimeMax = std::int64_t{1} << 53;  // what every JSON reader holds exactly
constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";

Error denied(std::string message) {
  return {Fault::denied, "token: " + std::move(message)};
}

std::string hs256(std::string_view secret, std::string_view input) {
  std::array<unsigned char, kSignatureBytes> out{};
  unsigned int size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(input.data());
  const auto* done = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), data, input.size(),
                          out.data(), &size);
  if (done == nullptr || size != out.size()) std::abort();
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

// As everywhere between the dots of a token: base64url without padding.
std::optional<std::string> decode_part(std::string_view part) {
  if (part.find('=') != std::string_view::npos) return std::nullopt;
  return base64url_decode(part);
}

struct Parts {
  std::string_view header, claims, signature;
  std::string_view signed_text;
};

std::optional<Parts> split(std::string_view token) {
  if (std::count(token.begin(), token.end(), '.') != 2) return std::nullopt;
  const std::size_t first = token.find('.');
  const std::size_t second = token.rfind('.');
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
               token.substr(0, second)};
}

// What the header may say: it is never asked which key or algorithm to use.
Status check_header(std::string_view part) {
  const auto text = decode_part(part);
  const auto header = text ? parse_claims(*text) : std::nullopt;
  if (!header) return denied("its header is not a base64url JSON object with distinct names");
  const auto* algorithm = header->if_contains("alg");
  if (algorithm == nullptr || !algorithm->is_string() || algorithm->get_string() != "HS256") {
    return denied("alg: must be HS256");
  }
  if (header->contains("crit")) return denied("crit: no extension is understood");
  return {};
}

Status check_signature(const Parts& parts, const Options& options) {
  const auto signature = decode_part(parts.signature);
  const std::string expected = hs256(options.hs256_secret, parts.signed_text);
  if (!signature || signature->size() != expected.size() ||
      CRYPTO_memcmp(signature->data(), expected.data(), expected.size()) != 0) {
    return denied("the signature does not fit");
  }
  return {};
}

// A NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction, which is dropped.
std::optional<std::int64_t> read_time(const boost::json::value& value) {
  const double seconds = value.is_number() ? value.to_number<double>() : -1;
  if (!(seconds >= 0 && seconds <= static_cast<double>(kTimeMax))) return std::nullopt;
  return static_cast<std::int64_t>(seconds);
}

// Both ends of the validity; gives `exp`.
Result<std::int64_t> check_times(const boost::json::object& claims, const Options& options,
                                 const Clock& clock) {
  const std::int64_t now = unix_us(clock.wall()) / 1'000'000;
  const std::int64_t leeway = options.leeway.count();
  const auto* exp = claims.if_contains("exp");
  if (exp == nullptr) return denied("exp: missing; a token must expire");
  const auto expires = read_time(*exp);
  if (!expires) return denied("exp: must be seconds since 1970");
  if (now >= *expires + leeway) return denied("has expired");
  if (const auto* nbf = claims.if_contains("nbf")) {
    const auto begins = read_time(*nbf);
    if (!begins) return denied("nbf: must be seconds since 1970");
    if (now < *begins - leeway) return denied("is not valid yet (nbf)");
  }
  return *expires;
}

// Control characters have no place in a name, and NUL could not reach the database.
bool plain(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; });
}

std::optional<std::string> read_name(const boost::json::object& claims, std::string_view name,
                                     bool integer_too) {
  const auto* value = claims.if_contains(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string() && plain(value->get_string())) return std::string(value->get_string());
  if (integer_too && value->is_int64()) return std::to_string(value->get_int64());
  if (integer_too && value->is_uint64()) return std::to_string(value->get_uint64());
  return std::nullopt;
}

Result<Principal> read_principal(const boost::json::object& claims, const Options& options,
                                 const Clock& clock) {
  const auto expires = check_times(claims, options, clock);
  if (!expires) return expires.error();
  const auto subject = read_name(claims, "sub", false);
  if (!subject) return denied("sub: must be a string that is not empty and has no control characters");
  const auto tenant = read_name(claims, options.tenant_claim, true);
  if (!tenant) {
    return denied(options.tenant_claim +
                  ": must be an integer, or a string that is not empty and has no control characters");
  }
  return Principal{*subject, *tenant, *expires};
}

}  // namespace

Result<Principal> verify(std::string_view token, const Options& options, const Clock& clock) {
  // Whoever knows the key can sign: with an empty or short one that is everybody.
  if (options.hs256_secret.size() < kSecretBytesMin)
    return denied("no secret is configured to verify it with");
  if (token.size() > kTokenBytesMax) return denied(fmt::format("longer than {} bytes", kTokenBytesMax));
  const auto parts = split(token);
  if (!parts) return denied("must be three parts with dots between them");
  if (auto header = check_header(parts->header); !header) return header.error();
  if (auto signature = check_signature(*parts, options); !signature) return signature.error();
  const auto text = decode_part(parts->claims);
  const auto claims = text ? parse_claims(*text) : std::nullopt;
  if (!claims) return denied("its claims are not a base64url JSON object with distinct names");
  return read_principal(*claims, options, clock);
}

std::string mint(const Principal& principal, const Options& options) {
  std::string claims = R"({"sub":)";
  append_json_string(claims, principal.subject);
  if (options.tenant_claim != "sub") {
    claims.push_back(',');
    append_json_string(claims, options.tenant_claim);
    claims.push_back(':');
    append_json_string(claims, principal.tenant);
  }
  claims += fmt::format(R"(,"exp":{}}})", principal.expires_unix_s);
  const std::string text = base64url_encode(kHeader) + "." + base64url_encode(claims);
  return text + "." + base64url_encode(hs256(options.hs256_secret, text));
}

}  // namespace tidegate::auth
