#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/strong.h"
#include "query/query.h"

namespace tidegate::matcher {

/// A matched query's number within one reign.
using QueryNumber = Strong<struct QueryNumberTag, std::uint64_t>;

/// A query that a change concerns: the old row was in its result, the new one is, or both.
struct Hit {
  QueryNumber number;
  bool old_in = false;
  bool new_in = false;
};

/// Change -> queries. A query whose conditions demand one of some values in a column lies in that column's
/// hash buckets and costs nothing until a row with such a value comes; the others are evaluated for every
/// change of their table. Pure; one thread.
class PredicateIndex {
 public:
  /// All queries of a relation must be bound to the same shape (`Roster` sees to it).
  void add(QueryNumber number, std::shared_ptr<const query::Query> query);
  void remove(QueryNumber number);

  /// The shape that the relation's queries are bound to; null where it has none.
  [[nodiscard]] std::shared_ptr<const query::TableSchema> shape(std::uint32_t relation) const;
  /// All queries of a relation, in no order.
  [[nodiscard]] std::vector<QueryNumber> all(std::uint32_t relation) const;

  /// The queries that hold `old_row` or `new_row` (either may be null), each once, in no order. The rows have
  /// the relation's shape. Returns how many times a query was evaluated.
  std::size_t probe(std::uint32_t relation, const query::Row* old_row, const query::Row* new_row,
                    std::vector<Hit>& hits);

 private:
  struct Entry {
    QueryNumber number;
    std::shared_ptr<const query::Query> query;
    std::uint64_t probe = 0;  // the last one that found it
    bool try_old = false;
    bool try_new = false;
  };
  using Bucket = std::vector<Entry*>;
  struct Table {
    std::unordered_map<int, std::unordered_map<std::string, Bucket>> by_column;
    Bucket scanned;
    std::size_t queries = 0;
  };
  void collect(const Table& table, const query::Row& row, bool is_new);
  void candidate(Entry& entry, bool is_new);

  std::unordered_map<QueryNumber, std::unique_ptr<Entry>> entries_;
  std::unordered_map<std::uint32_t, Table> tables_;
  std::uint64_t probes_ = 0;
  std::vector<Entry*> candidates_;  // of the probe under way
};

}  // namespace tidegate::matcher
