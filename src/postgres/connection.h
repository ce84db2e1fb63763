#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "postgres/options.h"

struct pg_conn;
struct pg_result;

namespace tidegate::postgres {

/// One row of an answer, in text form.
using Cells = std::vector<std::optional<std::string>>;

struct ConnectionCloser {
  void operator()(pg_conn* connection) const;
};
struct ResultClearer {
  void operator()(pg_result* result) const;
};
using ConnectionHandle = std::unique_ptr<pg_conn, ConnectionCloser>;
using ResultHandle = std::unique_ptr<pg_result, ResultClearer>;

/// What a connection is for: a replication connection speaks the walsender's language.
enum class Purpose { ordinary, replication };

/// libpq's parameters for a connection with the settings of rule 23 pinned, over whatever the url, the role
/// or the database would set. Errors are `invalid`, or `read_password`'s.
Result<std::vector<std::pair<std::string, std::string>>> connection_parameters(const Options& options,
                                                                               Purpose purpose);

/// The server that a connection has got, for further ones: where `url` names several, or a name that moves,
/// another connection might lead to another server, whose snapshots say nothing about this one's commits.
std::vector<std::pair<std::string, std::string>> server_of(const pg_conn* connection);

/// The same, ready to be read by libpq's `PQconnectdbParams` and `PQconnectStartParams`.
struct ParameterArrays {
  explicit ParameterArrays(const std::vector<std::pair<std::string, std::string>>& parameters);
  std::vector<const char*> names;
  std::vector<const char*> values;
};

/// Marks a connection's notices as not wanted (they would go to standard error).
void silence_notices(pg_conn* connection);

/// What the server said about a statement that failed. `message` may hold row data: for an operator's eyes,
/// and only where a statement touches no rows.
struct Failure {
  std::string sqlstate;  ///< five characters; empty: the connection is at fault
  std::string message;
};

/// One blocking connection for ordinary statements: catalogue, snapshots, setup. One thread at a time.
class Connection {
 public:
  /// `unavailable` with libpq's own words (they name host, port and role, never a password) and what to do
  /// about them, `invalid` for a bad url.
  static Result<Connection> open(const Options& options, Purpose purpose = Purpose::ordinary);

  /// The rows of one statement with text parameters. The Error names the SQLSTATE only; `failure` has more.
  Result<std::vector<Cells>> query(const std::string& sql, const std::vector<std::string>& parameters = {});
  /// For commands that take no parameters and may be several (`BEGIN; SET …`), and for the walsender's.
  Result<std::vector<Cells>> simple(const std::string& sql);

  [[nodiscard]] const Failure& failure() const { return failure_; }
  /// Whether statements can be sent at all; false after the server went away.
  [[nodiscard]] bool usable() const;
  [[nodiscard]] int server_version() const;
  [[nodiscard]] pg_conn* handle() const { return connection_.get(); }
  ConnectionHandle release() { return std::move(connection_); }
  /// Notes what failed and makes an Error of it: `unavailable`, with the SQLSTATE.
  Error fail(pg_result* result);

 private:
  explicit Connection(ConnectionHandle connection) : connection_(std::move(connection)) {}
  Result<std::vector<Cells>> rows(ResultHandle result);
  ConnectionHandle connection_;
  Failure failure_;
};

/// A row of a result as text cells.
Cells cells_of(const pg_result* result, int row);

/// `"name"`, for SQL and for replication commands.
std::string quote_name(std::string_view name);
/// `'text'`, safe with standard_conforming_strings on and off.
std::string quote_literal(std::string_view text);

}  // namespace tidegate::postgres
