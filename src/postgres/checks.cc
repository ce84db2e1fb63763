#include "postgres/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace tidegate::postgres {
namespace {

constexpr int kVersionMin = 140000;  // logical messages in the stream

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return result;
}

/// Words, quoted names and single characters of `FIRST 2 (a, "b")`, lower case since names are compared so.
std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      std::string name;
      for (++i; i < text.size(); ++i) {
        if (text[i] == '"' && (i + 1 == text.size() || text[i + 1] != '"')) break;
        if (text[i] == '"') ++i;
        name.push_back(text[i]);
      }
      ++i;
      tokens.push_back(lower(name));
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0 || c == ',' || c == '(' || c == ')') {
      ++i;
    } else {
      const std::size_t end = std::min(text.find_first_of(" \t\n,()\"", i), text.size());
      tokens.push_back(lower(text.substr(i, end - i)));
      i = end;
    }
  }
  return tokens;
}

}  // namespace

bool names_standby(std::string_view synchronous_standby_names, std::string_view application_name) {
  // The words FIRST and ANY and the number can only match a name that we would never take.
  const std::vector<std::string> tokens = tokens_of(synchronous_standby_names);
  return std::any_of(
      tokens.begin(), tokens.end(),
      [name = lower(application_name)](const std::string& token) { return token == "*" || token == name; });
}

Status check_server(Connection& connection, const Options& options) {
  if (connection.server_version() < kVersionMin) {
    return Error{Fault::denied, "the server is older than PostgreSQL 14, the oldest that is supported"};
  }
  const auto rows = connection.query(
      "select pg_is_in_recovery(), current_setting('wal_level'), "
      "current_setting('synchronous_standby_names')");
  if (!rows) return rows.error();
  const Cells& row = rows->at(0);
  if (row[0] == "t") {
    return Error{Fault::denied, "the database is a replica: give the address of the primary"};
  }
  if (row[1] != "logical") {
    return Error{Fault::denied,
                 fmt::format("wal_level is {}, not logical: ALTER SYSTEM SET wal_level = logical; then "
                             "restart the server",
                             row[1].value_or(""))};
  }
  const std::string standbys = row[2].value_or("");
  if (names_standby(standbys, options.application_name)) {
    return Error{
        Fault::denied,
        fmt::format("synchronous_standby_names is {0}, which would make commits wait for Tidegate: name the "
                    "standbys that are meant, ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (…)' "
                    "without {1}; then SELECT pg_reload_conf()",
                    quote_literal(standbys), options.application_name)};
  }
  return {};
}

Status check_role(Connection& connection) {
  const auto rows = connection.query(
      "select current_user, rolreplication or rolsuper from pg_roles where rolname = current_user");
  if (!rows) return rows.error();
  const Cells& row = rows->at(0);
  if (row[1] != "t") {
    return Error{Fault::denied,
                 fmt::format("the role {} may not read the change stream: ALTER ROLE {} REPLICATION",
                             row[0].value_or(""), quote_name(row[0].value_or("")))};
  }
  return {};
}

Status check_publication(Connection& connection, const Options& options) {
  const auto rows = connection.query("select from pg_publication where pubname = $1", {options.publication});
  if (!rows) return rows.error();
  if (rows->empty()) {
    return Error{Fault::denied,
                 fmt::format("there is no publication {} in this database: tidegate setup --database "
                             "postgres://…",
                             quote_name(options.publication))};
  }
  return {};
}

Result<std::optional<SlotState>> read_slot(Connection& connection, const std::string& slot) {
  const auto rows = connection.query(
      "select plugin, database = current_database(), active_pid, confirmed_flush_lsn, wal_status "
      "from pg_replication_slots where slot_name = $1",
      {slot});
  if (!rows) return rows.error();
  if (rows->empty()) return std::optional<SlotState>();
  const Cells& row = rows->front();
  if (row[0] != "pgoutput" || row[1] != "t") {
    return Error{Fault::denied,
                 fmt::format("the replication slot {} is not a pgoutput slot of this database: give "
                             "another name, or SELECT pg_drop_replication_slot('{}')",
                             slot, slot)};
  }
  SlotState state;
  state.confirmed = parse_position(row[3].value_or("")).value_or(0);
  state.active_pid = row[2];
  state.wal_status = row[4].value_or("");
  return std::optional<SlotState>(std::move(state));
}

Status check_slot_name(std::string_view slot) {
  const bool good = !slot.empty() && slot.size() <= 40 && std::all_of(slot.begin(), slot.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (good) return {};
  return Error{Fault::invalid, "a replication slot's name has lower-case letters, digits and _, at most 40"};
}

std::vector<std::string> slot_warnings(Connection& connection) {
  const auto rows = connection.query("select current_setting('max_slot_wal_keep_size')");
  if (!rows || rows->empty() || rows->front()[0] != "-1") return {};
  return {
      "max_slot_wal_keep_size is not set: a durable slot that nobody reads keeps WAL until the disk is full. "
      "ALTER "
      "SYSTEM SET max_slot_wal_keep_size = '50GB' (what you can spare); then SELECT pg_reload_conf()"};
}

}  // namespace tidegate::postgres
