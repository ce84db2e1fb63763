#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/testing.h"
#include "log/log.h"

/// What every `log::Log` must do. An implementation's test instantiates the suite with a world:
///   `Log& open(std::int32_t partitions)`: a new, empty log, once a world;
///   `void forget(Partition)`: everything appended to that partition so far leaves the log.
namespace tidegate::log {

inline constexpr auto kPatience =
    std::chrono::seconds(60);  // for what must happen; a test that waits it out fails
inline constexpr std::size_t kPlenty = 1 << 20;

/// A record as a value, for comparing.
struct Copy {
  Partition partition;
  Offset offset;
  std::string key;
  std::string value;
  Headers headers;
};

/// Reads until there are `count` records; fails and gives what came if they don't come.
inline std::vector<Copy> read_some(Reader& reader, std::size_t count, std::size_t bytes_max = kPlenty) {
  std::vector<Copy> copies;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (copies.size() < count && std::chrono::steady_clock::now() < until) {
    auto batch = reader.read(std::chrono::milliseconds(500), bytes_max);
    if (!batch.ok()) {
      ADD_FAILURE() << batch.error().message;
      break;
    }
    for (const Record& record : batch->records) {
      copies.push_back({record.partition, record.offset, std::string(record.key), std::string(record.value),
                        record.headers});
    }
  }
  EXPECT_EQ(copies.size(), count);
  return copies;
}

/// Reads until an error comes.
inline Error read_error(Reader& reader) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    auto batch = reader.read(std::chrono::milliseconds(500), kPlenty);
    if (!batch.ok()) return batch.error();
  }
  ADD_FAILURE() << "no error came";
  return {};
}

inline Append record_of(Partition partition, std::string key, std::string value) {
  return {.partition = partition, .key = std::move(key), .value = std::move(value)};
}

template <class World>
class LogConformance : public testing::Test {
 protected:
  static constexpr Partition kFirst{0};

  Log& open(std::int32_t partitions = 1) {
    log_ = &world_.open(partitions);
    return *log_;
  }
  Appender& appender() {
    if (!appender_) {
      auto opened = log_->open_appender();
      EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
      appender_ = std::move(*opened);
    }
    return *appender_;
  }
  void append(Append record) {
    auto number = appender().append(std::move(record));
    ASSERT_TRUE(number.ok()) << number.error().message;
  }
  void flush() {
    const Status status = appender().flush(kPatience);
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
  std::unique_ptr<Reader> reader(const std::vector<Start>& starts) {
    auto opened = log_->open_reader(starts);
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    return std::move(*opened);
  }
  std::unique_ptr<Reader> reader_at(Offset offset) { return reader({{kFirst, offset}}); }

  World world_;
  Log* log_ = nullptr;
  std::unique_ptr<Appender> appender_;
};
TYPED_TEST_SUITE_P(LogConformance);

TYPED_TEST_P(LogConformance, GivesRecordsBackInOrderByteForByteWithTheirHeaders) {
  this->open();
  Headers all{.lsn = Lsn(0xfedcba9876543210),
              .xid = Xid(0x80ff),
              .epoch = Epoch(0xffffffffffffffff),
              .generation = Generation(0x7fffffffffffffff),
              .part = 0xff00ff00,
              .flags = 0x80000000,
              .format = 0xff01,
              .kind = Kind::progress};
  this->append(
      {.partition = this->kFirst, .key = "a", .value = std::string("\x00\x80\xff", 3), .headers = all});
  this->append({.partition = this->kFirst, .key = "\xff\xfe", .value = ""});
  this->flush();
  auto batch_reader = this->reader_at(Offset(0));
  const auto read = read_some(*batch_reader, 2);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].key, "a");
  EXPECT_EQ(read[0].value, std::string("\x00\x80\xff", 3));
  EXPECT_EQ(read[0].headers.lsn, all.lsn);
  EXPECT_EQ(read[0].headers.xid, all.xid);
  EXPECT_EQ(read[0].headers.epoch, all.epoch);
  EXPECT_EQ(read[0].headers.generation, all.generation);
  EXPECT_EQ(read[0].headers.part, all.part);
  EXPECT_EQ(read[0].headers.flags, all.flags);
  EXPECT_EQ(read[0].headers.format, all.format);
  EXPECT_EQ(read[0].headers.kind, Kind::progress);
  EXPECT_FALSE(read[0].headers.malformed);
  EXPECT_EQ(read[1].key, "\xff\xfe");
  EXPECT_EQ(read[1].value, "");
  EXPECT_EQ(read[1].headers.kind, Kind::diff);
  EXPECT_EQ(read[1].headers.lsn, std::nullopt);
  EXPECT_EQ(read[1].headers.flags, kFlagLastPart);
  EXPECT_EQ(read[1].headers.format, kFormat);
  EXPECT_LT(read[0].offset, read[1].offset);
}

