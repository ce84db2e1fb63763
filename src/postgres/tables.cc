#include "postgres/tables.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "postgres/partitions.h"
#include "postgres/refusal.h"
#include "postgres/types.h"

namespace tidegate::postgres {
namespace {

/// What is the same for all tables of a database.
struct Surroundings {
  std::string role;
  std::string encoding;
  std::string provider;  // of the default collation
  std::string locale;
  std::string publication;
  bool reads_rows = true;     // and so may do so
  bool whole_publish = true;  // insert, update, delete and truncate
  std::map<std::uint32_t, Narrowing> narrowed;
  std::map<std::uint32_t, std::string> partitioned;  // why a partitioned table can't be served
};

// to_jsonb, because the columns are not there in every version that we know.
constexpr const char* kDatabase =
    "select current_user, pg_encoding_to_char(d.encoding), coalesce(to_jsonb(d)->>'datlocprovider', 'c'), "
    "coalesce(to_jsonb(d)->>'datlocale', d.datcollate) from pg_database d where d.datname = "
    "current_database()";
constexpr const char* kPublication =
    "select p.pubinsert and p.pubupdate and p.pubdelete and p.pubtruncate, r.prrelid, "
    "(to_jsonb(r)->>'prqual') is not null, (to_jsonb(r)->>'prattrs') is not null "
    "from pg_publication p left join pg_publication_rel r on r.prpubid = p.oid where p.pubname = $1";
constexpr const char* kColumns =
    "select c.oid, n.nspname, c.relname, c.relkind, c.relreplident, "
    "exists (select from pg_inherits i where i.inhparent = c.oid), row_security_active(c.oid), "
    "has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT'), "
    "a.attname, a.attnum, a.atttypid, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated = "
    "'s', "
    "a.attcollation, "
    "co.collisdeterministic, co.collprovider, "
    "coalesce(co.collcollate, to_jsonb(co)->>'colllocale', to_jsonb(co)->>'colliculocale'), "
    "array_position(k.columns, a.attnum), k.indimmediate, "
    // Old values that are told, and new ones that may be left out. What takes up to 24 bytes stays in the
    // row, as numerics of up to 28 digits do.
    "case c.relreplident when 'f' then true when 'd' then k.indisprimary and k.indimmediate and "
    "a.attnum = any(k.columns) when 'i' then k.indisreplident and a.attnum = any(k.columns) else false end "
    "and not (c.relkind = 'p' and exists (select from pg_partition_tree(c.oid) t join pg_class l on l.oid = "
    "t.relid where t.isleaf and l.oid <> c.oid and l.relreplident <> 'f' and not exists (select from "
    "pg_index i join pg_attribute b on b.attrelid = l.oid and b.attname = a.attname and "
    "b.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1]) where i.indrelid = l.oid and i.indimmediate and "
    "case l.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end))), "
    "a.attlen = -1 and (c.reltoastrelid <> 0 or c.relkind = 'p') and not (a.atttypid = 1700 and a.atttypmod "
    "> 0 and (a.atttypmod - 4) >> 16 <= 28) "
    "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
    "left join pg_collation co on co.oid = a.attcollation "
    "left join lateral (select i.indisprimary, i.indisreplident, i.indimmediate, "
    "(i.indkey::int2[])[0:i.indnkeyatts - 1] as columns from pg_index i where i.indrelid = c.oid and "
    "(i.indisprimary or (c.relreplident = 'i' and i.indisreplident)) "
    "order by c.relreplident = 'i' and i.indisreplident desc limit 1) k on true where ";
enum Field {
  kOid,
  kSchema,
  kName,
  kKind,
  kIdentity,
  kParent,
  kRowSecurity,
  kReadable,
  kColumn,
  kNumber,
  kType,
  kDeclared,
  kNotNull,
  kGenerated,
  kCollation,
  kDeterministic,
  kProvider,
  kLocale,
  kKeyPlace,
  kImmediate,
  kOldTold,
  kLeftOut,
};

bool yes(const std::optional<std::string>& cell) {
  return cell == "t";
}

Result<Surroundings> read_surroundings(Connection& connection, const std::string& publication) {
  const auto database = connection.query(kDatabase);
  if (!database) return database.error();
  const Cells& row = database->at(0);
  Surroundings around{row[0].value_or(""), row[1].value_or(""), row[2].value_or(""), row[3].value_or(""),
                      publication};
  const auto narrow = connection.query(kPublication, {publication});
  if (!narrow) return narrow.error();
  for (const Cells& relation : *narrow) {
    around.whole_publish = yes(relation[0]);
    if (relation[1]) around.narrowed[oid_of(relation[1])] = {yes(relation[2]), yes(relation[3])};
  }
  return around;
}

query::ColumnSchema column_of(const Cells& row, const TypeInfo& type, const Surroundings& around) {
  query::ColumnSchema column;
  column.name = row[kColumn].value_or("");
  column.number = oid_of(row[kNumber]);
  column.type = type.type;
  column.element = type.element;
  column.declared = row[kDeclared].value_or("");
  column.not_null = yes(row[kNotNull]);
  column.generated = yes(row[kGenerated]);
  column.old_told = yes(row[kOldTold]);
  column.left_out = yes(row[kLeftOut]);
  if (oid_of(row[kCollation]) != 0) {
    const bool of_database = row[kProvider] == "d";
    column.deterministic = yes(row[kDeterministic]);
    column.bytewise =
        column.deterministic &&
        orders_by_bytes(of_database ? around.provider : row[kProvider].value_or(""),
                        of_database ? around.locale : row[kLocale].value_or(""), around.encoding);
    const std::string locale = of_database ? around.locale : row[kLocale].value_or("");
    column.ascii_case = column.bytewise && (locale == "C" || locale == "POSIX");
  }
  return column;
}

std::string identity_name(const std::optional<std::string>& letter) {
  if (letter == "f") return "full";
  if (letter == "i") return "index";
  return letter == "n" ? "nothing" : "default";
}

/// The rows of one table, in the order of its columns.
TableDescription table_of(const std::vector<const Cells*>& rows,
                          const std::map<std::uint32_t, TypeInfo>& types, const Surroundings& around) {
  const Cells& first = *rows.front();
  TableDescription found;
  query::TableSchema& table = found.table;
  table.schema = first[kSchema].value_or("");
  table.name = first[kName].value_or("");
  table.relation = oid_of(first[kOid]);
  table.replica_identity = identity_name(first[kIdentity]);
  table.key_immediate = yes(first[kImmediate]);
  std::vector<std::pair<std::int64_t, int>> key;
  for (const Cells* row : rows) {
    const std::uint32_t oid = oid_of((*row)[kType]);
    const auto type = types.find(oid);
    if ((*row)[kKeyPlace]) {
      key.emplace_back(parse_i64(*(*row)[kKeyPlace]).value_or(0), static_cast<int>(table.columns.size()));
    }
    table.columns.push_back(column_of(*row, type == types.end() ? TypeInfo{} : type->second, around));
    found.types.push_back(oid);
  }
  std::sort(key.begin(), key.end());
  for (const auto& [place, column] : key) table.key.push_back(column);
  found.partitioned = first[kKind] == "p";
  note_remedy(table, found.partitioned);

  Suitability facts;
  const auto unfit = around.partitioned.find(table.relation);
  if (unfit != around.partitioned.end()) facts.partitions = unfit->second;
  facts.has_children = yes(first[kParent]) && !found.partitioned;
  facts.row_security = around.reads_rows && yes(first[kRowSecurity]);
  facts.readable = !around.reads_rows || yes(first[kReadable]);
  facts.role = around.role;
  facts.publication = around.publication;
  facts.whole_publish = around.whole_publish;
  const auto narrowed = around.narrowed.find(table.relation);
  if (narrowed != around.narrowed.end()) facts.narrowing = narrowed->second;
  table.refusal = refusal_of(table, facts);
  return found;
}

Result<std::vector<TableDescription>> describe(Connection& connection, const std::string& publication,
                                               const std::string& condition,
                                               const std::vector<std::string>& parameters, bool reads_rows) {
  auto around = read_surroundings(connection, publication);
  if (!around) return around.error();
  around->reads_rows = reads_rows;
  const auto rows =
      connection.query(kColumns + condition + " order by n.nspname, c.relname, a.attnum", parameters);
  if (!rows) return rows.error();
  std::vector<std::uint32_t> oids;
  std::vector<std::uint32_t> partitioned;
  for (const Cells& row : *rows) {
    oids.push_back(oid_of(row[kType]));
    const std::uint32_t table = oid_of(row[kOid]);
    const bool another = partitioned.empty() || partitioned.back() != table;
    if (row[kKind] == "p" && another) partitioned.push_back(table);
  }
  auto refusals = partition_refusals(connection, partitioned);
  if (!refusals) return refusals.error();
  around->partitioned = std::move(*refusals);
  const auto types = describe_types(connection, oids);
  if (!types) return types.error();
  std::vector<TableDescription> tables;
  std::vector<const Cells*> table;
  for (const Cells& row : *rows) {
    if (!table.empty() && (*table.front())[kOid] != row[kOid]) {
      tables.push_back(table_of(table, *types, *around));
      table.clear();
    }
    table.push_back(&row);
  }
  if (!table.empty()) tables.push_back(table_of(table, *types, *around));
  return tables;
}

Result<std::optional<TableDescription>> only(Result<std::vector<TableDescription>> tables) {
  if (!tables) return tables.error();
  if (tables->empty()) return std::optional<TableDescription>();
  return std::optional<TableDescription>(std::move(tables->front()));
}

}  // namespace

Result<std::vector<TableDescription>> describe_published(Connection& connection,
                                                         const std::string& publication, bool reads_rows) {
  return describe(connection, publication,
                  "(n.nspname, c.relname) in (select schemaname, tablename from pg_publication_tables "
                  "where pubname = $1)",
                  {publication}, reads_rows);
}

Result<std::optional<TableDescription>> describe_relation(Connection& connection,
                                                          const std::string& publication,
                                                          std::uint32_t relation, bool reads_rows) {
  return only(describe(connection, publication, "c.oid = $1::oid", {std::to_string(relation)}, reads_rows));
}

Result<std::optional<TableDescription>> describe_table(Connection& connection, const std::string& publication,
                                                       const std::string& schema, const std::string& name) {
  return only(describe(connection, publication, "n.nspname = $1 and c.relname = $2", {schema, name}, true));
}

Result<SourceIdentity> read_identity(Connection& connection) {
  // The WAL file's name carries the timeline of now; the control file's is the last checkpoint's.
  const auto rows = connection.query(
      "select current_database(), pg_is_in_recovery(), "
      "(select system_identifier::text from pg_control_system()), "
      "case when not pg_is_in_recovery() then substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) "
      "end");
  if (!rows && connection.failure().sqlstate == "42501") {  // the only one of them that can be withheld
    const std::string role = PQuser(connection.handle());
    return Error{Fault::denied,
                 fmt::format("the role {0} may not read the server's identifier: GRANT EXECUTE ON FUNCTION "
                             "pg_catalog.pg_control_system() TO {1}",
                             role, quote_name(role))};
  }
  if (!rows) return rows.error();
  const Cells& row = rows->at(0);
  if (yes(row[1])) {
    return Error{Fault::unavailable,
                 "the database is a replica: give the address of the primary, snapshots must be "
                 "taken there"};
  }
  const auto timeline = hex_decode(row[3].value_or(""));
  return SourceIdentity{row[2].value_or(""),
                        read_big_endian<std::uint32_t>(timeline.value_or("")).value_or(0),
                        row[0].value_or("")};
}

bool orders_by_bytes(std::string_view provider, std::string_view locale, std::string_view encoding) {
  if (encoding != "UTF8") return false;  // bytes in the server's encoding are not ours
  if (provider != "c" && provider != "b") return false;
  // C.UTF-8 of the C library is strcmp since glibc 2.35 and was code point order in Debian's before; of code
  // points UTF-8 keeps the order.
  return locale == "C" || locale == "POSIX" || locale == "C.UTF-8" || locale == "C.utf8" ||
         locale == "C.UTF8";
}

}  // namespace tidegate::postgres
