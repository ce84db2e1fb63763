#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "feed/events.h"
#include "protocol/cursor.h"
#include "protocol/deflate.h"
#include "protocol/diff.h"

namespace tidegate::feed {

/// Which encodings somebody wants. `raw` is always made: the payload is found again behind its WebSocket
/// header.
using Wanted = std::array<bool, protocol::kEncodings>;

/// Texts are to be made, compressed or not.
[[nodiscard]] inline bool wants_text(const Wanted& wanted) {
  return wanted[static_cast<std::size_t>(protocol::Encoding::json)] ||
         wanted[static_cast<std::size_t>(protocol::Encoding::json_deflated)];
}

/// A diff's text messages as tails, in order; one, or several where it is large.
using TextTails = std::vector<std::string>;

/// About the size above which a diff's text is cut by changes.
inline constexpr std::size_t kTextBytesMax = 240 << 10;

/// A diff of more texts counts as undecodable; rule 5's 64 MiB make about 600.
inline constexpr std::size_t kTextsMax = 1024;

/// Appends the record's frames to the batch: one, and before it one for each further text. `texts` may be
/// null (nobody wants them, or this is not the diff's last part). `frame` carries everything but the slices.
/// Returns how many frames. What is not worth compressing has one slice for both encodings; a compressed text
/// is there beside the plain one, of which a fence's filter may need a copy.
std::uint32_t encode(FrameBatch& batch, Frame frame, std::string_view payload, const Wanted& wanted,
                     const TextTails* texts, protocol::Deflater& deflater);

/// Appends one frame with the whole diff, however large, in this encoding alone (and its plain twin).
void encode_whole(FrameBatch& batch, Frame frame, protocol::Encoding encoding, const protocol::Diff& diff,
                  const protocol::Cursor& cursor, protocol::Deflater& deflater);

/// The log's value, out of the raw slice. Empty for a frame that has none (a further text).
std::string_view payload_of(const FrameBatch& batch, const Frame& frame);

/// A whole encoded Diff as text; nothing where the bytes are none.
std::optional<TextTails> render_text(std::string_view diff, const protocol::Cursor& cursor);

}  // namespace tidegate::feed
