#include "query/op.h"

#include <algorithm>
#include <array>
#include <string>

namespace tidegate::query {
namespace {
constexpr std::array<std::string_view, 25> kTexts = {
    "=",      "<>",   "<",     "<=",          ">",       ">=",       "is null",   "is not null", "in",
    "not in", "like", "ilike", "starts with", "~",       "~*",       "@>",        "&&",          "?",
    "has",    "and",  "or",    "not",         "is true", "is false", "is unknown"};
}  // namespace

std::string_view op_text(Op op) {
  return kTexts[static_cast<std::size_t>(op)];
}

std::optional<Op> parse_op(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (lower == "!=") return Op::ne;
  const auto found = std::find(kTexts.begin(), kTexts.end(), lower);
  if (found == kTexts.end()) return std::nullopt;
  return static_cast<Op>(found - kTexts.begin());
}

std::optional<Op> complement(Op op) {
  switch (op) {
    case Op::eq:
      return Op::ne;
    case Op::ne:
      return Op::eq;
    case Op::lt:
      return Op::ge;
    case Op::le:
      return Op::gt;
    case Op::gt:
      return Op::le;
    case Op::ge:
      return Op::lt;
    case Op::is_null:
      return Op::is_not_null;
    case Op::is_not_null:
      return Op::is_null;
    case Op::in:
      return Op::not_in;
    case Op::not_in:
      return Op::in;
    default:
      return std::nullopt;
  }
}

Op mirrored(Op op) {
  switch (op) {
    case Op::lt:
      return Op::gt;
    case Op::le:
      return Op::ge;
    case Op::gt:
      return Op::lt;
    case Op::ge:
      return Op::le;
    default:
      return op;
  }
}

bool is_null_test(Op op) {
  return op == Op::is_null || op == Op::is_not_null;
}
bool is_order(Op op) {
  return op == Op::lt || op == Op::le || op == Op::gt || op == Op::ge;
}
bool is_equality(Op op) {
  return op == Op::eq || op == Op::ne || op == Op::in || op == Op::not_in;
}
bool is_group(Op op) {
  return op >= Op::all_of;
}
bool takes_list(Op op) {
  return op == Op::in || op == Op::not_in || op == Op::contains || op == Op::overlaps;
}

Truth inverted(Truth truth) {
  switch (truth) {
    case Truth::is_true:
      return Truth::is_false;
    case Truth::is_false:
      return Truth::is_true;
    case Truth::not_true:
      return Truth::not_false;
    case Truth::not_false:
      return Truth::not_true;
  }
  return truth;
}

ParsedCondition joined(Op op, std::vector<ParsedCondition> children, int place) {
  ParsedCondition group;
  group.op = op;
  group.place = place;
  group.children = std::move(children);
  return group;
}

ParsedCondition negated(ParsedCondition condition) {
  const int place = condition.place;
  std::vector<ParsedCondition> inside;
  inside.push_back(std::move(condition));
  return joined(Op::negation, std::move(inside), place);
}

ParsedCondition distinct(ParsedCondition equal, bool from) {
  const int place = equal.place;
  ParsedCondition same;
  if (equal.values.size() == 1 && equal.values.front().kind == ParsedLiteral::Kind::null) {
    same = std::move(equal);
    same.op = Op::is_null;
    same.values.clear();
  } else if (equal.other.empty() && !equal.right) {
    same = joined(Op::is_true, {std::move(equal)}, place);
  } else {
    ParsedCondition left;
    left.column = equal.column;
    left.left = equal.left;
    left.op = Op::is_null;
    left.place = place;
    ParsedCondition right = left;
    right.column = equal.other;
    right.left = equal.right;
    same = joined(Op::any_of,
                  {joined(Op::is_true, {std::move(equal)}, place), joined(Op::all_of, {left, right}, place)},
                  place);
  }
  return from ? negated(std::move(same)) : same;
}

}  // namespace tidegate::query
