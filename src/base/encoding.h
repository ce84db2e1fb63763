#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace tidegate {

/// Standard base64 with padding (RFC 4648 section 4).
std::string base64_encode(std::string_view bytes);
/// Accepts padded or unpadded input of the standard alphabet; nothing else.
std::optional<std::string> base64_decode(std::string_view text);
/// base64url (RFC 4648 section 5), padded or not: for tokens.
std::optional<std::string> base64url_decode(std::string_view text);
std::string base64url_encode(std::string_view bytes);

/// Lower-case hexadecimal.
std::string hex_encode(std::string_view bytes);
std::optional<std::string> hex_decode(std::string_view text);

/// Unsigned big-endian integers: appended to `out`, and read back from exactly sizeof(T) bytes.
template <class T>
void append_big_endian(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((static_cast<std::uint64_t>(value) >> shift) & 0xff));
  }
}
template <class T>
std::optional<T> read_big_endian(std::string_view bytes) {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  std::uint64_t value = 0;
  for (char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return static_cast<T>(value);
}

/// A whole decimal number and nothing else; no sign for unsigned types, no leading '+', no blanks.
std::optional<std::uint64_t> parse_u64(std::string_view text);
std::optional<std::int64_t> parse_i64(std::string_view text);

/// Appends `text` as a JSON string with its quotes, byte for byte as JavaScript's JSON.stringify would: short
/// escapes where there are some, other control characters as \u00xx, all else as it is. `text` is UTF-8.
void append_json_string(std::string& out, std::string_view text);

/// Percent-encodes everything but the unreserved characters of RFC 3986 (for routing keys, rule 24).
std::string percent_encode(std::string_view text);

/// First 128 bits of SHA-256.
QueryHash sha256_128(std::string_view bytes);

/// 64 random bits from the system, never 0.
std::uint64_t random_u64();

/// Kafka's murmur2 of a key (the Java client's default partitioner), without the sign bit: `murmur2(key) %
/// count`.
std::uint32_t murmur2_positive(std::string_view key);

}  // namespace tidegate
