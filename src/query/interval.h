#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate::query {

/// An interval as Postgres compares it: a month is 30 days, a day 24 hours.
struct Interval {
  std::int64_t days = 0;
  std::int64_t us = 0;  ///< 0 up to below a day
  auto operator<=>(const Interval&) const = default;
};

/// Reads Postgres's own style (`1 year 2 mons -3 days 04:05:06.7`), also with weeks, hours, minutes and
/// seconds as words. Nothing where the text is something else.
std::optional<Interval> read_interval(std::string_view text);

/// One spelling for all intervals that are equal; Postgres reads it if it has at most 2^31 - 1 months.
std::string interval_text(Interval interval);

/// Whether Postgres reads the spelling.
bool storable_interval(Interval interval);

}  // namespace tidegate::query
