#include "query/normal_form.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "query/op.h"

namespace tidegate::query {
namespace {

void flatten(Op group, std::vector<Condition>& children) {
  std::vector<Condition> flat;
  for (Condition& child : children) {
    if (child.op == group) {
      std::move(child.children.begin(), child.children.end(), std::back_inserter(flat));
    } else {
      flat.push_back(std::move(child));
    }
  }
  children = std::move(flat);
}

std::strong_ordering compare_terms(const Condition& left, const Condition& right) {
  if (!left.terms() || !right.terms()) return (left.terms() != nullptr) <=> (right.terms() != nullptr);
  return *left.terms() <=> *right.terms();
}

bool of_one_operand(const Condition& left, const Condition& right) {
  return compare_terms(left, right) == 0 &&
         std::tie(left.column, left.path, left.as_text, left.truth) ==
             std::tie(right.column, right.path, right.as_text, right.truth);
}

/// Joins the lists of `one` and `list` (`=` and IN, or `<>` and NOT IN) of each operand, all or none of them.
void join_lists(std::vector<Condition>& children, Op one, Op list, Truth truth) {
  const auto joins = [&](const Condition& child) {
    return (child.op == one || child.op == list) && !child.values.empty() && child.truth == truth;
  };
  std::vector<Condition> joined;
  for (const Condition& child : children) {
    if (!joins(child)) {
      joined.push_back(child);
      continue;
    }
    const auto same = std::find_if(joined.begin(), joined.end(), [&](const Condition& earlier) {
      return joins(earlier) && of_one_operand(earlier, child);
    });
    if (same == joined.end()) {
      joined.push_back(child);
      continue;
    }
    same->values.insert(same->values.end(), child.values.begin(), child.values.end());
  }
  for (Condition& child : joined) {
    if (!joins(child)) continue;
    std::sort(child.values.begin(), child.values.end());
    child.values.erase(std::unique(child.values.begin(), child.values.end()), child.values.end());
    child.op = child.values.size() == 1 ? one : list;
    if (child.values.size() > kInValuesMax) return;  // a list that nobody may write
  }
  children = std::move(joined);
}

}  // namespace

void normalise(Op group, std::vector<Condition>& children) {
  flatten(group, children);
  if (group == Op::any_of) {
    join_lists(children, Op::eq, Op::in, Truth::is_true);
  } else {
    join_lists(children, Op::ne, Op::not_in, Truth::is_true);
  }
  std::sort(children.begin(), children.end());
  children.erase(std::unique(children.begin(), children.end()), children.end());
}

Condition grouped(Op group, std::vector<Condition> children) {
  normalise(group, children);
  if (children.size() == 1) return std::move(children.front());
  Condition condition;
  condition.op = group;
  condition.children = std::move(children);
  return condition;
}

bool names_column(const Condition& leaf, int column) {
  if (leaf.column == column || leaf.other == column) return true;
  if (!leaf.terms()) return false;
  return names_column(leaf.terms()->left, column) ||
         (leaf.terms()->right && names_column(*leaf.terms()->right, column));
}

std::strong_ordering Condition::operator<=>(const Condition& right) const {
  const auto leaf = [](const Condition& one) {
    return std::tie(one.column, one.op, one.values, one.truth, one.other, one.path, one.as_text);
  };
  if (const auto order = leaf(*this) <=> leaf(right); order != 0) return order;
  if (const auto order = compare_terms(*this, right); order != 0) return order;
  return std::lexicographical_compare_three_way(children.begin(), children.end(), right.children.begin(),
                                                right.children.end());
}

}  // namespace tidegate::query
