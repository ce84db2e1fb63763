#include "query/parse_json_arithmetic.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/utf8.h"

namespace tidegate::query {
namespace {

Error invalid(const std::string& path, std::string_view message) {
  return {Fault::invalid, fmt::format("{}: {}", path, message)};
}

Result<ParsedExpression> read(const Json& node, const std::string& path);

Result<ParsedExpression> read_cast(const Json& node, const std::string& path) {
  static constexpr std::array kTypes = {Type::int2, Type::int4, Type::int8, Type::numeric};
  if (node.items.size() != 3 || node.items[2].kind != Json::Kind::string)
    return invalid(path, "a cast is written [\"cast\", what, type]");
  ParsedExpression cast;
  cast.kind = Arithmetic::cast;
  for (const Type type : kTypes) {
    if (node.items[2].text == type_name(type)) cast.cast = type;
  }
  if (cast.cast == Type::other)
    return invalid(path + "[2]", "must be \"smallint\", \"integer\", \"bigint\" or \"numeric\"");
  auto inside = read(node.items[1], path + "[1]");
  if (!inside) return inside;
  cast.operands.push_back(std::move(*inside));
  return cast;
}

/// Recurses as deep as the tree, which its parser bounds.
Result<ParsedExpression> read(const Json& node, const std::string& path) {
  ParsedExpression expression;
  if (node.kind == Json::Kind::string) {
    expression.column = node.text;
    return expression;
  }
  if (node.kind == Json::Kind::number) {
    expression.kind = Arithmetic::constant;
    expression.constant = {ParsedLiteral::Kind::number, node.text};
    return expression;
  }
  if (node.kind != Json::Kind::array || node.items.empty() || node.items[0].kind != Json::Kind::string)
    return invalid(
        path,
        "must be a column's name, a number, or an operator before its operands, as in [\"+\", \"a\", 1]");
  if (node.items[0].text == "cast") return read_cast(node, path);
  const auto kind = parse_arithmetic(node.items[0].text, node.items.size() - 1);
  if (!kind) {
    return invalid(
        path,
        fmt::format("{} with {} operands is not supported; there are + - * / % with two, and - with one",
                    in_quotes(node.items[0].text), node.items.size() - 1));
  }
  expression.kind = *kind;
  for (std::size_t i = 1; i < node.items.size(); ++i) {
    auto operand = read(node.items[i], fmt::format("{}[{}]", path, i));
    if (!operand) return operand;
    expression.operands.push_back(std::move(*operand));
  }
  return expression;
}

}  // namespace

Result<std::shared_ptr<const ParsedExpression>> parse_json_arithmetic(const Json& node,
                                                                      const std::string& path) {
  auto expression = read(node, path);
  if (!expression) return expression.error();
  return std::make_shared<const ParsedExpression>(std::move(*expression));
}

}  // namespace tidegate::query
