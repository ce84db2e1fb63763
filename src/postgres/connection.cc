#include "postgres/connection.h"

#include <libpq-fe.h>

#include <cstring>

namespace tidegate::postgres {
namespace {

void no_notice(void*, const char*) {}

/// Rule 23, and what a session of ours must never inherit from a role or a database.
std::string pins(const Options& options) {
  const std::string timeout = std::to_string(options.statement_timeout.count());
  return "-c DateStyle=ISO,YMD -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex "
         "-c extra_float_digits=1 -c search_path= -c standard_conforming_strings=on -c row_security=off "
         "-c xmlbinary=base64 -c lc_monetary=C -c idle_in_transaction_session_timeout=0 -c "
         "idle_session_timeout=0 "
         "-c default_transaction_read_only=off -c synchronous_commit=local -c statement_timeout=" +
         timeout;
}

}  // namespace

void ConnectionCloser::operator()(pg_conn* connection) const {
  PQfinish(connection);
}
void ResultClearer::operator()(pg_result* result) const {
  PQclear(result);
}

Result<std::vector<std::pair<std::string, std::string>>> connection_parameters(const Options& options,
                                                                               Purpose purpose) {
  char* complaint = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
      PQconninfoParse(options.url.c_str(), &complaint), PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> owned(complaint, PQfreemem);
  if (!parsed)
    return Error{Fault::invalid, "the database's url can't be read (postgres://user@host/database)"};
  // A server that vanished without a word is noticed within half a minute.
  std::vector<std::pair<std::string, std::string>> parameters = {
      {"connect_timeout", std::to_string(std::max<std::int64_t>(2, options.connect_timeout.count() / 1000))},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "30000"}};
  std::string session_options;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::strcmp(option->keyword, "options") == 0) {
      session_options = std::string(option->val) + " ";
    } else {
      parameters.emplace_back(option->keyword, option->val);
    }
  }
  parameters.emplace_back("options",
                          session_options + pins(options));  // the later of two equal settings wins
  parameters.insert(parameters.end(), options.server.begin(), options.server.end());
  parameters.emplace_back("client_encoding", "UTF8");
  parameters.emplace_back("application_name", options.application_name);
  if (purpose == Purpose::replication) parameters.emplace_back("replication", "database");
  return parameters;
}

std::vector<std::pair<std::string, std::string>> server_of(const pg_conn* connection) {
  return {{"host", PQhost(connection)}, {"hostaddr", PQhostaddr(connection)}, {"port", PQport(connection)}};
}

ParameterArrays::ParameterArrays(const std::vector<std::pair<std::string, std::string>>& parameters) {
  for (const auto& [name, value] : parameters) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
}

void silence_notices(pg_conn* connection) {
  PQsetNoticeProcessor(connection, no_notice, nullptr);
}

Result<Connection> Connection::open(const Options& options, Purpose purpose) {
  const auto parameters = connection_parameters(options, purpose);
  if (!parameters) return parameters.error();
  const ParameterArrays arrays(*parameters);
  ConnectionHandle handle(PQconnectdbParams(arrays.names.data(), arrays.values.data(), 0));
  if (!handle) return Error{Fault::unavailable, "no memory for a connection"};
  if (PQstatus(handle.get()) != CONNECTION_OK) {
    std::string message = PQerrorMessage(handle.get());
    while (!message.empty() && message.back() == '\n') message.pop_back();
    return Error{Fault::unavailable, "the database can't be reached: " + message};
  }
  silence_notices(handle.get());
  return Connection(std::move(handle));
}

Error Connection::fail(pg_result* result) {
  const char* sqlstate = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  failure_ = {sqlstate == nullptr ? "" : sqlstate, message == nullptr ? "" : message};
  if (failure_.sqlstate.empty()) return {Fault::unavailable, "the connection to the database broke"};
  return {Fault::unavailable, "the database answered with SQLSTATE " + failure_.sqlstate};
}

Result<std::vector<Cells>> Connection::rows(ResultHandle result) {
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return fail(result.get());
  failure_ = {};
  std::vector<Cells> rows;
  for (int row = 0; row < PQntuples(result.get()); ++row) rows.push_back(cells_of(result.get(), row));
  return rows;
}

Result<std::vector<Cells>> Connection::query(const std::string& sql,
                                             const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  return rows(ResultHandle(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                        nullptr, values.data(), nullptr, nullptr, 0)));
}

Result<std::vector<Cells>> Connection::simple(const std::string& sql) {
  return rows(ResultHandle(PQexec(connection_.get(), sql.c_str())));
}

bool Connection::usable() const {
  return connection_ && PQstatus(connection_.get()) == CONNECTION_OK;
}

int Connection::server_version() const {
  return PQserverVersion(connection_.get());
}

Cells cells_of(const pg_result* result, int row) {
  Cells cells;
  cells.reserve(PQnfields(result));
  for (int column = 0; column < PQnfields(result); ++column) {
    if (PQgetisnull(result, row, column) != 0) {
      cells.emplace_back();
    } else {
      cells.emplace_back(std::in_place, PQgetvalue(result, row, column), PQgetlength(result, row, column));
    }
  }
  return cells;
}

std::string quote_name(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + "\"";
}

std::string quote_literal(std::string_view text) {
  std::string quoted = text.find('\\') == std::string_view::npos ? "'" : " E'";
  for (const char c : text) quoted.append(c == '\'' || c == '\\' ? 2 : 1, c);
  return quoted + "'";
}

}  // namespace tidegate::postgres
