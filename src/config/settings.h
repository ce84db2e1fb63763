#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "admin/options.h"
#include "auth/auth.h"
#include "base/result.h"
#include "feed/options.h"
#include "hub/options.h"
#include "matcher/options.h"
#include "policy/policy.h"
#include "session/options.h"
#include "transport/options.h"

namespace tidegate::config {

enum class Command : std::uint8_t { serve, match, demo, setup, token, tail };
enum class Database : std::uint8_t { none, postgres, sqlite };

/// What a Postgres adapter and a Kafka adapter are told; the app makes their Options of it.
struct Postgres {
  std::string publication = "tidegate";
  std::string slot = "tidegate";
  std::string password_file;  ///< empty: none; read for each connection
  std::size_t transaction_file_bytes_max = std::size_t{64} << 30;
  std::chrono::milliseconds silence_max{5'000};
};
struct Kafka {
  std::string brokers;  ///< `host:port,…`; empty: no Kafka
  std::vector<std::string> topics{"server.cdc.filtered"};
  std::string control_topic;  ///< derived: the first topic and `.control`
  std::string group = "cladbe-ws-gateway";
  std::vector<std::pair<std::string, std::string>> properties;  ///< librdkafka's own, handed through
  std::string property_file;  ///< empty: none; what it says stands behind `properties`, which win
};

struct Setup {
  std::vector<std::string> tables;    ///< `schema.name` or a bare name
  bool check = false;                 ///< look, change nothing
  bool keep_identity = false;         ///< leave replica identities as they are
  std::string role;                   ///< of serve and match, whose rights are looked at; empty: none
  std::string serve_role;             ///< of serve, where `role` is match's alone; empty: none
  std::int32_t topic_partitions = 8;  ///< of the diff topic, where setup makes it
  std::int32_t topic_replicas = 0;    ///< of each topic that setup makes; 0: the broker's default
};
struct Token {
  std::string subject;
  std::string tenant;
  std::chrono::seconds ttl{3'600};
  std::string claims;  ///< further ones, a JSON object; may be empty
};
struct Tail {
  std::string url = "ws://127.0.0.1:8080";  ///< or wss://
  std::string sql;                          ///< one of these two is set
  std::string table;
  std::string token;    ///< empty: none
  std::string ca_file;  ///< whom to trust for wss://; empty: the system's
  bool json = false;
};

/// Everything that can be set, as it stands after flags, environment, file and the rules of the mode.
struct Settings {
  Command command = Command::serve;
  /// Where this is not empty (`--help`, `--version`) it is to be printed, and nothing else done.
  std::string print;
  /// For the log at the start: what was given but means nothing, what a mode leaves open. Without secrets.
  std::vector<std::string> warnings;
  /// What somebody set, by the setting's name, as text: to compare. Holds secrets.
  std::map<std::string, std::vector<std::string>, std::less<>> given;

  std::string config_file;
  std::string log_level = "info";  ///< debug, info, warning, error
  Database database_kind = Database::none;
  std::string database;     ///< a libpq connection string; may hold a password: never logged
  std::string sqlite_path;  ///< for Database::sqlite
  Postgres postgres;
  Kafka kafka;
  session::Options session;
  transport::CredentialFiles tls;  ///< of a gateway; empty: no TLS
  hub::Options hub;
  feed::Options feed;
  std::size_t memory_budget = std::size_t{1} << 30;  ///< what is held for clients (rule 27)
  matcher::Options matcher;
  admin::Options admin;
  std::string admin_token_file;
  std::size_t revocations_bytes_max = std::size_t{16} << 20;
  std::string revocation_file;  ///< without Kafka; empty: revocations live as long as the process
  auth::Options auth;
  std::string auth_secret_file;
  bool auth_none_beyond_loopback = false;  ///< the second word that `--auth none` needs for that
  policy::Options policy;
  Setup setup;
  Token token;
  Tail tail;
};

/// Names and values; an empty value counts as absent.
using Environment = std::map<std::string, std::string, std::less<>>;
/// This process's own.
Environment process_environment();

/// Reads flags, environment (`TIDEGATE_…`, weaker the seed's names) and the file, in that order of strength,
/// and applies the rules of the modes. `invalid` names the setting at fault, where its value came from and
/// what would fit; never a secret. Reads the files of `--config` and of those settings that name a file
/// with a secret, nothing else.
Result<Settings> load(int argc, const char* const* argv, const Environment& environment);

/// The names of those that were set otherwise in `after`, but for tables.
std::vector<std::string> changed_settings(const Settings& before, const Settings& after);

/// All settings as Markdown: docs/CONFIGURATION.md.
std::string reference();

}  // namespace tidegate::config
