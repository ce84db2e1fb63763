#include "sqlite/cells.h"

#include <sqlite3.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/moment.h"
#include "query/numeric.h"

namespace tidegate::sqlite {
namespace {

using query::Type;

std::string base_name(std::string_view declared) {
  std::string name;
  for (const char c : declared.substr(0, declared.find('('))) {
    name.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  }
  while (!name.empty() && name.back() == ' ') name.pop_back();
  return name;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// The shortest digits that give the number back, as Postgres prints them: an exponent below -4 and from 15
/// on.
std::string float_text(double value) {
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  std::array<char, 400> buffer{};
  const auto end = buffer.data() + buffer.size();
  const double size = std::fabs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e15);
  const auto form = plain ? std::chars_format::fixed : std::chars_format::scientific;
  return {buffer.data(), std::to_chars(buffer.data(), end, value, form).ptr};
}

std::optional<std::string> number_text(sqlite3_value* value) {
  if (sqlite3_value_type(value) == SQLITE_INTEGER) return std::to_string(sqlite3_value_int64(value));
  if (sqlite3_value_type(value) == SQLITE_FLOAT) return float_text(sqlite3_value_double(value));
  return std::nullopt;
}

std::string_view bytes_of(sqlite3_value* value) {
  const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

/// SQLite's text may hold NUL, which JSON can say and Postgres can't store.
bool well_formed(std::string_view text) {
  for (;;) {
    const auto zero = text.find('\0');
    if (!storable_text(text.substr(0, zero))) return false;
    if (zero == std::string_view::npos) return true;
    text.remove_prefix(zero + 1);
  }
}

std::optional<std::string> text_of(sqlite3_value* value) {
  if (sqlite3_value_type(value) != SQLITE_TEXT) return std::nullopt;
  std::string text(bytes_of(value));
  if (!well_formed(text)) return std::nullopt;
  return text;
}

/// As Postgres prints it: 32 lower-case digits in groups.
std::optional<std::string> uuid_text(std::string text) {
  if (text.size() != 36) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char& c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
  }
  return text;
}

std::optional<std::string> moment_of(Type type, std::string text) {
  // SQLite's own functions also write hours and minutes alone.
  if (type == Type::timestamp && text.size() == 16) text += ":00";
  const auto moment = query::read_moment(type, text);
  if (!moment) return std::nullopt;
  return query::moment_text(type, *moment);
}

/// A time of day is a timestamp's second half.
std::optional<std::string> time_of(std::string text) {
  if (text.size() == 5) text += ":00";
  constexpr std::string_view kDay = "2000-01-01 ";
  if (text.size() < 8 || text[2] != ':') return std::nullopt;
  auto moment = moment_of(Type::timestamp, std::string(kDay) + text);
  if (!moment || !moment->starts_with(kDay)) return std::nullopt;
  return moment->substr(kDay.size());
}

std::optional<std::string> formatted(Type type, std::string text) {
  switch (type) {
    case Type::uuid:
      return uuid_text(std::move(text));
    case Type::date:
    case Type::timestamp:
      return moment_of(type, std::move(text));
    case Type::time:
      return time_of(std::move(text));
    default:
      return text;
  }
}

std::optional<std::string> numeric_of(sqlite3_value* value) {
  const auto text = number_text(value);
  return text ? query::normalise_numeric(*text) : std::nullopt;
}

std::optional<std::string> cell_text(Type type, sqlite3_value* value, bool key) {
  const int stored = sqlite3_value_type(value);
  switch (type) {
    case Type::boolean:
      if (stored != SQLITE_INTEGER) return std::nullopt;
      if (sqlite3_value_int64(value) == 0) return "f";
      return sqlite3_value_int64(value) == 1 ? std::optional<std::string>("t") : std::nullopt;
    case Type::int8:
      return stored == SQLITE_INTEGER ? number_text(value) : std::nullopt;
    case Type::float8:
      return number_text(value);
    case Type::numeric:
      return numeric_of(value);
    case Type::bytea:
      return stored == SQLITE_BLOB ? std::optional("\\x" + hex_encode(bytes_of(value))) : std::nullopt;
    case Type::text:
    case Type::json:
      if (!key && stored != SQLITE_TEXT) return number_text(value);
      return text_of(value);
    default:
      break;
  }
  auto text = text_of(value);
  if (!text) return std::nullopt;
  auto cell = formatted(type, *text);
  if (key && cell != text) return std::nullopt;
  return cell;
}

}  // namespace

query::Type column_type(std::string_view declared) {
  static constexpr std::array<std::pair<std::string_view, Type>, 17> kNames{{
      {"BOOLEAN", Type::boolean},
      {"BOOL", Type::boolean},
      {"UUID", Type::uuid},
      {"GUID", Type::uuid},
      {"TIMESTAMP", Type::timestamp},
      {"DATETIME", Type::timestamp},
      {"DATE", Type::date},
      {"TIME", Type::time},
      {"JSON", Type::json},
      {"JSONB", Type::json},
      {"NUMERIC", Type::numeric},
      {"DECIMAL", Type::numeric},
      {"DEC", Type::numeric},
      {"NUMBER", Type::numeric},
      {"MONEY", Type::numeric},
      {"INTERVAL", Type::text},
      {"POINT", Type::text},
  }};
  const std::string name = base_name(declared);
  for (const auto& [known, type] : kNames) {
    if (name == known) return type;
  }
  if (has(name, "INT")) return Type::int8;
  if (text_affinity(declared)) return Type::text;
  if (has(name, "BLOB")) return Type::bytea;
  if (has(name, "REAL") || has(name, "FLOA") || has(name, "DOUB")) return Type::float8;
  return Type::text;
}

bool text_affinity(std::string_view declared) {
  const std::string name = base_name(declared);
  return !has(name, "INT") && (has(name, "CHAR") || has(name, "CLOB") || has(name, "TEXT"));
}

CellRead read_cell(query::Type type, sqlite3_value* value, bool key) {
  if (sqlite3_value_type(value) == SQLITE_NULL) return {};
  auto text = cell_text(type, value, key);
  const bool fits = text.has_value();
  return {std::move(text), fits};
}

}  // namespace tidegate::sqlite
