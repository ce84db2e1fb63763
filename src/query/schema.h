#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::query {

/// The column types that we know by name. `other` is a type that can't be shown (refused in a projection);
/// what can be compared is a matter of binding (rule 21).
enum class Type : std::uint8_t {
  boolean,
  int2,
  int4,
  int8,
  numeric,
  float4,
  float8,
  text,
  varchar,
  bpchar,
  uuid,
  date,
  time,
  timestamp,
  timestamptz,
  interval,
  json,
  jsonb,
  bytea,
  enumeration,
  array,
  other,
};

/// The type's name in `snapshot.columns` and in error messages: Postgres's (`integer`, `timestamp with time
/// zone`).
std::string_view type_name(Type type);

struct ColumnSchema {
  std::string name;
  /// The source's own, never used again in the table: of two columns of one name, one after the other, it
  /// tells that the second is another. 0 where the source has none.
  std::uint32_t number = 0;
  Type type = Type::other;
  /// The source's own name of the type, with modifiers: for messages and `other`.
  std::string declared;
  /// For `array`: the element's type.
  Type element = Type::other;
  bool not_null = false;
  /// Its collation is deterministic, so that equality is equality of bytes.
  bool deterministic = true;
  /// Its collation is C (or C-like), so that order is order of bytes.
  bool bytewise = false;
  /// Its collation knows no letters but ASCII's, so that cases are folded as bytes.
  bool ascii_case = false;
  bool generated = false;
  /// Updates and deletes tell its old value: the replica identity has it.
  bool old_told = true;
  /// An update that leaves it as it is may not tell its value (TOAST), unless the old one is told.
  bool left_out = false;
  bool operator==(const ColumnSchema&) const = default;
};

/// A table as the stream and the snapshot present it. Columns stand in the source's order; a Row of this
/// table has exactly one cell a column. Immutable once shared.
struct TableSchema {
  std::string schema;  ///< `public`; `main` for SQLite
  std::string name;
  std::uint32_t relation = 0;  ///< Postgres's oid; a number of the adapter's own for SQLite
  std::vector<ColumnSchema> columns;
  std::vector<int>
      key;  ///< the key's columns (indices, in the key's order); empty: the table can't be subscribed to
  /// No two rows share a key, not even inside a transaction.
  bool key_immediate = false;
  std::string replica_identity = "full";  ///< `full`, `default`, `index`, `nothing`
  /// What an operator types where old values are missing, so that all are told; empty where none is.
  std::string identity_remedy;
  /// Why nobody may subscribe to this table, for the operator and the client; empty when all is well.
  std::string refusal;

  [[nodiscard]] int find(std::string_view column) const;  ///< index, or -1
  [[nodiscard]] bool is_key(int column) const;
  /// `schema.name`, unquoted: for keys, logs and messages, never for SQL.
  [[nodiscard]] std::string qualified() const { return schema + "." + name; }
  bool operator==(const TableSchema&) const = default;
};

/// The names that somebody may use for a table's columns: those that are not hidden.
struct ColumnNames {
  const TableSchema& table;
  const std::vector<bool>& hidden;  ///< one a column; empty: none
  [[nodiscard]] int find(std::string_view column) const {
    const int index = table.find(column);
    return index >= 0 && !hidden.empty() && hidden[static_cast<std::size_t>(index)] ? -1 : index;
  }
};

/// The tables of one database that may be subscribed to at all. A value: a new one replaces it when the
/// database changes.
class Catalogue {
 public:
  Catalogue() = default;
  explicit Catalogue(std::vector<std::shared_ptr<const TableSchema>> tables);
  /// By `schema.name`, or by a bare name where it is in the default schema (`public`, `main`). Case matters.
  /// Null if there is none.
  [[nodiscard]] std::shared_ptr<const TableSchema> find(std::string_view name) const;
  [[nodiscard]] std::shared_ptr<const TableSchema> find_relation(std::uint32_t relation) const;
  [[nodiscard]] const std::vector<std::shared_ptr<const TableSchema>>& tables() const { return tables_; }

 private:
  std::vector<std::shared_ptr<const TableSchema>> tables_;
  std::map<std::string, std::shared_ptr<const TableSchema>, std::less<>> by_name_;
};

/// A value in the source's text form (Postgres's output functions under rule 23's pins; SQLite's as the
/// adapter writes them the same way), or NULL.
using Cell = std::optional<std::string>;

/// One cell a column of the table's schema.
using Row = std::vector<Cell>;

}  // namespace tidegate::query
