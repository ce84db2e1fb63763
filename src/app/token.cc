#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "app/commands.h"
#include "auth/auth.h"

namespace tidegate::app {

Status token(Process process) {
  const config::Settings& settings = process.settings;
  auth::Principal principal;
  principal.subject = settings.token.subject;
  principal.tenant = settings.token.tenant;
  principal.expires_unix_s = unix_us(process.clock.wall()) / 1'000'000 + settings.token.ttl.count();
  fmt::print("{}\n", auth::mint(principal, settings.auth));
  return {};
}

}  // namespace tidegate::app
