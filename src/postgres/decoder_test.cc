// Invariants: every message of the protocol is read as the manual has it; any other bytes give an Error,
// never a crash or a read beyond them.
#include "postgres/decoder.h"

#include <gtest/gtest.h>

#include <random>

#include "base/encoding.h"
#include "base/testing.h"
#include "postgres/lsn.h"

namespace tidegate::postgres {
namespace {

using namespace std::string_literals;

template <class T>
std::string number(T value) {
  std::string bytes;
  append_big_endian(bytes, value);
  return bytes;
}
std::string u16(std::uint16_t value) {
  return number(value);
}
std::string u32(std::uint32_t value) {
  return number(value);
}
std::string u64(std::uint64_t value) {
  return number(value);
}
std::string zero(const std::string& text) {
  return text + "\0"s;
}
std::string cell(const std::string& text) {
  return "t" + u32(static_cast<std::uint32_t>(text.size())) + text;
}

/// One well-formed message of each kind.
std::vector<std::string> samples() {
  const std::string pair = u16(2) + cell("1") + "n";
  return {
      "B" + u64(0x100) + u64(1'000'000) + u32(77),
      "C\0"s + u64(0x100) + u64(0x130) + u64(1'000'000),
      "O" + u64(0x99) + zero("origin"),
      "Y" + u32(16400) + zero("public") + zero("mood"),
      "R" + u32(16384) + zero("public") + zero("orders") + "f" + u16(2) + "\1"s + zero("id") + u32(20) +
          u32(0xffffffff) + "\1"s + zero("note") + u32(25) + u32(0xffffffff),
      "I" + u32(16384) + "N" + pair,
      "U" + u32(16384) + "O" + pair + "N" + u16(2) + "u" + cell("two"),
      "U" + u32(16384) + "N" + pair,
      "D" + u32(16384) + "K" + pair,
      "D" + u32(16384) + "O" + pair,
      "T" + u32(2) + "\1"s + u32(16384) + u32(16385),
      "M\1"s + u64(0x140) + zero("tidegate") + u32(3) + "abc",
      "S" + u32(77) + "\1"s,
      "E",
      "c" + u32(77) + "\0"s + u64(0x100) + u64(0x130) + u64(1'000'000),
      "A" + u32(77) + u32(78),
  };
}

template <class T>
T decoded(const std::string& bytes) {
  // Views point into the bytes, which the caller keeps.
  const auto message = decode_message(bytes);
  EXPECT_TRUE(message.ok()) << (message ? "" : message.error().message);
  const T* found = message ? std::get_if<T>(&*message) : nullptr;
  EXPECT_NE(found, nullptr);
  return found == nullptr ? T{} : *found;
}

TEST(Decoder, ReadsBeginAndCommit) {
  const auto all = samples();
  const auto begin = decoded<Begin>(all[0]);
  EXPECT_EQ(begin.final_lsn, 0x100u);
  EXPECT_EQ(begin.commit_time_us, 946'684'801'000'000) << "a second after 2000-01-01";
  EXPECT_EQ(begin.xid, 77u);
  const auto commit = decoded<Commit>(all[1]);
  EXPECT_EQ(commit.commit_lsn, 0x100u);
  EXPECT_EQ(commit.end_lsn, 0x130u);
}

TEST(Decoder, ReadsOriginTypeAndMessage) {
  const auto all = samples();
  EXPECT_EQ(decoded<Origin>(all[2]).name, "origin");
  EXPECT_EQ(decoded<TypeDeclared>(all[3]).name, "mood");
  const auto message = decoded<LogicalMessage>(all[11]);
  EXPECT_TRUE(message.transactional);
  EXPECT_EQ(message.lsn, 0x140u);
  EXPECT_EQ(message.prefix, "tidegate");
  EXPECT_EQ(message.content, "abc");
}

TEST(Decoder, ReadsARelationWithItsColumns) {
  const auto all = samples();
  const auto relation = decoded<Relation>(all[4]);
  EXPECT_EQ(relation.id, 16384u);
  EXPECT_EQ(relation.schema, "public");
  EXPECT_EQ(relation.name, "orders");
  EXPECT_EQ(relation.replica_identity, 'f');
  ASSERT_EQ(relation.columns.size(), 2u);
  EXPECT_EQ(relation.columns[1].name, "note");
  EXPECT_EQ(relation.columns[1].type, 25u);
  EXPECT_EQ(relation.columns[1].modifier, -1);
  const std::string catalogue = "R" + u32(1) + zero("") + zero("x") + "d" + u16(0);
  EXPECT_EQ(decoded<Relation>(catalogue).schema, "pg_catalog");
}

TEST(Decoder, ReadsRowsOfEveryKindOfCell) {
  const auto all = samples();
  const auto insert = decoded<Insert>(all[5]);
  ASSERT_EQ(insert.row.size(), 2u);
  EXPECT_EQ(insert.row[0].text, "1");
  EXPECT_EQ(insert.row[1].kind, CellKind::null);
  const auto update = decoded<Update>(all[6]);
  EXPECT_EQ(update.old_kind, OldKind::whole);
  EXPECT_EQ(update.new_row[0].kind, CellKind::unchanged);
  EXPECT_EQ(update.new_row[1].text, "two");
  EXPECT_EQ(decoded<Update>(all[7]).old_kind, OldKind::none);
  EXPECT_EQ(decoded<Delete>(all[8]).old_kind, OldKind::key);
  EXPECT_EQ(decoded<Delete>(all[9]).old_kind, OldKind::whole);
  EXPECT_EQ(decoded<Truncate>(all[10]).relations, (std::vector<std::uint32_t>{16384, 16385}));
}

TEST(Decoder, RefusesEveryMessageThatIsCutShortOrTooLong) {
  for (const std::string& whole : samples()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto message = decode_message(std::string_view(whole).substr(0, size));
      ASSERT_FALSE(message.ok()) << whole[0] << " cut to " << size;
      EXPECT_EQ(message.error().fault, Fault::fatal);
    }
    EXPECT_FALSE(decode_message(whole + "x").ok()) << whole[0];
  }
}

TEST(Decoder, RefusesUnknownKindsAndNamesThem) {
  const auto message = decode_message("S...");
  ASSERT_FALSE(message.ok());
  EXPECT_NE(message.error().message.find("0x53"), std::string::npos) << message.error().message;
  EXPECT_FALSE(decode_message("I" + u32(1) + "N" + u16(1) + "b" + u32(1) + "x").ok())
      << "binary was not asked for";
  EXPECT_FALSE(decode_message("I" + u32(1) + "X" + u16(0)).ok());
  EXPECT_FALSE(decode_message("D" + u32(1) + "N" + u16(0)).ok());
}

TEST(Decoder, DoesNotTakeMemoryForCountsThatLie) {
  EXPECT_FALSE(decode_message("I" + u32(1) + "N" + u16(0xffff)).ok());
  EXPECT_FALSE(decode_message("T" + u32(0xffffffff) + "\0"s).ok());
  EXPECT_FALSE(decode_message("I" + u32(1) + "N" + u16(1) + "t" + u32(0xffffffff) + "x").ok());
}

TEST(Decoder, SurvivesAnyBytes) {
  const auto seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto all = samples();
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes = all[random() % all.size()];
    for (auto flips = random() % 4 + 1; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto message = decode_message(bytes);
    EXPECT_TRUE(message.ok() || message.error().fault == Fault::fatal);
    (void)decode_frame(bytes);
  }
}

TEST(Decoder, SurvivesBytesThatWereNeverAMessage) {
  const auto seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr std::string_view kKinds = "BCOYRIUDTMwk";
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes(random() % 60, '\0');
    // Small numbers are likelier to be lengths that fit; the kind is mostly one that exists.
    for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() : random() % 4);
    if (!bytes.empty() && random() % 8 != 0) bytes[0] = kKinds[random() % kKinds.size()];
    const auto message = decode_message(bytes);
    EXPECT_TRUE(message.ok() || message.error().fault == Fault::fatal);
    const auto frame = decode_frame(bytes);
    EXPECT_TRUE(frame.ok() || frame.error().fault == Fault::fatal);
  }
}