TYPED_TEST_P(LogConformance, EveryKindComesBack) {
  this->open();
  const std::vector kinds = {Kind::diff,   Kind::active, Kind::closed, Kind::progress,
                             Kind::schema, Kind::reset,  Kind::state};
  for (const Kind kind : kinds) {
    this->append({.partition = this->kFirst, .key = "k", .value = "v", .headers = {.kind = kind}});
  }
  this->flush();
  auto reader = this->reader_at(Offset(0));
  const auto read = read_some(*reader, kinds.size());
  for (std::size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i].headers.kind, kinds[i]);
}

TYPED_TEST_P(LogConformance, AnEmptyValueIsNoTombstoneAndAnEmptyKeyIsNone) {
  this->open();
  this->append(record_of(this->kFirst, "", ""));
  this->flush();
  auto reader = this->reader_at(Offset(0));
  Batch batch;
  while (batch.records.empty()) batch = *reader->read(kPatience, kPlenty);
  EXPECT_FALSE(batch.records[0].tombstone);
  EXPECT_TRUE(batch.records[0].keyless);
}

TYPED_TEST_P(LogConformance, TwoReadersEachGetEverything) {
  this->open();
  for (int i = 0; i < 100; ++i) this->append(record_of(this->kFirst, "k", std::to_string(i)));
  this->flush();
  auto one = this->reader_at(Offset(0));
  auto other = this->reader_at(Offset(0));
  for (Reader* reader : {one.get(), other.get()}) {
    const auto read = read_some(*reader, 100);
    for (std::size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i].value, std::to_string(i));
  }
}

TYPED_TEST_P(LogConformance, PartitionsAreReadFromTheirOwnStarts) {
  this->open(3);
  EXPECT_EQ(this->log_->partitions(), 3);
  for (int i = 0; i < 30; ++i) this->append(record_of(Partition(i % 3), "k", std::to_string(i)));
  this->flush();
  auto reader = this->reader({{Partition(0), Offset(4)}, {Partition(2), Offset(9)}});
  const auto read = read_some(*reader, 7);
  std::int64_t next = 4;
  for (const Copy& copy : read) {
    ASSERT_NE(copy.partition, Partition(1));
    if (copy.partition == Partition(0)) {
      EXPECT_EQ(copy.offset, Offset(next));
      EXPECT_EQ(copy.value, std::to_string(next * 3));
      ++next;
    } else {
      EXPECT_EQ(copy.value, "29");
    }
  }
  EXPECT_EQ(next, 10);
}

TYPED_TEST_P(LogConformance, SaysWhenAPartitionIsReadToItsEnd) {
  this->open();
  for (int i = 0; i < 10; ++i) this->append(record_of(this->kFirst, "k", std::to_string(i)));
  this->flush();
  auto reader = this->reader_at(Offset(3));
  std::size_t read = 0;
  std::vector<Start> ends;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (ends.empty() && std::chrono::steady_clock::now() < until) {
    const auto batch = reader->read(std::chrono::milliseconds(500), kPlenty);
    ASSERT_TRUE(batch.ok());
    read += batch->records.size();
    ends = batch->ends;
  }
  ASSERT_EQ(ends.size(), 1U);
  EXPECT_EQ(ends[0].partition, this->kFirst);
  EXPECT_EQ(ends[0].offset, Offset(10));
  EXPECT_EQ(read, 7U) << "what lies below comes first";
}

TYPED_TEST_P(LogConformance, ReadAtTheEndIsEmptyAndGoesOnWithWhatIsAppended) {
  this->open();
  this->append(record_of(this->kFirst, "k", "before"));
  this->flush();
  auto reader = this->reader_at(Offset(1));
  auto empty = reader->read(std::chrono::milliseconds(20), kPlenty);
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE(empty->records.empty());
  this->append(record_of(this->kFirst, "k", "after"));
  const auto read = read_some(*reader, 1);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].value, "after");
}

TYPED_TEST_P(LogConformance, WakeEndsAWaitingReadAndTheNextOne) {
  this->open();
  auto reader = this->reader_at(Offset(0));
  const auto begin = std::chrono::steady_clock::now();
  reader->wake();
  EXPECT_TRUE(reader->read(kPatience, kPlenty)->records.empty());
  std::thread other([&] { reader->wake(); });
  EXPECT_TRUE(reader->read(kPatience, kPlenty)->records.empty());
  other.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kPatience / 2);
}

