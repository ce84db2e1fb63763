#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate::query {

/// Digits that a number may have on either side of its point once its exponent is written out. Postgres
/// allows 131,072; the bound keeps `1e131071` from becoming a hundred kilobytes of zeros in every canonical
/// form.
inline constexpr std::size_t kNumericDigitsMax = 1'000;

/// The one spelling of a number: no leading or trailing zeros, no exponent, no `+`, no `-0`; `NaN`,
/// `Infinity` and
/// `-Infinity` (read in any case, also `inf`). Nothing where `text` is no number or above the bound.
std::optional<std::string> normalise_numeric(std::string_view text);

/// Compares as Postgres's numeric does: -Infinity, numbers, Infinity, NaN, which equals itself. Nothing where
/// either is no number. Both may be spelled in any way; without an exponent nothing is allocated.
std::optional<std::strong_ordering> compare_numeric(std::string_view left, std::string_view right);

}  // namespace tidegate::query
