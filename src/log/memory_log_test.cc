#include "log/memory_log.h"

#include "log/conformance.h"

namespace tidegate::log {
namespace {

constexpr std::size_t kBytesMax = 1 << 20;

struct MemoryWorld {
  Log& open(std::int32_t partitions) {
    log = std::make_unique<MemoryLog>(partitions, kBytesMax);
    return *log;
  }
  /// A record larger than the bound drives everything else out, and the next one drives it out.
  void forget(Partition partition) const {
    auto appender = log->open_appender();
    ASSERT_TRUE((*appender)->append(record_of(partition, "", std::string(kBytesMax, 'x'))).ok());
    ASSERT_TRUE((*appender)->append(record_of(partition, "", "")).ok());
  }
  std::unique_ptr<MemoryLog> log;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, LogConformance, MemoryWorld);

TEST(MemoryLog, Rule27DropsItsOldestAtTheBoundAndCountsThem) {
  MemoryLog log(2, 10'000);
  auto appender = std::move(*log.open_appender());
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(appender->append(record_of(Partition(0), "k", std::string(100, 'v'))).ok());
  ASSERT_TRUE(appender->append(record_of(Partition(1), "k", "v")).ok());
  const Watermarks range = *log.watermarks(Partition(0));
  EXPECT_EQ(range.end, Offset(1000));
  EXPECT_EQ(static_cast<std::int64_t>(log.dropped()), range.start.value());
  EXPECT_GT(range.start, Offset(900));
  EXPECT_LE(log.bytes(), 2 * 10'000U);
  EXPECT_EQ(log.watermarks(Partition(1))->start, Offset(0));
}

TEST(MemoryLog, ReadsShareTheRecordsInsteadOfCopyingThem) {
  MemoryLog log(1, kBytesMax);
  auto appender = std::move(*log.open_appender());
  ASSERT_TRUE(appender->append(record_of(Partition(0), "k", std::string(1000, 'v'))).ok());
  auto one = std::move(*log.open_reader({{Partition(0), Offset(0)}}));
  auto other = std::move(*log.open_reader({{Partition(0), Offset(0)}}));
  const Batch first = *one->read(kPatience, kPlenty);
  const Batch second = *other->read(kPatience, kPlenty);
  EXPECT_EQ(first.records[0].value.data(), second.records[0].value.data());
}

TEST(MemoryLog, ABatchKeepsDroppedRecordsAlive) {
  MemoryLog log(1, 5'000);
  auto appender = std::move(*log.open_appender());
  ASSERT_TRUE(appender->append(record_of(Partition(0), "k", std::string(100, 'a'))).ok());
  auto reader = std::move(*log.open_reader({{Partition(0), Offset(0)}}));
  const Batch batch = *reader->read(kPatience, kPlenty);
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(appender->append(record_of(Partition(0), "k", std::string(100, 'b'))).ok());
  EXPECT_GT(log.dropped(), 0U);
  EXPECT_EQ(batch.records[0].value, std::string(100, 'a'));
}

TEST(MemoryLog, Rule27WhatAReaderWouldMissIsLostEvenIfItWasReadingAllAlong) {
  MemoryLog log(1, 5'000);
  auto appender = std::move(*log.open_appender());
  auto reader = std::move(*log.open_reader({{Partition(0), Offset(0)}}));
  ASSERT_TRUE(appender->append(record_of(Partition(0), "k", "v")).ok());
  ASSERT_EQ(reader->read(kPatience, kPlenty)->records.size(), 1U);
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(appender->append(record_of(Partition(0), "k", std::string(100, 'b'))).ok());
  EXPECT_EQ(read_error(*reader).fault, Fault::lost);
  EXPECT_EQ(read_error(*reader).fault, Fault::lost) << "it stays so until the reader seeks";
}

TEST(MemoryLog, ABusyPartitionStarvesNoOther) {
  MemoryLog log(2, kBytesMax);
  auto appender = std::move(*log.open_appender());
  for (int i = 0; i < 500; ++i)
    ASSERT_TRUE(appender->append(record_of(Partition(0), "k", std::string(100, 'b'))).ok());
  ASSERT_TRUE(appender->append(record_of(Partition(1), "k", "quiet")).ok());
  auto reader = std::move(*log.open_reader({{Partition(0), Offset(0)}, {Partition(1), Offset(0)}}));
  bool seen = false;
  for (int reads = 0; reads < 2; ++reads) {
    const Batch batch = *reader->read(kPatience, 1000);
    for (const Record& record : batch.records) seen = seen || record.value == "quiet";
  }
  EXPECT_TRUE(seen);
}

TEST(MemoryLog, AReaderFollowsAWriterOnAnotherThreadWithoutAGap) {
  MemoryLog log(1, 64 << 20);
  auto reader = std::move(*log.open_reader({{Partition(0), Offset(0)}}));
  std::thread writer([&log] {
    auto appender = std::move(*log.open_appender());
    for (int i = 0; i < 50'000; ++i) {
      if (!appender->append(record_of(Partition(0), "k", std::to_string(i))).ok()) return;
    }
  });
  std::int64_t next = 0;
  while (next < 50'000) {
    const Batch batch = *reader->read(kPatience, 10'000);
    for (const Record& record : batch.records) {
      ASSERT_EQ(record.offset, Offset(next));
      ASSERT_EQ(record.value, std::to_string(next));
      ++next;
    }
  }
  writer.join();
}

}  // namespace
}  // namespace tidegate::log
