#include "protocol/frames.h"

#include "base/encoding.h"

namespace tidegate::protocol {
namespace {

constexpr std::uint8_t kFin = 0x80;
constexpr std::uint8_t kRsv1 = 0x40;
constexpr std::uint64_t kShortPayloadMax = 125;
constexpr char kLength16 = 126;
constexpr char kLength64 = 127;

}  // namespace

void append_frame_header(std::string& out, Opcode opcode, std::uint64_t payload_size, bool deflated) {
  out.push_back(static_cast<char>(kFin | (deflated ? kRsv1 : 0) | static_cast<std::uint8_t>(opcode)));
  if (payload_size <= kShortPayloadMax) {
    out.push_back(static_cast<char>(payload_size));
  } else if (payload_size <= 0xffff) {
    out.push_back(kLength16);
    append_big_endian(out, static_cast<std::uint16_t>(payload_size));
  } else {
    out.push_back(kLength64);
    append_big_endian(out, payload_size);
  }
}

std::string text_frame(std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + 10);
  append_frame_header(out, Opcode::text, payload.size());
  out += payload;
  return out;
}

void append_data_header(std::string& out, const DataHeader& header) {
  append_big_endian(out, header.channel.value());
  append_big_endian(out, header.flags);
  append_big_endian(out, header.lsn.value());
  append_big_endian(out, static_cast<std::uint64_t>(header.position.value()));
  append_big_endian(out, header.part);
  append_big_endian(out, std::uint32_t{0});  // reserved
}

bool read_data_header(std::string_view payload, DataHeader& header) {
  if (payload.size() < kDataHeaderSize) return false;
  header.channel = ChannelId(*read_big_endian<std::uint32_t>(payload.substr(0, 4)));
  header.flags = *read_big_endian<std::uint32_t>(payload.substr(4, 4));
  header.lsn = Lsn(*read_big_endian<std::uint64_t>(payload.substr(8, 8)));
  header.position = Offset(static_cast<std::int64_t>(*read_big_endian<std::uint64_t>(payload.substr(16, 8))));
  header.part = *read_big_endian<std::uint32_t>(payload.substr(24, 4));
  return true;
}

}  // namespace tidegate::protocol
