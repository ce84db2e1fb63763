#include "query/numeric.h"

#include <algorithm>
#include <charconv>

namespace tidegate::query {
namespace {

/// A number taken apart. `whole` has no leading zeros, `fraction` no trailing ones; zero is both empty and
/// positive. The views point into the text.
struct Number {
  enum class Kind { minus_infinity, finite, infinity, nan } kind = Kind::finite;
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  long exponent = 0;
};

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

std::optional<Number> read_special(std::string_view text, bool signed_, bool negative) {
  Number number;
  if (equals_ignoring_case(text, "nan") && !signed_) {
    number.kind = Number::Kind::nan;
  } else if (equals_ignoring_case(text, "infinity") || equals_ignoring_case(text, "inf")) {
    number.kind = negative ? Number::Kind::minus_infinity : Number::Kind::infinity;
  } else {
    return std::nullopt;
  }
  return number;
}

std::string_view take_digits(std::string_view& text) {
  const auto end = std::find_if(text.begin(), text.end(), [](char c) { return c < '0' || c > '9'; });
  const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

void strip_zeros(Number& number) {
  number.whole.remove_prefix(std::min(number.whole.find_first_not_of('0'), number.whole.size()));
  number.fraction = number.fraction.substr(0, number.fraction.find_last_not_of('0') + 1);
  if (number.whole.empty() && number.fraction.empty()) {
    number.negative = false;
    number.exponent = 0;
  }
}

std::optional<Number> read_number(std::string_view text) {
  const bool signed_ = !text.empty() && (text.front() == '-' || text.front() == '+');
  Number number;
  number.negative = signed_ && text.front() == '-';
  if (signed_) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  if (text.front() > '9') return read_special(text, signed_, number.negative);
  number.whole = take_digits(text);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    number.fraction = take_digits(text);
  }
  if (number.whole.empty() && number.fraction.empty()) return std::nullopt;
  if (!text.empty()) {
    if (text.front() != 'e' && text.front() != 'E') return std::nullopt;
    text.remove_prefix(1);
    if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number.exponent);
    if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  }
  strip_zeros(number);
  return number;
}

/// Writes the exponent out: moves the point by it, padding with zeros.
std::optional<std::string> write_out(const Number& number) {
  constexpr long kMax = static_cast<long>(kNumericDigitsMax);
  if (number.exponent > 2 * kMax || number.exponent < -2 * kMax) return std::nullopt;
  if (number.whole.size() + number.fraction.size() > 4 * kNumericDigitsMax) return std::nullopt;
  std::string digits = std::string(number.whole).append(number.fraction);
  long point = static_cast<long>(number.whole.size()) + number.exponent;
  if (point < 0) {
    digits.insert(0, static_cast<std::size_t>(-point), '0');
    point = 0;
  }
  if (point > static_cast<long>(digits.size())) digits.resize(static_cast<std::size_t>(point), '0');
  Number moved;
  moved.whole = std::string_view(digits).substr(0, static_cast<std::size_t>(point));
  moved.fraction = std::string_view(digits).substr(static_cast<std::size_t>(point));
  moved.negative = number.negative;
  strip_zeros(moved);
  if (moved.whole.size() > kNumericDigitsMax || moved.fraction.size() > kNumericDigitsMax)
    return std::nullopt;
  std::string out = moved.negative ? "-" : "";
  out += moved.whole.empty() ? "0" : moved.whole;
  if (!moved.fraction.empty()) out.append(".").append(moved.fraction);
  return out;
}

std::strong_ordering compare_magnitudes(const Number& left, const Number& right) {
  if (left.whole.size() != right.whole.size()) return left.whole.size() <=> right.whole.size();
  if (const auto order = left.whole <=> right.whole; order != 0) return order;
  return left.fraction <=> right.fraction;  // no trailing zeros: a prefix is the smaller
}

std::strong_ordering compare_numbers(const Number& left, const Number& right) {
  if (left.kind != right.kind) return left.kind <=> right.kind;
  if (left.kind != Number::Kind::finite) return std::strong_ordering::equal;
  if (left.negative != right.negative) return right.negative <=> left.negative;
  return left.negative ? compare_magnitudes(right, left) : compare_magnitudes(left, right);
}

}  // namespace

std::optional<std::string> normalise_numeric(std::string_view text) {
  const auto number = read_number(text);
  if (!number) return std::nullopt;
  switch (number->kind) {
    case Number::Kind::nan:
      return "NaN";
    case Number::Kind::infinity:
      return "Infinity";
    case Number::Kind::minus_infinity:
      return "-Infinity";
    case Number::Kind::finite:
      return write_out(*number);
  }
  return std::nullopt;
}

std::optional<std::strong_ordering> compare_numeric(std::string_view left, std::string_view right) {
  auto left_number = read_number(left);
  auto right_number = read_number(right);
  if (!left_number || !right_number) return std::nullopt;
  std::string left_text;
  std::string right_text;
  for (auto [number, text] : {std::pair{&left_number, &left_text}, std::pair{&right_number, &right_text}}) {
    if ((*number)->exponent == 0) continue;
    auto written = write_out(**number);
    if (!written) return std::nullopt;
    *text = std::move(*written);
    *number = read_number(*text);
  }
  return compare_numbers(*left_number, *right_number);
}

}  // namespace tidegate::query
