#include "matcher/intervals.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace tidegate::matcher {

int Intervals::level_of(std::uint64_t low, std::uint64_t high) {
  return low == high ? 0 : static_cast<int>(std::bit_width(low ^ high)) - 1;
}

std::uint64_t Intervals::cut(std::uint64_t low, std::uint64_t high) {
  const int level = level_of(low, high);
  if (level <= static_cast<int>(std::bit_width(high - low))) return 0;
  return high & ~((std::uint64_t{1} << level) - 1);
}

void Intervals::add(std::uint64_t low, std::uint64_t high, std::uint32_t entry, Postings& postings) {
  assert(low <= high);
  const std::uint64_t middle = cut(low, high);
  if (middle != 0) add_part(low, middle - 1, entry, postings);
  add_part(middle != 0 ? middle : low, high, entry, postings);
}

void Intervals::remove(std::uint64_t low, std::uint64_t high, std::uint32_t entry, Postings& postings) {
  const std::uint64_t middle = cut(low, high);
  if (middle != 0) remove_part(low, middle - 1, entry, postings);
  remove_part(middle != 0 ? middle : low, high, entry, postings);
}

std::size_t Intervals::load(std::uint64_t low, std::uint64_t high, const Postings& postings) const {
  const std::uint64_t middle = cut(low, high);
  if (middle != 0) high = middle - 1;
  const std::uint32_t found = nodes_at_.find(node_id(low, level_of(low, high)));
  if (found == FlatMap::kNone) return 0;
  const Postings::Handle* posting = find(const_cast<Node&>(nodes_[found]), low, high);
  return posting != nullptr ? postings.size(*posting) : 0;
}

Postings::Handle* Intervals::find(Node& node, std::uint64_t low, std::uint64_t high) {
  if (node.sorted) {
    const auto found = node.sorted->by_low.find({low, high});
    return found == node.sorted->by_low.end() ? nullptr : &found->second;
  }
  const auto found = std::find_if(node.few.begin(), node.few.end(), [&](const Interval& interval) {
    return interval.low == low && interval.high == high;
  });
  return found == node.few.end() ? nullptr : &found->posting;
}

void Intervals::insert(Node& node, const Interval& interval) {
  if (!node.sorted && node.few.size() < kFew) {
    node.few.push_back(interval);
    return;
  }
  if (!node.sorted) node.sorted = std::make_unique<Sorted>();
  node.few.push_back(interval);
  for (const Interval& each : node.few) {
    node.sorted->by_low.emplace(Ends(each.low, each.high), each.posting);
    node.sorted->by_high.emplace(Ends(each.high, each.low), each.posting);
  }
  node.few = {};
}

void Intervals::erase(Node& node, std::uint64_t low, std::uint64_t high) {
  if (node.sorted) {
    node.sorted->by_low.erase({low, high});
    node.sorted->by_high.erase({high, low});
    if (node.sorted->by_low.empty()) node.sorted.reset();
    return;
  }
  std::erase_if(node.few,
                [&](const Interval& interval) { return interval.low == low && interval.high == high; });
}

Intervals::Node& Intervals::make_node(std::uint64_t id, int level) {
  std::uint32_t number = static_cast<std::uint32_t>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  nodes_at_.set(id, number);
  ++nodes_of_level_[static_cast<std::size_t>(level)];
  levels_ |= std::uint64_t{1} << level;
  return nodes_[number];
}

void Intervals::add_part(std::uint64_t low, std::uint64_t high, std::uint32_t entry, Postings& postings) {
  const int level = level_of(low, high);
  const std::uint64_t id = node_id(low, level);
  const std::uint32_t found = nodes_at_.find(id);
  Node& node = found == FlatMap::kNone ? make_node(id, level) : nodes_[found];
  Postings::Handle* posting = find(node, low, high);
  if (posting == nullptr) {
    insert(node, {low, high, postings.add(Postings::kNone, entry)});
    return;
  }
  *posting = postings.add(*posting, entry);
  if (node.sorted) node.sorted->by_high.at({high, low}) = *posting;
}

void Intervals::remove_part(std::uint64_t low, std::uint64_t high, std::uint32_t entry, Postings& postings) {
  const int level = level_of(low, high);
  const std::uint64_t id = node_id(low, level);
  const std::uint32_t found = nodes_at_.find(id);
  assert(found != FlatMap::kNone);
  Node& node = nodes_[found];
  Postings::Handle* posting = find(node, low, high);
  assert(posting != nullptr);
  *posting = postings.remove(*posting, entry);
  if (*posting != Postings::kNone) {
    if (node.sorted) node.sorted->by_high.at({high, low}) = *posting;
    return;
  }
  erase(node, low, high);
  if (!node.few.empty() || node.sorted) return;
  nodes_at_.erase(id);
  free_.push_back(found);
  if (--nodes_of_level_[static_cast<std::size_t>(level)] == 0) levels_ &= ~(std::uint64_t{1} << level);
}

}  // namespace tidegate::matcher
