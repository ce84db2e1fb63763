#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace tidegate::protocol {

/// How a subscription's data frames look. `raw`: the log's value (subprotocol `json`); `v1`: 32-byte header
/// and value (subprotocol `tidegate.v1`); `json` and `base64`: text frames (`frames` of the subscribe). The
/// last three are the same, compressed where that is worth it, for connections with permessage-deflate.
enum class Encoding : std::uint8_t { raw, v1, json, base64, raw_deflated, v1_deflated, json_deflated };
inline constexpr int kEncodings = 7;

/// Without the compression.
[[nodiscard]] constexpr Encoding plain(Encoding encoding) {
  switch (encoding) {
    case Encoding::raw_deflated:
      return Encoding::raw;
    case Encoding::v1_deflated:
      return Encoding::v1;
    case Encoding::json_deflated:
      return Encoding::json;
    default:
      return encoding;
  }
}
/// With it, where there is one: base64 is for those who have no choice.
[[nodiscard]] constexpr Encoding deflated(Encoding encoding) {
  switch (encoding) {
    case Encoding::raw:
      return Encoding::raw_deflated;
    case Encoding::v1:
      return Encoding::v1_deflated;
    case Encoding::json:
      return Encoding::json_deflated;
    default:
      return encoding;
  }
}

/// Whether a diff in parts can be told from several (rule 5): by the header's part number, or since it was
/// put together for the text. Where not, such a diff is a reset.
[[nodiscard]] constexpr bool takes_parts(Encoding encoding) {
  return plain(encoding) == Encoding::v1 || plain(encoding) == Encoding::json;
}

enum class Opcode : std::uint8_t { text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// A server's WebSocket frame header (RFC 6455 section 5.2: FIN set, no mask), 2, 4 or 10 bytes. `deflated`:
/// its payload is (RFC 7692: RSV1).
void append_frame_header(std::string& out, Opcode opcode, std::uint64_t payload_size, bool deflated = false);

/// A whole text frame.
std::string text_frame(std::string_view payload);

/// The binary header of `tidegate.v1`; the layout stands in docs/PROTOCOL.md.
struct DataHeader {
  ChannelId channel;
  std::uint32_t flags = 0;  ///< bit 0: last part
  Lsn lsn;
  Offset position;
  std::uint32_t part = 0;
};
inline constexpr std::size_t kDataHeaderSize = 32;
inline constexpr std::uint32_t kDataFlagLast = 1;
inline constexpr std::uint32_t kDataFlagsCritical =
    0xfffe;  ///< bits 1 to 15: not understood means not applied
void append_data_header(std::string& out, const DataHeader& header);
/// The header of a binary frame's payload; false if it is shorter than one.
bool read_data_header(std::string_view payload, DataHeader& header);

}  // namespace tidegate::protocol
