#include "kafka/headers.h"

#include <random>

#include "base/testing.h"
#include "kafka/log.h"
#include "kafka/test_broker.h"
#include "log/conformance.h"

namespace tidegate::kafka {
namespace {

using log::Kind;
using Wire = std::vector<std::pair<std::string, std::optional<std::string>>>;

std::string big_endian(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = size; i-- > 0;) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

/// Writes a record for each of these headers, as a foreign program would, and reads them back.
std::vector<log::Headers> round_trip(const std::vector<Wire>& records) {
  const std::string topic = created_topic();
  rig::KafkaProducer producer(broker().brokers());
  for (const Wire& headers : records) {
    producer.produce({.topic = topic, .key = "k", .value = "v", .headers = headers});
  }
  producer.flush();
  const auto log = good(KafkaLog::open(options_for({topic})));
  const auto reader = good(log->open_reader({{Partition(0), Offset(0)}}));
  std::vector<log::Headers> read;
  for (const log::Copy& copy : log::read_some(*reader, records.size())) read.push_back(copy.headers);
  read.resize(records.size());
  return read;
}

log::Headers one(const Wire& headers) {
  return round_trip({headers})[0];
}

TEST(KafkaHeaders, EachIsReadFromItsBigEndianBytes) {
  const log::Headers read = one({{"lsn", big_endian(0x0102030405060708, 8)},
                                 {"xid", big_endian(0x80, 8)},
                                 {"epoch", big_endian(0xfffffffffffffffe, 8)},
                                 {"gen", big_endian(0xffffffffffffffff, 8)},
                                 {"part", big_endian(0x01020304, 4)},
                                 {"flags", big_endian(2, 4)},
                                 {"format", big_endian(0x0102, 2)},
                                 {"kind", "schema"}});
  EXPECT_FALSE(read.malformed);
  EXPECT_EQ(read.lsn, Lsn(0x0102030405060708));
  EXPECT_EQ(read.xid, Xid(0x80));
  EXPECT_EQ(read.epoch, Epoch(0xfffffffffffffffe));
  EXPECT_EQ(read.generation, Generation(-1));
  EXPECT_EQ(read.part, 0x01020304U);
  EXPECT_EQ(read.flags, 2U);
  EXPECT_EQ(read.format, 0x0102);
  EXPECT_EQ(read.kind, Kind::schema);
}

TEST(KafkaHeaders, ARecordWithoutAnyIsAPlainDiff) {
  const log::Headers read = one({});
  EXPECT_FALSE(read.malformed);
  EXPECT_EQ(read.kind, Kind::diff);
  EXPECT_EQ(read.lsn, std::nullopt);
  EXPECT_EQ(read.generation, std::nullopt);
  EXPECT_EQ(read.flags, log::kFlagLastPart);
  EXPECT_EQ(read.format, log::kFormat);
}

TEST(KafkaHeaders, OneOfAWrongSizeCountsAsAbsentAndTheRestStays) {
  const std::vector<std::pair<std::string, std::size_t>> sizes = {
      {"lsn", 8}, {"xid", 8}, {"epoch", 8}, {"gen", 8}, {"part", 4}, {"flags", 4}, {"format", 2}};
  std::vector<Wire> records;
  for (const auto& [name, size] : sizes) {
    for (const std::size_t wrong : {std::size_t{0}, size - 1, size + 1, std::size_t{1000}}) {
      records.push_back({{"kind", "reset"}, {name, std::string(wrong, '\x01')}});
    }
    records.push_back({{"kind", "reset"}, {name, std::nullopt}});
  }
  for (const log::Headers& read : round_trip(records)) {
    EXPECT_TRUE(read.malformed);
    EXPECT_EQ(read.kind, Kind::reset);
    EXPECT_FALSE(read.lsn || read.xid || read.epoch || read.generation);
    EXPECT_EQ(read.part, 0U);
    EXPECT_EQ(read.flags, log::kFlagLastPart);
    EXPECT_EQ(read.format, log::kFormat);
  }
}

TEST(KafkaHeaders, OfRepeatedNamesTheLastCounts) {
  const std::string good_one = big_endian(7, 8);
  const auto read = round_trip({{{"lsn", big_endian(6, 8)}, {"lsn", good_one}},
                                {{"lsn", "bad"}, {"lsn", good_one}},
                                {{"lsn", good_one}, {"lsn", "bad"}},
                                {{"lsn", good_one}, {"lsn", std::nullopt}},
                                {{"kind", "nonsense"}, {"kind", "active"}},
                                {{"kind", "active"}, {"kind", "closed"}}});
  EXPECT_EQ(read[0].lsn, Lsn(7));
  EXPECT_EQ(read[1].lsn, Lsn(7));
  EXPECT_FALSE(read[0].malformed || read[1].malformed);
  EXPECT_EQ(read[2].lsn, std::nullopt);
  EXPECT_EQ(read[3].lsn, std::nullopt);
  EXPECT_TRUE(read[2].malformed && read[3].malformed);
  EXPECT_EQ(read[4].kind, Kind::active);
  EXPECT_FALSE(read[4].malformed);
  EXPECT_EQ(read[5].kind, Kind::closed);
}

TEST(KafkaHeaders, AnUnknownKindIsMalformed) {
  const auto read = round_trip({{{"kind", "Active"}},
                                {{"kind", "active "}},
                                {{"kind", std::string("active\0", 7)}},
                                {{"kind", ""}},
                                {{"kind", std::nullopt}},
                                {{"kind", std::string(100'000, 'x')}}});
  for (const log::Headers& headers : read) {
    EXPECT_TRUE(headers.malformed);
    EXPECT_EQ(headers.kind, Kind::diff);
  }
}

TEST(KafkaHeaders, ForeignOnesArePassedOver) {
  Wire many;
  for (int i = 0; i < 2000; ++i) many.emplace_back("trace-" + std::to_string(i), std::string(20, '\xff'));
  many.emplace_back("lsn", big_endian(9, 8));
  const auto read = round_trip({{{"", "empty name"}, {"LSN", big_endian(1, 8)}, {"lsn2", "x"}}, many});
  EXPECT_FALSE(read[0].malformed || read[1].malformed);
  EXPECT_EQ(read[0].lsn, std::nullopt);
  EXPECT_EQ(read[1].lsn, Lsn(9));
}

TEST(KafkaHeaders, RandomBytesNeverStopTheReader) {
  const auto seed = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> names = {"lsn",   "xid",    "epoch", "gen", "part",
                                          "flags", "format", "kind",  "?"};
  std::vector<Wire> records(500);
  for (Wire& headers : records) {
    for (auto count = random() % 12; count > 0; --count) {
      std::string value(random() % 10, '\0');
      for (char& byte : value) byte = static_cast<char>(random());
      headers.emplace_back(names[random() % names.size()], value);
    }
  }
  const auto read = round_trip(records);
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::optional<std::string> last;
    for (const auto& [name, value] : records[i]) {
      if (name == "lsn") last = value;
    }
    const bool present = last && last->size() == 8;
    EXPECT_EQ(read[i].lsn.has_value(), present);
    if (present) {
      EXPECT_EQ(big_endian(read[i].lsn->value(), 8), *last);
    }
    EXPECT_TRUE(!last || present || read[i].malformed);
  }
}

TEST(KafkaHeaders, OurOwnAreWrittenAsTheyAreRead) {
  const log::Headers written{.lsn = Lsn(0x8000000000000001),
                             .xid = Xid(3),
                             .epoch = Epoch(4),
                             .generation = Generation(-5),
                             .part = 6,
                             .flags = 0,
                             .format = 7,
                             .kind = Kind::state};
  rd_kafka_headers_t* wire = to_wire(written);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"lsn", big_endian(0x8000000000000001, 8)},
      {"xid", big_endian(3, 8)},
      {"epoch", big_endian(4, 8)},
      {"gen", big_endian(static_cast<std::uint64_t>(-5), 8)},
      {"part", big_endian(6, 4)},
      {"flags", big_endian(0, 4)},
      {"format", big_endian(7, 2)},
      {"kind", "state"}};
  EXPECT_EQ(rd_kafka_header_cnt(wire), expected.size());
  for (const auto& [name, bytes] : expected) {
    const void* value = nullptr;
    std::size_t size = 0;
    ASSERT_EQ(rd_kafka_header_get_last(wire, name.c_str(), &value, &size), RD_KAFKA_RESP_ERR_NO_ERROR)
        << name;
    EXPECT_EQ(std::string(static_cast<const char*>(value), size), bytes) << name;
  }
  rd_kafka_headers_destroy(wire);
}

TEST(KafkaHeaders, WhatIsAbsentIsNotWritten) {
  rd_kafka_headers_t* wire = to_wire({});
  EXPECT_EQ(rd_kafka_header_cnt(wire), 3U) << "part, flags and format; a diff has no kind";
  rd_kafka_headers_destroy(wire);
}

}  // namespace
}  // namespace tidegate::kafka
