#include "auth/auth.h"

#include <fmt/format.h>

#include <algorithm>

#include "auth/checks.h"
#include "auth/claims.h"
#include "base/encoding.h"

namespace tidegate::auth {
namespace {

constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";

using Fault = std::optional<Refused>;

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

// All of a header that is listened to. Keys that it brings along (`jwk`, `jku`, `x5c`, …) are not.
struct Header {
  Algorithm algorithm{};
  std::optional<std::string> key_id;
};

Fault read_header(std::string_view part, Header& out) {
  const auto text = decode_part(part);
  const auto header = text ? parse_claims(*text) : std::nullopt;
  if (!header) {
    return refused(Refusal::malformed, "its header is not a base64url JSON object with distinct names");
  }
  if (header->contains("crit")) return refused(Refusal::malformed, "crit: no extension is understood");
  const auto* algorithm = header->if_contains("alg");
  const auto known = algorithm != nullptr && algorithm->is_string() ? algorithm_named(algorithm->get_string())
                                                                    : std::nullopt;
  if (!known) return refused(Refusal::algorithm, "alg: missing, or none that is supported");
  out.algorithm = *known;
  if (const auto* id = header->if_contains("kid")) {
    if (!id->is_string()) return refused(Refusal::malformed, "kid: must be a string");
    out.key_id = std::string(id->get_string());
  }
  return std::nullopt;
}

// Keys that may have signed it: those that permit its algorithm and have its `kid`, or have or name none.
struct Candidates {
  std::vector<const Key*> keys;
  bool unknown = false;  // it names one that is not here
};

Candidates candidates_of(const KeySet& keys, const Header& header) {
  Candidates out;
  bool named = false;
  bool names = false;
  for (const Key& key : keys) {
    const bool same = key.id() == header.key_id;
    names = names || key.id().has_value();
    named = named || (same && key.id());
    if ((same || !key.id() || !header.key_id) && key.permits(header.algorithm)) out.keys.push_back(&key);
  }
  out.unknown = header.key_id && names && !named;
  return out;
}

Fault check_signature(const Parts& parts, const KeySet& keys, const Header& header) {
  const Candidates candidates = candidates_of(keys, header);
  if (candidates.keys.size() > kTriesMax) {
    return refused(Refusal::malformed,
                   fmt::format("kid: needed, since more than {} keys may have signed it", kTriesMax));
  }
  const auto signature = decode_part(parts.signature);
  const bool fits =
      signature && std::any_of(candidates.keys.begin(), candidates.keys.end(), [&](const Key* key) {
        return key->verifies(header.algorithm, parts.signed_text, *signature);
      });
  if (fits) return std::nullopt;
  if (candidates.unknown) return refused(Refusal::unknown_key, "kid: its key is not known here");
  if (candidates.keys.empty()) return refused(Refusal::algorithm, "alg: no key here permits it");
  return refused(Refusal::signature, "the signature does not fit");
}

}  // namespace

Verdict verify(std::string_view token, const KeySet& keys, const Options& options, const Clock& clock) {
  if (keys.empty()) return {{}, refused(Refusal::no_keys, "there is no key to verify it with")};
  if (token.size() > kTokenBytesMax) {
    return {{}, refused(Refusal::malformed, fmt::format("longer than {} bytes", kTokenBytesMax))};
  }
  const auto parts = split(token);
  if (!parts) return {{}, refused(Refusal::malformed, "must be three parts with dots between them")};
  Header header;
  if (auto fault = read_header(parts->header, header)) return {{}, *fault};
  if (auto fault = check_signature(*parts, keys, header)) return {{}, *fault};
  const auto text = decode_part(parts->claims);
  const auto claims = text ? parse_claims(*text) : std::nullopt;
  if (!claims) {
    return {{},
            refused(Refusal::malformed, "its claims are not a base64url JSON object with distinct names")};
  }
  Verdict verdict = check_claims(*claims, options, clock);
  if (verdict.principal) verdict.principal->claims = *text;
  return verdict;
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
  if (!principal.token_id.empty()) {
    claims += R"(,"jti":)";
    append_json_string(claims, principal.token_id);
  }
  if (principal.issued_unix_s) claims += fmt::format(R"(,"iat":{})", *principal.issued_unix_s);
  claims += fmt::format(R"(,"exp":{})", principal.expires_unix_s);
  const std::string_view more = principal.claims;
  const auto begin = more.find('{');
  const auto end = more.rfind('}');
  if (begin != more.npos && end != more.npos && more.find('"') != more.npos)
    claims += "," + std::string(more.substr(begin + 1, end - begin - 1));
  claims += "}";
  const std::string text = base64url_encode(kHeader) + "." + base64url_encode(claims);
  return text + "." + base64url_encode(hs256(options.secret, text));
}

}  // namespace tidegate::auth
