#include "query/expression.h"

#include <algorithm>
#include <array>
#include <functional>
#include <tuple>

#include "query/decimal.h"

namespace tidegate::query {
namespace {

constexpr std::array<std::string_view, 9> kTexts = {"column", "constant", "cast", "-", "+",
                                                    "-",      "*",        "/",    "%"};

/// A number, or NaN, which numeric columns may hold and which makes NaN of everything.
struct Value {
  bool nan = false;
  Decimal number;
};

std::optional<Value> read_value(const Cell& cell) {
  if (!cell) return std::nullopt;
  if (*cell == "NaN") return Value{.nan = true, .number = {}};
  auto number = read_decimal(*cell);
  if (!number) return std::nullopt;
  return Value{.nan = false, .number = std::move(*number)};
}

Decimal applied(Arithmetic kind, const Decimal& left, const Decimal& right) {
  switch (kind) {
    case Arithmetic::add:
      return left + right;
    case Arithmetic::subtract:
      return left - right;
    case Arithmetic::multiply:
      return left * right;
    case Arithmetic::divide:
      return left / right;
    default:
      return left % right;
  }
}

std::optional<Value> compute(const Expression& expression, const Row& row) {
  if (expression.kind == Arithmetic::column)
    return read_value(row[static_cast<std::size_t>(expression.column)]);
  if (expression.kind == Arithmetic::constant) return read_value(expression.constant);
  auto left = compute(expression.operands.front(), row);
  if (!left || expression.kind == Arithmetic::cast) return left;
  if (expression.kind == Arithmetic::negate) {
    left->number = -left->number;
    return left;
  }
  const auto right = compute(expression.operands.back(), row);
  if (!right) return std::nullopt;
  if (left->nan || right->nan) return Value{.nan = true, .number = {}};
  return Value{.nan = false, .number = applied(expression.kind, left->number, right->number)};
}

}  // namespace

std::string_view arithmetic_text(Arithmetic kind) {
  return kTexts[static_cast<std::size_t>(kind)];
}

std::optional<Arithmetic> parse_arithmetic(std::string_view text, std::size_t operands) {
  if (operands == 1) return text == "-" ? std::optional(Arithmetic::negate) : std::nullopt;
  const auto found = std::find(kTexts.begin() + static_cast<int>(Arithmetic::add), kTexts.end(), text);
  if (operands != 2 || found == kTexts.end()) return std::nullopt;
  return static_cast<Arithmetic>(found - kTexts.begin());
}

std::strong_ordering Expression::operator<=>(const Expression& right) const {
  const auto head = [](const Expression& one) {
    return std::tie(one.kind, one.type, one.column, one.constant);
  };
  if (const auto order = head(*this) <=> head(right); order != 0) return order;
  return std::lexicographical_compare_three_way(operands.begin(), operands.end(), right.operands.begin(),
                                                right.operands.end());
}

std::strong_ordering Terms::operator<=>(const Terms& other) const {
  if (const auto order = left <=> other.left; order != 0) return order;
  if (right.has_value() != other.right.has_value()) return right.has_value() <=> other.right.has_value();
  return right ? *right <=> *other.right : std::strong_ordering::equal;
}

Cell value_of(const Expression& expression, const Row& row) {
  const auto value = compute(expression, row);
  if (!value) return std::nullopt;
  return value->nan ? "NaN" : decimal_text(value->number);
}

std::set<int> columns_of(const Expression& expression) {
  std::set<int> columns;
  if (expression.kind == Arithmetic::column) columns.insert(expression.column);
  for (const Expression& operand : expression.operands) columns.merge(columns_of(operand));
  return columns;
}

bool names_column(const Expression& expression, int column) {
  return columns_of(expression).contains(column);
}

std::size_t hash_of(const Expression& expression) {
  std::size_t hash =
      static_cast<std::size_t>(expression.kind) * 31 + static_cast<std::size_t>(expression.column + 1);
  hash ^= std::hash<std::string>{}(expression.constant);
  for (const Expression& operand : expression.operands) hash = hash * 0x9e3779b97f4a7c15U + hash_of(operand);
  return hash;
}

}  // namespace tidegate::query
