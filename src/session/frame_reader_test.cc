#include "session/frame_reader.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/testing.h"
#include "session/testing.h"

namespace tidegate::session {
namespace {

using Kind = FrameReader::Kind;
using Next = FrameReader::Next;

std::string frame(int opcode, std::string_view payload, bool fin = true, int rsv = 0) {
  std::string bytes = testing::RawPeer::frame(opcode, payload, fin);
  bytes[0] = static_cast<char>(bytes[0] | rsv);
  return bytes;
}

struct Read {
  std::vector<std::pair<Kind, std::string>> messages;
  std::uint16_t violated = 0;
  bool operator==(const Read&) const = default;
};

void read(FrameReader& reader, std::string bytes, Read& into) {
  reader.take(bytes);
  FrameReader::Message message;
  Next next;
  while ((next = reader.next(message)) == Next::message)
    into.messages.emplace_back(message.kind, std::string(message.payload));
  if (next == Next::violated) into.violated = reader.violation().code;
}

Read read(const std::string& bytes, std::size_t max = 1'000, bool compression = false) {
  FrameReader reader(max, compression);
  Read all;
  read(reader, bytes, all);
  return all;
}

std::uint16_t violation(const std::string& bytes) {
  return read(bytes).violated;
}

TEST(FrameReader, FramesMessagesAndWhatComesBetween) {
  const Read all = read(frame(1, "one") + frame(1, "two", false) + frame(9, "ping") + frame(0, "", false) +
                        frame(0, "three") + frame(2, std::string(200, 'b')) + frame(10, "") + frame(8, ""));
  const Read expected{{{Kind::text, "one"},
                       {Kind::ping, "ping"},
                       {Kind::text, "twothree"},
                       {Kind::binary, std::string(200, 'b')},
                       {Kind::pong, ""},
                       {Kind::close, ""}}};
  EXPECT_EQ(all, expected);
}

TEST(FrameReader, WhereBytesAreCutChangesNothing) {
  std::mt19937_64 random(test_seed());
  const std::string text = frame(1, "\xc3\xa4\xf0\x9f\x8c\x8a", false) + frame(9, "p") +
                           frame(0, "\xe2\x82\xac") + frame(2, std::string(70'000, 'x')) +
                           frame(1, std::string(126, 'y')) + frame(8, "\x03\xe8 bye");
  const Read whole = read(text, 100'000);
  ASSERT_EQ(whole.messages.size(), 5u);
  for (int round = 0; round < 200; ++round) {
    FrameReader reader(100'000, false);
    Read cut;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size =
          std::min<std::size_t>(text.size() - at, 1 + random() % (round % 2 == 0 ? 5 : 20'000));
      read(reader, text.substr(at, size), cut);
      at += size;
    }
    ASSERT_EQ(cut, whole) << "round " << round;
    EXPECT_LE(reader.bytes_kept(), 64u) << "an idle connection holds no buffer";
  }
}

TEST(FrameReader, AFrameIsSeenWithItsLastByteWhereverItIsCut) {
  for (const std::string& text :
       {frame(9, ""), frame(8, ""), frame(1, ""), frame(9, "ping"), frame(2, std::string(126, 'x')),
        std::string("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xffmask", 14)}) {
    const Read whole = read(text);
    ASSERT_TRUE(whole.messages.size() == 1 || whole.violated == 1002);
    for (std::size_t at = 0; at <= text.size(); ++at) {
      FrameReader reader(1'000, false);
      Read cut;
      read(reader, text.substr(0, at), cut);
      read(reader, text.substr(at), cut);
      EXPECT_EQ(cut, whole) << "cut at " << at << " of " << text.size();
    }
  }
}

TEST(FrameReader, HeadersThatRfc6455ForbidsAre1002) {
  EXPECT_EQ(violation(frame(3, "x")), 1002) << "an opcode that means nothing";
  EXPECT_EQ(violation(frame(11, "")), 1002);
  EXPECT_EQ(violation(frame(1, "x", true, 0x20)), 1002) << "RSV2";
  EXPECT_EQ(violation(frame(1, "x", true, 0x40)), 1002) << "RSV1 without compression";
  EXPECT_EQ(violation(std::string("\x81\x02hi", 4)), 1002) << "no mask";
  EXPECT_EQ(violation(frame(9, "x", false)), 1002) << "a control frame in fragments";
  EXPECT_EQ(violation(frame(9, std::string(126, 'x'))), 1002) << "a long control frame";
  EXPECT_EQ(violation(frame(0, "x")), 1002) << "a continuation of nothing";
  EXPECT_EQ(violation(frame(1, "x", false) + frame(1, "y")), 1002) << "a message within another";
  EXPECT_EQ(violation(std::string("\x81\xfe\x00\x05mask", 8)), 1002) << "a length in two bytes that fits one";
  EXPECT_EQ(violation(std::string("\x81\xff\x00\x00\x00\x00\x00\x00\x01\x00mask", 14)), 1002);
  EXPECT_EQ(violation(std::string("\x81\xff\x80\x00\x00\x00\x00\x01\x00\x00mask", 14)), 1002)
      << "a negative one";
}

TEST(FrameReader, AViolationIsSeenBeforeItsPayloadComes) {
  EXPECT_EQ(violation("\x83\x85"), 1002);
  EXPECT_EQ(read(frame(1, std::string(1'001, 'x')).substr(0, 8)).violated, 1009);
}

TEST(FrameReader, TheLimitHoldsForAMessageAndForItsFragmentsTogether) {
  EXPECT_EQ(read(frame(1, std::string(1'000, 'x'))).violated, 0);
  EXPECT_EQ(read(frame(1, std::string(1'001, 'x'))).violated, 1009);
  EXPECT_EQ(read(frame(1, std::string(600, 'x'), false) + frame(0, std::string(400, 'x'))).violated, 0);
  EXPECT_EQ(read(frame(1, std::string(600, 'x'), false) + frame(0, std::string(401, 'x'))).violated, 1009);
}

TEST(FrameReader, TextIsUtf8AndRefusedAsSoonAsItCanNotBe) {
  EXPECT_EQ(violation(frame(1, "\xc3\x28")), 1007);
  EXPECT_EQ(violation(frame(1, "\xc3")), 1007) << "cut off";
  EXPECT_EQ(violation(frame(1, "\xed\xa0\x80")), 1007) << "a surrogate";
  EXPECT_EQ(violation(frame(1, "\xf4\x90", false)), 1007) << "beyond U+10FFFF, whatever comes";
  EXPECT_EQ(violation(frame(1, "\xf4\x8f", false)), 0);
  EXPECT_EQ(violation(frame(1, std::string("a\0b", 3))), 0);
  EXPECT_EQ(violation(frame(2, "\xc3\x28")), 0) << "binary is anything";
  const Read split = read(frame(1, "\xe2", false) + frame(0, "\x82", false) + frame(0, "\xac"));
  EXPECT_EQ(split.messages.at(0).second, "\u20ac");
}

TEST(FrameReader, AClosesCodeIsOneThatMayBeSent) {
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999}) {
    EXPECT_EQ(violation(frame(8, std::string{static_cast<char>(code >> 8), static_cast<char>(code)})), 0)
        << code;
  }
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    EXPECT_EQ(violation(frame(8, std::string{static_cast<char>(code >> 8), static_cast<char>(code)})), 1002)
        << code;
  }
  EXPECT_EQ(violation(frame(8, "\x03")), 1002) << "half a code";
  EXPECT_EQ(violation(frame(8, "\x03\xe8\xc3\x28")), 1007) << "a reason that is not UTF-8";
}

TEST(FrameReader, WhereItWasNegotiatedRsv1MarksACompressedMessage) {
  FrameReader reader(1'000, true);
  std::string bytes = frame(1, "\xff\xfe", false, 0x40) + frame(0, "\xfd") + frame(1, "plain");
  reader.take(bytes);
  FrameReader::Message message;
  ASSERT_EQ(reader.next(message), Next::message);
  EXPECT_TRUE(message.compressed);
  EXPECT_EQ(message.payload, "\xff\xfe\xfd");
  ASSERT_EQ(reader.next(message), Next::message);
  EXPECT_FALSE(message.compressed);
  EXPECT_EQ(read(frame(1, "x", false, 0x40) + frame(0, "y", true, 0x40), 1'000, true).violated, 1002);
  EXPECT_EQ(read(frame(9, "x", true, 0x40), 1'000, true).violated, 1002);
}

}  // namespace
}  // namespace tidegate::session
