#include <chrono>
#include <optional>
#include <utility>

#include "app/commands.h"
#include "app/gateway.h"
#include "app/keys.h"

namespace tidegate::app {
namespace {

constexpr std::chrono::seconds kAtOnce{1};

/// A failure that a new start in the same process may cure: the database or the broker went away, or a slot,
/// a journal or an identity was replaced. Clients are closed with 1012 and come back for what they missed or
/// a fresh snapshot.
bool begins_anew(const Error& error) {
  return error.fault == Fault::unavailable || error.fault == Fault::lost;
}

}  // namespace

Status run_gateway(Process process, const Routes& routes,
                   const std::function<void(std::uint16_t, std::uint16_t)>& on_listening) {
  config::Settings settings = process.settings;
  const Process within{settings,       process.clock,      process.metrics,
                       process.logger, process.interrupts, process.read_settings};
  const auto keys = open_keys(within);  // one ring for all starts: its keys outlast them
  if (!keys) return keys.error();
  const auto revocations = RevocationStore::open(within);
  if (!revocations) return revocations.error();
  const auto credentials = open_credentials(within);
  if (!credentials) return credentials.error();
  const Lasting lasting{*keys, *revocations, *credentials};
  std::optional<Anew> anew;
  for (;;) {
    const Steady begun = process.clock.steady();
    Gateway gateway(within, routes, lasting);
    if (Status listening = gateway.listen(); !listening) return listening;
    settings.session.port = gateway.port();  // a new start in this process is found at the same places
    settings.admin.port = gateway.admin_port();
    if (on_listening) on_listening(gateway.port(), gateway.admin_port());
    if (*credentials || !settings.config_file.empty())  // without anything to read SIGHUP ends it
      process.interrupts.on_hangup([&gateway] { static_cast<void>(gateway.reload()); });
    const Status ended = gateway.run(anew);
    process.interrupts.on_hangup({});
    process.logger.info("stopping");
    gateway.stop();
    settings.policy = gateway.policies();
    if (ended || process.interrupts.signalled()) return {};
    if (!begins_anew(ended.error())) return ended;
    process.logger.error("starting anew", {{"reason", ended.error().message}});
    // What fails at once, again and again, must not keep the database and the broker busy.
    const bool at_once = process.clock.steady() - begun <= kAtOnce;
    anew = Anew{ended.error().message, at_once ? kAtOnce : std::chrono::seconds(0)};
  }
}

Status serve(Process process) {
  return run_gateway(process, {}, {});
}

}  // namespace tidegate::app
