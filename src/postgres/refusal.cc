#include "postgres/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "postgres/connection.h"

namespace tidegate::postgres {
namespace {

std::string shape_refusal(const query::TableSchema& table, const Suitability& facts) {
  if (facts.has_children) {
    return table.qualified() +
           " has tables that inherit from it, which is not supported: subscribe to those instead";
  }
  for (const query::ColumnSchema& column : table.columns) {
    if (column.generated) {
      return fmt::format(
          "the stored generated column {} of {} is not in the change stream: ALTER TABLE {} ALTER COLUMN "
          "{} DROP EXPRESSION, or DROP COLUMN",
          column.name, table.qualified(), quoted(table), quote_name(column.name));
    }
  }
  if (table.key.empty()) {
    return fmt::format("{} has no primary key: ALTER TABLE {} ADD PRIMARY KEY (…)", table.qualified(),
                       quoted(table));
  }
  for (const int column : table.key) {
    const query::ColumnSchema& part = table.columns[column];
    if (part.type == query::Type::other || !part.deterministic) {
      return fmt::format(
          "the key column {} of {} can't be a key here: {}", part.name, table.qualified(),
          part.deterministic ? "its type is " + part.declared : "its collation is nondeterministic");
    }
  }
  return "";
}

std::string publication_refusal(const query::TableSchema& table, const Suitability& facts) {
  const std::string publication = quote_name(facts.publication);
  if (!facts.whole_publish) {
    return fmt::format(
        "the publication {0} does not publish every kind of change: ALTER PUBLICATION {0} SET (publish = "
        "'insert, update, delete, truncate')",
        publication);
  }
  if (facts.narrowing.row_filter || facts.narrowing.column_list) {
    return fmt::format(
        "the publication {0} has a {1} for {2}: ALTER PUBLICATION {0} DROP TABLE {3}; ALTER PUBLICATION "
        "{0} ADD TABLE {3}",
        publication, facts.narrowing.row_filter ? "row filter" : "column list", table.qualified(),
        quoted(table));
  }
  return "";
}

}  // namespace

std::string quoted(const query::TableSchema& table) {
  return quote_name(table.schema) + "." + quote_name(table.name);
}

std::string identity_statement(const query::TableSchema& table) {
  return "ALTER TABLE " + quoted(table) + " REPLICA IDENTITY FULL";
}

void note_remedy(query::TableSchema& table, bool partitioned) {
  const bool whole = std::all_of(table.columns.begin(), table.columns.end(),
                                 [](const query::ColumnSchema& column) { return column.old_told; });
  table.identity_remedy = whole ? "" : identity_statement(table);
  if (whole || !partitioned) return;
  table.identity_remedy += ", and the same for each of its partitions, as tidegate setup does";
  if (table.replica_identity == "full") table.replica_identity = "full, but not that of each partition";
}

std::string identity_refusal(const query::TableSchema& table) {
  const bool told =
      std::all_of(table.key.begin(), table.key.end(), [&](int part) { return table.columns[part].old_told; });
  if (told) return "";
  return fmt::format("the replica identity of {} is {}, and has not even the key of old rows: {}",
                     table.qualified(), table.replica_identity, table.identity_remedy);
}

std::string served_in_part(const query::TableSchema& table) {
  std::vector<std::string> told;
  std::vector<std::string> large;
  for (const query::ColumnSchema& column : table.columns) {
    if (column.old_told) told.push_back(column.name);
    if (!column.old_told && column.left_out) large.push_back(column.name);
  }
  if (told.size() == table.columns.size()) return "";
  std::string words = fmt::format("{}, with the replica identity {}, serves queries whose conditions name {}",
                                  table.qualified(), table.replica_identity, fmt::join(told, ", "));
  words += told.size() == 1 ? " alone" : " only";
  if (!large.empty()) words += fmt::format(" and which do not show {}", fmt::join(large, ", "));
  return words + "; for all: " + table.identity_remedy;
}

std::string refusal_of(const query::TableSchema& table, const Suitability& facts) {
  if (std::string shape = shape_refusal(table, facts); !shape.empty()) return shape;
  if (std::string identity = identity_refusal(table); !identity.empty()) return identity;
  if (std::string narrow = publication_refusal(table, facts); !narrow.empty()) return narrow;
  const std::string role = quote_name(facts.role);
  if (!facts.partitions.empty()) {
    return table.qualified() + " can't be served: " + facts.partitions +
           "; or publish its partitions as tables of their own (ALTER PUBLICATION " +
           quote_name(facts.publication) + " SET (publish_via_partition_root = false))";
  }
  if (facts.row_security) {
    return fmt::format("row security would hide rows of {} from the role {}: ALTER ROLE {} BYPASSRLS",
                       table.qualified(), facts.role, role);
  }
  if (!facts.readable) {
    return fmt::format(
        "the role {} may not read {}: GRANT USAGE ON SCHEMA {} TO {}; GRANT SELECT ON {} TO {}", facts.role,
        table.qualified(), quote_name(table.schema), role, quoted(table), role);
  }
  return "";
}

}  // namespace tidegate::postgres
