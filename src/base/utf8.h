#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate {

/// Whether a database could hold it as text: well-formed UTF-8 (no surrogates, no overlong forms) without
/// NUL.
bool storable_text(std::string_view text);

/// Bytes of the whole characters at the front of a text whose rest has not come yet; NUL is a character.
/// Nothing where it can't become well-formed any more, whatever comes.
std::optional<std::size_t> whole_characters(std::string_view text);

/// `text` with a `?` for each byte that is part of no character, cut to about `shown` bytes.
std::string well_formed(std::string_view text, std::size_t shown = std::string_view::npos);

/// `text` in double quotes for an error message: cut to about 64 bytes, and never anything but well-formed
/// UTF-8.
std::string in_quotes(std::string_view text);

}  // namespace tidegate
