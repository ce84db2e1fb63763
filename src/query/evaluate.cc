#include <algorithm>
#include <cassert>
#include <optional>

#include "base/encoding.h"
#include "query/moment.h"
#include "query/numeric.h"
#include "query/predicate.h"

namespace tidegate::query {
namespace {

bool is_integer(Type type) {
  return type == Type::int2 || type == Type::int4 || type == Type::int8;
}
bool is_moment(Type type) {
  return type == Type::date || type == Type::timestamp || type == Type::timestamptz;
}

std::optional<std::int64_t> read_integral(Type type, std::string_view text) {
  return is_integer(type) ? parse_i64(text) : read_moment(type, text);
}

template <class Order>
int sign(Order order) {
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

}  // namespace

std::string index_value(Type type, std::string_view cell) {
  if (type == Type::numeric) {
    if (auto normalised = normalise_numeric(cell)) return std::move(*normalised);
  }
  return std::string(cell);
}

Predicate::Predicate(const Comparison& comparison, Type type)
    : column_(comparison.column), op_(comparison.op), type_(type), values_(comparison.values) {
  assert(std::is_sorted(values_.begin(), values_.end()));
  if (!values_.empty() && (is_integer(type) || is_moment(type))) {
    const auto value = read_integral(type, values_.front());
    assert(value && "a bound literal is always of its column's type");
    value_ = value.value_or(0);
  }
}

bool Predicate::equals(std::string_view cell) const {
  // Cells are in the source's one spelling of a value, except numeric's, whose scale shows (`1.0` and `1`).
  if (type_ == Type::numeric) {
    if (values_.size() == 1) return compare_numeric(cell, values_.front()) == std::strong_ordering::equal;
    return std::binary_search(values_.begin(), values_.end(), index_value(type_, cell));
  }
  if (values_.size() == 1) return cell == values_.front();
  return std::binary_search(values_.begin(), values_.end(), cell);
}

int Predicate::order(std::string_view cell) const {
  if (type_ == Type::numeric) {
    const auto order = compare_numeric(cell, values_.front());
    return order ? sign(*order) : 2;
  }
  if (is_integer(type_) || is_moment(type_)) {
    const auto value = read_integral(type_, cell);
    return value ? sign(*value <=> value_) : 2;
  }
  return sign(cell <=>
              std::string_view(values_.front()));  // text under C, uuid, boolean's f and t: order of bytes
}

bool Predicate::holds(const Row& row) const {
  const Cell& cell = row[static_cast<std::size_t>(column_)];
  if (op_ == Op::is_null) return !cell;
  if (!cell) return false;  // NULL against anything is unknown
  switch (op_) {
    case Op::is_null:
      return false;
    case Op::is_not_null:
      return true;
    case Op::eq:
    case Op::in:
      return equals(*cell);
    case Op::ne:
      return !equals(*cell);
    case Op::lt:
      return order(*cell) == -1;
    case Op::le:
      return order(*cell) <= 0;
    case Op::gt:
      return order(*cell) == 1;
    case Op::ge: {
      const int result = order(*cell);
      return result == 0 || result == 1;
    }
  }
  return false;
}

bool Query::matches(const Row& row) const {
  assert(row.size() == table_->columns.size());
  return std::all_of(compiled_->predicates.begin(), compiled_->predicates.end(),
                     [&](const Predicate& predicate) { return predicate.holds(row); });
}

}  // namespace tidegate::query
