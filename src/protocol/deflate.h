#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// permessage-deflate (RFC 7692) as it is spoken here: each message is compressed for itself, so that what
/// was compressed once can be sent to everybody. Pure, but for zlib's memory.
namespace tidegate::protocol {

/// A message below it is not worth the time: half of it would be left, in the same packet.
inline constexpr std::size_t kDeflateAbove = 512;

/// Compresses messages, one after the other. Holds 256 KiB from the first one on. One thread at a time.
class Deflater {
 public:
  Deflater();
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  /// Appends what stands for `parts`, taken as one, in a frame with RSV1. False, and nothing appended, where
  /// that is not shorter, or not worth it.
  bool append(std::string& out, std::initializer_list<std::string_view> parts);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What goes before so many bytes as they are, at most 65,535, which stand before what `Deflater` made, in
/// one message. `kStoredOverhead` bytes.
std::string stored_block_header(std::size_t size);
inline constexpr std::size_t kStoredOverhead = 5;

enum class Inflated : std::uint8_t { whole, too_large, broken };
/// Replaces `out` by the message of this payload, if that is at most `bytes_max`. Never takes much more.
Inflated inflate_message(std::string_view payload, std::size_t bytes_max, std::string& out);

/// The first offer of a client's Sec-WebSocket-Extensions that can be accepted, as the answer to it; nothing
/// where there is none: no compression.
std::optional<std::string> accept_deflate(std::string_view offers);

}  // namespace tidegate::protocol
