#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "app/commands.h"
#include "auth/auth.h"
#include "base/encoding.h"

namespace tidegate::app {

Status token(Process process) {
  const config::Settings& settings = process.settings;
  auth::Principal principal;
  principal.subject = settings.token.subject;
  principal.tenant = settings.token.tenant;
  const std::string_view more = settings.token.claims;
  if (more.find("\"jti\"") == more.npos) principal.token_id = fmt::format("{:016x}", random_u64());
  const std::int64_t now = unix_us(process.clock.wall()) / 1'000'000;
  if (more.find("\"iat\"") == more.npos) principal.issued_unix_s = now;
  principal.expires_unix_s = now + settings.token.ttl.count();
  principal.claims = settings.token.claims;
  const std::string token = auth::mint(principal, settings.auth);
  const auto key = auth::Key::of_secret(settings.auth.secret);
  if (!key) return key.error();
  auth::Options plain;
  plain.tenant_claim = settings.auth.tenant_claim;
  const auto verdict = auth::verify(token, {*key}, plain, process.clock);
  if (!verdict.principal && !settings.token.claims.empty()) {
    return Error{Fault::invalid,
                 "--claims: must be a JSON object of other claims than sub, exp and the tenant's (" +
                     verdict.refused.message + ")"};
  }
  fmt::print("{}\n", token);
  return {};
}

}  // namespace tidegate::app
