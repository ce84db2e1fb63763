#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "query/bind_condition.h"
#include "query/query.h"

namespace tidegate::query {

/// Makes a Query: checks names, types and literals against a table, brings everything into its one order and
/// spelling, then works out what the Query's methods need. One use each.
class Binder {
 public:
  /// What is made anew is one of `projections` where these are given, which must outlive it.
  Binder(std::shared_ptr<const TableSchema> table, std::size_t conditions_max, Projections* projections,
         const std::vector<bool>& hidden = {});
  /// Starts from a query that is bound already.
  explicit Binder(const Query& query);
  /// Claims without a value are bound to any: what comes out is of no use but to know that it can.
  void leave_claims_open() { conditions_.leave_claims_open(); }

  Status project(const ParsedQuery& parsed);
  Status add(const ParsedCondition& condition);
  /// `denied` where changes of the table don't tell all that the query has to know of old rows (rule 25).
  Result<std::shared_ptr<const Query>> finish();

 private:
  Status check_projected(int column) const;

  static std::shared_ptr<Query> make();

  std::shared_ptr<const TableSchema> table_;
  std::vector<bool> hidden_;  // empty: none
  std::vector<int> columns_;
  std::shared_ptr<Query> query_;
  Projections* projections_ = nullptr;
  ConditionBinder conditions_;
};

/// Binds as `Query::bind` does. What a policy added to a client's conditions comes on top of their bound.
Result<std::shared_ptr<const Query>> bind_query(const ParsedQuery& parsed,
                                                std::shared_ptr<const TableSchema> table,
                                                std::size_t conditions_max,
                                                Projections* projections = nullptr,
                                                const std::vector<bool>& hidden = {});

/// The canonical form (rule 24): see canonical.cc.
std::string canonical_text(const Query& query);

/// The type as `columns` and the canonical form name it: `integer`, `text[]`, an enum's own name.
std::string column_type_text(const ColumnSchema& column);

}  // namespace tidegate::query
