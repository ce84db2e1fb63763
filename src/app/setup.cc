#include "kafka/setup.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/adapters.h"
#include "app/commands.h"
#include "postgres/setup.h"

namespace tidegate::app {

Status setup(Process process) {
  const config::Settings& settings = process.settings;
  if (settings.database_kind == config::Database::sqlite) {
    fmt::print("A SQLite file needs no setup: `tidegate serve --database sqlite:{}` prepares it.\n",
               settings.sqlite_path);
    return {};
  }
  const auto say = [](const std::string& sentence) {
    fmt::print("{}\n", sentence);
    std::fflush(stdout);
  };
  if (settings.database_kind == config::Database::postgres) {
    postgres::SetupOptions database{postgres_options(settings), settings.setup.tables,
                                    settings.setup.check,       settings.setup.keep_identity,
                                    settings.setup.role,        settings.setup.serve_role};
    if (Status done = postgres::setup(database, say); !done) return done;
  }
  if (has_kafka(settings)) {
    kafka::SetupOptions topics;
    topics.check_only = settings.setup.check;
    topics.partitions = settings.setup.topic_partitions;
    topics.replicas = settings.setup.topic_replicas;
    if (Status done = kafka::setup(kafka_options(settings), topics, say); !done) return done;
  }
  return {};
}

}  // namespace tidegate::app