TYPED_TEST_P(LogConformance, WatermarksAreTheFirstAndTheNextOffset) {
  this->open();
  auto none = this->log_->watermarks(this->kFirst);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->start, Offset(0));
  EXPECT_EQ(none->end, Offset(0));
  for (int i = 0; i < 5; ++i) this->append(record_of(this->kFirst, "k", "v"));
  this->flush();
  auto some = this->log_->watermarks(this->kFirst);
  ASSERT_TRUE(some.ok());
  EXPECT_EQ(some->start, Offset(0));
  EXPECT_EQ(some->end, Offset(5));
}

TYPED_TEST_P(LogConformance, Rule9APositionAboveTheEndIsLostUntilSoughtAgain) {
  this->open();
  this->append(record_of(this->kFirst, "k", "v"));
  this->flush();
  auto reader = this->reader_at(Offset(7));
  EXPECT_EQ(read_error(*reader).fault, Fault::lost);
  ASSERT_TRUE(reader->seek({this->kFirst, Offset(0)}).ok());
  EXPECT_EQ(read_some(*reader, 1).size(), 1U);
}

TYPED_TEST_P(LogConformance, Rule9APositionBelowTheStartIsLostUntilSoughtAgain) {
  this->open();
  for (int i = 0; i < 5; ++i) this->append(record_of(this->kFirst, "k", "old"));
  this->flush();
  this->world_.forget(this->kFirst);
  this->append(record_of(this->kFirst, "k", "new"));
  this->flush();
  auto reader = this->reader_at(Offset(2));
  EXPECT_EQ(read_error(*reader).fault, Fault::lost);
  const auto range = this->log_->watermarks(this->kFirst);
  ASSERT_TRUE(range.ok());
  EXPECT_GE(range->start, Offset(5));
  ASSERT_TRUE(reader->seek({this->kFirst, Offset(range->end.value() - 1)}).ok());
  const auto read = read_some(*reader, 1);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].value, "new");
}

TYPED_TEST_P(LogConformance, SeekGoesBackAndForthAndAddsPartitions) {
  this->open(2);
  for (int i = 0; i < 10; ++i) this->append(record_of(this->kFirst, "k", std::to_string(i)));
  this->append(record_of(Partition(1), "k", "other"));
  this->flush();
  auto reader = this->reader_at(Offset(0));
  read_some(*reader, 10);
  ASSERT_TRUE(reader->seek({this->kFirst, Offset(3)}).ok());
  const auto again = read_some(*reader, 7);
  ASSERT_EQ(again.size(), 7U);
  EXPECT_EQ(again[0].value, "3");
  ASSERT_TRUE(reader->seek({this->kFirst, Offset(9)}).ok());
  EXPECT_EQ(read_some(*reader, 1)[0].value, "9");
  ASSERT_TRUE(reader->seek({Partition(1), Offset(0)}).ok());
  EXPECT_EQ(read_some(*reader, 1)[0].value, "other");
}

TYPED_TEST_P(LogConformance, APausedPartitionGivesNothingUntilItIsSoughtAgain) {
  this->open(2);
  for (int i = 0; i < 10; ++i) this->append(record_of(Partition(i % 2), "k", std::to_string(i)));
  this->flush();
  auto reader = this->reader({{Partition(0), Offset(0)}, {Partition(1), Offset(0)}});
  read_some(*reader, 10);
  reader->pause(Partition(1));
  for (int i = 10; i < 20; ++i) this->append(record_of(Partition(i % 2), "k", std::to_string(i)));
  this->flush();
  for (const Copy& copy : read_some(*reader, 5)) EXPECT_EQ(copy.partition, Partition(0));
  EXPECT_TRUE(reader->read(std::chrono::milliseconds(100), kPlenty)->records.empty());
  ASSERT_TRUE(reader->seek({Partition(1), Offset(7)}).ok());
  const auto again = read_some(*reader, 3);
  ASSERT_EQ(again.size(), 3U);
  EXPECT_EQ(again[0].value, "15") << "from where it was sought";
}

