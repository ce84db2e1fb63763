#include "postgres/relations.h"

#include <algorithm>
#include <utility>

#include "postgres/partitions.h"
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
  column.left_out = true;
  column.old_told = !current || !current->partitioned;
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
  if (std::string identity = identity_refusal(table); !identity.empty()) return identity;
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
  for (const RelationColumn& column : relation.columns) {
    table.columns.push_back(column_of(column, current, types));
    // As it was then; of a partitioned table as its partitions have it now, which the stream does not say.
    bool& told = table.columns.back().old_told;
    told = column.identity && (told || !current || !current->partitioned);
  }
  if (current) {
    for (const int part : current->table.key) {
      const int column = table.find(current->table.columns[part].name);
      if (column >= 0) table.key.push_back(column);
    }
    table.key_immediate = current->table.key_immediate;
  }
  note_remedy(table, current && current->partitioned);
  table.refusal = refusal_now(table, current);
  return table;
}

Status Relations::prime(Connection& connection) {
  const auto tables = describe_published(connection, options_.publication, options_.reads_rows);
  if (!tables) return tables.error();
  for (const TableDescription& found : *tables) {
    known_.emplace(found.table.relation, std::make_shared<const query::TableSchema>(found.table));
  }
  return {};
}

query::TableSchema Relations::narrowed(const Root& root) {
  query::TableSchema table = root.table;
  for (query::ColumnSchema& column : table.columns) {
    for (const auto& [partition, told] : root.told) {
      column.old_told = column.old_told && told.contains(column.name);
    }
  }
  note_remedy(table, true);
  if (table.refusal.empty()) table.refusal = identity_refusal(table);
  return table;
}

Relations::Table Relations::name(std::uint32_t relation, query::TableSchema table) {
  Table& known = known_[relation];
  const bool changed = !known || !(*known == table);
  if (changed) known = std::make_shared<const query::TableSchema>(std::move(table));
  named_[relation] = known;
  return changed ? known : nullptr;
}

Relations::Table Relations::learn_partition(const Relation& relation) {
  const std::uint32_t of = std::exchange(root_, 0);
  std::set<std::string> told;
  for (const RelationColumn& column : relation.columns) {
    if (column.identity) told.emplace(column.name);
  }
  Root& root = roots_.at(of);
  root.told[relation.id] = std::move(told);
  Table changed = name(of, narrowed(root));
  named_[relation.id] = named_[of];  // no change comes as its own
  return changed;
}

Result<Relations::Table> Relations::learn(const Relation& relation) {
  if (root_ != 0 && relation.id != root_) return learn_partition(relation);
  if (!connection_ || !connection_->usable()) {
    auto opened = Connection::open(options_);
    if (!opened) return opened.error();
    connection_.emplace(std::move(*opened));
  }
  const auto current =
      describe_relation(*connection_, options_.publication, relation.id, options_.reads_rows);
  if (!current) return current.error();
  std::vector<std::uint32_t> oids;
  for (const RelationColumn& column : relation.columns) oids.push_back(column.type);
  const auto types = describe_types(*connection_, oids);
  if (!types) return types.error();

  query::TableSchema table = merge(relation, *current, *types);
  root_ = 0;
  if (!*current || !(*current)->partitioned) return name(relation.id, std::move(table));
  const auto partitions = partitions_of(*connection_, relation.id);
  if (!partitions) return partitions.error();
  root_ = relation.id;
  Root& root = roots_[root_];
  root.table = std::move(table);
  std::erase_if(root.told, [&](const auto& each) { return !partitions->contains(each.first); });
  return name(relation.id, narrowed(root));
}

Relations::Table Relations::find(std::uint32_t relation) const {
  const auto found = named_.find(relation);
  return found == named_.end() ? nullptr : found->second;
}

}  // namespace tidegate::postgres
