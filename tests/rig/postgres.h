#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rig/process.h"

struct pg_conn;
struct pg_result;

namespace tidegate::rig {

/// A real PostgreSQL of a test's own: made by initdb in a temporary directory, on loopback and a free port,
/// without fsync, with `wal_level=logical` and room for slots, locale C.UTF-8, superuser `postgres` without a
/// password. It is gone with the object. Errors are std::runtime_error with the server's log.
class PostgresServer {
 public:
  /// Name and value, given on the command line; they win over the ones of the rig.
  using Settings = std::vector<std::pair<std::string, std::string>>;
  enum class Stop {
    fast,       ///< SIGINT: connections are cut, everything is written
    immediate,  ///< SIGQUIT: like a crash, the next start recovers
  };

  explicit PostgresServer(Settings settings = {});
  /// A streaming standby of `primary`, with its settings, on a port of its own; copied while that runs.
  static std::unique_ptr<PostgresServer> standby_of(const PostgresServer& primary);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  [[nodiscard]] int port() const { return port_.number(); }
  [[nodiscard]] const std::string& data_directory() const { return data_; }
  /// `postgres://postgres@127.0.0.1:PORT/DATABASE`.
  [[nodiscard]] std::string url(const std::string& database = "postgres") const;
  /// The same as another role, who needs no password either.
  [[nodiscard]] std::string url_as(const std::string& role, const std::string& database = "postgres") const;
  [[nodiscard]] std::string log() const;

  /// Makes an empty database and gives its url.
  std::string create_database(const std::string& name);

  /// Waits until it accepts connections; on the same port as before.
  void start();
  /// Kills it where it does not end in time; whether it did.
  bool stop(Stop mode = Stop::fast);
  /// SIGKILL to the server and everything that it started.
  void kill();
  /// SIGSTOP to all of them: connections stay open and nobody answers. And SIGCONT.
  void freeze() const;
  void thaw() const;
  void restart(Stop mode = Stop::fast);
  /// Freezes every row, then restarts with `xid` as the next transaction's 32-bit id: to see a wrap without
  /// spending two thousand million of them. For a new server; its own autovacuum must be off.
  void restart_at_xid(std::uint32_t xid);
  /// From now on whoever comes over TCP but the rig itself must speak TLS and know its role's password
  /// (`scram-sha-256`), or as the role `localhost` show a certificate for that name that `client_ca_file`
  /// vouches for. Restarts.
  void demand_tls(const std::string& certificate_file, const std::string& key_file,
                  const std::string& client_ca_file);
  /// As before, with other settings.
  void restart_with(Settings settings, Stop mode = Stop::fast);

  /// A standby has replayed what its primary has written so far.
  void await_replay(const PostgresServer& primary) const;
  /// A standby hears nothing from its primary any more: what is committed there from now on, it will not
  /// have.
  void cut_off() const;
  /// A standby becomes a primary, on a timeline of its own. Waits for it.
  void promote() const;

 private:
  struct Empty {};
  explicit PostgresServer(Empty) : data_(directory_.path() + "/data") {}
  void launch();
  [[nodiscard]] bool accepts() const;

  TemporaryDirectory directory_;
  std::string data_;
  Settings settings_;
  Port port_;
  std::unique_ptr<Process> process_;
};

/// An error of the server or of the connection to it.
class SqlError : public std::runtime_error {
 public:
  SqlError(std::string sqlstate, const std::string& message)
      : std::runtime_error(message), sqlstate_(std::move(sqlstate)) {}
  /// Five characters; empty where the connection is at fault.
  [[nodiscard]] const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

/// One connection of a test, in SQL. One thread at a time. Errors are SqlError.
class Sql {
 public:
  using Row = std::vector<std::optional<std::string>>;
  using Rows = std::vector<Row>;

  explicit Sql(const std::string& url);
  ~Sql();
  Sql(Sql&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Sql& operator=(Sql&&) = delete;

  /// One or more statements (several without BEGIN are one transaction); the rows of the last.
  Rows exec(const std::string& sql);
  /// One statement with parameters `$1`, … passed as text.
  Rows exec(const std::string& sql, const std::vector<std::optional<std::string>>& parameters);
  /// The first column of the first row; an error if there is none or it is NULL.
  std::string value(const std::string& sql);
  /// Sends and does not wait: for statements that a test wants to see blocked. `finish` waits for the rows.
  void send(const std::string& sql);
  Rows finish();
  /// The server process of this connection.
  [[nodiscard]] int backend() const;

 private:
  Rows rows(pg_result* result);
  pg_conn* connection_ = nullptr;
};

/// The pause between two looks of `eventually`.
void look_again();

/// Looks again and again until `condition` holds; false where `timeout` is over before. For what the database
/// tells only when asked (pg_stat_activity, pg_locks).
template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds timeout = kPatience) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    look_again();
  }
  return true;
}

}  // namespace tidegate::rig
