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

std::string header_of(const Frame& frame) {
  std::string header;
  const std::uint32_t flags = frame.last ? protocol::kDataFlagLast : 0;
  protocol::append_data_header(header, {frame.channel, flags, frame.lsn, frame.offset, frame.part});
  return header;
}

/// A whole binary frame, and the same compressed where that is wanted and shorter.
void add_binary(FrameBatch& batch, Frame& frame, Encoding encoding, std::string_view header,
                std::string_view payload, protocol::Deflater* deflater) {
  slice(frame, encoding) = added(batch, [&](std::string& out) {
    protocol::append_frame_header(out, protocol::Opcode::binary, header.size() + payload.size());
    out += header;
    out += payload;
  });
  if (deflater == nullptr) return;
  slice(frame, deflated(encoding)) = slice(frame, encoding);
  std::string shorter;
  if (!deflater->append(shorter, {header, payload})) return;
  slice(frame, deflated(encoding)) = added(batch, [&](std::string& out) {
    protocol::append_frame_header(out, protocol::Opcode::binary, shorter.size(), true);
    out += shorter;
  });
}

void add_text(FrameBatch& batch, Frame& frame, std::string_view tail, protocol::Deflater* deflater) {
  slice(frame, Encoding::json) = added(batch, [&](std::string& out) { out += tail; });
  if (deflater == nullptr) return;
  const Slice shorter = added(batch, [&](std::string& out) { deflater->append(out, {tail}); });
  slice(frame, Encoding::json_deflated) = shorter.size > 0 ? shorter : slice(frame, Encoding::json);
}

}  // namespace

std::uint32_t encode(FrameBatch& batch, Frame frame, std::string_view payload, const Wanted& wanted,
                     const TextTails* texts, protocol::Deflater& deflater) {
  const auto wants = [&](Encoding encoding) { return wanted[static_cast<std::size_t>(encoding)]; };
  const auto deflater_of = [&](Encoding encoding) { return wants(deflated(encoding)) ? &deflater : nullptr; };
  std::uint32_t count = 0;
  if (texts != nullptr) {
    for (std::size_t i = 0; i + 1 < texts->size(); ++i) {
      Frame further = frame;
      further.last = false;
      further.seq = FeedSeq(frame.seq.value() - (texts->size() - 1 - i));
      add_text(batch, further, (*texts)[i], deflater_of(Encoding::json));
      batch.frames.push_back(further);
      ++count;
    }
    if (!texts->empty()) add_text(batch, frame, texts->back(), deflater_of(Encoding::json));
  }
  add_binary(batch, frame, Encoding::raw, {}, payload, deflater_of(Encoding::raw));
  if (wants(Encoding::v1) || wants(Encoding::v1_deflated)) {
    add_binary(batch, frame, Encoding::v1, header_of(frame), payload, deflater_of(Encoding::v1));
  }
  if (wants(Encoding::base64)) {
    slice(frame, Encoding::base64) =
        added(batch, [&](std::string& out) { out += protocol::diff_base64_tail(payload); });
  }
  batch.frames.push_back(frame);
  return count + 1;
}

void encode_whole(FrameBatch& batch, Frame frame, Encoding encoding, const protocol::Diff& diff,
                  const protocol::Cursor& cursor, protocol::Deflater& deflater) {
  frame.part = 0;
  frame.last = true;
  frame.slices = {};
  const Encoding uncompressed = protocol::plain(encoding);
  protocol::Deflater* const shorter = encoding == uncompressed ? nullptr : &deflater;
  if (uncompressed == Encoding::json) {
    add_text(batch, frame, protocol::diff_tail(diff, 0, diff.changes.size(), cursor, true), shorter);
  } else if (uncompressed == Encoding::base64) {
    slice(frame, encoding) = added(
        batch, [&](std::string& out) { out += protocol::diff_base64_tail(protocol::encode_diff(diff)); });
  } else {
    const std::string header = uncompressed == Encoding::v1 ? header_of(frame) : std::string();
    add_binary(batch, frame, uncompressed, header, protocol::encode_diff(diff), shorter);
  }
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