TYPED_TEST_P(LogConformance, APausedPartitionLosesNothing) {
  this->open(2);
  for (int i = 0; i < 5; ++i) this->append(record_of(Partition(1), "k", "old"));
  this->flush();
  auto reader = this->reader({{Partition(0), Offset(0)}, {Partition(1), Offset(0)}});
  reader->pause(Partition(1));
  this->world_.forget(Partition(1));
  this->append(record_of(this->kFirst, "k", "v"));
  this->flush();
  EXPECT_EQ(read_some(*reader, 1).size(), 1U);
  EXPECT_TRUE(reader->read(std::chrono::milliseconds(100), kPlenty).ok());
}

TYPED_TEST_P(LogConformance, WhatDoesNotExistIsInvalid) {
  this->open(2);
  const Partition none(2);
  EXPECT_EQ(this->log_->watermarks(none).error().fault, Fault::invalid);
  EXPECT_EQ(this->log_->open_reader({{none, Offset(0)}}).error().fault, Fault::invalid);
  EXPECT_EQ(this->log_->seek(Partition(-1), Generation(0), Lsn(0)).error().fault, Fault::invalid);
  EXPECT_EQ(this->appender().append(record_of(none, "k", "v")).error().fault, Fault::invalid);
}

TYPED_TEST_P(LogConformance, ABatchIsBoundedInBytesButALargerRecordComesAlone) {
  this->open();
  const std::string value(2000, 'x');
  for (int i = 0; i < 50; ++i) this->append(record_of(this->kFirst, "k", value));
  this->flush();
  auto reader = this->reader_at(Offset(0));
  std::size_t records = 0;
  while (records < 50) {
    auto batch = reader->read(kPatience, 7000);
    ASSERT_TRUE(batch.ok());
    std::size_t bytes = 0;
    for (const Record& record : batch->records) bytes += record.key.size() + record.value.size();
    EXPECT_EQ(batch->bytes, bytes);
    EXPECT_LE(batch->bytes, 7000U);
    records += batch->records.size();
  }
  EXPECT_EQ(records, 50U);
  ASSERT_TRUE(reader->seek({this->kFirst, Offset(0)}).ok());
  Batch one;
  while (one.records.empty()) one = *reader->read(kPatience, 10);
  EXPECT_EQ(one.records.size(), 1U);
}

TYPED_TEST_P(LogConformance, ABatchOutlivesItsReader) {
  this->open();
  for (int i = 0; i < 10; ++i)
    this->append(record_of(this->kFirst, "key" + std::to_string(i), std::string(100, 'a')));
  this->flush();
  auto reader = this->reader_at(Offset(0));
  Batch batch;
  while (batch.records.empty()) batch = *reader->read(kPatience, kPlenty);
  reader.reset();
  for (const Record& record : batch.records) {
    EXPECT_EQ(record.key, "key" + std::to_string(record.offset.value()));
    EXPECT_EQ(record.value, std::string(100, 'a'));
  }
}

TYPED_TEST_P(LogConformance, AppendsAreNumberedAndAcknowledgedInOrderWithTheirOffsets) {
  this->open();
  std::mutex mutex;
  std::vector<std::int64_t> offsets;
  std::condition_variable woken;
  bool risen = false;
  this->appender().set_on_acknowledged([&] {
    std::lock_guard lock(mutex);
    risen = true;
    woken.notify_all();
  });
  for (std::uint64_t i = 1; i <= 20; ++i) {
    auto number = this->appender().append(record_of(this->kFirst, "k", "v"), [&](Offset offset) {
      std::lock_guard lock(mutex);
      offsets.push_back(offset.value());
    });
    ASSERT_TRUE(number.ok());
    EXPECT_EQ(*number, i);
  }
  this->flush();
  EXPECT_EQ(this->appender().acknowledged(), 20U);
  EXPECT_EQ(this->appender().failure().has_value(), false);
  std::unique_lock lock(mutex);
  EXPECT_TRUE(woken.wait_for(lock, kPatience, [&] { return risen; }));
  ASSERT_EQ(offsets.size(), 20U);
  for (std::int64_t i = 0; i < 20; ++i) EXPECT_EQ(offsets[static_cast<std::size_t>(i)], i);
  lock.unlock();
  this->appender_.reset();  // no callback runs after that
}

