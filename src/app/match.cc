#include <memory>
#include <string>
#include <utility>

#include "app/adapters.h"
#include "app/commands.h"
#include "app/gateway.h"
#include "kafka/log.h"
#include "kafka/registry.h"

namespace tidegate::app {

/// One matcher's reign. Any failure ends it, and the process: what restarts it begins a new generation (rule
/// 4).
Status match(Process process) {
  const config::Settings& settings = process.settings;
  const auto warn = [&](const std::string& message) { process.logger.warning(message); };
  std::string waits_for;
  const auto waiting = [&](const std::string& reason) {
    if (std::exchange(waits_for, reason) != reason) warn(reason);
  };
  const auto source = make_source(settings, process.clock, process.metrics, waiting, warn);
  auto log = kafka::KafkaLog::open(kafka_options(settings));
  if (!log) return log.error();
  auto registry = kafka::KafkaRegistry::open(kafka_options(settings));
  if (!registry) return registry.error();
  Matching matching(process, *source, **log, **registry);

  session::Parts parts{process.clock, process.metrics, [](const feed::Command&) { return false; },
                       status_routes(process, [&] { return matching.ready(); })};
  session::Options listening = settings.session;
  listening.shards = 1;
  session::Edge edge(std::move(parts), listening, settings.hub, settings.auth, settings.policy);
  if (Status started = edge.start(); !started) return started;
  process.logger.info("listening on " + listening.address + ":" + std::to_string(edge.port()));

  Status ended = matching.start();
  if (ended) {
    process.logger.info("ready");
    ended = process.interrupts.wait();
  }
  process.logger.info("stopping");
  matching.stop();
  edge.stop();
  return process.interrupts.signalled() ? Status() : ended;
}

}  // namespace tidegate::app
