// Rule 21, the closed table of literals:
//
//   column                  JSON or SQL literal            canonical text
//   boolean                 true false "t" "f" "true" …    t, f
//   smallint integer bigint number or its digits           no leading zeros, in the type's range
//   numeric                 number or its digits           numeric.h
//   real, double precision  number or its digits           real.h; a number must be one that a real can hold,
//                                                          since Postgres compares as double precision there
//   text, varchar           string                         the string
//   character               string                         without the blanks at its end
//   an enum                 string                         the string
//   uuid                    string                         lower case, 8-4-4-4-12
//   date, time, timestamp(tz)  string                      moment.h
//   interval                string                         interval.h
//   bytea                   string `\x…`                   lower case
//   jsonb                   string of JSON, or JSON        jsonb.h
//
// Strings fit everything that the gateway itself sends as a string (a bigint, a timestamp), so that a client
// can hand back what it got. Nothing else is ever converted.
#include "query/literal.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <optional>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/interval.h"
#include "query/jsonb.h"
#include "query/moment.h"
#include "query/numeric.h"
#include "query/real.h"

namespace tidegate::query {
namespace {

using Kind = ParsedLiteral::Kind;

Error unfit(std::string what_fits) {
  return {Fault::invalid, std::move(what_fits)};
}

template <class T>
Result<std::string> integer_literal(std::string_view digits) {
  if (!digits.empty() && digits.front() > '9') return unfit("a whole number");
  const auto number = normalise_numeric(digits);
  if (number && number->find('.') != std::string::npos) return unfit("a whole number, not a fraction");
  const std::string range = fmt::format("a whole number from {} to {}", std::numeric_limits<T>::min(),
                                        std::numeric_limits<T>::max());
  if (!number) return unfit(range);
  const auto value = parse_i64(*number);
  if (!value || *value < std::numeric_limits<T>::min() || *value > std::numeric_limits<T>::max()) {
    return unfit(range);
  }
  return *number;
}

Result<std::string> numeric_literal(std::string_view digits) {
  auto number = normalise_numeric(digits);
  if (!number) {
    return unfit(fmt::format("a number like 12.5 with at most {} digits on either side of the point",
                             kNumericDigitsMax));
  }
  return std::move(*number);
}

Result<std::string> boolean_literal(std::string_view text) {
  if (text == "true" || text == "t") return std::string("t");
  if (text == "false" || text == "f") return std::string("f");
  return unfit("true or false");
}

Result<std::string> text_literal(std::string_view text) {
  if (!storable_text(text)) return unfit("a string of UTF-8 without NUL");
  return std::string(text);
}

Result<std::string> uuid_literal(std::string_view text) {
  const Error error = unfit("a UUID like \"123e4567-e89b-12d3-a456-426614174000\"");
  if (text.size() > 1 && text.front() == '{' && text.back() == '}') text = text.substr(1, text.size() - 2);
  std::string out;
  std::size_t digits = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '-') {
      // Postgres allows a hyphen after each group of four digits.
      if (digits == 0 || digits == 32 || digits % 4 != 0 || text[at - 1] == '-') return error;
      continue;
    }
    const bool upper = c >= 'A' && c <= 'F';
    if (!upper && !(c >= 'a' && c <= 'f') && !(c >= '0' && c <= '9')) return error;
    if (digits == 8 || digits == 12 || digits == 16 || digits == 20) out += '-';
    out += upper ? static_cast<char>(c - 'A' + 'a') : c;
    if (++digits > 32) return error;
  }
  if (digits != 32) return error;
  return out;
}

Result<std::string> moment_literal(Type type, std::string_view text) {
  const auto moment = read_moment(type, text);
  if (moment) return moment_text(type, *moment);
  if (type == Type::time) return unfit("a time of day like \"12:30:00.5\"");
  if (type == Type::date) return unfit("a date like \"2026-01-31\"");
  if (type == Type::timestamp) {
    return unfit("a time like \"2026-01-31 12:30:00.5\", without a zone, since the column has none");
  }
  return unfit("a time with its zone, like \"2026-01-31 12:30:00+00\" or \"2026-01-31T12:30:00.5Z\"");
}

