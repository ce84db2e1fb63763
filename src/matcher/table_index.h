#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/strong.h"
#include "matcher/access.h"
#include "matcher/column_index.h"
#include "matcher/conditions.h"
#include "matcher/flat_map.h"
#include "matcher/postings.h"
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

/// The queries of one table. A row's cells lead to those that wait for them (`ColumnIndex`); of these the
/// conditions that the index does not vouch for are evaluated (`Conditions`). Not thread safe.
class TableIndex {
 public:
  explicit TableIndex(std::shared_ptr<const query::TableSchema> shape);

  void add(QueryNumber number, std::shared_ptr<const query::Query> query);
  void remove(QueryNumber number);
  [[nodiscard]] const std::shared_ptr<const query::TableSchema>& shape() const { return shape_; }
  [[nodiscard]] std::size_t size() const { return by_number_.size(); }
  [[nodiscard]] std::vector<QueryNumber> all() const;

  /// As `PredicateIndex::probe`.
  std::size_t probe(const query::Row* old_row, const query::Row* new_row, std::vector<Hit>& hits);

 private:
  using Id = std::uint32_t;
  struct Entry {
    QueryNumber number;
    std::shared_ptr<const query::Query> query;
    std::uint64_t row = 0;  // the last one that found it
    std::uint32_t hit = 0;  // its place among the hits, where `row` hit it
    std::uint32_t residual = 0;
    Choice choice;
  };
  /// A condition that is evaluated for every row, and who hangs on it.
  struct Scanned {
    Conditions::Id condition;
    Postings::Handle posting;
  };
  static constexpr std::uint32_t kNoHit = ~std::uint32_t{0};

  ColumnIndex& column(int number);
  void place(Id id);
  void unplace(Id id);
  void hang(Entry& entry, Id id);
  void unhang(const Entry& entry, Id id);
  std::uint32_t acquire_residual(const query::Query& query, const Choice& choice, bool exact);
  /// The row that is looked at, and what comes of it.
  struct Look {
    const query::Row& row;
    bool is_new;
    std::vector<Hit>& hits;
  };
  void look(const Look& look);
  void try_all(Postings::Handle posting, bool exact, const Look& look);
  void try_one(Entry& entry, bool exact, const Look& look);
  [[nodiscard]] bool holds(const Entry& entry, bool exact, const query::Row& row);

  std::shared_ptr<const query::TableSchema> shape_;
  std::vector<Entry> entries_;
  std::vector<Id> free_;
  FlatMap by_number_;
  std::map<int, ColumnIndex> columns_;
  Postings postings_;
  Conditions conditions_;
  Postings::Handle always_ = Postings::kNone;  // without conditions
  std::vector<Scanned> scanned_;
  FlatMap scanned_at_;                                  // by condition
  std::vector<std::vector<Conditions::Id>> residuals_;  // the first is empty and everybody's
  std::vector<std::uint32_t> free_residuals_;

  // Of the probe under way.
  std::uint64_t rows_ = 0;
  bool old_looked_at_ = false;
  std::size_t evaluations_ = 0;
};

}  // namespace tidegate::matcher
