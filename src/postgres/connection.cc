#include "postgres/connection.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

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

using ParsedUrl = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

/// Null where it can't be read; libpq's complaint might repeat a password.
ParsedUrl parsed_url(const std::string& url) {
  char* complaint = nullptr;
  ParsedUrl parsed(PQconninfoParse(url.c_str(), &complaint), PQconninfoFree);
  PQfreemem(complaint);
  return parsed;
}

/// What to do about libpq's words, where they don't say so themselves.
struct Advice {
  std::string_view words;
  std::string_view advice;
};
constexpr std::array kAdvice{
    Advice{"certificate verify failed",
           "sslrootcert in the database's url must name the certificate that the server's was signed with"},
    Advice{"does not match host name",
           "connect to a name that the server's certificate has; hostaddr=… beside it says where that is"},
    Advice{"does not support SSL", "set ssl = on at the server; its sslmode asks for TLS"},
    Advice{"no encryption", "ask for TLS in the database's url: sslmode=verify-full&sslrootcert=FILE"},
    Advice{"no password supplied",
           "name a file with --database-password-file, or one of libpq's with PGPASSFILE"},
    Advice{"password authentication failed",
           "the password of --database-password-file, PGPASSFILE or the url must be the role's"},
    Advice{"CONNECT privilege", "as its owner, type GRANT CONNECT ON DATABASE … TO the role of the url"},
    Advice{"client certificate", "name one in the database's url: sslcert=FILE&sslkey=FILE"}};

Error out_of_reach(std::string message) {
  while (!message.empty() && message.back() == '\n') message.pop_back();
  const auto* known = std::find_if(kAdvice.begin(), kAdvice.end(), [&](const Advice& each) {
    return message.find(each.words) != std::string::npos;
  });
  if (known != kAdvice.end()) message += ": " + std::string(known->advice);
  return {Fault::unavailable, "the database can't be reached: " + message};
}

}  // namespace

bool names_password(const std::string& url) {
  const ParsedUrl parsed = parsed_url(url);
  for (const PQconninfoOption* option = parsed.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    if (std::strcmp(option->keyword, "password") == 0) return option->val != nullptr;
  }
  return false;
}

Result<std::string> read_password(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string line;
  std::getline(in, line);
  while (!line.empty() && line.back() == '\r') line.pop_back();
  if (!line.empty()) return line;
  return Error{Fault::unavailable,
               "`" + file + "`, for the database's password, cannot be read, or is empty"};
}

void ConnectionCloser::operator()(pg_conn* connection) const {
  PQfinish(connection);
}
void ResultClearer::operator()(pg_result* result) const {
  PQclear(result);
}

Result<std::vector<std::pair<std::string, std::string>>> connection_parameters(const Options& options,
                                                                               Purpose purpose) {
  const ParsedUrl parsed = parsed_url(options.url);
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
  if (!options.password_file.empty()) {
    auto password = read_password(options.password_file);
    if (!password) return password.error();
    parameters.emplace_back("password", std::move(*password));
  }
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
  if (PQstatus(handle.get()) != CONNECTION_OK) return out_of_reach(PQerrorMessage(handle.get()));
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
