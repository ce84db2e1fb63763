#include "feed/encoder.h"

#include "protocol/diff.h"
#include "protocol/messages.h"

namespace tidegate::feed {
namespace {

using protocol::Encoding;

Slice& slice(Frame& frame, Encoding encoding) {
  return frame.slices[static_cast<std::size_t>(encoding)];
}

/// Notes what `append` adds to the batch's bytes.
template <class Append>
Slice added(FrameBatch& batch, Append append) {
  const std::size_t before = batch.bytes.size();
  append(batch.bytes);
  return {static_cast<std::uint32_t>(before), static_cast<std::uint32_t>(batch.bytes.size() - before)};
}

void append_binary(std::string& out, const Frame& frame, std::string_view payload, bool header) {
  const std::size_t head = header ? protocol::kDataHeaderSize : 0;
  protocol::append_frame_header(out, protocol::Opcode::binary, head + payload.size());
  if (header) {
    const std::uint32_t flags = frame.last ? protocol::kDataFlagLast : 0;
    protocol::append_data_header(out, {frame.channel, flags, frame.lsn, frame.offset, frame.part});
  }
  out += payload;
}

}  // namespace

std::uint32_t encode(FrameBatch& batch, Frame frame, std::string_view payload, const Wanted& wanted,
                     const TextTails* texts) {
  std::uint32_t count = 0;
  if (texts != nullptr) {
    for (std::size_t i = 0; i < texts->size(); ++i) {
      const Slice text = added(batch, [&](std::string& out) { out += (*texts)[i]; });
      if (i + 1 == texts->size()) {
        slice(frame, Encoding::json) = text;
        break;
      }
      Frame further = frame;
      further.last = false;
      further.seq = FeedSeq(frame.seq.value() - (texts->size() - 1 - i));
      slice(further, Encoding::json) = text;
      batch.frames.push_back(further);
      ++count;
    }
  }
  const auto wants = [&](Encoding encoding) { return wanted[static_cast<std::size_t>(encoding)]; };
  slice(frame, Encoding::raw) =
      added(batch, [&](std::string& out) { append_binary(out, frame, payload, false); });
  if (wants(Encoding::v1)) {
    slice(frame, Encoding::v1) =
        added(batch, [&](std::string& out) { append_binary(out, frame, payload, true); });
  }
  if (wants(Encoding::base64)) {
    slice(frame, Encoding::base64) =
        added(batch, [&](std::string& out) { out += protocol::diff_base64_tail(payload); });
  }
  batch.frames.push_back(frame);
  return count + 1;
}

void encode_whole(FrameBatch& batch, Frame frame, Encoding encoding, const protocol::Diff& diff,
                  const protocol::Cursor& cursor) {
  frame.part = 0;
  frame.last = true;
  frame.slices = {};
  slice(frame, encoding) = added(batch, [&](std::string& out) {
    switch (encoding) {
      case Encoding::raw:
      case Encoding::v1:
        return append_binary(out, frame, protocol::encode_diff(diff), encoding == Encoding::v1);
      case Encoding::json:
        out += protocol::diff_tail(diff, 0, diff.changes.size(), cursor, true);
        return;
      case Encoding::base64:
        out += protocol::diff_base64_tail(protocol::encode_diff(diff));
        return;
    }
  });
  batch.frames.push_back(frame);
}

std::string_view payload_of(const FrameBatch& batch, const Frame& frame) {
  const Slice raw = frame.slices[static_cast<std::size_t>(Encoding::raw)];
  if (raw.size == 0) return {};
  const std::string_view whole = std::string_view(batch.bytes).substr(raw.offset, raw.size);
  // RFC 6455 section 5.2: 126 and 127 in the second byte announce a longer length.
  const auto length = static_cast<std::uint8_t>(whole[1]);
  return whole.substr(length == 126 ? 4 : length == 127 ? 10 : 2);
}

std::optional<TextTails> render_text(std::string_view encoded, const protocol::Cursor& cursor) {
  constexpr std::size_t kChangeOverhead = 48;  // `{"kind":"update","key":,"row":},`
  const std::optional<protocol::Diff> diff = protocol::decode_diff(encoded);
  if (!diff) return std::nullopt;
  TextTails tails;
  std::size_t first = 0;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < diff->changes.size(); ++i) {
    const std::size_t size = diff->changes[i].key.size() + diff->changes[i].row.size() + kChangeOverhead;
    if (i > first && bytes + size > kTextBytesMax) {
      tails.push_back(protocol::diff_tail(*diff, first, i - first, cursor, false));
      first = i;
      bytes = 0;
    }
    bytes += size;
  }
  tails.push_back(protocol::diff_tail(*diff, first, diff->changes.size() - first, cursor, true));
  if (tails.size() >= kTextsMax) return std::nullopt;
  return tails;
}

}  // namespace tidegate::feed
