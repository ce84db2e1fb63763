#include "matcher/conditions.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <string>

#include "query/evaluate.h"
#include "query/op.h"

namespace tidegate::matcher {

namespace {

using query::Condition;

/// A group's children count by their numbers. Conditions that differ only in paths collide, and are told
/// apart.
std::size_t hash_of(const Condition& condition, const std::vector<Conditions::Id>& children) {
  std::size_t hash = static_cast<std::size_t>(condition.op);
  const auto add = [&](std::size_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15U + (hash >> 29); };
  add(static_cast<std::size_t>(condition.column));
  add(static_cast<std::size_t>(condition.other));
  add(static_cast<std::size_t>(condition.truth));
  if (condition.terms()) add(query::hash_of(condition.terms()->left));
  for (const std::string& value : condition.values) add(std::hash<std::string>{}(value));
  for (const Conditions::Id child : children) add(child);
  return hash;
}

bool same_leaf(const Condition& left, const Condition& right) {
  return left.op == right.op && (query::is_group(left.op) || left == right);
}

}  // namespace

Conditions::Id Conditions::find(const Condition& condition, const std::vector<Id>& children) const {
  const auto [begin, end] = by_hash_.equal_range(hash_of(condition, children));
  const auto found = std::find_if(begin, end, [&](const auto& each) {
    const Node& node = nodes_[each.second];
    return node.children == children && same_leaf(node.condition, condition);
  });
  return found == end ? kNone : found->second;
}

Conditions::Id Conditions::find(const Condition& condition) const {
  std::vector<Id> children;
  for (const Condition& child : condition.children) {
    const Id id = find(child);
    if (id == kNone) return kNone;
    children.push_back(id);
  }
  return find(condition, children);
}

std::size_t Conditions::uses(const Condition& condition) const {
  const Id id = find(condition);
  return id == kNone ? 0 : nodes_[id].uses;
}

Conditions::Id Conditions::acquire(const Condition& condition) {
  std::vector<Id> children;
  for (const Condition& child : condition.children) children.push_back(acquire(child));
  Id id = find(condition, children);
  if (id != kNone) {
    for (const Id child : children) release(child);  // the group that is there holds them
    ++nodes_[id].uses;
    return id;
  }
  id = static_cast<Id>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Node& node = nodes_[id];
  if (children.empty()) {
    node.condition = condition;
  } else {
    node.condition.op = condition.op;
  }
  node.children = std::move(children);
  node.uses = 1;
  by_hash_.emplace(hash_of(node.condition, node.children), id);
  return id;
}

void Conditions::release(Id id) {
  Node& node = nodes_[id];
  assert(node.uses > 0);
  if (--node.uses > 0) return;
  const auto [begin, end] = by_hash_.equal_range(hash_of(node.condition, node.children));
  by_hash_.erase(std::find_if(begin, end, [&](const auto& each) { return each.second == id; }));
  const std::vector<Id> children = std::move(node.children);
  node = {};
  free_.push_back(id);
  for (const Id child : children) release(child);
}

void Conditions::begin(const query::Row& row) {
  row_ = &row;
  ++rows_;
}

bool Conditions::holds(Id id) {
  if (nodes_[id].row != rows_) {
    nodes_[id].held = evaluate(nodes_[id]);
    nodes_[id].row = rows_;
  }
  return nodes_[id].held;
}

bool Conditions::evaluate(const Node& node) {
  if (node.children.empty()) return query::holds(node.condition, *table_, *row_);
  const auto child_holds = [&](Id child) { return holds(child); };
  return node.condition.op == query::Op::all_of
             ? std::all_of(node.children.begin(), node.children.end(), child_holds)
             : std::any_of(node.children.begin(), node.children.end(), child_holds);
}

}  // namespace tidegate::matcher
