#include "query/regex_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "query/regex_set.h"

namespace tidegate::query {
namespace {

using Kind = RegexNode::Kind;

struct RefusedEscape {
  std::string_view letters;
  std::string_view reason;
};
constexpr std::array<RefusedEscape, 6> kRefusedEscapes = {{
    {"123456789", "it refers back to what a group matched, which takes more than linear time"},
    {"mMyY", "which characters make a word depends on the collation; write the characters around it"},
    {"A", "write ^"},
    {"Z", "write $"},
    {"bB", "in Postgres it is a character and elsewhere a word's edge"},
    {"aecuUx0", "write the character itself"},
}};

RegexNode node_of(Kind kind) {
  RegexNode node;
  node.kind = kind;
  return node;
}

RegexNode set_of(std::vector<CodeRange> ranges, bool negated = false) {
  RegexNode node = node_of(Kind::set);
  node.ranges = in_order(std::move(ranges));
  node.negated = negated;
  return node;
}

RegexNode character(char32_t code) {
  return set_of({{code, code}});
}

/// Recurses as deep as groups stand in one another, which it bounds.
class RegexParser {
 public:
  RegexParser(std::string_view pattern, bool ascii_classes)
      : pattern_(pattern), ascii_classes_(ascii_classes) {}

  Result<RegexNode> parse() {
    auto tree = parse_choice(0);
    if (tree && at_ < pattern_.size()) return refused(at_, 1, "no group is open");
    return tree;
  }

