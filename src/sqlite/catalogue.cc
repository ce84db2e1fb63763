#include "sqlite/catalogue.h"

#include <sqlite3.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "sqlite/cells.h"
#include "sqlite/journal.h"

namespace tidegate::sqlite {
namespace {

struct Reading {
  Table table;
  query::TableSchema schema;
  std::map<std::string, std::string, std::less<>> defaults;
  std::vector<std::pair<std::int64_t, int>> key;  // place in the key, column
  bool rowid_key = false;
};

bool known_collation(std::string_view name) {
  return name == "BINARY" || name == "NOCASE" || name == "RTRIM";
}

std::string collation_of(Connection& connection, const std::string& table, const std::string& column) {
  const char* collation = nullptr;
  sqlite3_table_column_metadata(connection.handle(), "main", table.c_str(), column.c_str(), nullptr,
                                &collation, nullptr, nullptr, nullptr);
  std::string name = collation == nullptr ? "BINARY" : collation;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

/// A column's default as an expression that means the same inside a trigger. SQLite reads a bare word and a
/// word in double quotes as text where a default stands, but as a column elsewhere.
std::string default_sql(Connection& connection, const std::string& text) {
  const bool word =
      std::all_of(text.begin(), text.end(), [](char c) { return std::isalnum(c) != 0 || c == '_'; });
  if (word && text.starts_with("CURRENT_")) return text;
  if (word || text.starts_with('"')) {
    auto rows = connection.prepare("SELECT quote(" + text + ")");
    if (rows) {
      auto row = rows->step();
      if (row && *row) return rows->text(0);
    }
    return literal(text);
  }
  return connection.prepare("SELECT " + text).ok() ? "(" + text + ")" : literal(text);
}

void refuse(Reading& reading, const std::string& reason) {
  if (reading.schema.refusal.empty()) reading.schema.refusal = "table " + reading.schema.name + " " + reason;
}

Status read_columns(Connection& connection, Reading& reading) {
  auto rows = connection.prepare(
      "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)");
  if (!rows) return rows.error();
  rows->bind(1, std::string_view(reading.schema.name));
  for (;;) {
    auto row = rows->step();
    if (!row) return row.error();
    if (!*row) return {};
    // A virtual generated column is computed when it is read, and may raise an error then: left out.
    if (rows->integer(5) == 1 || rows->integer(5) == 2) continue;
    query::ColumnSchema column;
    column.name = rows->text(0);
    column.declared = rows->text(1);
    column.type = column_type(column.declared);
    const std::string collation = collation_of(connection, reading.schema.name, column.name);
    column.deterministic = column.type != query::Type::text || collation == "BINARY";
    column.bytewise = column.type == query::Type::text && collation == "BINARY";
    column.ascii_case = column.bytewise;
    const auto place = rows->integer(4);
    column.not_null = place > 0;  // elsewhere a value that does not fit is shown as NULL
    if (place > 0) reading.key.emplace_back(place, static_cast<int>(reading.schema.columns.size()));
    if (rows->integer(2) != 0 && !rows->null(3)) {
      reading.defaults[column.name] = default_sql(connection, rows->text(3));
    }
    reading.schema.columns.push_back(std::move(column));
  }
}

void check_key(Connection& connection, Reading& reading) {
  std::sort(reading.key.begin(), reading.key.end());
  for (const auto& [place, column] : reading.key) reading.schema.key.push_back(column);
  const auto& schema = reading.schema;
  if (schema.key.empty()) {
    return refuse(reading, "has no primary key; make it anew with one: create table new_" + schema.name +
                               "(id integer primary key, ...), copy the rows, rename it");
  }
  if (schema.key.size() > kKeyColumnsMax)
    return refuse(reading, "has more than 8 columns in its primary key");
  for (const int index : schema.key) {
    const auto& column = schema.columns[static_cast<std::size_t>(index)];
    if (column.type == query::Type::text && !text_affinity(column.declared)) {
      refuse(reading, "has a key column without a type of ours, " + column.name +
                          "; declare it INTEGER or TEXT, so that different keys stay different");
    }
    if (!known_collation(collation_of(connection, schema.name, column.name))) {
      refuse(reading, "has a key column with an application's own collation, " + column.name +
                          "; declare it COLLATE BINARY");
    }
  }
}

Status read_unique(Connection& connection, Reading& reading, const std::string& index) {
  auto rows = connection.prepare("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key = 1");
  if (!rows) return rows.error();
  rows->bind(1, std::string_view(index));
  UniqueColumns unique;
  for (;;) {
    auto row = rows->step();
    if (!row) return row.error();
    if (!*row) break;
    if (rows->null(0)) {
      refuse(reading, "has a unique index on an expression, " + index +
                          ", whose REPLACE victims nothing reports; make it a plain index (drop index " +
                          quoted_name(index) + ") or put the expression into a stored column");
      return {};
    }
    const std::string column = rows->text(0);
    const auto known = reading.defaults.find(column);
    unique.columns.push_back(column);
    unique.collations.push_back(rows->text(1));
    unique.defaults.push_back(known == reading.defaults.end() ? "" : known->second);
  }
  reading.table.unique.push_back(std::move(unique));
  return {};
}

Status read_uniques(Connection& connection, Reading& reading) {
  std::vector<std::string> indexes;
  {
    auto rows =
        connection.prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 ORDER BY seq");
    if (!rows) return rows.error();
    rows->bind(1, std::string_view(reading.schema.name));
    for (;;) {
      auto row = rows->step();
      if (!row) return row.error();
      if (!*row) break;
      indexes.push_back(rows->text(0));
    }
  }
  for (const auto& index : indexes) {
    if (auto read = read_unique(connection, reading, index); !read) return read;
  }
  return {};
}

Result<Table> read_table(Connection& connection, const std::string& name, RelationNumbers& numbers) {
  Reading reading;
  reading.schema.schema = "main";
  reading.schema.name = name;
  reading.schema.relation =
      numbers.try_emplace(name, static_cast<std::uint32_t>(numbers.size() + 1)).first->second;
  if (auto read = read_columns(connection, reading); !read) return read.error();
  check_key(connection, reading);
  if (auto read = read_uniques(connection, reading); !read) return read.error();
  reading.table.schema = std::make_shared<const query::TableSchema>(std::move(reading.schema));
  return std::move(reading.table);
}

}  // namespace

std::string Table::select() const {
  std::string sql = "SELECT ";
  for (const auto& column : schema->columns) {
    if (sql.size() > 7) sql += ", ";
    sql += quoted_name(column.name);
  }
  return sql + " FROM main." + quoted_name(schema->name);
}

Result<std::vector<Table>> read_tables(Connection& connection, RelationNumbers& numbers) {
  std::vector<std::string> names;
  {
    auto rows = connection.prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE "
        "'sqlite\\_%' "
        "ESCAPE '\\' AND name NOT LIKE '\\_tidegate\\_%' ESCAPE '\\' ORDER BY name");
    if (!rows) return rows.error();
    for (;;) {
      auto row = rows->step();
      if (!row) return row.error();
      if (!*row) break;
      names.push_back(rows->text(0));
    }
  }
  std::vector<Table> tables;
  for (const auto& name : names) {
    auto table = read_table(connection, name, numbers);
    if (!table) return table.error();
    tables.push_back(std::move(*table));
  }
  return tables;
}

bool read_row(const query::TableSchema& schema, const Rows& rows, int first, query::Row& row, Probe& probe) {
  row.clear();
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    const bool key = schema.is_key(static_cast<int>(i));
    auto cell = read_cell(schema.columns[i].type, rows.value(first + static_cast<int>(i)), key);
    if (key && !cell.cell) {
      probe.row_without_key();
      return false;
    }
    if (!cell.fits) probe.cell_misfit();
    row.push_back(std::move(cell.cell));
  }
  return true;
}

}  // namespace tidegate::sqlite
