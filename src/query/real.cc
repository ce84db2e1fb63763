#include "query/real.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "query/numeric.h"

namespace tidegate::query {
namespace {

template <class T>
std::optional<double> read_finite(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class T>
std::string shortest(T value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

}  // namespace

std::optional<double> read_real(Type type, std::string_view text) {
  const bool signed_ = !text.empty() && (text.front() == '-' || text.front() == '+');
  if (text.size() <= (signed_ ? 1u : 0u)) return std::nullopt;
  const char first = text[signed_ ? 1 : 0];
  if ((first >= '0' && first <= '9') || first == '.') {
    return type == Type::float4 ? read_finite<float>(text) : read_finite<double>(text);
  }
  const auto special = normalise_numeric(text);
  if (!special) return std::nullopt;
  if (*special == "NaN") return std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  return *special == "Infinity" ? infinity : -infinity;
}

std::string real_text(Type type, double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value == 0) return "0";
  return type == Type::float4 ? shortest(static_cast<float>(value)) : shortest(value);
}

}  // namespace tidegate::query
