// A record's frames: encoded once for all who want them alike, compressed beside it where that is worth it.
#include "feed/encoder.h"

#include <gtest/gtest.h>

#include "protocol/deflate.h"

namespace tidegate::feed {
namespace {

using protocol::Encoding;

std::string large() {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "row " + std::to_string(i) + ", ";
  return text;
}

class EncoderTest : public ::testing::Test {
 protected:
  void add(const std::string& payload, std::initializer_list<Encoding> encodings,
           const TextTails* texts = nullptr) {
    Wanted wanted{};
    for (const Encoding each : encodings) wanted[static_cast<std::size_t>(each)] = true;
    Frame frame;
    frame.channel = ChannelId(7);
    frame.seq = FeedSeq(10);
    count = encode(batch, frame, payload, wanted, texts, deflater);
  }
  [[nodiscard]] std::string_view bytes(Encoding encoding, std::size_t frame = 0) const {
    const Slice slice = batch.frames.at(frame).slices[static_cast<std::size_t>(encoding)];
    return std::string_view(batch.bytes).substr(slice.offset, slice.size);
  }
  static std::string inflated(std::string_view payload) {
    std::string out;
    EXPECT_EQ(protocol::inflate_message(payload, 1 << 20, out), protocol::Inflated::whole);
    return out;
  }
  FrameBatch batch;
  protocol::Deflater deflater;
  std::uint32_t count = 0;
};

TEST_F(EncoderTest, ACompressedBinaryFrameHoldsThePlainOnesPayload) {
  add(large(), {Encoding::raw_deflated, Encoding::v1_deflated});
  for (const Encoding encoding : {Encoding::raw, Encoding::v1}) {
    const std::string_view plain = bytes(encoding);
    const std::string_view shorter = bytes(protocol::deflated(encoding));
    EXPECT_EQ(static_cast<unsigned char>(plain[0]), 0x82);
    EXPECT_EQ(static_cast<unsigned char>(shorter[0]), 0xc2) << "RSV1";
    EXPECT_LT(shorter.size(), plain.size());
    EXPECT_EQ(inflated(shorter.substr(4)), plain.substr(4));
  }
}

TEST_F(EncoderTest, WhatIsNotWorthItIsOneFrameForBoth) {
  add("short", {Encoding::v1_deflated});
  EXPECT_EQ(bytes(Encoding::v1_deflated).data(), bytes(Encoding::v1).data());
  EXPECT_EQ(bytes(Encoding::v1_deflated).size(), bytes(Encoding::v1).size());
}

TEST_F(EncoderTest, NothingIsCompressedThatNobodyWantsSo) {
  add(large(), {Encoding::v1, Encoding::json});
  for (const Encoding each : {Encoding::raw_deflated, Encoding::v1_deflated, Encoding::json_deflated}) {
    EXPECT_TRUE(bytes(each).empty());
  }
}

TEST_F(EncoderTest, EachTextIsCompressedForItself) {
  const TextTails texts{large(), "short", large() + "end"};
  add("diff", {Encoding::json_deflated}, &texts);
  ASSERT_EQ(count, 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(bytes(Encoding::json, i), texts[i]);
  EXPECT_EQ(inflated(bytes(Encoding::json_deflated, 0)), texts[0]);
  EXPECT_EQ(bytes(Encoding::json_deflated, 1).data(), bytes(Encoding::json, 1).data());
  EXPECT_EQ(inflated(bytes(Encoding::json_deflated, 2)), texts[2]);
  EXPECT_EQ(payload_of(batch, batch.frames[2]), "diff");
}

}  // namespace
}  // namespace tidegate::feed
