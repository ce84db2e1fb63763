// Messages that are compressed for themselves: what was made once is the message for everybody, may stand
// behind bytes that were not compressed, and no message is worth more memory than its bound.
#include "protocol/deflate.h"

#include <gtest/gtest.h>

#include <random>

namespace tidegate::protocol {
namespace {

std::string rows(std::size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i)
    text += R"({"kind":"update","key":[")" + std::to_string(i * 31) + R"("]},)";
  text.resize(size);
  return text;
}

std::string inflated(std::string_view payload, std::size_t bytes_max = 64 << 20) {
  std::string out;
  EXPECT_EQ(inflate_message(payload, bytes_max, out), Inflated::whole);
  return out;
}

TEST(Deflate, AMessageComesBackWhole) {
  Deflater deflater;
  for (const std::size_t size : {512, 513, 4'096, 65'535, 65'536, 1'000'000}) {
    const std::string text = rows(size);
    std::string payload = "before";
    ASSERT_TRUE(deflater.append(payload,
                                {std::string_view(text).substr(0, 100), std::string_view(text).substr(100)}));
    EXPECT_LT(payload.size(), size);
    EXPECT_TRUE(inflated(std::string_view(payload).substr(6)) == text) << size;
  }
}

TEST(Deflate, NoMessageDependsOnAnEarlierOne) {
  Deflater deflater;
  std::string first;
  std::string second;
  ASSERT_TRUE(deflater.append(first, {rows(4'096)}));
  ASSERT_TRUE(deflater.append(second, {rows(4'096)}));
  EXPECT_EQ(first, second);
}

TEST(Deflate, WhatIsShortOrDoesNotShrinkStaysAsItIs) {
  Deflater deflater;
  std::string out = "x";
  EXPECT_FALSE(deflater.append(out, {rows(kDeflateAbove - 1)}));
  std::mt19937_64 random(7'692);
  std::string noise(10'000, '\0');
  for (char& each : noise) each = static_cast<char>(random());
  EXPECT_FALSE(deflater.append(out, {noise}));
  EXPECT_EQ(out, "x");
  EXPECT_TRUE(deflater.append(out, {rows(kDeflateAbove)}));
}

TEST(Deflate, AnUncompressedHeadMayStandBeforeACompressedTail) {
  Deflater deflater;
  const std::string tail = rows(5'000);
  for (const std::string& head :
       {std::string(), std::string("{\"op\":\"diff\",\"hashId\":\"a\""), std::string(65'535, 'h')}) {
    std::string payload;
    payload += stored_block_header(head.size()) + head;
    EXPECT_EQ(payload.size(), head.size() + kStoredOverhead);
    ASSERT_TRUE(deflater.append(payload, {tail}));
    EXPECT_TRUE(inflated(payload) == head + tail);
  }
}

TEST(Inflate, ABombIsLetGoOfAtTheBound) {
  Deflater deflater;
  std::string bomb;
  ASSERT_TRUE(deflater.append(bomb, {std::string(64 << 20, '\0')}));
  EXPECT_LT(bomb.size(), 300'000u);
  std::string out;
  EXPECT_EQ(inflate_message(bomb, 1 << 20, out), Inflated::too_large);
  EXPECT_LE(out.capacity(), 3u << 20);
  std::string exact;
  ASSERT_TRUE(deflater.append(exact, {std::string(1 << 20, 'x')}));
  EXPECT_EQ(inflated(exact, 1 << 20).size(), 1u << 20);
  EXPECT_EQ(inflate_message(exact, (1 << 20) - 1, out), Inflated::too_large);
}

TEST(Inflate, WhatIsNoDeflateIsBrokenAndNothingElse) {
  std::string out;
  EXPECT_EQ(inflate_message("\x07", 1'000, out), Inflated::broken);
  EXPECT_EQ(inflate_message(std::string("\x00\x05\x00\x05\x00", 5), 1'000, out), Inflated::broken);
  EXPECT_EQ(inflated(std::string(1, '\0')), "") << "an empty message";
  std::mt19937_64 random(7'692);
  for (int i = 0; i < 2'000; ++i) {
    std::string noise(random() % 200, '\0');
    for (char& each : noise) each = static_cast<char>(random());
    static_cast<void>(inflate_message(noise, 1'000, out));
    EXPECT_LE(out.size(), 1'001u);
  }
}

TEST(Inflate, LastBlocksMayBeFollowedByOthers) {
  // RFC 7692 section 7.2.3.4: "Hello" in a block with BFINAL, then an empty one.
  EXPECT_EQ(inflated(std::string("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8)), "Hello");
  EXPECT_EQ(inflated(std::string("\xf2\x48\xcd\xc9\xc9\x07\x00", 7)), "Hello");
}

TEST(Negotiation, TheFirstOfferThatFitsIsAccepted) {
  const std::string plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  EXPECT_EQ(accept_deflate(""), std::nullopt);
  EXPECT_EQ(accept_deflate("permessage-deflate"), plain);
  EXPECT_EQ(accept_deflate("permessage-deflate; client_max_window_bits"), plain) << "browsers";
  EXPECT_EQ(accept_deflate("permessage-deflate ; client_max_window_bits=\"10\";server_no_context_takeover"),
            plain);
  EXPECT_EQ(accept_deflate("permessage-deflate; server_max_window_bits=15"),
            plain + "; server_max_window_bits=15");
  EXPECT_EQ(accept_deflate("x-other, permessage-deflate; server_max_window_bits=10, permessage-deflate"),
            plain);
}

TEST(Negotiation, WhatCannotBeKeptOrReadIsNotAccepted) {
  for (const char* offer :
       {"x-webkit-deflate-frame", "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; unknown", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16", "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=08", "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover"}) {
    EXPECT_EQ(accept_deflate(offer), std::nullopt) << offer;
  }
}

}  // namespace
}  // namespace tidegate::protocol
