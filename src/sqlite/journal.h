#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sqlite/catalogue.h"
#include "sqlite/connection.h"
#include "sqlite/options.h"

// How a SQLite file tells its changes (exactness.md, rule 30).
//
// Triggers on each table write into `_tidegate_journal`, in the writer's own transaction, whoever the writer
// is. A row of it says: something may have happened to the row of this table with this key. Its id
// (AUTOINCREMENT) is the LSN: in commit order, since SQLite has one writer, and without gaps, since a
// rollback takes its ids back.
//
// A journal row holds the key alone, as it is stored, in columns without a type: text with NUL, blobs, 64-bit
// integers and reals come back as they went in (quote() cuts a text at its NUL, JSON functions abort on
// blobs). What the row was and what it became is found by comparing the table, within the transaction that
// reads the journal, with the reader's shadow of it (shadow.h). So a journal row too many is harmless, and
// the triggers may journal suspects:
//
// - REPLACE deletes rows without firing a delete trigger (unless recursive_triggers is on). Before an insert
// or update
//   the triggers journal every row that holds one of the new row's unique values, by the index's own
//   collation. A NULL that REPLACE turns into a column's default is looked for as that default. What a later
//   trigger of the user's does to other rows of the table fires ours again.
// - An update journals its old key too, if it is another one byte by byte.
//
// The triggers name key columns and unique columns only, which SQLite lets nobody drop anyway: ALTER TABLE
// ... ADD, RENAME and DROP COLUMN work while they stand. They use no function but coalesce() and typeof(),
// and can't fail where the user's statement would not. What fires no trigger is not seen:
// sqlite3_blob_write(), writable_schema.
//
// DROP TABLE takes triggers along and a new table has none: whoever reads compares `PRAGMA schema_version`
// first, and after a change installs what is missing, together with a journal row of no table (so that what
// follows is above every earlier H), and compares all tables whole.

namespace tidegate::sqlite {

inline constexpr std::size_t kKeyColumnsMax = 8;

/// `"a", "b"` of the key's columns, each with `prefix` before it (`NEW.`).
std::string key_list(const query::TableSchema& schema, const std::string& prefix);

/// A trigger of ours: its name and the CREATE TRIGGER that makes it.
struct Trigger {
  std::string name;
  std::string table;
  std::string sql;
};
/// All triggers of a table that is followed.
std::vector<Trigger> triggers_of(const Table& table);

/// Sets WAL mode, and makes our tables and the file's random id where they are missing. Outside of a
/// transaction.
Status prepare_file(Connection& writer, const Options& options);

/// The file's random id; `lost` where it has none (any more).
Result<std::string> read_file_id(Connection& connection);

/// Makes the triggers be those of the tables of now, in one transaction that always adds a journal row of no
/// table. The schema version that it leaves.
Result<std::int64_t> install_triggers(Connection& writer, const std::string& file_id,
                                      RelationNumbers& numbers);

}  // namespace tidegate::sqlite
