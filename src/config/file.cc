#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <toml.hpp>

#include "base/utf8.h"
#include "config/sources.h"
#include "config/values.h"

namespace tidegate::config {
namespace {

Error fault(std::string message) {
  return {Fault::invalid, std::move(message)};
}

std::string place_of(const std::string& file, const toml::source_location& location) {
  return fmt::format("{}:{}:{}", file, location.line(), location.column());
}
std::string place_of(const std::string& file, const toml::value& value) {
  return place_of(file, value.location());
}

// The first line of toml11's message; those below it repeat the file's text, in which a secret may stand.
std::string reason(const std::string& what) {
  std::string line = what.substr(0, what.find('\n'));
  constexpr std::string_view kPrefix = "[error] ";
  if (line.rfind(kPrefix, 0) == 0) line.erase(0, kPrefix.size());
  return line;
}

// As it would be written in a flag; nothing for what no setting takes.
std::optional<std::string> scalar_text(const toml::value& value) {
  if (value.is_string()) return value.as_string().str;
  if (value.is_integer()) return std::to_string(value.as_integer());
  if (value.is_boolean()) return value.as_boolean() ? "true" : "false";
  return std::nullopt;
}

Result<Given> read_value(const Setting& setting, const toml::value& value, const std::string& file) {
  Given given{.values = {}, .origin = place_of(file, value) + ": " + setting.key()};
  if (const auto text = scalar_text(value)) {
    given.values = cut(setting, *text);
    return given;
  }
  const bool many = setting.shape == Setting::Shape::list || setting.shape == Setting::Shape::properties;
  if (!value.is_array() || !many) return fault(fmt::format("{}: {}", given.origin, setting.fit));
  for (const toml::value& element : value.as_array()) {
    const auto text = scalar_text(element);
    if (!text) return fault(fmt::format("{}: {}", given.origin, setting.fit));
    given.values.push_back(*text);
  }
  return given;
}

constexpr std::string_view kTableKeys = "name, tenant_column, columns and rows";

Status read_columns(const toml::value& value, const std::string& origin, std::vector<std::string>& out) {
  const bool strings =
      value.is_array() && !value.as_array().empty() &&
      std::all_of(value.as_array().begin(), value.as_array().end(),
                  [](const toml::value& one) { return one.is_string() && !one.as_string().str.empty(); });
  if (!strings)
    return fault(origin + ": must be an array of columns' names; without it clients have them all");
  for (const toml::value& one : value.as_array()) out.push_back(one.as_string().str);
  return {};
}

// One `[[table]]`. Its predicate is parsed last, when its name is known.
Status read_table(const toml::value& entry, const std::string& file, File& out) {
  std::string name;
  std::string rows;
  std::string rows_origin;
  policy::TablePolicy policy;
  for (const auto& [key, value] : entry.as_table()) {
    const std::string origin = place_of(file, value) + ": " + key;
    if (key == "columns") {
      if (auto status = read_columns(value, origin, policy.columns); !status) return status;
      continue;
    }
    std::string* target = key == "name"            ? &name
                          : key == "tenant_column" ? &policy.tenant_column
                          : key == "rows"          ? &rows
                                                   : nullptr;
    if (target == nullptr) return fault(fmt::format("{}: unknown; a [[table]] has {}", origin, kTableKeys));
    if (!value.is_string() || value.as_string().str.empty())
      return fault(origin + ": must be a string that is not empty");
    *target = value.as_string().str;
    if (key == "rows") rows_origin = origin;
  }
  if (name.empty()) return fault(place_of(file, entry) + ": name: missing; a [[table]] needs it");
  if (!rows.empty()) {
    auto predicate = policy::Predicate::parse(rows, name);
    if (!predicate)
      return fault(fmt::format("{}: of table {}: {}", rows_origin, name, predicate.error().message));
    policy.rows = std::move(*predicate);
  }
  if (!out.tables.emplace(name, policy).second)
    return fault(fmt::format("{}: {} stands twice", place_of(file, entry), name));
  return {};
}

Status read_tables(const toml::value& value, const std::string& file, File& out) {
  const bool tables =
      value.is_array() && std::all_of(value.as_array().begin(), value.as_array().end(),
                                      [](const toml::value& entry) { return entry.is_table(); });
  if (!tables)
    return fault(
        fmt::format("{}: table: must be written as [[table]], with {}", place_of(file, value), kTableKeys));
  for (const toml::value& entry : value.as_array()) {
    if (auto status = read_table(entry, file, out); !status) return status;
  }
  return {};
}

Error unknown_key(const std::string& place, const std::string& key, const std::vector<Setting>& table) {
  std::vector<std::string> names{"table"};
  for (const Setting& setting : table) {
    if (setting.in_file) names.push_back(setting.key());
  }
  const std::string meant = nearest(key, names);
  const std::string advice =
      meant.empty() ? "docs/CONFIGURATION.md lists them" : fmt::format("did you mean {}?", meant);
  return fault(fmt::format("{}: {}: no such setting; {}", place, key, advice));
}

Result<File> read_root(const toml::value& root, const std::string& name, const std::vector<Setting>& table) {
  File out;
  for (const auto& [key, value] : root.as_table()) {
    if (key == "table") {
      if (auto status = read_tables(value, name, out); !status) return status.error();
      continue;
    }
    const auto setting = std::find_if(table.begin(), table.end(), [&key = key](const Setting& candidate) {
      return candidate.in_file && candidate.key() == key;
    });
    if (setting == table.end()) return unknown_key(place_of(name, value), key, table);
    auto given = read_value(*setting, value, name);
    if (!given) return given.error();
    out.given.emplace(setting->name, std::move(*given));
  }
  return out;
}

}  // namespace

Result<File> parse_file(const std::string& text, const std::string& name, const std::vector<Setting>& table) {
  // toml11 3.7 reads beyond its memory where a string in apostrophes is no UTF-8.
  std::size_t line = 0, begin = 0;
  for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find('\n', begin);
    ++line;
    if (!storable_text(std::string_view(text).substr(begin, end - begin)))
      return fault(fmt::format("{}:{}: is no UTF-8, or has a NUL", name, line));
  }
  try {
    std::istringstream in(text);
    return read_root(toml::parse(in, name), name, table);
  } catch (const toml::exception& error) {
    return fault(fmt::format("{}: {}", place_of(name, error.location()), reason(error.what())));
  } catch (const std::exception& error) {
    return fault(fmt::format("{}: {}", name, reason(error.what())));
  }
}

Result<File> read_file(const std::string& path, const std::vector<Setting>& table) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return fault(fmt::format("{}: cannot be read, or is empty", path));
  return parse_file(text.str(), path, table);
}

}  // namespace tidegate::config
