#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "app/adapters.h"
#include "app/commands.h"
#include "app/gateway.h"
#include "kafka/log.h"
#include "kafka/registry.h"

namespace tidegate::app {

namespace {

constexpr std::chrono::seconds kPatience{30};  // for the control topic's end

/// Where the control topic says that a matcher has streamed from this slot. Nothing also where it can't be
/// read: the matcher's start says so by itself.
std::optional<SourceIdentity> slot_known_at(registry::Registry& registry, const std::string& slot) {
  std::mutex mutex;
  std::condition_variable read;
  bool whole = false;
  std::optional<SourceIdentity> found;
  auto following = registry.follow(
      [&](const registry::Entry& entry) {
        const auto* epoch = std::get_if<registry::EpochBound>(&entry.record);
        const std::lock_guard lock(mutex);
        if (epoch != nullptr) found = epoch->slot == slot ? std::optional(epoch->source) : std::nullopt;
      },
      [&] {
        const std::lock_guard lock(mutex);
        whole = true;
        read.notify_all();
      });
  if (!following) return std::nullopt;
  std::unique_lock lock(mutex);
  const bool in_time = read.wait_for(lock, kPatience, [&] { return whole; });
  lock.unlock();
  following->reset();
  return in_time ? found : std::nullopt;
}

}  // namespace

/// One matcher's reign. Any failure ends it, and the process: what restarts it begins a new generation (rule
/// 4).
Status match(Process process) {
  const config::Settings& settings = process.settings;
  const auto warn = [&](const std::string& message) { process.logger.warning(message); };
  std::string waits_for;
  const auto waiting = [&](const std::string& reason) {
    if (std::exchange(waits_for, reason) != reason) warn(reason);
  };
  auto log = kafka::KafkaLog::open(kafka_options(settings));
  if (!log) return log.error();
  auto registry = kafka::KafkaRegistry::open(kafka_options(settings));
  if (!registry) return registry.error();
  const auto source = make_source(settings, process.clock, process.metrics, waiting, warn,
                                  [&] { return slot_known_at(**registry, settings.postgres.slot); });
  Matching matching(process, *source, **log, **registry);

  admin::Calls calls;
  calls.ready = [&] { return matching.ready(); };
  calls.metrics = [&] { return process.metrics.text(); };
  admin::Surface surface(settings.admin, std::move(calls), process.clock, nullptr);
  if (Status started = surface.start(); !started) return started;
  process.logger.info("operators at " + place(settings.admin.address, surface.port()));

  Status ended = matching.start();
  if (ended) {
    process.logger.info("ready");
    ended = process.interrupts.wait();
  }
  process.logger.info("stopping");
  matching.stop();
  surface.stop();
  return process.interrupts.signalled() ? Status() : ended;
}

}  // namespace tidegate::app
