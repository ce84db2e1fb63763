#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "query/schema.h"

namespace tidegate::query {

/// A date as days, a timestamp as microseconds, both since 2000-01-01 (UTC for timestamptz) as Postgres
/// counts them: so that `infinity`, years before Christ and years of five digits compare right, which their
/// texts don't. A time of day is microseconds since midnight, up to 24:00:00.
using Moment = std::int64_t;

/// Reads a `date`, `time`, `timestamp` or `timestamptz` in Postgres's ISO text form or RFC 3339's (`T`, `Z`),
/// within Postgres's ranges. A timestamptz must name its zone and a timestamp must not: either would depend
/// on a session's settings. A date alone is a timestamp's midnight. Nothing where the text is none of these.
std::optional<Moment> read_moment(Type type, std::string_view text);

/// The text that Postgres gives for it under DateStyle ISO and TimeZone UTC: equal values, equal bytes.
std::string moment_text(Type type, Moment moment);

}  // namespace tidegate::query
