#include <fmt/format.h>

#include <algorithm>

#include "query/regex_set.h"
#include "query/regex_tree.h"

namespace tidegate::query {
namespace {

using Kind = RegexNode::Kind;

bool is_one_character(const RegexNode& node) {
  return node.kind == Kind::set && !node.negated && node.ranges.size() == 1 &&
         node.ranges.front().first == node.ranges.front().last;
}

void append_character(std::string& out, char32_t code, std::string_view special) {
  if (code < 0x80 && special.find(static_cast<char>(code)) != std::string_view::npos) out += '\\';
  append_code_point(out, code);
}

void append_set(std::string& out, const RegexNode& node) {
  if (is_one_character(node)) return append_character(out, node.ranges.front().first, R"(\.[]{}()*+?^$|)");
  if (node.negated && node.ranges.empty()) {
    out += '.';
    return;
  }
  out += node.negated ? "[^" : "[";
  for (const CodeRange& range : node.ranges) {
    append_character(out, range.first, R"(\[]^-)");
    if (range.last > range.first + 1) out += '-';
    if (range.last > range.first) append_character(out, range.last, R"(\[]^-)");
  }
  out += ']';
}

/// With what stands inside in a group, unless it is one character or class.
void append_repeat(std::string& out, const RegexNode& node) {
  const RegexNode& inside = node.children.front();
  out += inside.kind == Kind::set ? regex_text(inside) : "(?:" + regex_text(inside) + ")";
  if (node.least == 0 && node.most == 1) {
    out += '?';
  } else if (node.least <= 1 && node.most < 0) {
    out += node.least == 0 ? '*' : '+';
  } else if (node.most < 0) {
    out += fmt::format("{{{},}}", node.least);
  } else if (node.least == node.most) {
    out += fmt::format("{{{}}}", node.least);
  } else {
    out += fmt::format("{{{},{}}}", node.least, node.most);
  }
}

}  // namespace

std::string regex_text(const RegexNode& node) {
  std::string out;
  switch (node.kind) {
    case Kind::set:
      append_set(out, node);
      break;
    case Kind::begin:
      return "^";
    case Kind::end:
      return "$";
    case Kind::sequence:
      for (const RegexNode& child : node.children)
        out += child.kind == Kind::choice ? "(?:" + regex_text(child) + ")" : regex_text(child);
      break;
    case Kind::choice:
      for (const RegexNode& child : node.children) {
        if (&child != &node.children.front()) out += '|';
        out += regex_text(child);
      }
      break;
    case Kind::repeat:
      append_repeat(out, node);
      break;
  }
  return out;
}

std::string regex_prefix(const RegexNode& node) {
  std::string out;
  if (node.kind != Kind::sequence || node.children.empty() || node.children.front().kind != Kind::begin)
    return out;
  for (auto child = node.children.begin() + 1; child != node.children.end() && is_one_character(*child);
       ++child)
    append_code_point(out, child->ranges.front().first);
  return out;
}

}  // namespace tidegate::query
