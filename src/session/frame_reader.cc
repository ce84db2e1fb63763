#include "session/frame_reader.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/encoding.h"
#include "base/utf8.h"
#include "protocol/errors.h"

namespace tidegate::session {
namespace {

constexpr std::size_t kMaskBytes = 4;
constexpr std::size_t kControlBytesMax = 125;
constexpr std::uint8_t kContinuation = 0;
constexpr std::uint8_t kRsv1 = 0x40;
constexpr std::uint8_t kRsv23 = 0x30;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint16_t kProtocol = 1002;
constexpr std::uint16_t kNotUtf8 = 1007;
constexpr auto kTooBig = static_cast<std::uint16_t>(protocol::CloseCode::too_big);

void unmask(std::span<char> payload, std::span<const char> mask) {
  for (std::size_t i = 0; i < payload.size(); ++i)
    payload[i] = static_cast<char>(payload[i] ^ mask[i % kMaskBytes]);
}

/// (Assigning an empty string keeps the memory.)
void free(std::string& text) {
  std::string().swap(text);
}

/// RFC 6455 section 7.4: what a peer may send.
bool may_be_sent(std::uint16_t code) {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

std::optional<FrameReader::Kind> kind_of(std::uint8_t opcode) {
  switch (opcode) {
    case 1:
      return FrameReader::Kind::text;
    case 2:
      return FrameReader::Kind::binary;
    case 8:
      return FrameReader::Kind::close;
    case 9:
      return FrameReader::Kind::ping;
    case 10:
      return FrameReader::Kind::pong;
    default:
      return std::nullopt;
  }
}

}  // namespace

FrameReader::Next FrameReader::next(Message& message) {
  if (given_) {
    free(message_);
    checked_ = 0;
    given_ = false;
  }
  if (frame_given_) {
    free(kept_);
    frame_given_ = false;
  }
  while (violation_.code == 0) {
    Header header;
    std::span<char> frame;
    if (!gather(header, frame)) break;
    const auto payload = frame.subspan(header.size);
    unmask(payload, frame.subspan(header.size - kMaskBytes, kMaskBytes));
    if (accept(header, {payload.data(), payload.size()}, message)) return Next::message;
    if (frame_given_) free(kept_);
    frame_given_ = false;
  }
  return violation_.code == 0 ? Next::wanting : Next::violated;
}

/// The next whole frame, in the fresh bytes or in what was kept, as soon as its last byte has come.
bool FrameReader::gather(Header& header, std::span<char>& frame) {
  while (!fresh_.empty() || !kept_.empty()) {
    const bool continued = !kept_.empty();
    const std::string_view seen =
        continued ? std::string_view(kept_) : std::string_view(fresh_.data(), fresh_.size());
    const Parsed parsed = parse(seen, header);
    if (parsed == Parsed::wrong) return false;
    const std::size_t wanted = header.size + (parsed == Parsed::whole ? header.payload : 0);
    if (!continued && parsed == Parsed::whole && fresh_.size() >= wanted) {
      frame = fresh_.first(wanted);
      fresh_ = fresh_.subspan(wanted);
      return true;
    }
    if (kept_.size() == wanted) {
      frame_given_ = true;
      frame = {kept_.data(), kept_.size()};
      return true;
    }
    if (fresh_.empty()) return false;
    const std::size_t more = std::min(wanted - kept_.size(), fresh_.size());
    kept_.append(fresh_.data(), more);
    fresh_ = fresh_.subspan(more);
  }
  return false;
}

/// `partial`: `header.size` are the bytes needed to know more.
FrameReader::Parsed FrameReader::parse(std::string_view bytes, Header& header) {
  header.size = 2;
  if (bytes.size() < header.size) return Parsed::partial;
  header.first = static_cast<std::uint8_t>(bytes[0]);
  if (const Violation wrong = check(header, bytes); wrong.code != 0) {
    violate(wrong);
    return Parsed::wrong;
  }
  const std::uint8_t length = static_cast<std::uint8_t>(bytes[1]) & 0x7f;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  header.size = 2 + extended + kMaskBytes;
  if (bytes.size() < header.size) return Parsed::partial;
  std::uint64_t size = length;
  if (extended == 2) size = *read_big_endian<std::uint16_t>(bytes.substr(2, 2));
  if (extended == 8) size = *read_big_endian<std::uint64_t>(bytes.substr(2, 8));
  Violation wrong = check_payload(header, size);
  const bool longer_than_needed = (extended == 2 && size < 126) || (extended == 8 && size <= 0xffff);
  if (longer_than_needed || (extended == 8 && size >> 63 != 0))
    wrong = {kProtocol, "a length in more bytes than it needs, or negative"};
  if (wrong.code != 0) {
    violate(wrong);
    return Parsed::wrong;
  }
  header.payload = static_cast<std::size_t>(size);
  return Parsed::whole;
}

/// What the first two bytes show.
FrameReader::Violation FrameReader::check(const Header& header, std::string_view bytes) const {
  const auto second = static_cast<std::uint8_t>(bytes[1]);
  const std::uint8_t opcode = header.opcode();
  if ((header.first & kRsv23) != 0) return {kProtocol, "a reserved bit is set"};
  if ((header.first & kRsv1) != 0 && (!compression_ || header.control() || opcode == kContinuation))
    return {kProtocol, "RSV1 is set where nothing can be compressed"};
  if (opcode != kContinuation && !kind_of(opcode)) return {kProtocol, "an unknown opcode"};
  if ((second & kMasked) == 0) return {kProtocol, "a frame without a mask"};
  if (header.control() && !header.fin()) return {kProtocol, "a control frame in fragments"};
  if (header.control() && (second & 0x7f) > kControlBytesMax)
    return {kProtocol, "a control frame of more than 125 bytes"};
  if (opcode == kContinuation && !fragmented_) return {kProtocol, "a continuation of nothing"};
  if (opcode != kContinuation && !header.control() && fragmented_)
    return {kProtocol, "a message within another one"};
  return {};
}

FrameReader::Violation FrameReader::check_payload(const Header& header, std::uint64_t size) const {
  if (header.control() || size <= bytes_max_ - message_.size()) return {};
  return {kTooBig, "the message is too long"};
}

/// Whether that ends a message.
bool FrameReader::accept(const Header& header, std::string_view payload, Message& message) {
  if (header.control()) return accept_control(header, payload, message);
  if (!fragmented_) {
    kind_ = *kind_of(header.opcode());
    compressed_ = (header.first & kRsv1) != 0;
    if (header.fin()) {
      message = {kind_, compressed_, payload};
      return check_text(payload, true);
    }
  }
  message_ += payload;
  fragmented_ = !header.fin();
  if (!check_text(message_, header.fin(), checked_)) return false;
  if (fragmented_) return false;
  given_ = true;
  message = {kind_, compressed_, message_};
  return true;
}

bool FrameReader::accept_control(const Header& header, std::string_view payload, Message& message) {
  message = {*kind_of(header.opcode()), false, payload};
  return message.kind != Kind::close || check_close(payload);
}

bool FrameReader::check_close(std::string_view payload) {
  if (payload.empty()) return true;
  const auto code = read_big_endian<std::uint16_t>(payload.substr(0, 2));
  if (!code || !may_be_sent(*code)) return violate({kProtocol, "a Close without a code that may be sent"});
  const auto reason = payload.substr(2);
  if (whole_characters(reason) != reason.size())
    return violate({kNotUtf8, "a Close whose reason is not UTF-8"});
  return true;
}

/// Each fragment is looked at when it comes: what can't become UTF-8 is refused at once.
bool FrameReader::check_text(std::string_view text, bool last, std::size_t from) {
  if (kind_ != Kind::text || compressed_) return true;
  const auto whole = whole_characters(text.substr(from));
  if (!whole || (last && from + *whole != text.size()))
    return violate({kNotUtf8, "a text that is not UTF-8"});
  checked_ = last ? 0 : from + *whole;
  return true;
}

bool FrameReader::violate(Violation violation) {
  violation_ = violation;
  return false;
}

}  // namespace tidegate::session
