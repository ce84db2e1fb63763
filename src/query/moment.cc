#include "query/moment.h"

#include <fmt/format.h>

#include <limits>

namespace tidegate::query {
namespace {

constexpr Moment kInfinity = std::numeric_limits<Moment>::max();
constexpr Moment kMinusInfinity = std::numeric_limits<Moment>::min();
constexpr std::int64_t kDayUs = 86'400'000'000;

// Postgres's limits, as days since 2000-01-01: 4714-11-24 BC (Julian day 0) up to before 5874898-01-01 for a
// date and up to before 294277-01-01 for a timestamp.
constexpr std::int64_t kFirstDay = -2'451'545;
constexpr std::int64_t kDateEnd = 2'145'031'949;
constexpr std::int64_t kTimestampEnd = 106'751'983;

// Days since 2000-01-01 of a proleptic Gregorian date, and back. Counting years from March puts the leap day
// at a year's end; an era is 400 years, 146,097 days; 730,425 days lie between 0000-03-01 and 2000-01-01.
std::int64_t days_of(std::int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 730'425;
}

struct Date {
  std::int64_t year;  ///< astronomical: 0 is 1 BC
  int month;
  int day;
};

Date date_of(std::int64_t days) {
  days += 730'425;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const std::int64_t day_of_era = days - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * day_of_year + 2) / 153;
  const int month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1)};
}

/// Reads from the front of a text. A failed read leaves the reader where it was.
struct Reader {
  std::string_view rest;

  bool take(char wanted) {
    if (rest.empty() || rest.front() != wanted) return false;
    rest.remove_prefix(1);
    return true;
  }
  std::optional<std::int64_t> digits(std::size_t at_least, std::size_t at_most) {
    std::size_t count = 0;
    std::int64_t value = 0;
    while (count < rest.size() && count < at_most && rest[count] >= '0' && rest[count] <= '9') {
      value = value * 10 + (rest[count++] - '0');
    }
    if (count < at_least) return std::nullopt;
    rest.remove_prefix(count);
    return value;
  }
  std::optional<int> two_digits(int at_most) {
    const auto value = digits(2, 2);
    if (!value || *value > at_most) return std::nullopt;
    return static_cast<int>(*value);
  }
};

std::optional<std::int64_t> read_days(Reader& reader, bool before_christ) {
  const auto year = reader.digits(4, 7);
  if (!year || *year == 0 || !reader.take('-')) return std::nullopt;
  const auto month = reader.two_digits(12);
  if (!month || *month == 0 || !reader.take('-')) return std::nullopt;
  const auto day = reader.two_digits(31);
  if (!day || *day == 0) return std::nullopt;
  const std::int64_t days = days_of(before_christ ? 1 - *year : *year, *month, *day);
  if (date_of(days).month != *month) return std::nullopt;  // the 31st of a month of 30 days
  return days;
}

std::optional<std::int64_t> read_time(Reader& reader) {
  const auto hour = reader.two_digits(23);
  if (!hour || !reader.take(':')) return std::nullopt;
  const auto minute = reader.two_digits(59);
  if (!minute) return std::nullopt;
  std::int64_t us = (*hour * 60 + *minute) * std::int64_t{60'000'000};
  if (!reader.take(':')) return us;
  const auto second = reader.two_digits(59);
  if (!second) return std::nullopt;
  us += *second * std::int64_t{1'000'000};
  if (!reader.take('.')) return us;
  const std::size_t before = reader.rest.size();
  auto fraction = reader.digits(1, 6);
  if (!fraction) return std::nullopt;
  for (std::size_t digits = before - reader.rest.size(); digits < 6; ++digits) *fraction *= 10;
  while (reader.take('0')) {
  }
  return us + *fraction;
}

/// `24:00:00` is a time of its own, the day's end.
std::optional<Moment> read_time_of_day(std::string_view text) {
  Reader reader{text};
  if (text.starts_with("24:00"))
    return text == "24:00:00" || text == "24:00" ? std::optional(kDayUs) : std::nullopt;
  const auto us = read_time(reader);
  return reader.rest.empty() ? us : std::nullopt;
}

