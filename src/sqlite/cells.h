#pragma once

#include <string>
#include <string_view>

#include "query/schema.h"

struct sqlite3_value;

namespace tidegate::sqlite {

/// What a column's declared type means to a query. Exact names first (BOOLEAN, UUID, TIMESTAMP and DATETIME,
/// DATE, TIME, JSON, NUMERIC and DECIMAL), then as SQLite's affinity reads it: INT in it is int8; CHAR, CLOB
/// or TEXT is text; BLOB is bytea; REAL, FLOA or DOUB is float8. No type or any other name is text, which
/// shows numbers too.
query::Type column_type(std::string_view declared);

/// Whether the column's affinity is TEXT, so that a number never stays one there.
bool text_affinity(std::string_view declared);

/// A value as a cell, in Postgres's text form (rule 23). `fits` is false, and the cell NULL, where SQLite
/// stores a value that the declared type has no text for: 'abc' in an INTEGER column, 2 in a BOOLEAN, a blob
/// or broken UTF-8 in a TEXT, a date that is none. A column of type text or json shows numbers by their text.
struct CellRead {
  query::Cell cell;
  bool fits = true;
};
/// `key`: the cell belongs to the key. There different values must stay different cells, so nothing is
/// normalised: only what is spelled as the cell would be fits.
CellRead read_cell(query::Type type, sqlite3_value* value, bool key);

}  // namespace tidegate::sqlite
