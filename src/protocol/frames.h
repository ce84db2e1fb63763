#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace tidegate::protocol {

/// How a subscription's data frames look. `raw`: the log's value (subprotocol `json`); `v1`: 32-byte header
/// and value (subprotocol `tidegate.v1`); `json` and `base64`: text frames (`frames` of the subscribe).
enum class Encoding : std::uint8_t { raw, v1, json, base64 };
inline constexpr int kEncodings = 4;

/// Whether a diff in parts can be told from several (rule 5): by the header's part number, or since it was
/// put together for the text. Where not, such a diff is a reset.
[[nodiscard]] inline bool takes_parts(Encoding encoding) {
  return encoding == Encoding::v1 || encoding == Encoding::json;
}

enum class Opcode : std::uint8_t { text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// A server's WebSocket frame header (RFC 6455 section 5.2: FIN set, no mask), 2, 4 or 10 bytes.
void append_frame_header(std::string& out, Opcode opcode, std::uint64_t payload_size);

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
