#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "query/schema.h"

namespace tidegate::query {

// What an index of ranges may rest on: 64-bit numbers that stand in the order of the values. Pure.

/// A value's number. Where `compare_values` says less or equal, so do the numbers.
struct SortKey {
  std::uint64_t number = 0;
  /// No other value of an exact number has it, so that comparing two exact ones is comparing the values. Else
  /// (a numeric of more than 15 digits, a very long interval) values that lie close together may share one.
  bool exact = true;
};

/// Of a value in its text form. Nothing where the text is no value of the type, which then has no order to
/// any other. For the types of `ordered_by_bytes` there is none.
std::optional<SortKey> sort_key(Type type, std::string_view text);

/// Whether the order of the type's values is that of the bytes of `sort_bytes`, as far as they have one.
bool ordered_by_bytes(Type type);
/// A value's bytes: its text, that of a `character` without the blanks at its end.
std::string_view sort_bytes(Type type, std::string_view text);
/// The first eight bytes as a number in their order; missing ones count as zeros.
std::uint64_t leading_bytes(std::string_view bytes);

}  // namespace tidegate::query
