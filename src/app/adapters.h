#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/identity.h"
#include "base/result.h"
#include "config/settings.h"
#include "kafka/options.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "postgres/options.h"
#include "registry/registry.h"
#include "source/source.h"

namespace tidegate::app {

/// What the settings say, as the adapters take it.
bool has_database(const config::Settings& settings);
bool has_kafka(const config::Settings& settings);
postgres::Options postgres_options(const config::Settings& settings);
kafka::Options kafka_options(const config::Settings& settings);

/// The database of the settings; there must be one. `on_waiting` hears, while a stream starts, what that
/// waits for; `warn` what an operator should know of. `slot_known_at`: see
/// postgres::Options.
std::unique_ptr<source::Source> make_source(
    const config::Settings& settings, Clock& clock, metrics::Registry& metrics,
    std::function<void(const std::string&)> on_waiting, std::function<void(const std::string&)> warn,
    std::function<std::optional<SourceIdentity>()> slot_known_at = {});

}  // namespace tidegate::app
