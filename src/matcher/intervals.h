#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "matcher/flat_map.h"
#include "matcher/postings.h"

namespace tidegate::matcher {

// Closed intervals of 64-bit numbers, and which of them hold a number.
//
// This is Edelsbrunner's interval tree ("Dynamic data structures for orthogonal intersection queries", 1980)
// over the fixed binary tree of all numbers' bits, whose nodes lie in a hash table instead of being linked.
// An interval lies in the node where its ends part: `low` and `high` agree above bit `level` and differ in
// it. So it holds the middle of its node's span. A number passes one node a level; in that node, where its
// bit `level` is 0 it lies below the middle, every interval there ends above it, and those hold it that begin
// at or below it; where the bit is 1 the mirror image. Sorted by begin and by end, a node gives just these.
//
// Two things make it flat in the number of intervals. Only levels that have nodes are looked at, and these
// look-ups don't wait for one another as those down a tree do. And a short interval across the middle of a
// wide span would lie high up: it is cut in two there, and either part lies in a node no wider than itself.
// So the levels are those of the intervals' lengths, not of their number.

class Intervals {
 public:
  /// `low` <= `high`. Equal intervals share a set of `postings`.
  void add(std::uint64_t low, std::uint64_t high, std::uint32_t entry, Postings& postings);
  void remove(std::uint64_t low, std::uint64_t high, std::uint32_t entry, Postings& postings);
  /// How many have this interval, or the lower part of it.
  [[nodiscard]] std::size_t load(std::uint64_t low, std::uint64_t high, const Postings& postings) const;
  [[nodiscard]] bool empty() const { return levels_ == 0; }

  /// Calls `f` with the set of every interval that holds `number`: each interval once.
  template <class F>
  void each(std::uint64_t number, const F& f) const {
    for (std::uint64_t levels = levels_; levels != 0; levels &= levels - 1)
      nodes_at_.prefetch(node_id(number, std::countr_zero(levels)));
    for (std::uint64_t levels = levels_; levels != 0; levels &= levels - 1) {
      const int level = std::countr_zero(levels);
      const std::uint32_t found = nodes_at_.find(node_id(number, level));
      if (found != FlatMap::kNone) each_in(nodes_[found], level, number, f);
    }
  }

 private:
  struct Interval {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    Postings::Handle posting = Postings::kNone;
  };
  using Ends = std::pair<std::uint64_t, std::uint64_t>;
  struct Sorted {
    std::map<Ends, Postings::Handle> by_low;
    std::map<Ends, Postings::Handle> by_high;  // high before low
  };
  /// A few are searched; more are sorted.
  struct Node {
    std::vector<Interval> few;
    std::unique_ptr<Sorted> sorted;
  };
  static constexpr std::size_t kFew = 16;

  /// The middle of the span of `number`'s node: no two nodes have the same, whatever their levels.
  static std::uint64_t node_id(std::uint64_t number, int level) {
    return (number & ~((std::uint64_t{2} << level) - 1)) | std::uint64_t{1} << level;
  }
  static int level_of(std::uint64_t low, std::uint64_t high);
  /// Where the interval is to be cut; 0 if it is to stay whole.
  static std::uint64_t cut(std::uint64_t low, std::uint64_t high);
  void add_part(std::uint64_t low, std::uint64_t high, std::uint32_t entry, Postings& postings);
  void remove_part(std::uint64_t low, std::uint64_t high, std::uint32_t entry, Postings& postings);
  static Postings::Handle* find(Node& node, std::uint64_t low, std::uint64_t high);
  static void insert(Node& node, const Interval& interval);
  static void erase(Node& node, std::uint64_t low, std::uint64_t high);
  Node& make_node(std::uint64_t id, int level);

  template <class F>
  static void each_in(const Node& node, int level, std::uint64_t number, const F& f) {
    for (const Interval& interval : node.few) {
      if (interval.low <= number && number <= interval.high) f(interval.posting);
    }
    if (!node.sorted) return;
    if ((number >> level & 1) == 0) {
      const auto& sorted = node.sorted->by_low;
      for (auto at = sorted.begin(); at != sorted.end() && at->first.first <= number; ++at) f(at->second);
    } else {
      const auto& sorted = node.sorted->by_high;
      for (auto at = sorted.rbegin(); at != sorted.rend() && at->first.first >= number; ++at) f(at->second);
    }
  }

  FlatMap nodes_at_;  // by id
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> free_;
  std::uint64_t levels_ = 0;  // bit by bit, those that have nodes
  std::array<std::uint32_t, 64> nodes_of_level_{};
};

}  // namespace tidegate::matcher