std::string time_text(std::int64_t us) {
  const std::int64_t seconds = us / 1'000'000;
  std::string time = fmt::format("{:02}:{:02}:{:02}", seconds / 3'600, seconds / 60 % 60, seconds % 60);
  if (us % 1'000'000 != 0) {
    time += fmt::format(".{:06}", us % 1'000'000);
    time.erase(time.find_last_not_of('0') + 1);
  }
  return time;
}

/// `Z`, `+02`, `-0330`, `+05:30`, `+00:19:32`: what is to be subtracted to come to UTC.
std::optional<std::int64_t> read_zone(Reader& reader) {
  if (reader.take('Z') || reader.take('z')) return 0;
  const bool minus = reader.take('-');
  if (!minus && !reader.take('+')) return std::nullopt;
  const auto hours = reader.two_digits(15);
  if (!hours) return std::nullopt;
  std::int64_t seconds = *hours * 3'600;
  for (const std::int64_t unit : {60, 1}) {
    if (reader.rest.empty() || reader.rest.front() == ' ') break;
    reader.take(':');
    const auto part = reader.two_digits(59);
    if (!part) return std::nullopt;
    seconds += *part * unit;
  }
  return (minus ? -seconds : seconds) * 1'000'000;
}

std::optional<Moment> read_timestamp(Reader& reader, std::int64_t days, bool zoned) {
  std::int64_t us = 0;
  if (!zoned && reader.rest.empty()) {
    // midnight
  } else {
    if (!reader.take(' ') && !reader.take('T') && !reader.take('t')) return std::nullopt;
    const auto time = read_time(reader);
    if (!time) return std::nullopt;
    us = *time;
    if (zoned) {
      reader.take(' ');
      const auto zone = read_zone(reader);
      if (!zone) return std::nullopt;
      us -= *zone;
    }
  }
  // Days first: beyond Postgres's range their microseconds would overflow.
  if (days < kFirstDay - 1 || days > kTimestampEnd) return std::nullopt;
  us += days * kDayUs;
  if (us < kFirstDay * kDayUs || us >= kTimestampEnd * kDayUs) return std::nullopt;
  return us;
}

std::string date_text(std::int64_t days, std::string_view after) {
  const Date date = date_of(days);
  const bool before_christ = date.year <= 0;
  return fmt::format("{:04}-{:02}-{:02}{}{}", before_christ ? 1 - date.year : date.year, date.month, date.day,
                     after, before_christ ? " BC" : "");
}

}  // namespace

std::optional<Moment> read_moment(Type type, std::string_view text) {
  if (type == Type::time) return read_time_of_day(text);
  if (text == "infinity") return kInfinity;
  if (text == "-infinity") return kMinusInfinity;
  const bool before_christ = text.ends_with(" BC");
  if (before_christ) text.remove_suffix(3);
  Reader reader{text};
  const auto days = read_days(reader, before_christ);
  if (!days) return std::nullopt;
  std::optional<Moment> moment = days;
  if (type == Type::date) {
    if (*days < kFirstDay || *days >= kDateEnd) return std::nullopt;
  } else {
    moment = read_timestamp(reader, *days, type == Type::timestamptz);
  }
  return reader.rest.empty() ? moment : std::nullopt;
}

std::string moment_text(Type type, Moment moment) {
  if (type == Type::time) return time_text(moment);
  if (moment == kInfinity) return "infinity";
  if (moment == kMinusInfinity) return "-infinity";
  if (type == Type::date) return date_text(moment, "");
  std::int64_t days = moment / kDayUs;
  std::int64_t us = moment % kDayUs;
  if (us < 0) {
    us += kDayUs;
    --days;
  }
  std::string time = " " + time_text(us);
  if (type == Type::timestamptz) time += "+00";
  return date_text(days, time);
}

}  // namespace tidegate::query
