#include "postgres/relations.h"

#include <algorithm>

#include "postgres/refusal.h"

namespace tidegate::postgres {
namespace {

bool collatable(query::Type type) {
  using query::Type;
  return type == Type::text || type == Type::varchar || type == Type::bpchar || type == Type::array;
}

query::ColumnSchema column_of(const RelationColumn& streamed, const std::optional<TableDescription>& current,
                              const std::map<std::uint32_t, TypeInfo>& types) {
  if (current) {
    for (std::size_t i = 0; i < current->types.size(); ++i) {
      const query::ColumnSchema& now = current->table.columns[i];
      if (now.name == streamed.name && current->types[i] == streamed.type) return now;
    }
  }
  query::ColumnSchema column;
  column.name = streamed.name;
  const auto type = types.find(streamed.type);
  if (type != types.end()) {
    column.type = type->second.type;
    column.element = type->second.element;
    column.declared = type->second.declared;
  }
  column.deterministic = !collatable(column.type);  // not known any more: promise nothing
  return column;
}

std::string identity_name(char letter) {
  switch (letter) {
    case 'f':
      return "full";
    case 'i':
      return "index";
    case 'n':
      return "nothing";
    default:
      return "default";
  }
}

std::string refusal_now(const query::TableSchema& table, const std::optional<TableDescription>& current) {
  if (!current) return table.qualified() + " was dropped";
  if (!current->table.refusal.empty()) return current->table.refusal;
  if (table.replica_identity != "full") {
    return identity_refusal(table);
  }
  if (table.key.size() != current->table.key.size()) {
    return "the key of " + table.qualified() + " is just being changed";
  }
  return "";
}

}  // namespace

query::TableSchema merge(const Relation& relation, const std::optional<TableDescription>& current,
                         const std::map<std::uint32_t, TypeInfo>& types) {
  query::TableSchema table;
  table.schema = relation.schema;
  table.name = relation.name;
  table.relation = relation.id;
  table.replica_identity = identity_name(relation.replica_identity);
  for (const RelationColumn& column : relation.columns)
    table.columns.push_back(column_of(column, current, types));
  if (current) {
    for (const int part : current->table.key) {
      const int column = table.find(current->table.columns[part].name);
      if (column >= 0) table.key.push_back(column);
    }
  }
  table.refusal = refusal_now(table, current);
  return table;
}

Status Relations::prime(Connection& connection) {
  const auto tables = describe_published(connection, options_.publication);
  if (!tables) return tables.error();
  for (const TableDescription& found : *tables) {
    known_.emplace(found.table.relation, std::make_shared<const query::TableSchema>(found.table));
  }
  return {};
}

Result<bool> Relations::learn(const Relation& relation) {
  if (!connection_ || !connection_->usable()) {
    auto opened = Connection::open(options_);
    if (!opened) return opened.error();
    connection_.emplace(std::move(*opened));
  }
  const auto current = describe_relation(*connection_, options_.publication, relation.id);
  if (!current) return current.error();
  std::vector<std::uint32_t> oids;
  for (const RelationColumn& column : relation.columns) oids.push_back(column.type);
  const auto types = describe_types(*connection_, oids);
  if (!types) return types.error();

  query::TableSchema table = merge(relation, *current, *types);
  std::shared_ptr<const query::TableSchema>& known = known_[relation.id];
  const bool changed = !known || !(*known == table);
  if (changed) known = std::make_shared<const query::TableSchema>(std::move(table));
  named_[relation.id] = known;
  return changed;
}

std::shared_ptr<const query::TableSchema> Relations::find(std::uint32_t relation) const {
  const auto found = named_.find(relation);
  return found == named_.end() ? nullptr : found->second;
}

}  // namespace tidegate::postgres
