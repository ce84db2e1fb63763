#include <algorithm>
#include <random>

#include "base/testing.h"
#include "kafka/log.h"
#include "kafka/test_broker.h"
#include "log/bisect.h"
#include "log/conformance.h"

namespace tidegate::kafka {
namespace {

using log::Headers;

/// Four reigns that are far longer than the window in which a seek reads everything. Each streams again some
/// of what the one before did, and a matcher that doesn't know yet that it was fenced off writes among the
/// first records of the next.
std::vector<Headers> long_reigns(std::mt19937_64& random) {
  std::vector<Headers> log;
  std::uint64_t lsn = 10'000;
  for (std::int64_t generation = 10; generation < 50; generation += 10) {
    lsn -= random() % 800;
    for (std::uint64_t i = 0, count = 2000 + random() % 3000; i < count; ++i) {
      lsn += random() % 3;
      log.push_back({.lsn = Lsn(lsn), .generation = Generation(generation)});
      if (random() % 20 == 0) log.back().lsn.reset();
      if (generation > 10 && i < 40 && random() % 3 == 0) {
        log.push_back({.lsn = Lsn(lsn + random() % 50), .generation = Generation(generation - 10)});
      }
    }
  }
  return log;
}

TEST(KafkaSeek, Rule12OnALongLogItFindsWhatReadingEverythingFinds) {
  const auto seed = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const auto headers = long_reigns(random);
  const auto log = good(KafkaLog::open(options_for({created_topic()})));
  const auto appender = good(log->open_appender());
  for (const Headers& of : headers) {
    good(appender->append({.partition = Partition(0), .key = "k", .value = "v", .headers = of}));
  }
  good(appender->flush(log::kPatience));
  for (int i = 0; i < 25; ++i) {
    const Generation generation(static_cast<std::int64_t>(random() % 55));
    const Lsn lsn(9'000 + random() % 20'000);
    ASSERT_EQ(good(log->seek(Partition(0), generation, lsn)), log::brute_force(headers, generation, lsn))
        << "generation " << generation.value() << ", lsn " << lsn.value();
  }
  const Offset end(static_cast<std::int64_t>(headers.size()));
  EXPECT_EQ(good(log->seek(Partition(0), Generation(99), Lsn(0))), end) << "no such generation yet";
  EXPECT_EQ(good(log->seek(Partition(0), Generation(0), Lsn(1'000'000))), end) << "nothing is above it";
  // Not always offset 0: the first record may be one without a place.
  EXPECT_EQ(good(log->seek(Partition(0), Generation(0), Lsn(0))),
            log::brute_force(headers, Generation(0), Lsn(0)));
}

std::string big_endian(std::uint64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

TEST(KafkaSeek, Rule12ItPassesOverGapsAndRecordsWithoutAPlace) {
  const auto seed = test_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const std::string topic = created_topic();
  rig::KafkaProducer producer(broker().brokers(), topic + "-writer");
  std::uint64_t lsn = 100;
  for (int transaction = 0; transaction < 60; ++transaction) {
    producer.begin();
    for (auto i = random() % 12; i > 0; --i) {
      rig::KafkaRecord record{.topic = topic, .key = "k", .value = "v"};
      if (random() % 4 != 0) record.headers = {{"gen", big_endian(1)}, {"lsn", big_endian(++lsn)}};
      producer.produce(record);
    }
    if (random() % 3 == 0) {
      producer.flush();
      producer.abort();
      continue;
    }
    producer.commit();
  }
  producer.begin();
  producer.produce({.topic = topic,
                    .key = "k",
                    .value = "v",
                    .headers = {{"gen", big_endian(1)}, {"lsn", big_endian(++lsn)}}});
  producer.commit();
  const auto log = good(KafkaLog::open(options_for({topic})));
  const auto reader = good(log->open_reader({{Partition(0), Offset(0)}}));
  std::vector<std::pair<Lsn, Offset>> places;
  while (places.empty() || places.back().first != Lsn(lsn)) {
    const auto batch = good(reader->read(log::kPatience, log::kPlenty));
    ASSERT_FALSE(batch.records.empty());
    for (const log::Record& record : batch.records) {
      if (record.headers.lsn) places.emplace_back(*record.headers.lsn, record.offset);
    }
  }
  for (int i = 0; i < 25; ++i) {
    const Lsn wanted(95 + random() % (lsn - 90));
    const auto found =
        std::find_if(places.begin(), places.end(), [&](const auto& of) { return of.first > wanted; });
    const Offset expected = found == places.end() ? good(log->watermarks(Partition(0))).end : found->second;
    ASSERT_EQ(good(log->seek(Partition(0), Generation(1), wanted)), expected) << wanted.value();
  }
}

TEST(KafkaSeek, OnAnEmptyLogItIsTheEnd) {
  const auto log = good(KafkaLog::open(options_for({created_topic()})));
  EXPECT_EQ(good(log->seek(Partition(0), Generation(1), Lsn(5))), Offset(0));
}

TEST(KafkaSeek, ALogThatNobodyManagesHasNoPlaces) {
  const std::string topic = created_topic();
  rig::KafkaProducer producer(broker().brokers());
  for (int i = 0; i < 10; ++i) producer.produce({.topic = topic, .key = "k", .value = "v"});
  producer.flush();
  const auto log = good(KafkaLog::open(options_for({topic})));
  EXPECT_EQ(good(log->seek(Partition(0), Generation(0), Lsn(0))), Offset(10));
}

}  // namespace
}  // namespace tidegate::kafka
