#pragma once

// What the query tests share: a table with a column of every kind, and short ways to write queries over it.

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "query/query.h"

namespace tidegate::query {

inline ParsedLiteral number(std::string text) {
  return {ParsedLiteral::Kind::number, std::move(text)};
}
inline ParsedLiteral string(std::string text) {
  return {ParsedLiteral::Kind::string, std::move(text)};
}
inline ParsedLiteral boolean(bool value) {
  return {ParsedLiteral::Kind::boolean, value ? "true" : "false"};
}
inline ParsedLiteral null() {
  return {ParsedLiteral::Kind::null, ""};
}

inline ParsedCondition compare(std::string column, Op op, std::initializer_list<ParsedLiteral> values = {}) {
  return {std::move(column), op, values, -1};
}

inline ColumnSchema column(std::string name, Type type, std::string declared = "") {
  ColumnSchema schema;
  schema.name = std::move(name);
  schema.type = type;
  schema.declared = declared.empty() ? std::string(type_name(type)) : std::move(declared);
  return schema;
}

/// `public.things`, key `id`. `code` is text under C, `folded` text under a nondeterministic collation.
inline TableSchema things() {
  TableSchema table;
  table.schema = "public";
  table.name = "things";
  table.relation = 16384;
  table.columns = {column("id", Type::int8),       column("small", Type::int2),
                   column("count", Type::int4),    column("title", Type::text),
                   column("label", Type::varchar), column("code", Type::text),
                   column("folded", Type::text),   column("done", Type::boolean),
                   column("total", Type::numeric), column("ratio", Type::float8),
                   column("ref", Type::uuid),      column("day", Type::date),
                   column("at", Type::timestamp),  column("made", Type::timestamptz),
                   column("doc", Type::jsonb),     column("tags", Type::array, "text[]"),
                   column("fixed", Type::bpchar),  column("mood", Type::enumeration, "shop.mood")};
  table.key = {0};
  table.columns[5].bytewise = table.columns[5].ascii_case = true;
  table.columns[6].deterministic = false;
  table.columns[15].element = Type::text;
  return table;
}

inline std::shared_ptr<const TableSchema> shared(TableSchema table) {
  return std::make_shared<const TableSchema>(std::move(table));
}

inline Result<std::shared_ptr<const Query>> bind_things(ParsedQuery parsed) {
  return Query::bind(parsed, shared(things()));
}

/// A row of NULLs but for one cell.
inline Row row_with(const TableSchema& table, std::string_view name, Cell cell) {
  Row row(table.columns.size());
  row[static_cast<std::size_t>(table.find(name))] = std::move(cell);
  return row;
}

}  // namespace tidegate::query
