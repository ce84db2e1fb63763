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
  char relation_kind = 'r';  ///< pg_class.relkind
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
/// The refusal of a table whose replica identity is not full.
std::string identity_refusal(const query::TableSchema& table);

}  // namespace tidegate::postgres
