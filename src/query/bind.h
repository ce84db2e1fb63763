#pragma once

#include <memory>
#include <string>

#include "query/query.h"

namespace tidegate::query {

/// Makes a Query: checks names, types and literals against a table, brings everything into its one order and
/// spelling, then works out what the Query's methods need. One use each.
class Binder {
 public:
  explicit Binder(std::shared_ptr<const TableSchema> table);
  /// Starts from a query that is bound already.
  explicit Binder(const Query& query);

  Status project(const std::vector<std::string>& names);
  Status add(const ParsedComparison& comparison);
  std::shared_ptr<const Query> finish();

 private:
  Status check_projected(int column) const;
  [[nodiscard]] Status check_operator(const ParsedComparison& comparison, int column) const;
  void choose_indexable();

  std::shared_ptr<Query> query_;
};

/// The canonical form (rule 24): see canonical.cc.
std::string canonical_text(const Query& query);

/// The type as `columns` and the canonical form name it: `integer`, `text[]`, an enum's own name.
std::string column_type_text(const ColumnSchema& column);

}  // namespace tidegate::query
