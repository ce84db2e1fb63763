#include "sqlite/journal.h"

#include <map>
#include <utility>

#include "base/encoding.h"

namespace tidegate::sqlite {
namespace {

std::string journal_columns(const query::TableSchema& schema) {
  std::string list = "relation";
  for (std::size_t i = 0; i < schema.key.size(); ++i) list += ", k" + std::to_string(i);
  return list;
}

/// `INSERT INTO journal` of one row's key.
std::string journal_key(const query::TableSchema& schema, const std::string& row,
                        const std::string& condition = "") {
  return "INSERT INTO _tidegate_journal(" + journal_columns(schema) + ") SELECT " + literal(schema.name) +
         ", " + key_list(schema, row) + condition + "; ";
}

/// Whether two rows' keys differ in a byte or a storage class; a column's own collation may call them equal.
std::string keys_differ(const query::TableSchema& schema, const std::string& left, const std::string& right) {
  std::string sql;
  for (const int index : schema.key) {
    const std::string name = quoted_name(schema.columns[static_cast<std::size_t>(index)].name);
    if (!sql.empty()) sql += " OR ";
    sql += left + name + " IS NOT " + right + name + " COLLATE BINARY OR typeof(" + left + name +
           ") <> typeof(" + right + name + ")";
  }
  return "(" + sql + ")";
}

/// The rows that hold the new row's unique values, and that REPLACE would delete.
std::string journal_victims(const Table& table, const UniqueColumns& unique, bool update) {
  std::string condition = " FROM " + quoted_name(table.schema->name) + " WHERE ";
  for (std::size_t i = 0; i < unique.columns.size(); ++i) {
    const std::string name = quoted_name(unique.columns[i]);
    std::string value = "NEW." + name;
    if (!unique.defaults[i].empty()) value = "coalesce(" + value + ", " + unique.defaults[i] + ")";
    if (i > 0) condition += " AND ";
    condition += quoted_name(table.schema->name) + "." + name + " = " + value + " COLLATE " +
                 quoted_name(unique.collations[i]);
  }
  const std::string self = quoted_name(table.schema->name) + ".";
  if (update) condition += " AND " + keys_differ(*table.schema, self, "OLD.");
  return journal_key(*table.schema, self, condition);
}

Trigger trigger(const Table& table, const std::string& suffix, const std::string& when,
                const std::string& body) {
  const std::string name = "_tidegate_" + suffix + "_" + table.schema->name;
  return {name, table.schema->name,
          "CREATE TRIGGER " + quoted_name(name) + " " + when + " ON " + quoted_name(table.schema->name) +
              " BEGIN " + body + "END"};
}

using TriggerTexts = std::map<std::string, std::pair<std::string, std::string>>;  // name: table, sql

Result<TriggerTexts> read_triggers(Connection& connection) {
  auto rows = connection.prepare(
      "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND name LIKE "
      "'\\_tidegate\\_%' ESCAPE "
      "'\\' AND tbl_name <> '_tidegate_journal'");
  if (!rows) return rows.error();
  TriggerTexts texts;
  for (;;) {
    auto row = rows->step();
    if (!row) return row.error();
    if (!*row) return texts;
    texts[rows->text(0)] = {rows->text(1), rows->text(2)};
  }
}

Status change_triggers(Connection& writer, RelationNumbers& numbers) {
  auto tables = read_tables(writer, numbers);
  if (!tables) return tables.error();
  auto standing = read_triggers(writer);
  if (!standing) return standing.error();
  std::vector<Trigger> missing;
  for (const auto& table : *tables) {
    if (!table.followed()) continue;
    for (auto& wanted : triggers_of(table)) {
      const auto found = standing->find(wanted.name);
      if (found != standing->end() && found->second == std::pair(wanted.table, wanted.sql)) {
        standing->erase(found);
      } else {
        missing.push_back(std::move(wanted));
      }
    }
  }
  for (const auto& [name, text] : *standing) {
    if (auto dropped = writer.run("DROP TRIGGER " + quoted_name(name)); !dropped) return dropped;
  }
  for (const auto& wanted : missing) {
    if (auto created = writer.run(wanted.sql); !created) return created;
  }
  return {};
}

}  // namespace

std::string key_list(const query::TableSchema& schema, const std::string& prefix) {
  std::string list;
  for (const int index : schema.key) {
    if (!list.empty()) list += ", ";
    list += prefix + quoted_name(schema.columns[static_cast<std::size_t>(index)].name);
  }
  return list;
}

std::vector<Trigger> triggers_of(const Table& table) {
  const auto& schema = *table.schema;
  std::vector<Trigger> triggers{
      trigger(table, "insert", "AFTER INSERT", journal_key(schema, "NEW.")),
      trigger(table, "delete", "AFTER DELETE", journal_key(schema, "OLD.")),
      trigger(table, "update", "AFTER UPDATE",
              journal_key(schema, "OLD.", " WHERE " + keys_differ(schema, "OLD.", "NEW.")) +
                  journal_key(schema, "NEW.")),
  };
  if (table.unique.empty()) return triggers;
  std::string inserted;
  std::string updated;
  for (const auto& unique : table.unique) {
    inserted += journal_victims(table, unique, false);
    updated += journal_victims(table, unique, true);
  }
  triggers.push_back(trigger(table, "insert_victims", "BEFORE INSERT", inserted));
  triggers.push_back(trigger(table, "update_victims", "BEFORE UPDATE", updated));
  return triggers;
}

Status prepare_file(Connection& writer, const Options& options) {
  if (auto set = writer.run("PRAGMA journal_mode = WAL"); !set) {
    return Error{set.error().fault,
                 set.error().message +
                     "; the file and its directory must be writable by this user, and no process may "
                     "hold it locked: ls -l " +
                     options.path};
  }
  std::string keys;
  for (std::size_t i = 0; i < kKeyColumnsMax; ++i) keys += ", k" + std::to_string(i);
  const std::string bound = std::to_string(options.journal_rows_max);
  auto made = writer.run(
      "BEGIN IMMEDIATE; "
      "CREATE TABLE IF NOT EXISTS _tidegate_journal(id INTEGER PRIMARY KEY AUTOINCREMENT, relation" +
      keys +
      "); "
      "CREATE TABLE IF NOT EXISTS _tidegate_file(one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL); "
      "INSERT OR IGNORE INTO _tidegate_file VALUES (1, lower(hex(randomblob(16)))); "
      "DROP TRIGGER IF EXISTS _tidegate_bound; "
      "CREATE TRIGGER _tidegate_bound AFTER INSERT ON _tidegate_journal WHEN NEW.id % 1024 = 0 BEGIN "
      "DELETE FROM _tidegate_journal WHERE id <= NEW.id - " +
      bound +
      "; END; "
      "COMMIT");
  if (!made) writer.rollback();
  return made;
}

Result<std::string> read_file_id(Connection& connection) {
  const Error lost{
      Fault::lost,
      "the database file has lost its _tidegate_file row: it was replaced or restored; start again"};
  if (!connection.integer("SELECT count(*) FROM main._tidegate_file").ok()) return lost;
  auto rows = connection.prepare("SELECT id FROM main._tidegate_file");
  if (!rows) return rows.error();
  auto row = rows->step();
  if (!row) return row.error();
  if (!*row) return lost;
  return rows->text(0);
}

Result<std::int64_t> install_triggers(Connection& writer, const std::string& file_id,
                                      RelationNumbers& numbers) {
  if (auto begun = writer.run("BEGIN IMMEDIATE"); !begun) return begun.error();
  auto id = read_file_id(writer);
  Status done = id ? Status() : Status(id.error());
  if (done && *id != file_id) done = Error{Fault::lost, "the database file is another one now; start again"};
  if (done) done = change_triggers(writer, numbers);
  if (done) done = writer.run("INSERT INTO _tidegate_journal(relation) VALUES ('')");
  auto version = writer.integer("PRAGMA main.schema_version");
  if (done && !version) done = version.error();
  if (done) done = writer.run("COMMIT");
  if (done) return *version;
  writer.rollback();
  return done.error();
}

}  // namespace tidegate::sqlite
