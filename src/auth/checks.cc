#include "auth/checks.h"

#include <algorithm>
#include <utility>

namespace tidegate::auth {
namespace {

using Object = boost::json::object;
using Fault = std::optional<Refused>;

constexpr std::int64_t kTimeMax = std::int64_t{1} << 53;  // what every JSON reader holds exactly

// A NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction, which is dropped.
std::optional<std::int64_t> read_time(const boost::json::value& value) {
  const double seconds = value.is_number() ? value.to_number<double>() : -1;
  if (!(seconds >= 0 && seconds <= static_cast<double>(kTimeMax))) return std::nullopt;
  return static_cast<std::int64_t>(seconds);
}

Fault claim_fault(std::string_view name, std::string_view what) {
  return refused(Refusal::claim, std::string(name) + ": " + std::string(what));
}

// Both ends of the validity.
Fault check_times(const Object& claims, const Options& options, const Clock& clock, Principal& principal) {
  const std::int64_t now = unix_us(clock.wall()) / 1'000'000;
  const std::int64_t leeway = options.leeway.count();
  const auto* exp = claims.if_contains("exp");
  if (exp == nullptr) return claim_fault("exp", "missing; a token must expire");
  const auto end = read_time(*exp);
  if (!end) return claim_fault("exp", "must be seconds since 1970");
  if (now >= *end + leeway) return refused(Refusal::expired, "exp: has expired");
  principal.expires_unix_s = *end;
  if (const auto* iat = claims.if_contains("iat")) {
    principal.issued_unix_s = read_time(*iat);
    if (!principal.issued_unix_s) return claim_fault("iat", "must be seconds since 1970");
  }
  const auto* nbf = claims.if_contains("nbf");
  if (nbf == nullptr) return std::nullopt;
  const auto begin = read_time(*nbf);
  if (!begin) return claim_fault("nbf", "must be seconds since 1970");
  if (now < *begin - leeway) return refused(Refusal::not_yet_valid, "nbf: is not valid yet");
  return std::nullopt;
}

bool is_one_of(const boost::json::value& value, const std::vector<std::string>& wanted) {
  return value.is_string() && std::any_of(wanted.begin(), wanted.end(), [&](const std::string& one) {
           return std::string_view(value.get_string()) == one;
         });
}

Fault check_issuer(const Object& claims, const Options& options) {
  if (options.issuers.empty()) return std::nullopt;
  const auto* iss = claims.if_contains("iss");
  if (iss == nullptr) return claim_fault("iss", "missing");
  if (is_one_of(*iss, options.issuers)) return std::nullopt;
  return claim_fault("iss", "is none that this server trusts (--auth-issuer)");
}

// A string, or an array of strings of which one suffices (RFC 7519 section 4.1.3).
Fault check_audience(const Object& claims, const Options& options) {
  if (options.audiences.empty()) return std::nullopt;
  const auto* aud = claims.if_contains("aud");
  if (aud == nullptr) return claim_fault("aud", "missing");
  if (is_one_of(*aud, options.audiences)) return std::nullopt;
  if (aud->is_array()) {
    const auto& all = aud->get_array();
    if (std::any_of(all.begin(), all.end(),
                    [&](const auto& one) { return is_one_of(one, options.audiences); })) {
      return std::nullopt;
    }
  }
  return claim_fault("aud", "does not name this server (--auth-audience)");
}

Fault check_required(const Object& claims, const Options& options) {
  for (const std::string& name : options.required) {
    const auto* value = claims.if_contains(name);
    if (value == nullptr || value->is_null()) return claim_fault(name, "missing (--auth-require)");
  }
  return std::nullopt;
}

// Control characters have no place in a name, and NUL could not reach the database.
bool plain(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; });
}

std::optional<std::string> read_name(const Object& claims, std::string_view name, bool integer_too) {
  const auto* value = claims.if_contains(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string() && plain(value->get_string())) return std::string(value->get_string());
  if (integer_too && value->is_int64()) return std::to_string(value->get_int64());
  if (integer_too && value->is_uint64()) return std::to_string(value->get_uint64());
  return std::nullopt;
}

Fault read_names(const Object& claims, const Options& options, Principal& principal) {
  auto subject = read_name(claims, "sub", false);
  if (!subject) return claim_fault("sub", "must be a string that is not empty and has no control characters");
  auto tenant = read_name(claims, options.tenant_claim, true);
  if (!tenant) {
    return claim_fault(options.tenant_claim,
                       "must be an integer, or a string that is not empty and has no control characters");
  }
  auto id = read_name(claims, "jti", true);
  if (!id && claims.contains("jti")) {
    return claim_fault("jti", "must be a string that is not empty and has no control characters");
  }
  principal.token_id = std::move(id).value_or("");
  principal.subject = std::move(*subject);
  principal.tenant = std::move(*tenant);
  return std::nullopt;
}

}  // namespace

Refused refused(Refusal reason, std::string_view message) {
  return {reason, "token: " + std::string(message)};
}

Verdict check_claims(const Object& claims, const Options& options, const Clock& clock) {
  Principal principal;
  if (auto fault = check_times(claims, options, clock, principal)) return {{}, *fault};
  if (auto fault = check_issuer(claims, options)) return {{}, *fault};
  if (auto fault = check_audience(claims, options)) return {{}, *fault};
  if (auto fault = check_required(claims, options)) return {{}, *fault};
  if (auto fault = read_names(claims, options, principal)) return {{}, *fault};
  return {std::move(principal), {}};
}

}  // namespace tidegate::auth
