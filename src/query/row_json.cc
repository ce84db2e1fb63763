#include <cassert>
#include <cstddef>

#include "base/encoding.h"
#include "query/array_text.h"
#include "query/bind.h"
#include "query/query.h"

namespace tidegate::query {
namespace {

/// Whether the text is a number by JSON's grammar, so that it may stand as it is. A database of dynamic types
/// may hold anything in a column that is declared as a number.
bool is_json_number(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - start;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const bool leading_zero = at < text.size() && text[at] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (leading_zero && whole > 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

}  // namespace

void append_scalar_json(std::string& out, Type type, std::string_view text) {
  switch (type) {
    case Type::boolean:
      if (text == "t" || text == "f") {
        out += text == "t" ? "true" : "false";
        return;
      }
      break;
    case Type::int2:
    case Type::int4:
    case Type::float4:
    case Type::float8:
      if (is_json_number(text)) {
        out += text;
        return;
      }
      break;
    case Type::jsonb:
      out += text;
      return;
    default:
      break;
  }
  append_json_string(out, text);
}

void append_cell_json(std::string& out, const ColumnSchema& column, const Cell& cell) {
  if (!cell) {
    out += "null";
  } else if (column.type == Type::array) {
    append_array_json(out, column.element, *cell);
  } else {
    append_scalar_json(out, column.type, *cell);
  }
}

void Query::append_row_json(std::string& out, const Row& row) const {
  assert(row.size() == table().columns.size());
  char separator = '{';
  for (std::size_t i = 0; i < columns().size(); ++i) {
    const auto column = static_cast<std::size_t>(columns()[i]);
    out += separator;
    out += projection_->members[i];
    append_cell_json(out, table().columns[column], row[column]);
    separator = ',';
  }
  out += '}';
}

void Query::append_key_json(std::string& out, const Row& row) const {
  assert(row.size() == table().columns.size());
  char separator = '[';
  for (int index : columns()) {
    if (!table().is_key(index)) continue;
    const auto column = static_cast<std::size_t>(index);
    out += separator;
    append_cell_json(out, table().columns[column], row[column]);
    separator = ',';
  }
  out += ']';
}

void Query::append_columns_json(std::string& out) const {
  char separator = '[';
  for (int column : columns()) {
    const ColumnSchema& schema = table().columns[static_cast<std::size_t>(column)];
    out += separator;
    out += R"({"name":)";
    append_json_string(out, schema.name);
    out += R"(,"type":)";
    append_json_string(out, column_type_text(schema));
    out += table().is_key(column) ? R"(,"key":true})" : R"(,"key":false})";
    separator = ',';
  }
  out += ']';
}

}  // namespace tidegate::query
