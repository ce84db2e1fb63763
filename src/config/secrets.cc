#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "config/rules.h"
#include "kafka/options.h"
#include "postgres/options.h"

namespace tidegate::config {
namespace {

const Given* find(const GivenSettings& given, std::string_view name) {
  const auto found = given.find(name);
  return found == given.end() ? nullptr : &found->second;
}

bool is_flag(const Given* given) {
  return given != nullptr && given->origin.starts_with("--");
}

Error fault(const Given& given, std::string_view message) {
  return {Fault::invalid, fmt::format("{}: {}", given.origin, message)};
}

std::optional<std::string> contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return std::nullopt;
  return text.str();
}

Status check_database(const GivenSettings& given, Settings& settings) {
  const bool postgres = settings.database_kind == Database::postgres;
  const bool named = postgres && postgres::names_password(settings.database);
  if (named && is_flag(find(given, "database"))) {
    settings.warnings.emplace_back(
        "--database: every user of this machine can see the password in the list of processes: rather "
        "--database-password-file, PGPASSFILE, or the url in TIDEGATE_DATABASE");
  }
  const std::string& file = settings.postgres.password_file;
  if (file.empty()) return {};
  const Given& origin = *find(given, "database-password-file");
  if (!postgres) return fault(origin, "means nothing without a Postgres in --database");
  if (named) return fault(origin, "given as well as a password in the database's url; one of them is enough");
  const auto password = postgres::read_password(file);
  if (password) return {};
  return fault(origin, password.error().message);
}

/// What was given comes first, and so wins.
Status read_property_file(const Given& origin, Kafka& kafka) {
  const auto text = contents(kafka.property_file);
  if (!text) return fault(origin, fmt::format("`{}` cannot be read, or is empty", kafka.property_file));
  const auto properties = kafka::parse_properties(*text);
  if (!properties)
    return fault(origin, fmt::format("`{}`: {}", kafka.property_file, properties.error().message));
  for (const auto& [name, value] : *properties) {
    if (const auto why = kafka::kept_from(name); !why.empty())
      return fault(origin, fmt::format("`{}`: {} can't be given: {}", kafka.property_file, name, why));
  }
  kafka.properties.insert(kafka.properties.end(), properties->begin(), properties->end());
  return {};
}

Status check_kafka(const GivenSettings& given, Settings& settings) {
  const Given* properties = find(given, "kafka-property");
  bool seen = false;
  for (const auto& [name, value] : settings.kafka.properties) {
    if (const auto why = kafka::kept_from(name); !why.empty())
      return fault(*properties, fmt::format("{} can't be given: {}", name, why));
    seen = seen || kafka::holds_secret(name);
  }
  if (seen && is_flag(properties)) {
    settings.warnings.emplace_back(
        "--kafka-property: every user of this machine can see passwords and keys in the list of processes: "
        "rather --kafka-property-file, or TIDEGATE_KAFKA_PROPERTY");
  }
  if (settings.kafka.property_file.empty()) return {};
  return read_property_file(*find(given, "kafka-property-file"), settings.kafka);
}

}  // namespace

Status check_secrets(const GivenSettings& given, Settings& settings) {
  for (const std::string_view name : {"auth-secret", "token", "admin-token"}) {
    if (!is_flag(find(given, name))) continue;
    settings.warnings.push_back(
        fmt::format("--{}: every user of this machine can see it in the list of processes", name));
  }
  if (Status database = check_database(given, settings); !database) return database;
  return check_kafka(given, settings);
}

}  // namespace tidegate::config
