#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace tidegate::postgres {

/// A position of Postgres's: the next byte of WAL. Ours are inclusive (base/ids.h), so one is subtracted on
/// the way in and added on the way out, here and nowhere else. A commit record that begins at P is not
/// covered by P - 1 and is streamed again from P, as it must.
using NextByte = std::uint64_t;

inline Lsn inclusive(NextByte position) {
  return Lsn(position == 0 ? 0 : position - 1);
}
inline NextByte next_byte(Lsn lsn) {
  return lsn.value() + 1;
}

/// `16/B374D848`.
inline std::optional<NextByte> parse_position(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::uint32_t high = 0;
  std::uint32_t low = 0;
  const auto part = [](std::string_view digits, std::uint32_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return !digits.empty() && error == std::errc{} && end == digits.data() + digits.size();
  };
  if (!part(text.substr(0, slash), high) || !part(text.substr(slash + 1), low)) return std::nullopt;
  return static_cast<NextByte>(high) << 32 | low;
}

inline std::string position_text(NextByte position) {
  return fmt::format("{:X}/{:X}", static_cast<std::uint32_t>(position >> 32),
                     static_cast<std::uint32_t>(position));
}

}  // namespace tidegate::postgres
