#pragma once

#include <string>

#include "query/schema.h"

namespace tidegate::postgres {

/// How a publication shows less than whole rows of a table (rule 8).
struct Narrowing {
  bool row_filter = false;
  bool column_list = false;
};

/// What decides, beside a table's columns, whether it may be subscribed to.
struct Suitability {
  std::string partitions;  ///< why it can't be served with its partitions; empty: it can, or has none
  bool has_children = false;
  bool row_security = false;  ///< would filter for our role
  bool readable = true;       ///< our role may SELECT
  bool whole_publish = true;  ///< the publication publishes insert, update, delete and truncate
  Narrowing narrowing;
  std::string role;
  std::string publication;
};

/// Why nobody may subscribe to the table, with what to type against it; empty when all is well.
std::string refusal_of(const query::TableSchema& table, const Suitability& facts);

/// `"schema"."name"`.
std::string quoted(const query::TableSchema& table);
/// `ALTER TABLE "schema"."name" REPLICA IDENTITY FULL`.
std::string identity_statement(const query::TableSchema& table);
/// Sets the table's `identity_remedy` where old values are missing, and says of a partitioned one that its
/// partitions are the reason.
void note_remedy(query::TableSchema& table, bool partitioned);
/// Why the table's replica identity suffices for no query: not even the key is told. Empty where it is.
std::string identity_refusal(const query::TableSchema& table);
/// Which queries the replica identity suffices for, in words; empty where it does for all.
std::string served_in_part(const query::TableSchema& table);

}  // namespace tidegate::postgres
