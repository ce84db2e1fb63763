#include "app/adapters.h"

#include "postgres/postgres.h"
#include "sqlite/sqlite.h"

namespace tidegate::app {

bool has_database(const config::Settings& settings) {
  return settings.database_kind != config::Database::none;
}
bool has_kafka(const config::Settings& settings) {
  return !settings.kafka.brokers.empty();
}

postgres::Options postgres_options(const config::Settings& settings) {
  postgres::Options options;
  options.url = settings.database;
  options.password_file = settings.postgres.password_file;
  options.publication = settings.postgres.publication;
  options.slot = settings.postgres.slot;
  options.statement_timeout = settings.feed.snapshot_timeout;  // rule 20
  options.transaction_memory_bytes = settings.matcher.netting_bytes_max;
  options.spill_directory = settings.feed.spool_directory;
  options.silence_max = settings.postgres.silence_max;
  options.spill_bytes_max = settings.postgres.transaction_file_bytes_max;
  options.reads_rows = settings.command != config::Command::match;  // its gateways do
  options.temporary_slot = !has_kafka(settings);  // rule 28: a durable one only where the log is, too
  return options;
}

kafka::Options kafka_options(const config::Settings& settings) {
  kafka::Options options;
  options.brokers = settings.kafka.brokers;
  options.topics = settings.kafka.topics;
  options.make_topics = !has_database(settings);
  options.properties.insert(settings.kafka.properties.begin(), settings.kafka.properties.end());
  return options;
}

std::unique_ptr<source::Source> make_source(const config::Settings& settings, Clock& clock,
                                            metrics::Registry& metrics,
                                            std::function<void(const std::string&)> on_waiting,
                                            std::function<void(const std::string&)> warn,
                                            std::function<std::optional<SourceIdentity>()> slot_known_at) {
  if (settings.database_kind == config::Database::sqlite) {
    sqlite::Options options;
    options.path = settings.sqlite_path;
    return sqlite::make_source(options, clock, metrics);
  }
  postgres::Options options = postgres_options(settings);
  options.on_waiting = std::move(on_waiting);
  options.warn = std::move(warn);
  options.slot_known_at = std::move(slot_known_at);
  return postgres::make_source(std::move(options), clock, metrics);
}

}  // namespace tidegate::app
