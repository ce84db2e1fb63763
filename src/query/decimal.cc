#include "query/decimal.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "query/numeric.h"

namespace tidegate::query {
namespace {

using boost::multiprecision::cpp_int;

cpp_int power_of_ten(unsigned exponent) {
  return boost::multiprecision::pow(cpp_int(10), exponent);
}

cpp_int whole_number(const std::string& digits) {
  if (digits.size() < 18) return cpp_int(parse_i64(digits).value_or(0));
  const std::size_t begin = digits.find_first_not_of('0');  // it would mean octal
  return begin == std::string::npos ? cpp_int(0) : cpp_int(digits.substr(begin));
}

/// Both at the larger scale.
std::pair<cpp_int, cpp_int> aligned(const Decimal& left, const Decimal& right) {
  const unsigned scale = std::max(left.scale, right.scale);
  return {scale == left.scale ? left.digits : cpp_int(left.digits * power_of_ten(scale - left.scale)),
          scale == right.scale ? right.digits : cpp_int(right.digits * power_of_ten(scale - right.scale))};
}

}  // namespace

std::optional<Decimal> read_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  if (point < text.size()) digits += text.substr(point + 1);
  if (digits.empty() || digits.size() > 4 * kNumericDigitsMax ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  Decimal number{whole_number(digits), static_cast<unsigned>(text.size() - point)};
  if (point < text.size()) --number.scale;
  if (negative) number.digits = -number.digits;
  return number;
}

std::string decimal_text(const Decimal& number) {
  std::string digits = cpp_int(abs(number.digits)).str();
  if (digits.size() <= number.scale) digits.insert(0, number.scale + 1 - digits.size(), '0');
  const std::size_t point = digits.size() - number.scale;
  std::string fraction = digits.substr(point);
  fraction.resize(fraction.find_last_not_of('0') + 1);
  std::string out = (number.digits < 0 ? "-" : "") + digits.substr(0, point);
  return fraction.empty() ? out : out + "." + fraction;
}

std::size_t whole_digits(const Decimal& number) {
  const std::string text = decimal_text(number);
  return std::min(text.find('.'), text.size()) - (text.front() == '-' ? 1 : 0);
}

Decimal operator-(const Decimal& number) {
  return {-number.digits, number.scale};
}
Decimal operator+(const Decimal& left, const Decimal& right) {
  const auto [one, other] = aligned(left, right);
  return {one + other, std::max(left.scale, right.scale)};
}
Decimal operator-(const Decimal& left, const Decimal& right) {
  return left + -right;
}
Decimal operator*(const Decimal& left, const Decimal& right) {
  return {left.digits * right.digits, left.scale + right.scale};
}
Decimal operator/(const Decimal& left, const Decimal& right) {
  const auto [one, other] = aligned(left, right);
  return {one / other, 0};
}
Decimal operator%(const Decimal& left, const Decimal& right) {
  const auto [one, other] = aligned(left, right);
  return {one % other, std::max(left.scale, right.scale)};
}
std::strong_ordering operator<=>(const Decimal& left, const Decimal& right) {
  const auto [one, other] = aligned(left, right);
  return one.compare(other) <=> 0;
}
bool operator==(const Decimal& left, const Decimal& right) {
  return (left <=> right) == 0;
}

}  // namespace tidegate::query