 private:
  [[nodiscard]] bool done() const { return at_ == pattern_.size(); }
  [[nodiscard]] bool see(char c) const { return !done() && pattern_[at_] == c; }
  [[nodiscard]] bool see(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(char c) {
    if (!see(c)) return false;
    ++at_;
    return true;
  }
  char32_t take_character() { return take_code_point(pattern_, at_); }

  [[nodiscard]] Error refused(std::size_t from, std::size_t bytes, std::string_view reason) const {
    return {Fault::invalid,
            fmt::format("{} at byte {} of the regular expression is not supported: {}",
                        bytes == 0 ? "the end" : "`" + well_formed(pattern_.substr(from, bytes)) + "`", from,
                        reason)};
  }
  /// What stands between `from` and where reading has come to.
  [[nodiscard]] Error refused(std::size_t from, std::string_view reason) const {
    return refused(from, at_ - from, reason);
  }

  Result<RegexNode> parse_choice(int depth) {
    RegexNode choice = node_of(Kind::choice);
    do {
      auto branch = parse_sequence(depth);
      if (!branch) return branch;
      choice.children.push_back(std::move(*branch));
    } while (take('|'));
    if (choice.children.size() > 1) return choice;
    return std::move(choice.children.front());
  }

  Result<RegexNode> parse_sequence(int depth) {
    RegexNode sequence = node_of(Kind::sequence);
    while (!done() && !see('|') && !see(')')) {
      const std::size_t from = at_;
      const bool anchors = anchored_;
      anchored_ = false;
      auto atom = parse_atom(depth);
      if (!atom) return atom;
      auto piece = parse_count(std::move(*atom), from);
      if (!piece) return piece;
      anchored_ = anchored_ || anchors;
      if (piece->kind == Kind::sequence && piece->children.empty()) continue;  // `()` says nothing
      sequence.children.push_back(std::move(*piece));
    }
    if (sequence.children.size() == 1) return std::move(sequence.children.front());
    return sequence;
  }

  Result<RegexNode> parse_atom(int depth) {
    const std::size_t from = at_;
    const char32_t code = take_character();
    switch (code) {
      case '.':
        return set_of({}, true);
      case '^':
      case '$':
        anchored_ = true;
        return node_of(code == '^' ? Kind::begin : Kind::end);
      case '[':
        return parse_brackets(from);
      case '(':
        return parse_group(from, depth);
      case '\\':
        return parse_escape(from);
      case '*':
      case '+':
      case '?':
        return refused(from, see("**=") || see("**:")
                                 ? "a director that changes the language; write the expression alone"
                                 : "nothing stands before it that could be repeated");
      case '{':
        return refused(from, "nothing stands before it that could be repeated; the character is written \\{");
      default:
        return character(code);
    }
  }

  Result<RegexNode> parse_group(std::size_t from, int depth) {
    if (depth == kRegexDepthMax) {
      return refused(from, fmt::format("groups may stand in one another at most {} deep", kRegexDepthMax));
    }
    if (take('?') && !take(':')) {
      const bool behind = see("<=") || see("<!");
      at_ = std::min(at_ + (behind ? 2 : 1), pattern_.size());
      const char last = pattern_[at_ - 1];
      return refused(from, last == '=' || last == '!' ? "it looks around without matching anything"
                           : last == '#'              ? "a comment"
                                                      : "an option; write the expression without, or ~*");
    }
    auto inside = parse_choice(depth + 1);
    if (inside && !take(')')) return refused(from, 1, "the group is not closed");
    return inside;
  }

  Result<RegexNode> parse_escape(std::size_t from) {
    auto ranges = class_escape(from);
    if (!ranges) return ranges.error();
    if (*ranges) {
      const bool negated = std::isupper(static_cast<unsigned char>(pattern_[at_ - 1])) != 0;
      return set_of(std::move(**ranges), negated);
    }
    const auto code = escaped(from);
    if (!code) return code.error();
    return character(*code);
  }

  /// `\d` and its like, behind the `\`; nothing where there is something else.
  Result<std::optional<std::vector<CodeRange>>> class_escape(std::size_t from) {
    const char letter = done() ? '\0' : pattern_[at_];
    const auto named = letter == '\0' ? std::nullopt : escape_class(letter);
    if (!named) return std::optional<std::vector<CodeRange>>();
    ++at_;
    if (!ascii_classes_) return refused(from, unknown_class(*named));
    return class_ranges(*named);
  }
  static std::string unknown_class(std::string_view name) {
    return fmt::format(
        "which characters are [:{}:] is only known where the column's collation is \"C\"; write them, as "
        "in [0-9]",
        name);
  }

  /// A character behind a `\`.
  Result<char32_t> escaped(std::size_t from) {
    if (done()) return refused(from, "a character is missing behind it");
    const char32_t code = take_character();
    if (code < 0x80 && std::ispunct(static_cast<int>(code)) != 0) return code;
    constexpr std::string_view kLetters = "tnvfr";
    constexpr std::string_view kCodes = "\t\n\v\f\r";
    const std::size_t known = code < 0x80 ? kLetters.find(static_cast<char>(code)) : std::string_view::npos;
    if (known != std::string_view::npos) return static_cast<char32_t>(kCodes[known]);
    for (const RefusedEscape& refusal : kRefusedEscapes) {
      if (code < 0x80 && refusal.letters.find(static_cast<char>(code)) != std::string_view::npos)
        return refused(from, refusal.reason);
    }
    return refused(from, code < 0x80 && std::isalnum(static_cast<int>(code)) != 0
                             ? "it has no meaning"
                             : "write the character without \\");
  }

  Result<RegexNode> parse_brackets(std::size_t from) {
    RegexNode set = node_of(Kind::set);
    set.negated = take('^');
    for (bool first = true; first || !see(']'); first = false) {
      if (done()) return refused(from, 1, "the brackets are not closed");
      if (auto status = parse_member(first, set.ranges); !status) return status.error();
    }
    ++at_;
    set.ranges = in_order(std::move(set.ranges));
    return set;
  }

  /// A character, a range or a class between brackets.
  Status parse_member(bool first, std::vector<CodeRange>& ranges) {
    const std::size_t from = at_;
    if (see("[:") || see("[.") || see("[=")) return parse_class(ranges);
    if (see('-') && !first && !see("-]")) {
      return refused(at_, 1,
                     "a range is missing an end; the character stands first, last, or is written \\-");
    }
    auto low = parse_end(from);
    if (!low) return low.error();
    if (!low->second.empty()) {
      ranges.insert(ranges.end(), low->second.begin(), low->second.end());
      return see('-') && !see("-]") ? Status(refused(from, "a class has no end for a range")) : Status();
    }
    char32_t high = low->first;
    if (see('-') && !see("-]")) {
      ++at_;
      if (see("[:") || see("[.") || see("[=")) return refused(from, "a class is no end for a range");
      if (done()) return refused(from, "the brackets are not closed");
      const auto end = parse_end(at_);
      if (!end) return end.error();
      if (!end->second.empty()) return refused(from, "a class is no end for a range");
      high = end->first;
      if (high < low->first) return refused(from, "the range ends before it begins");
    }
    ranges.push_back({low->first, high});
    return {};
  }

  /// A character between brackets, or the ranges of a class such as `\d`.
  Result<std::pair<char32_t, std::vector<CodeRange>>> parse_end(std::size_t from) {
    const char32_t code = take_character();
    if (code != '\\') return std::pair(code, std::vector<CodeRange>());
    auto ranges = class_escape(from);
    if (!ranges) return ranges.error();
    if (*ranges) {
      if (std::isupper(static_cast<unsigned char>(pattern_[at_ - 1])) != 0)
        return refused(from, "it can't stand in brackets");
      return std::pair(char32_t{0}, std::move(**ranges));
    }
    const auto character = escaped(from);
    if (!character) return character.error();
    return std::pair(*character, std::vector<CodeRange>());
  }

  /// `[:alpha:]` and its like.
  Status parse_class(std::vector<CodeRange>& ranges) {
    const std::size_t from = at_;
    const char sort = pattern_[at_ + 1];
    const std::size_t end = pattern_.find(std::string{sort, ']'}, at_ + 2);
    if (end == std::string_view::npos) return refused(from, 2, "it is not closed");
    at_ = end + 2;
    if (sort == '.') return refused(from, "collating elements depend on the collation; write the character");
    if (sort == '=')
      return refused(from, "equivalence classes depend on the collation; write the characters");
    const std::string_view name = pattern_.substr(from + 2, end - from - 2);
    auto named = class_ranges(name);
    if (!named) return refused(from, "there is no such class");
    if (!ascii_classes_) return refused(from, unknown_class(name));
    ranges.insert(ranges.end(), named->begin(), named->end());
    return {};
  }

  Result<RegexNode> parse_count(RegexNode atom, std::size_t atom_from) {
    const std::size_t from = at_;
    RegexNode repeat = node_of(Kind::repeat);
    if (take('*')) {
      repeat.most = -1;
    } else if (take('+')) {
      repeat.least = 1;
      repeat.most = -1;
    } else if (take('?')) {
      repeat.most = 1;
    } else if (see('{')) {
      if (auto status = parse_braces(repeat); !status) return status.error();
    } else {
      return atom;
    }
    if (anchored_) {
      return refused(atom_from, "what is repeated may not ask for the text's beginning or end");
    }
    take('?');  // greed
    if (see('*') || see('+') || see('?') || see('{')) {
      ++at_;
      return refused(from, "a repetition of a repetition; put the first in a group");
    }
    if (repeat.least == 1 && repeat.most == 1) return atom;
    repeat.children.push_back(std::move(atom));
    return repeat;
  }

  Status parse_braces(RegexNode& repeat) {
    const std::size_t from = at_++;
    const auto number = [&]() -> int {
      int value = 0;
      bool digits = false;
      for (; !done() && std::isdigit(static_cast<unsigned char>(pattern_[at_])) != 0; ++at_) {
        value = std::min(value * 10 + (pattern_[at_] - '0'), kRegexCountMax + 1);
        digits = true;
      }
      return digits ? value : -1;
    };
    repeat.least = number();
    if (repeat.least < 0) return refused(from, "a count is missing; the character is written \\{");
    repeat.most = take(',') ? number() : repeat.least;
    if (!take('}')) return refused(from, 1, "the count is not closed");
    if (repeat.least > kRegexCountMax || repeat.most > kRegexCountMax)
      return refused(from, fmt::format("counts go up to {}", kRegexCountMax));
    if (repeat.most >= 0 && repeat.most < repeat.least)
      return refused(from, "the counts are in the wrong order");
    return {};
  }

  const std::string_view pattern_;
  const bool ascii_classes_;
  std::size_t at_ = 0;
  bool anchored_ = false;  // what is being read asks for the text's beginning or end
};

std::size_t size_of(const RegexNode& node) {
  std::size_t size = node.kind == Kind::set ? std::max<std::size_t>(node.ranges.size(), 1) : 0;
  for (const RegexNode& child : node.children) size += size_of(child);
  const int times = node.kind == Kind::repeat ? std::max({node.least, node.most, 1}) : 1;
  return std::min(size * static_cast<std::size_t>(times), kRegexSizeMax + 1);
}

}  // namespace

Result<RegexNode> parse_regex(std::string_view pattern, bool ascii_classes) {
  if (pattern.size() > kRegexBytesMax) {
    return Error{Fault::invalid,
                 fmt::format("a regular expression of {} bytes is not supported: it is longer than {}",
                             pattern.size(), kRegexBytesMax)};
  }
  if (!storable_text(pattern)) return Error{Fault::invalid, "a regular expression must be UTF-8 without NUL"};
  auto tree = RegexParser(pattern, ascii_classes).parse();
  if (tree && size_of(*tree) > kRegexSizeMax) {
    return Error{
        Fault::invalid,
        fmt::format(
            "the regular expression is not supported: with its counts written out it has more than {} "
            "characters and ranges",
            kRegexSizeMax)};
  }
  return tree;
}

void ignore_case(RegexNode& node) {
  if (node.kind == Kind::set) node.ranges = in_order(with_both_cases(node.ranges));
  for (RegexNode& child : node.children) ignore_case(child);
}

}  // namespace tidegate::query
