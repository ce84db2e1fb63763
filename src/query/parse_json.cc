#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/json_tree.h"
#include "query/like.h"
#include "query/op.h"
#include "query/parse_json_arithmetic.h"

namespace tidegate::query {
namespace {

constexpr std::size_t kTreeDepthMax =
    2 * kDepthMax + 24;  // two levels a group, and a jsonb value or arithmetic

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

void append_json(std::string& out, const Json& value) {
  char separator = value.kind == Json::Kind::array ? '[' : '{';
  switch (value.kind) {
    case Json::Kind::null:
      out += "null";
      return;
    case Json::Kind::string:
      return append_json_string(out, value.text);
    case Json::Kind::array:
      for (const Json& item : value.items) {
        out += separator;
        separator = ',';
        append_json(out, item);
      }
      out += separator == '[' ? "[]" : "]";
      return;
    case Json::Kind::object:
      for (const JsonMember& member : value.members) {
        out += separator;
        separator = ',';
        append_json_string(out, member.name);
        out += ':';
        append_json(out, member.value);
      }
      out += separator == '{' ? "{}" : "}";
      return;
    default:
      out += value.text;
  }
}

/// Arrays and objects stand for themselves, against jsonb.
ParsedLiteral read_literal(const Json& value) {
  switch (value.kind) {
    case Json::Kind::null:
      return {ParsedLiteral::Kind::null, ""};
    case Json::Kind::boolean:
      return {ParsedLiteral::Kind::boolean, value.text};
    case Json::Kind::number:
      return {ParsedLiteral::Kind::number, value.text};
    case Json::Kind::string:
      return {ParsedLiteral::Kind::string, value.text};
    default:
      break;
  }
  ParsedLiteral literal{ParsedLiteral::Kind::json, ""};
  append_json(literal.text, value);
  return literal;
}

/// An operator as clients write it: our own and those that are written by them.
struct WrittenOp {
  std::string text;
  Op op = Op::eq;
  bool negated = false;
  bool between = false;
  bool distinct = false;
};

std::optional<WrittenOp> read_op(std::string_view written) {
  WrittenOp read;
  read.text = ascii_lower(written);
  std::string_view text = read.text;
  if (const auto op = parse_op(text); op && *op != Op::all_of && *op != Op::any_of && *op != Op::negation) {
    read.op = *op;
    return read;
  }
  const auto take = [&](std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
  };
  if (take("!~")) {
    if (!text.empty() && text != "*") return std::nullopt;
    read.negated = true;
    text = text.empty() ? "~" : "~*";
  } else if (take("is ")) {
    read.negated = take("not ");
    if (text == "distinct from") {
      read.distinct = true;
      return read;
    }
    const auto op = parse_op("is " + std::string(text));
    if (!op || !is_group(*op)) return std::nullopt;
    read.op = *op;
    return read;
  } else {
    read.negated = take("not ");
  }
  if (text == "between") {
    read.between = true;
    return read;
  }
  const auto op = parse_op(text);
  if (!op || is_group(*op) || is_null_test(*op)) return std::nullopt;
  read.op = *op;
  return read;
}

/// Which of `value`, `values` and `other` an operator wants; empty: none.
std::string_view operand_field(const Json& object, const WrittenOp& op) {
  if (op.between || op.op == Op::in || op.op == Op::not_in || op.op == Op::overlaps) return "values";
  if (is_null_test(op.op) || is_group(op.op)) return "";
  if (object.find("other") != nullptr && (is_equality(op.op) || is_order(op.op))) return "other";
  return op.op == Op::contains && object.find("values") != nullptr ? "values" : "value";
}

Status read_values(const Json& object, const std::string& path, const WrittenOp& op,
                   ParsedCondition& condition) {
  const std::string_view wanted = operand_field(object, op);
  for (const std::string_view field : {"value", "values", "other"}) {
    const bool given = object.find(field) != nullptr;
    if (given == (field == wanted)) continue;
    return invalid(path, fmt::format("`{}` {} `{}`", op.text, given ? "takes no" : "needs", field));
  }
  if (wanted.empty()) return {};
  const Json& operand = *object.find(wanted);
  if (wanted == "other") {
    if (operand.kind == Json::Kind::array) {
      auto right = parse_json_arithmetic(operand, path + ".other");
      if (!right) return right.error();
      condition.right = std::move(*right);
    } else if (operand.kind != Json::Kind::string) {
      return invalid(path + ".other", "must be a column's name or arithmetic");
    } else {
      condition.other = operand.text;
    }
  } else if (wanted == "value") {
    condition.values.push_back(read_literal(operand));
  } else if (operand.kind != Json::Kind::array) {
    return invalid(path + ".values", "must be an array");
  } else {
    for (const Json& item : operand.items) condition.values.push_back(read_literal(item));
  }
  return {};
}

Status read_path(const Json& object, const std::string& path, ParsedCondition& condition) {
  const Json* text = object.find("text");
  const Json* steps = object.find("path");
  if (steps == nullptr) return text == nullptr ? Status() : invalid(path, "`text` needs `path`");
  if (steps->kind != Json::Kind::array || steps->items.empty())
    return invalid(path + ".path", "must be an array");
  for (const Json& step : steps->items) {
    const auto place = parse_i64(step.text);
    const bool position = step.kind == Json::Kind::number && place &&
                          *place >= std::numeric_limits<std::int32_t>::min() &&
                          *place <= std::numeric_limits<std::int32_t>::max();
    if (!position && step.kind != Json::Kind::string) {
      return invalid(path + ".path", "must hold members' names and places in arrays");
    }
    condition.path.push_back({position ? std::to_string(*place) : step.text, position});
  }
  if (text != nullptr && text->kind != Json::Kind::boolean)
    return invalid(path + ".text", "must be true or false");
  condition.as_text = text != nullptr && text->text == "true";
  return {};
}

Status read_escape(const Json& object, const std::string& path, ParsedCondition& condition) {
  const Json* escape = object.find("escape");
  if (escape == nullptr) return {};
  const bool pattern = condition.op == Op::like || condition.op == Op::ilike;
  if (!pattern || escape->kind != Json::Kind::string ||
      condition.values.front().kind != ParsedLiteral::Kind::string) {
    return invalid(path + ".escape", "is a string, for `like` and `ilike`");
  }
  auto canonical = canonical_like(condition.values.front().text, escape->text);
  if (!canonical)
    return invalid(path + ".escape", "must be one character or none, and no pattern may end with it");
  condition.values.front().text = std::move(*canonical);
  return {};
}

/// What is written by other operators, written by them.
Result<ParsedCondition> write_out(const WrittenOp& op, const std::string& path, ParsedCondition condition) {
  if (op.distinct) return distinct(std::move(condition), !op.negated);
  if (op.between) {
    if (condition.values.size() != 2) return invalid(path + ".values", "must hold two values");
    ParsedCondition high = condition;
    condition.op = Op::ge;
    condition.values.pop_back();
    high.op = Op::le;
    high.values.erase(high.values.begin());
    condition = joined(Op::all_of, {std::move(condition), std::move(high)}, -1);
  } else if (is_group(op.op)) {
    condition.op = Op::eq;
    condition.values.push_back({ParsedLiteral::Kind::boolean, "true"});
    condition = joined(op.op, {std::move(condition)}, -1);
  }
  return op.negated ? negated(std::move(condition)) : condition;
}

Status read_column(const Json& object, const std::string& path, ParsedCondition& condition) {
  const Json* column = object.find("column");
  if (column != nullptr && column->kind == Json::Kind::array) {
    auto left = parse_json_arithmetic(*column, path + ".column");
    if (!left) return left.error();
    condition.left = std::move(*left);
    return {};
  }
  if (!column || column->kind != Json::Kind::string)
    return invalid(path + ".column", "must be a string or arithmetic");
  condition.column = column->text;
  return {};
}

Result<ParsedCondition> read_comparison(const Json& object, const std::string& path) {
  if (auto status =
          check_members(object, path, {"column", "op", "value", "values", "other", "path", "text", "escape"});
      !status)
    return status.error();
  ParsedCondition condition;
  if (auto status = read_column(object, path, condition); !status) return status.error();
  const Json* op = object.find("op");
  if (!op || op->kind != Json::Kind::string) return invalid(path + ".op", "must be a string");
  const auto written = read_op(op->text);
  if (!written) return invalid(path + ".op", fmt::format("{} is not an operator", in_quotes(op->text)));
  condition.op = written->op;
  if (auto status = read_values(object, path, *written, condition); !status) return status.error();
  if (auto status = read_path(object, path, condition); !status) return status.error();
  if (auto status = read_escape(object, path, condition); !status) return status.error();
  return write_out(*written, path, std::move(condition));
}

/// Recurses as deep as the tree, which its parser bounds.
Result<ParsedCondition> read_condition(const Json& object, const std::string& path) {
  const bool group = object.kind == Json::Kind::object && object.members.size() == 1;
  const std::string_view name = group ? std::string_view(object.members.front().name) : std::string_view();
  if (name != "and" && name != "or" && name != "not") return read_comparison(object, path);
  const Json& inside = object.members.front().value;
  const std::string below = fmt::format("{}.{}", path, name);
  if (name == "not") {
    auto child = read_condition(inside, below);
    return child ? negated(std::move(*child)) : child;
  }
  ParsedCondition joins = joined(name == "and" ? Op::all_of : Op::any_of, {}, -1);
  if (inside.kind != Json::Kind::array || inside.items.empty()) {
    return invalid(below, "must be an array of conditions, and not empty");
  }
  for (std::size_t i = 0; i < inside.items.size(); ++i) {
    auto child = read_condition(inside.items[i], fmt::format("{}[{}]", below, i));
    if (!child) return child;
    joins.children.push_back(std::move(*child));
  }
  return joins;
}

Status read_where(const Json& where, ParsedQuery& query) {
  if (where.kind == Json::Kind::object) {
    auto condition = read_condition(where, "query.where");
    if (!condition) return condition.error();
    query.where.push_back(std::move(*condition));
    return {};
  }
  if (where.kind != Json::Kind::array) return invalid("query.where", "must be an array or a condition");
  for (std::size_t i = 0; i < where.items.size(); ++i) {
    auto condition = read_condition(where.items[i], fmt::format("query.where[{}]", i));
    if (!condition) return condition.error();
    query.where.push_back(std::move(*condition));
  }
  return {};
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
  auto tree = parse_json_tree(json, kTreeDepthMax);
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
    if (auto status = read_where(*where, query); !status) return status.error();
  }
  return query;
}

}  // namespace tidegate::query
