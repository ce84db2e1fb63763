#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/connection.h"
#include "source/source.h"

namespace tidegate::postgres {

// The change stream says nothing of DDL: four ALTERs that changed every row sent nothing until the next write
// (rule 7). Event triggers say it: they emit a logical message in the transaction of the statement, for
// published tables alone, and the stream brings it in the transaction's place. All that they consist of lies
// in the schema `tidegate`: DROP SCHEMA tidegate CASCADE undoes it. Only a superuser may make an event
// trigger.
//
// A message: `altered`, the table's oid, `t` where its rows may have other values now, then in hexadecimal
// UTF-8 its schema, its name and the columns that may. No column: all.

/// What `setup` runs, in one transaction; may be run again.
const std::string& ddl_trigger_sql();

/// Whether the triggers are there, as this program would make them, and enabled.
Result<bool> has_ddl_trigger(Connection& connection);

/// Nothing where it is no message of theirs.
std::optional<source::TableAltered> altered_of(std::string_view message);

}  // namespace tidegate::postgres