/// Builds what matchers leave: generations one after the other, each streaming again some of what the one
/// before did, several records a transaction, records of a fenced-off generation strewn in and records
/// without a place.
inline std::vector<Headers> random_reigns(std::mt19937_64& random, bool zombies) {
  std::vector<Headers> log;
  std::int64_t generation = 5;
  std::uint64_t lsn = 100;
  for (int reign = 0; reign < 4; ++reign, generation += 1 + static_cast<std::int64_t>(random() % 3)) {
    lsn -= std::min<std::uint64_t>(lsn, random() % 40);
    for (std::uint64_t i = random() % 60; i > 0; --i) {
      lsn += random() % 4;
      Headers headers{.lsn = Lsn(lsn), .generation = Generation(generation)};
      if (random() % 10 == 0) headers.lsn.reset();
      log.push_back(headers);
      if (zombies && reign > 0 && random() % 6 == 0) {
        log.push_back({.lsn = Lsn(lsn + random() % 20), .generation = Generation(generation - 1)});
      }
    }
  }
  return log;
}

inline Offset brute_force(const std::vector<Headers>& log, Generation generation, Lsn lsn) {
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (log[i].lsn && log[i].generation >= generation && *log[i].lsn > lsn)
      return Offset(static_cast<std::int64_t>(i));
  }
  return Offset(static_cast<std::int64_t>(log.size()));
}

TYPED_TEST_P(LogConformance, Rule12SeekFindsWhatReadingEverythingFinds) {
  constexpr int kRounds = 3;
  this->open(kRounds * 2);
  const auto seed = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < kRounds * 2; ++round) {
    const auto headers = random_reigns(random, round % 2 == 1);
    for (const Headers& of : headers) {
      this->append({.partition = Partition(round), .key = "k", .value = "v", .headers = of});
    }
    this->flush();
    for (int i = 0; i < 25; ++i) {
      const Generation generation(static_cast<std::int64_t>(3 + random() % 14));
      const Lsn lsn(50 + random() % 200);
      auto found = this->log_->seek(Partition(round), generation, lsn);
      ASSERT_TRUE(found.ok()) << found.error().message;
      ASSERT_EQ(*found, brute_force(headers, generation, lsn))
          << "generation " << generation.value() << ", lsn " << lsn.value() << ", round " << round;
    }
  }
}

TYPED_TEST_P(LogConformance, Rule12SeekIsLostWhereRecordsAboveItMayHaveLeft) {
  this->open();
  const auto append = [this](std::uint64_t lsn) {
    this->append({.partition = this->kFirst,
                  .key = "k",
                  .value = "v",
                  .headers = {.lsn = Lsn(lsn), .generation = Generation(1)}});
    this->flush();
  };
  for (std::uint64_t lsn = 10; lsn <= 14; ++lsn) append(lsn);
  EXPECT_EQ(*this->log_->seek(this->kFirst, Generation(1), Lsn(1)), Offset(0));
  this->world_.forget(this->kFirst);
  EXPECT_EQ(this->log_->seek(this->kFirst, Generation(1), Lsn(12)).error().fault, Fault::lost);
  append(20);
  append(21);
  const Offset end = this->log_->watermarks(this->kFirst)->end;
  EXPECT_EQ(this->log_->seek(this->kFirst, Generation(1), Lsn(14)).error().fault, Fault::lost);
  EXPECT_EQ(*this->log_->seek(this->kFirst, Generation(1), Lsn(20)), Offset(end.value() - 1));
  EXPECT_EQ(*this->log_->seek(this->kFirst, Generation(1), Lsn(21)), end);
}

REGISTER_TYPED_TEST_SUITE_P(LogConformance, GivesRecordsBackInOrderByteForByteWithTheirHeaders,
                            EveryKindComesBack, AnEmptyValueIsNoTombstoneAndAnEmptyKeyIsNone,
                            TwoReadersEachGetEverything, PartitionsAreReadFromTheirOwnStarts,
                            SaysWhenAPartitionIsReadToItsEnd, ReadAtTheEndIsEmptyAndGoesOnWithWhatIsAppended,
                            WakeEndsAWaitingReadAndTheNextOne, WatermarksAreTheFirstAndTheNextOffset,
                            Rule9APositionAboveTheEndIsLostUntilSoughtAgain,
                            Rule9APositionBelowTheStartIsLostUntilSoughtAgain,
                            SeekGoesBackAndForthAndAddsPartitions,
                            APausedPartitionGivesNothingUntilItIsSoughtAgain, APausedPartitionLosesNothing,
                            WhatDoesNotExistIsInvalid, ABatchIsBoundedInBytesButALargerRecordComesAlone,
                            ABatchOutlivesItsReader, AppendsAreNumberedAndAcknowledgedInOrderWithTheirOffsets,
                            Rule12SeekFindsWhatReadingEverythingFinds,
                            Rule12SeekIsLostWhereRecordsAboveItMayHaveLeft);

}  // namespace tidegate::log
