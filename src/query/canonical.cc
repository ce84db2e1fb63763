// The canonical form of a query: JSON text without blanks, what is hashed and registered.
//
//   {"v":1,"schema":"public","table":"orders",
//    "columns":[["id","integer"],["title","text"]],
//    "where":[["total","numeric",">",["100"]],["title","text","is null",[]]]}
//
// Columns stand in the table's order, conditions sorted by column, operator and values; values are literals
// in the canonical text of the column's type. The types are there because they belong to the meaning: after
// an ALTER COLUMN TYPE the same names are another query. Schema and table stand apart because `a.b` and `c`
// is not `a` and `b.c`.
#include <fmt/format.h>

#include "base/encoding.h"
#include "query/bind.h"
#include "query/json_tree.h"
#include "query/op.h"
#include "query/utf8.h"

namespace tidegate::query {
namespace {

void append_named_type(std::string& out, const ColumnSchema& column) {
  append_json_string(out, column.name);
  out += ',';
  append_json_string(out, column_type_text(column));
}

void append_condition(std::string& out, const TableSchema& table, const Comparison& comparison) {
  out += '[';
  append_named_type(out, table.columns[static_cast<std::size_t>(comparison.column)]);
  out += ',';
  append_json_string(out, op_text(comparison.op));
  out += ",[";
  for (const std::string& value : comparison.values) {
    if (&value != &comparison.values.front()) out += ',';
    append_json_string(out, value);
  }
  out += "]]";
}

Error malformed() {
  return {Fault::invalid, "not the canonical form of a query"};
}

bool are_strings(const std::vector<Json>& items, std::size_t count) {
  if (items.size() < count) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (items[i].kind != Json::Kind::string) return false;
  }
  return true;
}

/// Only names and literals are read; that nothing else differs is known by comparing the texts in the end.
Result<ParsedQuery> read_canonical(const Json& tree) {
  if (tree.members.size() != 5 || tree.members[1].value.kind != Json::Kind::string ||
      tree.members[2].value.kind != Json::Kind::string) {
    return malformed();
  }
  ParsedQuery parsed;
  parsed.table = tree.members[1].value.text + "." + tree.members[2].value.text;
  for (const Json& column : tree.members[3].value.items) {
    if (!are_strings(column.items, 2)) return malformed();
    parsed.columns.push_back(column.items[0].text);
  }
  for (const Json& condition : tree.members[4].value.items) {
    if (condition.items.size() != 4 || !are_strings(condition.items, 3)) return malformed();
    const auto op = parse_op(condition.items[2].text);
    const std::vector<Json>& values = condition.items[3].items;
    if (!op || !are_strings(values, values.size())) return malformed();
    ParsedComparison comparison{condition.items[0].text, *op, {}, -1};
    for (const Json& value : values) comparison.values.push_back({ParsedLiteral::Kind::string, value.text});
    parsed.where.push_back(std::move(comparison));
  }
  return parsed;
}

}  // namespace

std::string column_type_text(const ColumnSchema& column) {
  if (column.type == Type::array) {
    const bool named = column.element != Type::enumeration && column.element != Type::other;
    return named ? std::string(type_name(column.element)) + "[]" : column.declared;
  }
  const bool declared = column.type == Type::enumeration || column.type == Type::other;
  return declared && !column.declared.empty() ? column.declared : std::string(type_name(column.type));
}

std::string canonical_text(const Query& query) {
  const TableSchema& table = query.table();
  std::string out = R"({"v":1,"schema":)";
  append_json_string(out, table.schema);
  out += R"(,"table":)";
  append_json_string(out, table.name);
  out += R"(,"columns":)";
  char separator = '[';
  for (int column : query.columns()) {
    out += separator;
    out += '[';
    append_named_type(out, table.columns[static_cast<std::size_t>(column)]);
    out += ']';
    separator = ',';
  }
  out += R"(],"where":[)";
  for (const Comparison& comparison : query.where()) {
    if (&comparison != &query.where().front()) out += ',';
    append_condition(out, table, comparison);
  }
  return out + "]}";
}

Result<std::shared_ptr<const Query>> Query::from_canonical(std::string_view canonical,
                                                           const Catalogue& catalogue) {
  const auto tree = parse_json_tree(canonical);
  if (!tree) return malformed();
  const auto parsed = read_canonical(*tree);
  if (!parsed) return parsed.error();
  auto table = catalogue.find(parsed->table);
  if (!table) return Error{Fault::not_found, "unknown table " + in_quotes(parsed->table)};
  auto query = bind(*parsed, std::move(table));
  if (!query) return query;
  if ((*query)->canonical() != canonical) {
    return Error{Fault::lost, fmt::format("the table {} no longer has the shape that the query was made for",
                                          in_quotes(parsed->table))};
  }
  return query;
}

std::string routing_key(std::string_view tenant, const Query& query) {
  return fmt::format("{}/{}/{}", percent_encode(tenant), percent_encode(query.table().qualified()),
                     query.hash().hex());
}

}  // namespace tidegate::query
