#include "postgres/rights.h"

#include <fmt/format.h>

namespace tidegate::postgres {
namespace {

/// The publication's tables; of the role $2, where there is one, what it may.
constexpr const char* kTables =
    "select n.nspname, c.relname, coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), false), "
    "coalesce(has_table_privilege(r.oid, c.oid, 'SELECT'), false), c.relrowsecurity and not "
    "coalesce(r.rolsuper or r.rolbypassrls or (not c.relforcerowsecurity and pg_has_role(r.oid, c.relowner, "
    "'USAGE')), false) from pg_publication_tables p join pg_namespace n on n.nspname = p.schemaname join "
    "pg_class c on c.relnamespace = n.oid and c.relname = p.tablename left join pg_roles r on r.rolname = $2 "
    "where p.pubname = $1 order by 1, 2";

std::vector<MissingRight> rights_of_role(const std::vector<Cells>& rows, const std::string& role, Runs runs) {
  const std::string name = quote_name(role);
  std::vector<MissingRight> missing;
  if (rows.empty()) {
    missing.push_back({"there is no role " + role, fmt::format("CREATE ROLE {} LOGIN {}PASSWORD '…'", name,
                                                               runs == Runs::serve ? "" : "REPLICATION ")});
    return missing;
  }
  if (rows[0][0] != "t") missing.push_back({role + " may not log in", "ALTER ROLE " + name + " LOGIN"});
  if (rows[0][1] != "t" && runs != Runs::serve)
    missing.push_back({role + " may not read the change stream", "ALTER ROLE " + name + " REPLICATION"});
  return missing;
}

}  // namespace

Result<std::vector<MissingRight>> missing_rights(Connection& connection, const std::string& publication,
                                                 const std::string& role, Runs runs) {
  const auto itself = connection.query(
      "select rolcanlogin, rolreplication or rolsuper from pg_roles where rolname = $1", {role});
  if (!itself) return itself.error();
  std::vector<MissingRight> missing = rights_of_role(*itself, role, runs);
  const std::string name = quote_name(role);
  const auto database = connection.query(
      "select current_database(), coalesce((select has_database_privilege(oid, current_database(), "
      "'CONNECT') from pg_roles where rolname = $1), false)",
      {role});
  if (!database) return database.error();
  const std::string here = database->at(0)[0].value_or("");
  if (database->at(0)[1] != "t") {
    missing.push_back({fmt::format("{} may not connect to the database {}", role, here),
                       fmt::format("GRANT CONNECT ON DATABASE {} TO {}", quote_name(here), name)});
  }
  if (runs == Runs::match) return missing;
  const auto tables = connection.query(kTables, {publication, role});
  if (!tables) return tables.error();
  std::string schema;  // the last that was told of
  bool filtered = false;
  for (const Cells& row : *tables) {
    const std::string table = quote_name(row[0].value_or("")) + "." + quote_name(row[1].value_or(""));
    if (row[2] != "t" && row[0] != schema) {
      schema = row[0].value_or("");
      missing.push_back({fmt::format("{} may not use the schema {}", role, schema),
                         fmt::format("GRANT USAGE ON SCHEMA {} TO {}", quote_name(schema), name)});
    }
    if (row[3] != "t")
      missing.push_back(
          {role + " may not read " + table, fmt::format("GRANT SELECT ON {} TO {}", table, name)});
    if (row[4] != "t" || filtered) continue;
    filtered = true;
    missing.push_back({fmt::format("row security would hide rows of {} from {}", table, role),
                       "ALTER ROLE " + name + " BYPASSRLS"});
  }
  return missing;
}

Result<bool> has_more_rights(Connection& connection, const std::string& publication) {
  const auto rows = connection.query(
      "select r.rolsuper or has_database_privilege(current_database(), 'CREATE') or exists (select from "
      "pg_publication_tables p join pg_namespace n on n.nspname = p.schemaname join pg_class c on "
      "c.relnamespace = n.oid and c.relname = p.tablename where p.pubname = $1 and c.relowner = r.oid) from "
      "pg_roles r where r.rolname = current_user",
      {publication});
  if (!rows) return rows.error();
  return !rows->empty() && rows->at(0)[0] == "t";
}

}  // namespace tidegate::postgres
