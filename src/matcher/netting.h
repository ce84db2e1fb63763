#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/diff.h"
#include "query/query.h"

namespace tidegate::matcher {

/// One transaction's net effect on one query's result, per key from the first old to the last new row (rule
/// 25). The transaction is told as rows that leave the result and rows that enter it: an update inside it is
/// both, one that moves a row out only the first, a key change both with different keys. Pure; one thread.
///
/// Two rows may share a key for a while (a deferrable primary key, swapped): a row that leaves is therefore
/// looked for among those that the transaction itself has put there, by its content, and only else is the one
/// from before.
///
/// It may keep rows that nobody else holds, so `bytes` says what it costs; whoever bounds that makes a new
/// one and has the query reset.
class Net {
 public:
  explicit Net(std::shared_ptr<const query::Query> query) : query_(std::move(query)) {}

  /// A pointer that owns nothing is to a row that outlives this object.
  using RowPtr = std::shared_ptr<const query::Row>;
  void leaves(const RowPtr& row);
  void enters(const RowPtr& row);
  /// TRUNCATE: the result is empty now, whatever it was. What follows is exact again.
  void emptied();

  /// The changes replace the whole result (record kind `state`); they are inserts then.
  [[nodiscard]] bool replaces() const { return replaces_; }
  /// One change a key at most, in the order in which keys were touched. Updates that show no difference in
  /// the projection are left out where old values are told, as is what came and went.
  [[nodiscard]] std::vector<protocol::RowChange> changes() const;
  /// About what it holds in memory. Rows that it shares with others count in each.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Touched {
    RowPtr before;
    std::vector<RowPtr> now;
  };
  Touched& at(const query::Row& row);

  std::shared_ptr<const query::Query> query_;
  bool replaces_ = false;
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, std::size_t> places_;
  std::vector<std::pair<std::string, Touched>> touched_;
};

}  // namespace tidegate::matcher
