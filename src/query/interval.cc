#include "query/interval.h"

#include <fmt/format.h>

#include <array>
#include <limits>

namespace tidegate::query {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kDayUs = 86'400 * kSecondUs;

struct Unit {
  std::string_view name;
  std::int64_t days;
  std::int64_t us;
};
constexpr std::array<Unit, 20> kUnits = {{{"year", 360, 0},
                                          {"years", 360, 0},
                                          {"mon", 30, 0},
                                          {"mons", 30, 0},
                                          {"month", 30, 0},
                                          {"months", 30, 0},
                                          {"week", 7, 0},
                                          {"weeks", 7, 0},
                                          {"day", 1, 0},
                                          {"days", 1, 0},
                                          {"hour", 0, 3'600 * kSecondUs},
                                          {"hours", 0, 3'600 * kSecondUs},
                                          {"minute", 0, 60 * kSecondUs},
                                          {"minutes", 0, 60 * kSecondUs},
                                          {"min", 0, 60 * kSecondUs},
                                          {"mins", 0, 60 * kSecondUs},
                                          {"second", 0, kSecondUs},
                                          {"seconds", 0, kSecondUs},
                                          {"sec", 0, kSecondUs},
                                          {"secs", 0, kSecondUs}}};

/// Reads word by word. Ten digits a number keep every sum below far from overflowing.
class IntervalReader {
 public:
  explicit IntervalReader(std::string_view text) : rest_(text) {}

  std::optional<Interval> read() {
    if (rest_.empty()) return std::nullopt;
    for (;;) {
      if (!read_field()) return std::nullopt;
      if (rest_.empty()) break;
      if (!take(' ')) return std::nullopt;
    }
    std::int64_t carry = us_ / kDayUs;
    std::int64_t us = us_ % kDayUs;
    if (us < 0) {
      us += kDayUs;
      --carry;
    }
    return Interval{days_ + carry, us};
  }

 private:
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::optional<std::int64_t> digits(std::size_t at_most) {
    std::int64_t value = 0;
    std::size_t count = 0;
    while (count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') {
      value = value * 10 + (rest_[count] - '0');
      if (++count > at_most) return std::nullopt;
    }
    if (count == 0) return std::nullopt;
    rest_.remove_prefix(count);
    return value;
  }
  std::optional<std::int64_t> fraction() {
    const std::size_t before = rest_.size();
    auto us = digits(6);
    if (!us) return std::nullopt;
    for (std::size_t count = before - rest_.size(); count < 6; ++count) *us *= 10;
    return us;
  }

  bool read_field() {
    const bool minus = take('-');
    if (!minus) take('+');
    const auto number = digits(10);
    if (!number) return false;
    const std::int64_t sign = minus ? -1 : 1;
    return take(':') ? read_time(sign, *number) : read_unit(sign, *number);
  }

  bool read_time(std::int64_t sign, std::int64_t hours) {
    if (timed_ || hours > 2'562'047'788) return false;
    timed_ = true;
    const auto minutes = digits(2);
    if (!minutes || *minutes > 59) return false;
    std::int64_t us = *minutes * 60 * kSecondUs;
    if (take(':')) {
      const auto seconds = digits(2);
      if (!seconds || *seconds > 59) return false;
      us += *seconds * kSecondUs;
      if (take('.')) {
        const auto part = fraction();
        if (!part) return false;
        us += *part;
      }
    }
    days_ += sign * (hours / 24);
    us_ += sign * (hours % 24 * 3'600 * kSecondUs + us);
    return true;
  }

  bool read_unit(std::int64_t sign, std::int64_t number) {
    std::int64_t part = 0;
    const bool broken = take('.');
    if (broken) {
      const auto us = fraction();
      if (!us) return false;
      part = *us;
    }
    take(' ');
    const std::string_view word = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(word.size());
    for (const Unit& unit : kUnits) {
      if (unit.name != word) continue;
      if (broken && unit.us != kSecondUs) return false;
      days_ += sign * number * unit.days;
      if (unit.us == 0) return true;
      const std::int64_t per_day = kDayUs / unit.us;
      days_ += sign * (number / per_day);
      us_ += sign * (number % per_day * unit.us + part);
      return true;
    }
    return false;
  }

  std::string_view rest_;
  std::int64_t days_ = 0;
  std::int64_t us_ = 0;
  bool timed_ = false;
};

}  // namespace

std::optional<Interval> read_interval(std::string_view text) {
  return IntervalReader(text).read();
}

std::string interval_text(Interval interval) {
  const bool minus = interval.days < 0;
  std::int64_t days = interval.days;
  std::int64_t us = interval.us;
  if (minus) {
    days = us > 0 ? -days - 1 : -days;
    us = us > 0 ? kDayUs - us : 0;
  }
  const std::string_view sign = minus ? "-" : "";
  std::string out;
  if (days >= 30) out += fmt::format("{}{} mons ", sign, days / 30);
  if (days % 30 != 0) out += fmt::format("{}{} days ", sign, days % 30);
  const std::int64_t seconds = us / kSecondUs;
  if (us != 0 || out.empty()) {
    out += fmt::format("{}{:02}:{:02}:{:02}", sign, seconds / 3'600, seconds / 60 % 60, seconds % 60);
    if (us % kSecondUs != 0) {
      out += fmt::format(".{:06}", us % kSecondUs);
      out.erase(out.find_last_not_of('0') + 1);
    }
  } else {
    out.pop_back();
  }
  return out;
}

bool storable_interval(Interval interval) {
  constexpr std::int64_t kMonths = std::numeric_limits<std::int32_t>::max();
  return interval.days / 30 <= kMonths && interval.days / 30 >= 1 - kMonths;
}

}  // namespace tidegate::query
