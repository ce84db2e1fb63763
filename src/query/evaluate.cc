// What a row is to a condition. Three-valued at the leaves; above them only AND and OR are left, in which
// unknown may count as no (see `Truth`).
#include "query/evaluate.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <string>
#include <vector>

#include "query/array_text.h"
#include "query/compare.h"
#include "query/jsonb.h"
#include "query/like.h"
#include "query/op.h"
#include "query/query.h"

namespace tidegate::query {
namespace {

using Answer = std::optional<bool>;  // nothing: unknown

bool one_of(const std::vector<std::string>& sorted, std::string_view value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

/// Whether a value is one of a leaf's.
Answer equals(Type type, const std::vector<std::string>& values, std::string_view cell) {
  if (one_spelling(type)) return values.size() == 1 ? cell == values.front() : one_of(values, cell);
  if (values.size() == 1) return equal_values(type, cell, values.front());
  if (type != Type::jsonb) return one_of(values, index_value(type, cell));
  return std::any_of(values.begin(), values.end(),
                     [&](const std::string& value) { return equal_jsonb(cell, value); });
}

bool ordered_as(Op op, std::strong_ordering order) {
  switch (op) {
    case Op::eq:
      return order == 0;
    case Op::ne:
      return order != 0;
    case Op::lt:
      return order < 0;
    case Op::le:
      return order <= 0;
    case Op::gt:
      return order > 0;
    default:
      return order >= 0;
  }
}

/// `value = ANY (array)`: unknown where it is not found and something is NULL.
Answer has(const Condition& leaf, Type element, std::string_view array) {
  bool found = false;
  bool null = false;
  for_each_element(array, [&](std::optional<std::string_view> value) {
    null = null || !value;
    found = value && equals(element, leaf.values, *value).value_or(false);
    return !found;
  });
  return found || !null ? Answer(found) : std::nullopt;
}

bool overlaps(const Condition& leaf, Type element, std::string_view array) {
  bool found = false;
  for_each_element(array, [&](std::optional<std::string_view> value) {
    found = value && equals(element, leaf.values, *value).value_or(false);
    return !found;
  });
  return found;
}

bool contains(const Condition& leaf, Type element, std::string_view array) {
  std::vector<bool> found(leaf.values.size(), false);
  std::size_t missing = found.size();
  for_each_element(array, [&](std::optional<std::string_view> value) {
    for (std::size_t i = 0; value && i < found.size(); ++i) {
      if (found[i] || !equal_values(element, *value, leaf.values[i]).value_or(*value == leaf.values[i]))
        continue;
      found[i] = true;
      --missing;
    }
    return missing > 0;
  });
  return missing == 0;
}

Answer judge(const Condition& leaf, Type type, Type element, std::string_view cell) {
  switch (leaf.op) {
    case Op::eq:
    case Op::in:
      return equals(type, leaf.values, cell);
    case Op::ne:
    case Op::not_in: {
      const Answer equal = equals(type, leaf.values, cell);
      return equal ? Answer(!*equal) : equal;
    }
    case Op::lt:
    case Op::le:
    case Op::gt:
    case Op::ge: {
      const auto order = compare_values(type, cell, leaf.values.front());
      return order ? Answer(ordered_as(leaf.op, *order)) : std::nullopt;
    }
    case Op::like:
    case Op::ilike:
      return like(cell, leaf.values.front(), leaf.op == Op::ilike);
    case Op::match:
      return leaf.computed->regex->matches(cell);
    case Op::starts_with:
      return cell.starts_with(leaf.values.front());
    case Op::contains:
      return type == Type::jsonb ? contains_jsonb(cell, leaf.values.front()) : contains(leaf, element, cell);
    case Op::overlaps:
      return overlaps(leaf, element, cell);
    case Op::has:
      return has(leaf, element, cell);
    case Op::has_key:
      return has_key_jsonb(cell, leaf.values.front());
    default:
      return std::nullopt;
  }
}

Answer compare_cells(Op op, Type type, std::string_view left, std::string_view right) {
  if (is_equality(op)) {
    const Answer equal = equal_values(type, left, right);
    return equal ? Answer(*equal == (op == Op::eq)) : equal;
  }
  const auto order = compare_values(type, left, right);
  return order ? Answer(ordered_as(op, *order)) : std::nullopt;
}

Answer compare_columns(const Condition& leaf, const TableSchema& table, const Row& row) {
  const Cell& left = row[static_cast<std::size_t>(leaf.column)];
  const Cell& right = row[static_cast<std::size_t>(leaf.other)];
  if (!left || !right) return std::nullopt;
  return compare_cells(leaf.op, table.columns[static_cast<std::size_t>(leaf.column)].type, *left, *right);
}

Answer judge_terms(const Condition& leaf, const Row& row) {
  const Terms& terms = *leaf.terms();
  const Cell left = value_of(terms.left, row);
  if (!left) return std::nullopt;
  if (!terms.right) return judge(leaf, terms.left.type, Type::other, *left);
  const Cell right = value_of(*terms.right, row);
  return right ? compare_cells(leaf.op, Type::numeric, *left, *right) : std::nullopt;
}

Answer judge(const Condition& leaf, const TableSchema& table, const Row& row) {
  if (leaf.terms()) return judge_terms(leaf, row);
  if (leaf.other >= 0) return compare_columns(leaf, table, row);
  const ColumnSchema& column = table.columns[static_cast<std::size_t>(leaf.column)];
  const Cell& cell = row[static_cast<std::size_t>(leaf.column)];
  std::optional<std::string_view> value;
  if (cell) value = *cell;
  for (const PathStep& step : leaf.path) {
    if (value) value = step_into_jsonb(*value, step);
  }
  std::optional<std::string> text;
  if (leaf.as_text && value) {
    text = text_of_jsonb(*value);
    value = text ? std::optional<std::string_view>(*text) : std::nullopt;
  }
  if (is_null_test(leaf.op)) return value.has_value() == (leaf.op == Op::is_not_null);
  if (!value) return std::nullopt;
  const Type type = leaf.path.empty() ? column.type : leaf.as_text ? Type::text : Type::jsonb;
  return judge(leaf, type, column.element, *value);
}

}  // namespace

/// Recurses as deep as the tree, which binding bounds.
bool holds(const Condition& condition, const TableSchema& table, const Row& row) {
  const auto child_holds = [&](const Condition& child) { return holds(child, table, row); };
  if (condition.op == Op::all_of)
    return std::all_of(condition.children.begin(), condition.children.end(), child_holds);
  if (condition.op == Op::any_of)
    return std::any_of(condition.children.begin(), condition.children.end(), child_holds);
  const Answer answer = judge(condition, table, row);
  switch (condition.truth) {
    case Truth::is_true:
      return answer == true;
    case Truth::is_false:
      return answer == false;
    case Truth::not_true:
      return answer != true;
    case Truth::not_false:
      return answer != false;
  }
  return false;
}

bool Query::matches(const Row& row) const {
  assert(row.size() == table().columns.size());
  return std::all_of(where_.begin(), where_.end(),
                     [&](const Condition& condition) { return holds(condition, table(), row); });
}

}  // namespace tidegate::query
