#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "query/regex_tree.h"

namespace tidegate::query {

// Sets of characters, as ranges of code points.

/// In order, and as few as there can be.
std::vector<CodeRange> in_order(std::vector<CodeRange> ranges);
/// With the other case of ASCII's letters.
std::vector<CodeRange> with_both_cases(std::vector<CodeRange> ranges);
/// What `[:alpha:]` and its like are under the collation C; nothing for a name that is none.
std::optional<std::vector<CodeRange>> class_ranges(std::string_view name);
/// The name of what `\d` and its like (upper case: all else) stand for; nothing for other letters.
std::optional<std::string_view> escape_class(char letter);

/// Reads one character of well-formed UTF-8.
char32_t take_code_point(std::string_view text, std::size_t& at);
void append_code_point(std::string& out, char32_t code);

}  // namespace tidegate::query
