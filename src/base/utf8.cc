#include "base/utf8.h"

#include <cstddef>
#include <cstdint>

namespace tidegate {
namespace {

/// Bytes of the well-formed character that begins at `at`, or 0. NUL is not one.
std::size_t character_bytes(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0u; };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned lead = byte(at);
  const unsigned second = byte(at + 1);
  if (lead == 0) return 0;
  if (lead < 0x80) return 1;
  if (!continues(at + 1)) return 0;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (!continues(at + 2)) return 0;
  if (lead == 0xe0) return second >= 0xa0 ? 3 : 0;
  if (lead == 0xed) return second <= 0x9f ? 3 : 0;
  if (lead >= 0xe1 && lead <= 0xef) return 3;
  if (!continues(at + 3)) return 0;
  if (lead == 0xf0) return second >= 0x90 ? 4 : 0;
  if (lead == 0xf4) return second <= 0x8f ? 4 : 0;
  return lead >= 0xf1 && lead <= 0xf3 ? 4 : 0;
}

}  // namespace

bool storable_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character_bytes(text, at);
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

std::optional<std::size_t> whole_characters(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t bytes = text[at] == '\0' ? 1 : character_bytes(text, at);
    if (bytes == 0) break;
    at += bytes;
  }
  if (at == text.size()) return at;
  // A beginning is one if some continuation completes it; the extreme ones stand for all.
  const auto begun = text.substr(at, 4);
  for (const char continuation : {'\x80', '\xbf'}) {
    std::string completed(begun);
    completed.resize(4, continuation);
    if (begun.size() < 4 && character_bytes(completed, 0) > begun.size()) return at;
  }
  return std::nullopt;
}

std::string well_formed(std::string_view text, std::size_t shown) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size() && at < shown) {
    const std::size_t bytes = character_bytes(text, at);
    if (bytes == 0) {
      out += '?';
      ++at;
    } else {
      out += text.substr(at, bytes);
      at += bytes;
    }
  }
  if (at < text.size()) out += "…";
  return out;
}

std::string in_quotes(std::string_view text) {
  return "\"" + well_formed(text, 64) + "\"";
}

}  // namespace tidegate
