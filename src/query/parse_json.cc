#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "query/json_tree.h"
#include "query/op.h"
#include "query/utf8.h"

namespace tidegate::query {
namespace {

Error invalid(std::string_view path, std::string_view message) {
  return {Fault::invalid, fmt::format("{}: {}", path, message)};
}

/// Every member of an object must be one that we know, once: a misspelt `where` must not mean "everything".
Status check_members(const Json& object, std::string_view path,
                     std::initializer_list<std::string_view> known) {
  if (object.kind != Json::Kind::object) return invalid(path, "must be an object");
  for (std::size_t i = 0; i < object.members.size(); ++i) {
    const std::string& name = object.members[i].name;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return invalid(
          path, fmt::format("has no field {}; its fields are {}", in_quotes(name), fmt::join(known, ", ")));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (object.members[j].name == name)
        return invalid(path, fmt::format("the field {} stands twice", in_quotes(name)));
    }
  }
  return {};
}

Result<ParsedLiteral> read_literal(const Json& value, const std::string& path) {
  switch (value.kind) {
    case Json::Kind::null:
      return ParsedLiteral{ParsedLiteral::Kind::null, ""};
    case Json::Kind::boolean:
      return ParsedLiteral{ParsedLiteral::Kind::boolean, value.text};
    case Json::Kind::number:
      return ParsedLiteral{ParsedLiteral::Kind::number, value.text};
    case Json::Kind::string:
      return ParsedLiteral{ParsedLiteral::Kind::string, value.text};
    default:
      return invalid(path, "must be null, true, false, a number or a string");
  }
}

/// Which of `value` and `values` an operator wants; empty: neither.
std::string_view operand_field(Op op) {
  if (op == Op::is_null || op == Op::is_not_null) return "";
  return op == Op::in ? "values" : "value";
}

Status read_values(const Json& object, const std::string& path, ParsedComparison& comparison) {
  const std::string_view wanted = operand_field(comparison.op);
  for (const std::string_view field : {"value", "values"}) {
    const bool given = object.find(field) != nullptr;
    if (given == (field == wanted)) continue;
    return invalid(path,
                   fmt::format("`{}` {} `{}`", op_text(comparison.op), given ? "takes no" : "needs", field));
  }
  if (wanted.empty()) return {};
  const Json& operand = *object.find(wanted);
  if (comparison.op != Op::in) {
    auto literal = read_literal(operand, path + ".value");
    if (!literal) return literal.error();
    comparison.values.push_back(std::move(*literal));
    return {};
  }
  if (operand.kind != Json::Kind::array) return invalid(path + ".values", "must be an array");
  for (std::size_t i = 0; i < operand.items.size(); ++i) {
    auto literal = read_literal(operand.items[i], fmt::format("{}.values[{}]", path, i));
    if (!literal) return literal.error();
    comparison.values.push_back(std::move(*literal));
  }
  return {};
}

Result<ParsedComparison> read_comparison(const Json& object, const std::string& path) {
  if (auto status = check_members(object, path, {"column", "op", "value", "values"}); !status)
    return status.error();
  ParsedComparison comparison;
  const Json* column = object.find("column");
  if (!column || column->kind != Json::Kind::string) return invalid(path + ".column", "must be a string");
  comparison.column = column->text;
  const Json* op = object.find("op");
  if (!op || op->kind != Json::Kind::string) return invalid(path + ".op", "must be a string");
  const auto parsed = parse_op(op->text);
  if (!parsed) {
    return invalid(path + ".op", fmt::format("{} is not one of = <> != < <= > >=, is null, is not null, in",
                                             in_quotes(op->text)));
  }
  comparison.op = *parsed;
  if (auto status = read_values(object, path, comparison); !status) return status.error();
  return comparison;
}

Status read_columns(const Json& columns, ParsedQuery& query) {
  if (columns.kind != Json::Kind::array) return invalid("query.columns", "must be an array");
  if (columns.items.empty()) return invalid("query.columns", "is empty; leave it out for all columns");
  for (const Json& column : columns.items) {
    if (column.kind != Json::Kind::string) return invalid("query.columns", "must hold strings");
    query.columns.push_back(column.text);
  }
  return {};
}

}  // namespace

Result<ParsedQuery> parse_json(std::string_view json) {
  auto tree = parse_json_tree(json);
  if (!tree) return invalid("query", tree.error().message);
  if (auto status = check_members(*tree, "query", {"table", "columns", "where"}); !status)
    return status.error();
  ParsedQuery query;
  if (const Json* table = tree->find("table")) {
    if (table->kind != Json::Kind::string) return invalid("query.table", "must be a string");
    query.table = table->text;
  }
  if (const Json* columns = tree->find("columns")) {
    if (auto status = read_columns(*columns, query); !status) return status.error();
  }
  if (const Json* where = tree->find("where")) {
    if (where->kind != Json::Kind::array) return invalid("query.where", "must be an array");
    for (std::size_t i = 0; i < where->items.size(); ++i) {
      auto comparison = read_comparison(where->items[i], fmt::format("query.where[{}]", i));
      if (!comparison) return comparison.error();
      query.where.push_back(std::move(*comparison));
    }
  }
  return query;
}

}  // namespace tidegate::query