Result<std::string> real_literal(Type type, const ParsedLiteral& literal) {
  const auto value = read_real(type, literal.text);
  if (!value) return unfit("a number within the type's range, or NaN, Infinity, -Infinity");
  if (type == Type::float4 && literal.kind == Kind::number &&
      read_real(Type::float8, literal.text) != value) {
    return unfit("a number that a real holds exactly, or in quotes the digits of one");
  }
  return real_text(type, *value);
}

Result<std::string> padded_literal(std::string_view text) {
  return text_literal(text.substr(0, text.find_last_not_of(' ') + 1));
}

Result<std::string> interval_literal(std::string_view text) {
  const auto value = read_interval(text);
  if (!value || !storable_interval(*value))
    return unfit("an interval like \"1 year 2 mons 3 days 04:05:06.7\"");
  return interval_text(*value);
}

Result<std::string> bytea_literal(std::string_view text) {
  std::string out = "\\x";
  bool fits = text.starts_with(out) && text.size() % 2 == 0;
  for (char c : text.substr(fits ? 2 : text.size())) {
    const bool upper = c >= 'A' && c <= 'F';
    fits = fits && (upper || (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9'));
    out += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (!fits) return unfit("bytes like \"\\x00ff\"");
  return out;
}

Result<std::string> jsonb_literal(const ParsedLiteral& literal) {
  auto value = canonical_jsonb(literal.text);
  if (!value) return unfit("JSON in a string, nested at most 32 deep, without \\u0000");
  return std::move(*value);
}

}  // namespace

bool has_equality(Type type) {
  return type != Type::json && type != Type::array && type != Type::other;
}

bool has_order(Type type) {
  return has_equality(type) && type != Type::enumeration && type != Type::jsonb;
}

bool cast_fits(Type type, Type cast) {
  const auto is_whole = [](Type one) { return one == Type::int2 || one == Type::int4 || one == Type::int8; };
  const auto is_text = [](Type one) { return one == Type::text || one == Type::varchar; };
  if (cast == Type::other || cast == type) return true;
  if (is_text(cast)) return is_text(type) || type == Type::enumeration;
  return (is_whole(type) || type == Type::numeric) && (is_whole(cast) || cast == Type::numeric);
}

Result<std::string> canonical_literal(Type type, const ParsedLiteral& literal) {
  const bool is_string = literal.kind == Kind::string;
  const bool is_number = literal.kind == Kind::number;
  const bool is_boolean = literal.kind == Kind::boolean;
  switch (type) {
    case Type::boolean:
      return is_string || is_boolean ? boolean_literal(literal.text) : unfit("true or false");
    case Type::int2:
      return is_string || is_number ? integer_literal<std::int16_t>(literal.text) : unfit("a whole number");
    case Type::int4:
      return is_string || is_number ? integer_literal<std::int32_t>(literal.text) : unfit("a whole number");
    case Type::int8:
      return is_string || is_number ? integer_literal<std::int64_t>(literal.text) : unfit("a whole number");
    case Type::numeric:
      return is_string || is_number ? numeric_literal(literal.text) : unfit("a number");
    case Type::float4:
    case Type::float8:
      return is_string || is_number ? real_literal(type, literal) : unfit("a number");
    case Type::text:
    case Type::varchar:
    case Type::enumeration:
      return is_string ? text_literal(literal.text) : unfit("a string");
    case Type::bpchar:
      return is_string ? padded_literal(literal.text) : unfit("a string");
    case Type::uuid:
      return uuid_literal(is_string ? literal.text : "");
    case Type::date:
    case Type::time:
    case Type::timestamp:
    case Type::timestamptz:
      return moment_literal(type, is_string ? literal.text : "");
    case Type::interval:
      return interval_literal(is_string ? literal.text : "");
    case Type::bytea:
      return bytea_literal(is_string ? literal.text : "");
    case Type::jsonb:
      return jsonb_literal(literal);
    default:
      return unfit("nothing");
  }
}

std::string literal_for_message(const ParsedLiteral& literal) {
  switch (literal.kind) {
    case Kind::null:
      return "NULL";
    case Kind::string:
      return in_quotes(literal.text);
    default:
      break;
  }
  const std::string text = in_quotes(literal.text);
  return text.substr(1, text.size() - 2);
}

}  // namespace tidegate::query
