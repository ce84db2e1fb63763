#include "query/sql_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/sql_names.h"

namespace tidegate::query {

Error refused_sql(int place, std::string_view message) {
  return {Fault::invalid,
          place < 0 ? fmt::format("sql: {}", message) : fmt::format("sql: {} (at byte {})", message, place)};
}

Error moved(Error error, int before) {
  constexpr std::string_view kMark = "(at byte ";
  const std::size_t mark = error.message.rfind(kMark);
  if (mark == std::string::npos || !error.message.ends_with(')')) return error;
  const std::size_t digits = mark + kMark.size();
  const auto place =
      parse_i64(std::string_view(error.message).substr(digits, error.message.size() - digits - 1));
  if (place)
    error.message =
        fmt::format("{}{})", error.message.substr(0, digits), std::max<std::int64_t>(*place - before, 0));
  return error;
}

Error unsupported_node(const Json& node) {
  return refused_sql(place_of(node), node_in_sql(kind_of(node)) + " is not supported here");
}

int place_of(const Json& node) {
  int place = -1;
  const auto take = [&](int other) {
    if (other >= 0 && (place < 0 || other < place)) place = other;
  };
  for (const auto& [name, value] : node.members) {
    if (name == "location" && value.kind == Json::Kind::number) {
      take(static_cast<int>(parse_i64(value.text).value_or(-1)));
    } else {
      take(place_of(value));
    }
  }
  for (const Json& item : node.items) take(place_of(item));
  return place;
}

std::string_view kind_of(const Json& node) {
  return node.members.empty() ? std::string_view() : std::string_view(node.members.front().name);
}

const Json* as(const Json* node, std::string_view kind) {
  return node != nullptr && kind_of(*node) == kind ? &node->members.front().value : nullptr;
}

std::string text_of(const Json& node, std::string_view field) {
  const Json* value = node.find(field);
  return value == nullptr ? std::string() : value->text;
}

bool SqlTable::named_by(const std::vector<std::string>& qualifiers) const {
  if (qualifiers.empty()) return true;
  if (!alias.empty()) return qualifiers == std::vector{alias};  // an alias hides the table's own name
  return qualifiers == std::vector{table} || (!schema.empty() && qualifiers == std::vector{schema, table});
}

Result<std::optional<std::string>> SqlTable::read_column(const Json& reference) const {
  const Json* fields = reference.find("fields");
  if (fields == nullptr || fields->items.empty())
    return refused_sql(place_of(reference), "a column's name is missing");
  std::vector<std::string> qualifiers;
  for (std::size_t i = 0; i + 1 < fields->items.size(); ++i) {
    const Json* name = as(&fields->items[i], "String");
    if (name == nullptr) return refused_sql(place_of(reference), "a field of a column is not supported");
    qualifiers.push_back(text_of(*name, "sval"));
  }
  if (!named_by(qualifiers)) {
    return refused_sql(place_of(reference),
                       fmt::format("{} is not the table of this query", in_quotes(qualifiers.back())));
  }
  if (as(&fields->items.back(), "A_Star") != nullptr) return std::optional<std::string>();
  const Json* name = as(&fields->items.back(), "String");
  if (name == nullptr) return refused_sql(place_of(reference), "a column's name is missing");
  return std::optional<std::string>(text_of(*name, "sval"));
}

}  // namespace tidegate::query
