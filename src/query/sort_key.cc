#include "query/sort_key.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "base/encoding.h"
#include "query/interval.h"
#include "query/moment.h"
#include "query/numeric.h"
#include "query/real.h"

namespace tidegate::query {
namespace {

constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::uint64_t of_whole(std::int64_t value) {
  return static_cast<std::uint64_t>(value) ^ kSign;
}

/// IEEE 754's bits of numbers of one sign stand in their order; NaN is above everything, zero has no sign.
std::uint64_t of_real(double value) {
  if (std::isnan(value)) return kMax;
  const auto bits = std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
  return bits & kSign ? ~bits : bits | kSign;
}

/// Digits with at most a minus and a point, as Postgres prints every finite numeric.
bool is_plain(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.front() <= '9' &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

/// Rounding to the nearest double keeps the order, though it may make equals.
std::optional<double> nearest(std::string_view plain) {
  double value = 0;
  const auto [end, code] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (end != plain.data() + plain.size()) return std::nullopt;
  if (code == std::errc{}) return value;
  const bool negative = plain.starts_with('-');
  if (negative) plain.remove_prefix(1);
  const std::size_t digit = plain.find_first_not_of('0');
  if (digit == std::string_view::npos || plain[digit] == '.') return 0.0;  // too small for a double
  const double largest = std::numeric_limits<double>::max();
  return negative ? -largest : largest;
}

/// Numbers of 15 significant digits are told apart by doubles (`std::numeric_limits<double>::digits10`), and
/// so are they where zeros at either end come on top, within the range of doubles.
bool survives_rounding(std::string_view plain) {
  constexpr std::size_t kLength = 200;
  if (plain.size() > kLength) return false;
  const std::size_t first = plain.find_first_of("123456789");
  if (first == std::string_view::npos) return true;
  const std::string_view significant = plain.substr(first, plain.find_last_not_of("0.") + 1 - first);
  return significant.size() <= std::numeric_limits<double>::digits10;
}

std::optional<SortKey> of_numeric(std::string_view text) {
  std::string normal;
  if (!is_plain(text)) {
    auto normalised = normalise_numeric(text);
    if (!normalised) return std::nullopt;
    normal = std::move(*normalised);
    if (normal == "NaN") return SortKey{kMax};
    const double infinity = std::numeric_limits<double>::infinity();
    if (normal == "Infinity") return SortKey{of_real(infinity)};
    if (normal == "-Infinity") return SortKey{of_real(-infinity)};
    text = normal;
  }
  const auto value = nearest(text);
  return value ? std::optional(SortKey{of_real(*value), survives_rounding(text)}) : std::nullopt;
}

/// Days within 90,000 years around zero, then the microseconds of a day; what lies beyond shares one number.
SortKey of_interval(Interval interval) {
  constexpr int kUsBits = 37;
  constexpr std::int64_t kDays = std::int64_t{1} << (62 - kUsBits);
  if (interval.days >= kDays) return {kMax, false};
  if (interval.days < -kDays) return {0, false};
  return {of_whole(interval.days * (std::int64_t{1} << kUsBits) + interval.us)};
}

}  // namespace

std::optional<SortKey> sort_key(Type type, std::string_view text) {
  switch (type) {
    case Type::int2:
    case Type::int4:
    case Type::int8: {
      const auto value = parse_i64(text);
      return value ? std::optional(SortKey{of_whole(*value)}) : std::nullopt;
    }
    case Type::date:
    case Type::time:
    case Type::timestamp:
    case Type::timestamptz: {
      const auto value = read_moment(type, text);
      return value ? std::optional(SortKey{of_whole(*value)}) : std::nullopt;
    }
    case Type::float4:
    case Type::float8: {
      const auto value = read_real(type, text);
      return value ? std::optional(SortKey{of_real(*value)}) : std::nullopt;
    }
    case Type::numeric:
      return of_numeric(text);
    case Type::interval: {
      const auto value = read_interval(text);
      return value ? std::optional(of_interval(*value)) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

bool ordered_by_bytes(Type type) {
  switch (type) {
    case Type::boolean:
    case Type::text:
    case Type::varchar:
    case Type::bpchar:
    case Type::uuid:
    case Type::bytea:
      return true;
    default:
      return false;
  }
}

std::string_view sort_bytes(Type type, std::string_view text) {
  return type == Type::bpchar ? text.substr(0, text.find_last_not_of(' ') + 1) : text;
}

std::uint64_t leading_bytes(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    number = number << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
  }
  return number;
}

}  // namespace tidegate::query
