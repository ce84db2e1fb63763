#include "query/sql_literal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.h"
#include "base/utf8.h"
#include "query/sql_condition.h"
#include "query/sql_names.h"

namespace tidegate::query {

Result<ParsedLiteral> SqlLiterals::read(const Json& node) {
  if (const Json* parameter = as(&node, "ParamRef")) return read_parameter(node, *parameter);
  if (const Json* constant = as(&node, "A_Const")) return read_constant(node, *constant);
  if (is_arithmetic(node) && !names_a_column(node)) return read_constant_arithmetic(node);
  const Json* cast = as(&node, "TypeCast");
  const Json* inside = cast == nullptr ? nullptr : cast->find("arg");
  if (inside == nullptr) return unsupported_node(node);
  const auto type = read_cast(node, *cast);
  if (!type) return type.error();
  auto literal = read(*inside);
  if (!literal) return literal;
  if (type->array) {
    literal->whole = true;
  } else if (literal->cast != Type::other && literal->cast != type->type) {
    return refused_sql(place_of(node), "a cast of a cast is not supported");
  }
  literal->cast = type->type;
  return literal;
}

Result<std::vector<ParsedLiteral>> SqlLiterals::read_array(const Json& node) {
  std::vector<ParsedLiteral> values;
  const Json* cast = as(&node, "TypeCast");
  const Json* inside = cast == nullptr ? nullptr : cast->find("arg");
  const Json* array = as(inside == nullptr ? &node : inside, "A_ArrayExpr");
  if (array == nullptr) {
    auto literal = read(node);
    if (!literal) return literal.error();
    literal->whole = true;
    values.push_back(std::move(*literal));
    return values;
  }
  SqlCast type;
  if (cast != nullptr) {
    const auto named = read_cast(node, *cast);
    if (!named) return named.error();
    type = *named;
    if (!type.array)
      return refused_sql(place_of(node), "a cast of an array to another type is not supported");
  }
  const Json* elements = array->find("elements");
  for (std::size_t i = 0; elements != nullptr && i < elements->items.size(); ++i) {
    auto literal = read(elements->items[i]);
    if (!literal) return literal.error();
    if (literal->cast == Type::other) literal->cast = type.type;
    values.push_back(std::move(*literal));
  }
  return values;
}

Status SqlLiterals::all_used() const {
  const auto unused = std::find(used_.begin(), used_.end(), false);
  if (unused == used_.end()) return {};
  return refused_sql(-1, fmt::format("${} is given but not used", unused - used_.begin() + 1));
}

Result<ParsedLiteral> SqlLiterals::read_parameter(const Json& node, const Json& parameter) {
  const auto number = parse_u64(text_of(parameter, "number")).value_or(0);
  if (number == 0 || number > parameters_.size()) {
    return refused_sql(place_of(node),
                       fmt::format("${} has no value: {} parameters are given", number, parameters_.size()));
  }
  used_[number - 1] = true;
  const ParsedLiteral& value = parameters_[number - 1];
  if (!left_.take(value.text.size())) return refused_sql(place_of(node), kTooMuchText);
  return value;
}

/// The integer at a place of the text that the tree leaves out, so that it is zero or negative. Between its
/// signs and its digits only blanks and parentheses are understood: a comment might hold digits too.
Result<std::string> SqlLiterals::read_not_positive(int place) const {
  const std::string_view rest =
      sql_.substr(std::min(static_cast<std::size_t>(std::max(place, 0)), sql_.size()));
  const std::size_t begin = rest.find_first_not_of("-( \t\r\n\f");
  const std::size_t end =
      begin == std::string_view::npos ? begin : rest.find_first_not_of("0123456789", begin);
  const std::string_view digits = begin == end ? std::string_view() : rest.substr(begin, end - begin);
  if (place < 0 || digits.empty() || rest.substr(0, begin).find("--") != std::string_view::npos) {
    return refused_sql(place, "this spelling of a number is not supported; write it as in -5");
  }
  return begin == 0 ? std::string(digits) : "-" + std::string(digits);
}

Result<ParsedLiteral> SqlLiterals::read_constant(const Json& node, const Json& constant) const {
  using Kind = ParsedLiteral::Kind;
  if (constant.find("isnull") != nullptr) return ParsedLiteral{Kind::null, ""};
  if (const Json* string = constant.find("sval"))
    return ParsedLiteral{Kind::string, text_of(*string, "sval")};
  if (const Json* number = constant.find("fval"))
    return ParsedLiteral{Kind::number, text_of(*number, "fval")};
  if (const Json* number = constant.find("ival")) {
    const std::string digits = text_of(*number, "ival");
    if (!digits.empty()) return ParsedLiteral{Kind::number, digits};
    auto negative = read_not_positive(place_of(node));
    if (!negative) return negative.error();
    return ParsedLiteral{Kind::number, std::move(*negative)};
  }
  if (const Json* boolean = constant.find("boolval")) {
    return ParsedLiteral{Kind::boolean, text_of(*boolean, "boolval") == "true" ? "true" : "false"};
  }
  return refused_sql(place_of(node), "a bit string is not supported");
}

Result<SqlCast> read_cast(const Json& node, const Json& cast) {
  static constexpr std::array<std::pair<std::string_view, Type>, 17> kTypes = {
      {{"bool", Type::boolean},
       {"int2", Type::int2},
       {"int4", Type::int4},
       {"int8", Type::int8},
       {"numeric", Type::numeric},
       {"float4", Type::float4},
       {"float8", Type::float8},
       {"text", Type::text},
       {"varchar", Type::varchar},
       {"uuid", Type::uuid},
       {"date", Type::date},
       {"time", Type::time},
       {"timestamp", Type::timestamp},
       {"timestamptz", Type::timestamptz},
       {"interval", Type::interval},
       {"bytea", Type::bytea},
       {"jsonb", Type::jsonb}}};
  const Json* type = cast.find("typeName");
  const Json* names = type == nullptr ? nullptr : type->find("names");
  if (names == nullptr || names->items.empty()) return unsupported_node(node);
  const Json* last = as(&names->items.back(), "String");
  const Json* first = as(&names->items.front(), "String");
  const std::string name = last == nullptr ? "" : text_of(*last, "sval");
  const bool known_schema =
      names->items.size() == 1 || (first != nullptr && text_of(*first, "sval") == "pg_catalog");
  if (type->find("typmods") != nullptr)
    return refused_sql(place_of(node), "a cast with a length or precision is not supported");
  for (const auto& [known, named] : kTypes) {
    if (name == known && known_schema) return SqlCast{named, type->find("arrayBounds") != nullptr};
  }
  return refused_sql(place_of(node), fmt::format("a cast to {} is not supported", in_quotes(name)));
}

}  // namespace tidegate::query
