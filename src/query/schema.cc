#include "query/schema.h"

#include <algorithm>
#include <utility>

namespace tidegate::query {

std::string_view type_name(Type type) {
  switch (type) {
    case Type::boolean:
      return "boolean";
    case Type::int2:
      return "smallint";
    case Type::int4:
      return "integer";
    case Type::int8:
      return "bigint";
    case Type::numeric:
      return "numeric";
    case Type::float4:
      return "real";
    case Type::float8:
      return "double precision";
    case Type::text:
      return "text";
    case Type::varchar:
      return "character varying";
    case Type::bpchar:
      return "character";
    case Type::uuid:
      return "uuid";
    case Type::date:
      return "date";
    case Type::time:
      return "time without time zone";
    case Type::timestamp:
      return "timestamp without time zone";
    case Type::timestamptz:
      return "timestamp with time zone";
    case Type::interval:
      return "interval";
    case Type::json:
      return "json";
    case Type::jsonb:
      return "jsonb";
    case Type::bytea:
      return "bytea";
    case Type::enumeration:
      return "enum";
    case Type::array:
      return "array";
    case Type::other:
      return "other";
  }
  return "other";
}

int TableSchema::find(std::string_view column) const {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const ColumnSchema& candidate) { return candidate.name == column; });
  return found == columns.end() ? -1 : static_cast<int>(found - columns.begin());
}

bool TableSchema::is_key(int column) const {
  return std::find(key.begin(), key.end(), column) != key.end();
}

Catalogue::Catalogue(std::vector<std::shared_ptr<const TableSchema>> tables) : tables_(std::move(tables)) {
  const auto refuse = [](std::shared_ptr<const TableSchema>& table) {
    auto refused = std::make_shared<TableSchema>(*table);
    refused->refusal = "the table " + table->qualified() +
                       " is named like another, but for where the schema's name ends: "
                       "rename one of the two";
    table = std::move(refused);
  };
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const auto [place, fresh] = places.emplace(tables_[i]->qualified(), i);
    if (fresh) continue;
    refuse(tables_[i]);
    refuse(tables_[place->second]);
  }
  for (const auto& table : tables_) by_name_.emplace(table->qualified(), table);
  // A bare name never hides a table that is really called so (`"public.orders"` in another schema), so these
  // come last.
  for (const auto& table : tables_) {
    if (table->schema == "public" || table->schema == "main") by_name_.emplace(table->name, table);
  }
}

std::shared_ptr<const TableSchema> Catalogue::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::shared_ptr<const TableSchema> Catalogue::find_relation(std::uint32_t relation) const {
  for (const auto& table : tables_) {
    if (table->relation == relation) return table;
  }
  return nullptr;
}

}  // namespace tidegate::query
