#include "query/compare.h"

#include <cmath>
#include <string>

#include "base/encoding.h"
#include "query/interval.h"
#include "query/jsonb.h"
#include "query/moment.h"
#include "query/numeric.h"
#include "query/query.h"
#include "query/real.h"

namespace tidegate::query {
namespace {

std::string_view without_padding(std::string_view text) {
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

/// NaN equals itself and is above everything, zero has no sign.
std::strong_ordering order_reals(double left, double right) {
  if (std::isnan(left) || std::isnan(right)) return std::isnan(left) <=> std::isnan(right);
  if (left == right) return std::strong_ordering::equal;
  return left < right ? std::strong_ordering::less : std::strong_ordering::greater;
}

template <class T>
std::optional<std::strong_ordering> order(const std::optional<T>& left, const std::optional<T>& right) {
  if (!left || !right) return std::nullopt;
  return *left <=> *right;
}

}  // namespace

std::optional<std::strong_ordering> compare_values(Type type, std::string_view left, std::string_view right) {
  switch (type) {
    case Type::int2:
    case Type::int4:
    case Type::int8:
      return order(parse_i64(left), parse_i64(right));
    case Type::numeric:
      return compare_numeric(left, right);
    case Type::float4:
    case Type::float8: {
      const auto one = read_real(type, left);
      const auto other = read_real(type, right);
      if (!one || !other) return std::nullopt;
      return order_reals(*one, *other);
    }
    case Type::date:
    case Type::time:
    case Type::timestamp:
    case Type::timestamptz:
      return order(read_moment(type, left), read_moment(type, right));
    case Type::interval:
      return order(read_interval(left), read_interval(right));
    case Type::bpchar:
      return without_padding(left) <=> without_padding(right);
    case Type::boolean:
    case Type::text:
    case Type::varchar:
    case Type::uuid:
    case Type::bytea:
      return left <=> right;
    default:
      return std::nullopt;
  }
}

std::optional<bool> equal_values(Type type, std::string_view left, std::string_view right) {
  if (type == Type::enumeration) return left == right;
  if (type == Type::jsonb) return equal_jsonb(left, right);
  const auto order = compare_values(type, left, right);
  if (!order) return std::nullopt;
  return *order == std::strong_ordering::equal;
}

bool one_spelling(Type type) {
  switch (type) {
    case Type::numeric:
    case Type::float4:
    case Type::float8:
    case Type::interval:
    case Type::bpchar:
    case Type::jsonb:
      return false;
    default:
      return true;
  }
}

std::string index_value(Type type, std::string_view cell) {
  switch (type) {
    case Type::numeric: {
      auto normalised = normalise_numeric(cell);
      return normalised ? std::move(*normalised) : std::string(cell);
    }
    case Type::float4:
    case Type::float8: {
      const auto value = read_real(type, cell);
      return value ? real_text(type, *value) : std::string(cell);
    }
    case Type::interval: {
      const auto value = read_interval(cell);
      return value ? interval_text(*value) : std::string(cell);
    }
    case Type::bpchar:
      return std::string(without_padding(cell));
    default:
      return std::string(cell);
  }
}

}  // namespace tidegate::query
