#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::query {

// A regular expression as a tree: that part of Postgres's advanced regular expressions (its manual, 9.7.3)
// whose language, the set of texts that match, is known here exactly. Which part of a text matches is never
// asked, so that greed and captures say nothing and are gone after reading.
//
//   read                               meaning
//   a  \.  \t \n \v \f \r              the character; `\` before ASCII's punctuation takes its meaning away
//   .                                  any character, a line's end too
//   [a-z_]  [^a-z]                     by code points, whatever the collation
//   \d \s \w \D \S \W  [[:alpha:]]     ASCII's, and only where the column's collation is C
//   ab  a|b  (a)  (?:a)                also empty
//   * + ? {2} {2,} {2,5}, with ?       counts up to 255
//   ^  $                               the text's beginning and end, but not in what is repeated
//
// All else is refused by name, with its place in the pattern.

inline constexpr std::size_t kRegexBytesMax = 1'000;
inline constexpr int kRegexDepthMax = 20;  ///< groups in one another
/// Characters and ranges once counts are written out. What can be left out makes Postgres's automata grow
/// with the cube of it: 480 such take a second or ten to compile, 200 a tenth.
inline constexpr std::size_t kRegexSizeMax = 200;
inline constexpr int kRegexCountMax = 255;  ///< Postgres's own bound of a repetition

struct CodeRange {
  char32_t first = 0;
  char32_t last = 0;
  auto operator<=>(const CodeRange&) const = default;
};

struct RegexNode {
  enum class Kind { set, begin, end, sequence, choice, repeat } kind = Kind::sequence;
  std::vector<CodeRange> ranges;  ///< of a set: in order and apart from each other
  bool negated = false;           ///< any character but those
  int least = 0;                  ///< of a repeat
  int most = 0;                   ///< -1: no bound
  std::vector<RegexNode> children;
};

/// Reads a pattern of UTF-8. `ascii_classes`: the column's collation knows ASCII's letters and digits alone.
Result<RegexNode> parse_regex(std::string_view pattern, bool ascii_classes);

/// The expression with ASCII's letters alike, as `~*` takes them under the collation C.
void ignore_case(RegexNode& node);

/// The one spelling of a tree, which Postgres and RE2 (with its dot for any character) read alike.
std::string regex_text(const RegexNode& node);

/// What all texts that match begin with; may be empty.
std::string regex_prefix(const RegexNode& node);

}  // namespace tidegate::query
