#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "query/schema.h"
#include "sqlite/connection.h"
#include "sqlite/probe.h"

namespace tidegate::sqlite {

/// Columns that together are unique, by these collations: where REPLACE may find victims.
struct UniqueColumns {
  std::vector<std::string> columns;
  std::vector<std::string> collations;
  std::vector<std::string> defaults;  ///< SQL of a NOT NULL column's default, else empty
};

/// A table as we follow it.
struct Table {
  std::shared_ptr<const query::TableSchema> schema;
  std::vector<UniqueColumns> unique;  ///< the key's own too, unless it is the rowid

  [[nodiscard]] bool followed() const { return schema->refusal.empty(); }
  /// `SELECT` of all columns in the schema's order, without a WHERE.
  [[nodiscard]] std::string select() const;
};

/// Gives a table's name the same number as long as the process lives. Not locked.
using RelationNumbers = std::map<std::string, std::uint32_t, std::less<>>;

/// The user's tables as the connection's transaction sees them, by name. Views, virtual tables, SQLite's and
/// our own are left out. What can't be followed carries a refusal that says what to type.
Result<std::vector<Table>> read_tables(Connection& connection, RelationNumbers& numbers);

/// The columns from `first` on as a Row. False where the row has no key that could be shown (NULL, or a value
/// that does not fit): such rows belong to no result. Counts both.
bool read_row(const query::TableSchema& schema, const Rows& rows, int first, query::Row& row, Probe& probe);

}  // namespace tidegate::sqlite
