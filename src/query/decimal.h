#pragma once

#include <boost/multiprecision/cpp_int.hpp>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate::query {

/// An exact number: `digits` divided by 10 to the power of `scale`.
struct Decimal {
  boost::multiprecision::cpp_int digits;
  unsigned scale = 0;
};

/// A finite number without an exponent, of at most 4,000 digits; nothing for all else, NaN too.
std::optional<Decimal> read_decimal(std::string_view text);
/// As `normalise_numeric` spells it.
std::string decimal_text(const Decimal& number);
/// Digits before the point.
std::size_t whole_digits(const Decimal& number);

Decimal operator-(const Decimal& number);
Decimal operator+(const Decimal& left, const Decimal& right);
Decimal operator-(const Decimal& left, const Decimal& right);
Decimal operator*(const Decimal& left, const Decimal& right);
/// Of whole numbers, cut off towards zero, as Postgres divides integers. `right` is not zero.
Decimal operator/(const Decimal& left, const Decimal& right);
/// What is left of a division cut off towards zero: with the sign of `left`. `right` is not zero.
Decimal operator%(const Decimal& left, const Decimal& right);
std::strong_ordering operator<=>(const Decimal& left, const Decimal& right);
bool operator==(const Decimal& left, const Decimal& right);

}  // namespace tidegate::query
