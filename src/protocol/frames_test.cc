// Golden bytes of frame headers (RFC 6455 section 5.2) and of the binary header of tidegate.v1.

#include "protocol/frames.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace tidegate::protocol {
namespace {

std::string header(Opcode opcode, std::uint64_t size) {
  std::string out;
  append_frame_header(out, opcode, size);
  return hex_encode(out);
}

TEST(FrameHeader, UsesTheShortestLength) {
  EXPECT_EQ(header(Opcode::text, 0), "8100");
  EXPECT_EQ(header(Opcode::binary, 125), "827d");
  EXPECT_EQ(header(Opcode::binary, 126), "827e007e");
  EXPECT_EQ(header(Opcode::binary, 65535), "827effff");
  EXPECT_EQ(header(Opcode::binary, 65536), "827f0000000000010000");
  EXPECT_EQ(header(Opcode::close, 2), "8802");
  EXPECT_EQ(header(Opcode::ping, 0), "8900");
  EXPECT_EQ(header(Opcode::pong, 4), "8a04");
}

TEST(TextFrame, IsHeaderAndPayload) {
  EXPECT_EQ(text_frame("hi"), "\x81\x02hi");
  EXPECT_EQ(text_frame(std::string(200, 'x')).size(), 204U);
}

constexpr std::string_view kGolden =
    "01020304"          // channel
    "80000001"          // flags
    "1112131415161718"  // lsn
    "2122232425262728"  // position
    "31323334"          // part
    "00000000";         // reserved

TEST(DataHeader, HasItsLayout) {
  std::string out;
  append_data_header(out, {.channel = ChannelId(0x01020304),
                           .flags = 0x80000001,
                           .lsn = Lsn(0x1112131415161718),
                           .position = Offset(0x2122232425262728),
                           .part = 0x31323334});
  EXPECT_EQ(hex_encode(out), kGolden);
  EXPECT_EQ(out.size(), kDataHeaderSize);
}

TEST(DataHeader, IsReadBack) {
  DataHeader header;
  ASSERT_TRUE(read_data_header(*hex_decode(kGolden) + "payload", header));
  EXPECT_EQ(header.channel, ChannelId(0x01020304));
  EXPECT_EQ(header.flags, 0x80000001U);
  EXPECT_EQ(header.lsn, Lsn(0x1112131415161718));
  EXPECT_EQ(header.position, Offset(0x2122232425262728));
  EXPECT_EQ(header.part, 0x31323334U);
}

TEST(DataHeader, ShorterThanOneIsRefused) {
  DataHeader header;
  for (std::size_t size = 0; size < kDataHeaderSize; ++size) {
    EXPECT_FALSE(read_data_header(std::string(size, '\0'), header)) << size;
  }
}

}  // namespace
}  // namespace tidegate::protocol