TEST(Decoder, ReadsFrames) {
  const std::string data = "w" + u64(10) + u64(20) + u64(0) + "payload";
  const auto frame = decode_frame(data);
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(std::get<DataFrame>(*frame).message, "payload");
  EXPECT_EQ(std::get<DataFrame>(*frame).end, 20u);
  const std::string alive = "k" + u64(30) + u64(0) + "\1"s;
  const auto keepalive = decode_frame(alive);
  ASSERT_TRUE(keepalive.ok());
  EXPECT_EQ(std::get<KeepaliveFrame>(*keepalive).end, 30u);
  EXPECT_TRUE(std::get<KeepaliveFrame>(*keepalive).reply_requested);
  EXPECT_FALSE(decode_frame("").ok());
  EXPECT_FALSE(decode_frame("z").ok());
  EXPECT_FALSE(decode_frame(alive + "x").ok());
  EXPECT_FALSE(decode_frame(data.substr(0, 20)).ok());
}

TEST(Decoder, WritesTheStatusAsTheManualHasIt) {
  EXPECT_EQ(hex_encode(encode_status(0x20, 0x10, 946'684'800'000'001, true)),
            "72"
            "0000000000000020"
            "0000000000000010"
            "0000000000000010"
            "0000000000000001"
            "01");
}

TEST(Positions, AreInclusiveOutsideAndNextByteInside) {
  EXPECT_EQ(inclusive(0x100), Lsn(0xff));
  EXPECT_EQ(next_byte(Lsn(0xff)), 0x100u);
  EXPECT_LT(inclusive(0x100), Lsn(0x100))
      << "a commit record that begins at a snapshot's insert LSN is above it";
  EXPECT_EQ(parse_position("16/B374D848"), 0x16B374D848u);
  EXPECT_EQ(position_text(0x16B374D848), "16/B374D848");
  for (const char* bad : {"", "/", "1/", "/1", "1", "g/0", "1/0x", "123456789/0", "1/0 "}) {
    EXPECT_FALSE(parse_position(bad)) << bad;
  }
}

}  // namespace
}  // namespace tidegate::postgres
