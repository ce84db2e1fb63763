#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "query/query.h"

namespace tidegate::matcher {

/// The conditions of one table's queries, each stored once and evaluated once a row, however many queries
/// and groups have it. Not thread safe.
class Conditions {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = ~Id{0};

  explicit Conditions(std::shared_ptr<const query::TableSchema> table) : table_(std::move(table)) {}

  /// The condition's number; to be released as often as it was acquired.
  Id acquire(const query::Condition& condition);
  void release(Id id);
  /// How many hold it.
  [[nodiscard]] std::size_t uses(const query::Condition& condition) const;
  /// `kNone` where nobody does.
  [[nodiscard]] Id find(const query::Condition& condition) const;
  [[nodiscard]] std::size_t size() const { return nodes_.size() - free_.size(); }

  /// What follows is asked of that row, which must stay.
  void begin(const query::Row& row);
  [[nodiscard]] bool holds(Id id);

 private:
  /// A leaf, or a group that has numbers in the place of its children.
  struct Node {
    query::Condition condition;
    std::vector<Id> children;
    std::size_t uses = 0;
    std::uint64_t row = 0;  // the last one that it was evaluated over, and what came out
    bool held = false;
  };
  [[nodiscard]] Id find(const query::Condition& condition, const std::vector<Id>& children) const;
  [[nodiscard]] bool evaluate(const Node& node);

  std::shared_ptr<const query::TableSchema> table_;
  std::vector<Node> nodes_;
  std::vector<Id> free_;
  std::unordered_multimap<std::size_t, Id> by_hash_;
  const query::Row* row_ = nullptr;
  std::uint64_t rows_ = 0;
};

}  // namespace tidegate::matcher
