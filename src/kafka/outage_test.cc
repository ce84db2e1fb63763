// The broker dies, with SIGKILL, under everything that uses it.

#include <sys/resource.h>

#include <map>
#include <mutex>
#include <thread>

#include "kafka/log.h"
#include "kafka/registry.h"
#include "kafka/setup.h"
#include "kafka/test_broker.h"
#include "log/conformance.h"
#include "registry/conformance.h"

namespace tidegate::kafka {
namespace {

using namespace std::chrono_literals;
using log::kPlenty;
using log::record_of;

/// Waits for a condition over numbers that other threads change.
class Watched {
 public:
  template <class Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  template <class Condition>
  bool wait(Condition condition, std::chrono::seconds patience = 120s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

/// Follows all of three partitions over every outage; what it saw.
struct Follower {
  Watched watched;
  std::map<Partition, std::vector<std::string>> values;
  std::size_t count = 0;
  int outages = 0;

  void follow(log::Reader& reader, std::size_t until) {
    auto came = std::chrono::steady_clock::now();
    while (count < until) {
      if (seconds_since(came) > 180) {
        ADD_FAILURE() << count << " of " << until << " came, then nothing for three minutes";
        return;
      }
      const auto batch = reader.read(500ms, kPlenty);
      if (batch.ok() && !batch->records.empty()) came = std::chrono::steady_clock::now();
      watched.change([&] {
        if (!batch.ok()) {
          EXPECT_EQ(batch.error().fault, Fault::unavailable) << batch.error().message;
          ++outages;
          return;
        }
        for (const log::Record& record : batch->records) {
          values[record.partition].emplace_back(record.value);
          ++count;
        }
      });
    }
  }
};

TEST(KafkaOutage, ABrokerThatDiesAmidAppendsAndReadsLosesAndDoublesNothing) {
  constexpr int kCount = 30'000;
  const auto log = good(KafkaLog::open(options_for({created_topic(3)})));
  const auto reader = good(
      log->open_reader({{Partition(0), Offset(0)}, {Partition(1), Offset(0)}, {Partition(2), Offset(0)}}));
  Follower follower;
  std::thread reading([&] { follower.follow(*reader, kCount); });
  const auto appender = good(log->open_appender());
  Watched sent;
  int count = 0;
  bool down = false;
  std::thread appending([&] {
    for (int i = 0; i < kCount; ++i) {
      EXPECT_TRUE(appender->append(record_of(Partition(i % 3), "k", std::to_string(i))).ok());
      sent.change([&] { ++count; });
      // The second half meets a broker that is surely gone.
      if (i == kCount / 2) {
        EXPECT_TRUE(sent.wait([&] { return down; }));
      }
    }
  });
  EXPECT_TRUE(follower.watched.wait([&] { return follower.count > 1000; }));
  {
    Outage outage;
    sent.change([&] { down = true; });
    EXPECT_TRUE(follower.watched.wait([&] { return follower.outages > 0; })) << "a reader says so";
    EXPECT_TRUE(sent.wait([&] { return count == kCount; })) << "what fits the queue is taken meanwhile";
    EXPECT_LT(appender->acknowledged(), static_cast<std::uint64_t>(kCount));
    EXPECT_EQ(appender->flush(10ms).error().fault, Fault::unavailable);
  }
  appending.join();
  EXPECT_TRUE(appender->flush(120s).ok());
  EXPECT_FALSE(appender->failure().has_value());
  EXPECT_EQ(appender->acknowledged(), static_cast<std::uint64_t>(kCount));
  reading.join();
  for (int partition = 0; partition < 3; ++partition) {
    const auto& values = follower.values[Partition(partition)];
    for (std::size_t i = 0, n = 0; i < kCount / 3 && n < 5; ++i) {
      const std::string wanted = std::to_string(static_cast<int>(i) * 3 + partition);
      if (i < values.size() && values[i] == wanted) continue;
      ADD_FAILURE() << "partition " << partition << " place " << i << " of " << values.size() << " wanted "
                    << wanted << " is " << (i < values.size() ? values[i] : "nothing") << ", end "
                    << good(log->watermarks(Partition(partition))).end.value();
      ++n;
    }
  }
  for (int partition = 0; partition < 3; ++partition) {
    const auto& values = follower.values[Partition(partition)];
    ASSERT_EQ(values.size(), static_cast<std::size_t>(kCount / 3));
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(values[i], std::to_string(static_cast<int>(i) * 3 + partition));
    }
    EXPECT_EQ(good(log->watermarks(Partition(partition))).end, Offset(kCount / 3)) << "nor a hidden double";
  }
}

TEST(KafkaOutage, AppendBlocksWhereItsQueueIsFullAndGoesOnAfterwards) {
  constexpr std::size_t kValue = 10'000;
  constexpr std::uint64_t kCount = 400;
  Options options = options_for({created_topic()});
  options.queue_bytes_max = 100 * kValue;
  const auto log = good(KafkaLog::open(options));
  const auto appender = good(log->open_appender());
  Watched sent;
  std::uint64_t count = 0;
  Outage outage;
  std::thread appending([&] {
    for (std::uint64_t i = 0; i < kCount; ++i) {
      const auto number = appender->append(record_of(Partition(0), "k", std::string(kValue, 'x')));
      EXPECT_TRUE(number.ok());
      EXPECT_LE(*number - appender->acknowledged(), 104U) << "more than the queue may hold";
      sent.change([&] { ++count; });
    }
  });
  EXPECT_TRUE(sent.wait([&] { return count >= 95; }));
  EXPECT_EQ(appender->acknowledged(), 0U);
  outage.end();
  appending.join();
  EXPECT_TRUE(appender->flush(120s).ok());
  EXPECT_EQ(appender->acknowledged(), kCount);
}

TEST(KafkaOutage, WhatWasFetchedIsReadWhileNobodyAnswersQuestions) {
  constexpr int kCount = 2'000;
  Options options = options_for({created_topic()});
  options.partitions_checked_every = 0ms;  // so that each read has something to ask
  options.stalled_after = 0ms;
  const auto log = good(KafkaLog::open(options));
  const auto appender = good(log->open_appender());
  for (int i = 0; i < kCount; ++i) good(appender->append(record_of(Partition(0), "k", std::to_string(i))));
  good(appender->flush(120s));
  const auto reader = good(log->open_reader({{Partition(0), Offset(0)}}));
  EXPECT_EQ(log::read_some(*reader, 1, 1).size(), 1U) << "the rest has come with it";
  const Outage outage;
  // One a read. If each waited for what it asks, no patience would do.
  const auto read = log::read_some(*reader, kCount - 1, 1);
  ASSERT_EQ(read.size(), static_cast<std::size_t>(kCount - 1));
  EXPECT_EQ(read.back().value, std::to_string(kCount - 1));
}

/// How often this thread has waited for something.
std::int64_t waits() {
  rusage usage{};
  EXPECT_EQ(::getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_nvcsw;
}

TEST(KafkaOutage, ReachableTellsWhetherABrokerAnswersAndNeverWaits) {
  const auto log = good(KafkaLog::open(options_for({created_topic()})));
  EXPECT_TRUE(log->reachable().ok());
  std::int64_t asked = 0;
  std::int64_t waited = 0;
  const auto until_it_is = [&](bool wanted) {
    const std::int64_t before = waits();
    const auto begin = std::chrono::steady_clock::now();
    while (++asked, log->reachable().ok() != wanted && seconds_since(begin) < 120) std::this_thread::yield();
    waited += waits() - before;
    return log->reachable();
  };
  {
    Outage outage;
    const Status down = until_it_is(false);
    ASSERT_FALSE(down.ok());
    EXPECT_TRUE(is(down.error(), Fault::unavailable, {broker().brokers()}));
    EXPECT_EQ(log->watermarks(Partition(0)).error().fault, Fault::unavailable);
  }
  EXPECT_TRUE(until_it_is(true).ok());
  // But now and then for its lock, for an instant.
  EXPECT_LT(waited, asked / 100) << asked;
}

TEST(KafkaOutage, WithoutABrokerOpenIsUnavailableInTimeAndNamesIt) {
  const Options options = nobody({"topic"});
  const auto begin = std::chrono::steady_clock::now();
  const auto log = KafkaLog::open(options);
  ASSERT_FALSE(log.ok());
  EXPECT_TRUE(is(log.error(), Fault::unavailable, {options.brokers}));
  const auto registry = KafkaRegistry::open(options);
  ASSERT_FALSE(registry.ok());
  EXPECT_TRUE(is(registry.error(), Fault::unavailable, {options.brokers}));
  EXPECT_LT(seconds_since(begin), kInTime);
}

TEST(KafkaOutage, AnAppenderOpenedMeanwhileDeliversAfterwards) {
  Options options = options_for({created_topic()});
  options.answer_timeout = 300ms;
  const auto log = good(KafkaLog::open(options));
  std::unique_ptr<log::Appender> appender;
  {
    Outage outage;
    appender = good(log->open_appender());
    EXPECT_EQ(good(appender->append(record_of(Partition(0), "k", "v"))), 1U);
  }
  EXPECT_TRUE(appender->flush(120s).ok());
  EXPECT_EQ(good(log->watermarks(Partition(0))).end, Offset(1));
}

TEST(KafkaOutage, AnAppenderLeavesInTimeWithWhatIsNotAcknowledged) {
  const auto log = good(KafkaLog::open(options_for({created_topic()})));
  auto appender = good(log->open_appender());
  Outage outage;
  std::atomic<int> acknowledged = 0;
  for (int i = 0; i < 10; ++i) {
    good(appender->append(record_of(Partition(0), "k", "v"), [&](Offset) { ++acknowledged; }));
  }
  const auto begin = std::chrono::steady_clock::now();
  appender.reset();
  EXPECT_LT(seconds_since(begin), kInTime);
  EXPECT_EQ(acknowledged, 0) << "what may be lost was never said to be stored";
}

TEST(KafkaOutage, Rule15AFollowerIsNotAtTheEndWhileNobodyAnswersAndCatchesUp) {
  const std::string topic = new_topic();
  good(setup(options_for({topic}), {.partitions = 1}, [](const std::string&) {}));
  auto registry = good(KafkaRegistry::open(options_for({topic})));
  registry::append_and_wait(*registry, registry::checkpoint(0, 1));
  registry::Collected collected;
  const auto following = good(registry->follow(collected.on_entry(), collected.on_caught_up()));
  const auto until_it_is = [&](bool wanted) {
    const auto begin = std::chrono::steady_clock::now();
    while (following->at_end() != wanted && seconds_since(begin) < 120) std::this_thread::yield();
    return following->at_end() == wanted;
  };
  EXPECT_TRUE(until_it_is(true));
  std::atomic<bool> stored = false;
  {
    Outage outage;
    EXPECT_TRUE(until_it_is(false));
    registry->append(registry::checkpoint(0, 2), [&](const Result<Offset>& offset) { stored = offset.ok(); });
  }
  ASSERT_TRUE(collected.wait_for(2)) << "what was appended meanwhile";
  EXPECT_TRUE(until_it_is(true));
  EXPECT_EQ(collected.entries().size(), 2U);
  EXPECT_EQ(collected.caught_up(), 1);
  registry.reset();
  EXPECT_TRUE(stored);
}

// Everything that other tests have stored is gone, too: each has topics of its own.
TEST(KafkaOutage, Rule10ABrokerThatLostItsDiskIsNotTakenForTheOneBefore) {
  const std::string topic = new_topic();
  good(setup(options_for({topic}), {.partitions = 1}, [](const std::string&) {}));
  auto registry = good(KafkaRegistry::open(options_for({topic})));
  for (std::uint64_t i = 0; i < 10; ++i) registry::append_and_wait(*registry, registry::checkpoint(0, i));
  registry::Collected collected;
  const auto following = good(registry->follow(collected.on_entry(), collected.on_caught_up()));
  ASSERT_TRUE(collected.wait_for_caught_up());
  broker().kill();
  broker().lose_disk();
  broker().start();
  const auto begin = std::chrono::steady_clock::now();
  while (!following->failure() && seconds_since(begin) < 120) std::this_thread::yield();
  ASSERT_TRUE(following->failure());
  EXPECT_TRUE(is(*following->failure(), Fault::lost, {control_topic(topic), "tidegate setup --kafka"}));
  EXPECT_EQ(KafkaRegistry::open(options_for({topic})).error().fault, Fault::not_found)
      << "and nobody made it by asking";
}

}  // namespace
}  // namespace tidegate::kafka
