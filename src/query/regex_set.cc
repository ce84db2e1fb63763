#include "query/regex_set.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tidegate::query {
namespace {

struct NamedClass {
  std::string_view name;
  std::vector<CodeRange> ranges;
};

/// Postgres's table for the collation C (regc_pg_locale.c).
const std::vector<NamedClass>& named_classes() {
  static const std::vector<NamedClass> kClasses = {
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0x01, 0x1f}, {0x7f, 0x7f}}},
      {"digit", {{'0', '9'}}},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
      {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
  };
  return kClasses;
}

}  // namespace

std::vector<CodeRange> in_order(std::vector<CodeRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<CodeRange> out;
  for (const CodeRange& range : ranges) {
    if (!out.empty() && range.first <= out.back().last + 1) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

std::vector<CodeRange> with_both_cases(std::vector<CodeRange> ranges) {
  constexpr char32_t kApart = 'a' - 'A';
  std::vector<CodeRange> out = ranges;
  for (const CodeRange& range : ranges) {
    const char32_t upper_first = std::max<char32_t>(range.first, 'A');
    const char32_t upper_last = std::min<char32_t>(range.last, 'Z');
    if (upper_first <= upper_last) out.push_back({upper_first + kApart, upper_last + kApart});
    const char32_t lower_first = std::max<char32_t>(range.first, 'a');
    const char32_t lower_last = std::min<char32_t>(range.last, 'z');
    if (lower_first <= lower_last) out.push_back({lower_first - kApart, lower_last - kApart});
  }
  return out;
}

std::optional<std::vector<CodeRange>> class_ranges(std::string_view name) {
  for (const NamedClass& known : named_classes()) {
    if (known.name == name) return known.ranges;
  }
  return std::nullopt;
}

std::optional<std::string_view> escape_class(char letter) {
  switch (letter) {
    case 'd':
    case 'D':
      return "digit";
    case 's':
    case 'S':
      return "space";
    case 'w':
    case 'W':
      return "word";
    default:
      return std::nullopt;
  }
}

char32_t take_code_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  char32_t code = lead < 0xe0 ? lead & 0x1fu : lead < 0xf0 ? lead & 0x0fu : lead & 0x07u;
  for (; at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0u) == 0x80u; ++at)
    code = (code << 6u) | (static_cast<unsigned char>(text[at]) & 0x3fu);
  return code;
}

void append_code_point(std::string& out, char32_t code) {
  const auto continued = [&](unsigned shift) { out += static_cast<char>(0x80u | ((code >> shift) & 0x3fu)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0u | (code >> 6u));
    continued(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0u | (code >> 12u));
    continued(6);
    continued(0);
  } else {
    out += static_cast<char>(0xf0u | (code >> 18u));
    continued(12);
    continued(6);
    continued(0);
  }
}

}  // namespace tidegate::query
