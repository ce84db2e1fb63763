#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "matcher/table_index.h"
#include "query/query.h"

namespace tidegate::matcher {

/// Change -> queries. A query with a condition that can be indexed (`access.h`) costs nothing until a row
/// comes that fulfils it; the others' conditions are evaluated for every change of their table, each once.
/// Pure; one thread.
class PredicateIndex {
 public:
  /// All queries of a relation must be bound to the same shape (`Roster` sees to it).
  void add(QueryNumber number, std::shared_ptr<const query::Query> query);
  void remove(std::uint32_t relation, QueryNumber number);

  /// The shape that the relation's queries are bound to; null where it has none.
  [[nodiscard]] std::shared_ptr<const query::TableSchema> shape(std::uint32_t relation) const;
  /// The relations that have queries, in no order.
  [[nodiscard]] std::vector<std::uint32_t> relations() const;
  /// All queries of a relation, in no order.
  [[nodiscard]] std::vector<QueryNumber> all(std::uint32_t relation) const;

  /// The queries that hold `old_row` or `new_row` (either may be null), each once, in no order. The rows have
  /// the relation's shape. Returns how many times a query, or a condition that can't be indexed, was tried.
  std::size_t probe(std::uint32_t relation, const query::Row* old_row, const query::Row* new_row,
                    std::vector<Hit>& hits);

 private:
  std::unordered_map<std::uint32_t, TableIndex> tables_;
};

}  // namespace tidegate::matcher
