#pragma once

#include <optional>
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
class Net {
 public:
  explicit Net(std::shared_ptr<const query::Query> query) : query_(std::move(query)) {}

  /// The rows must outlive this object.
  void leaves(const query::Row& row);
  void enters(const query::Row& row);
  /// TRUNCATE: the result is empty now, whatever it was. What follows is exact again.
  void emptied();

  /// The changes replace the whole result (record kind `state`); they are inserts then.
  [[nodiscard]] bool replaces() const { return replaces_; }
  /// One change a key at most, in the order in which keys were touched. Updates that show no difference in
  /// the projection are left out, as is what came and went.
  [[nodiscard]] std::vector<protocol::RowChange> changes() const;

 private:
  struct Touched {
    const query::Row* before = nullptr;
    std::vector<const query::Row*> now;
  };
  Touched& at(const query::Row& row);

  std::shared_ptr<const query::Query> query_;
  bool replaces_ = false;
  std::unordered_map<std::string, std::size_t> places_;
  std::vector<std::pair<std::string, Touched>> touched_;
};

}  // namespace tidegate::matcher
