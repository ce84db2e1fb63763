#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "registry/registry.h"

/// What every `registry::Registry` must do. An implementation's test instantiates the suite with a world:
///   `Registry& open()`: a registry on a new, empty control log, once a world;
///   `Registry& again()`: another one on the same log (the same one where the log is the process's own).
namespace tidegate::registry {

inline constexpr auto kPatience =
    std::chrono::seconds(60);  // for what must happen; a test that waits it out fails

/// What a follower was given, to be waited for.
class Collected {
 public:
  Registry::OnEntry on_entry() {
    return [this](const Entry& entry) {
      std::lock_guard lock(mutex_);
      entries_.push_back(entry);
      changed_.notify_all();
    };
  }
  Registry::OnCaughtUp on_caught_up() {
    return [this] {
      std::lock_guard lock(mutex_);
      ++caught_up_;
      entries_before_ = entries_.size();
      changed_.notify_all();
    };
  }
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return condition(entries_, caught_up_); });
  }
  bool wait_for(std::size_t count) {
    return wait([count](const auto& entries, int) { return entries.size() >= count; });
  }
  bool wait_for_caught_up() {
    return wait([](const auto&, int caught_up) { return caught_up > 0; });
  }
  bool wait_for_offset(Offset offset) {
    return wait(
        [offset](const auto& entries, int) { return !entries.empty() && entries.back().offset >= offset; });
  }
  std::vector<Entry> entries() {
    std::lock_guard lock(mutex_);
    return entries_;
  }
  /// How many entries had come when the follower caught up.
  std::size_t entries_before() {
    std::lock_guard lock(mutex_);
    return entries_before_;
  }
  int caught_up() {
    std::lock_guard lock(mutex_);
    return caught_up_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Entry> entries_;
  std::size_t entries_before_ = 0;
  int caught_up_ = 0;
};

/// The last record of each key.
inline std::map<std::string, ControlRecord> content(const std::vector<Entry>& entries) {
  std::map<std::string, ControlRecord> last;
  for (const Entry& entry : entries) last.insert_or_assign(control_key(entry.record), entry.record);
  return last;
}

inline Checkpoint checkpoint(std::int32_t partition, std::uint64_t lsn) {
  return {Partition(partition), Generation(1), Offset(static_cast<std::int64_t>(lsn)), Lsn(lsn)};
}

/// Appends and waits for the offset.
inline Offset append_and_wait(Registry& registry, ControlRecord record) {
  std::mutex mutex;
  std::condition_variable stored;
  std::optional<Result<Offset>> result;
  registry.append(std::move(record), [&](Result<Offset> offset) {
    std::lock_guard lock(mutex);
    result = std::move(offset);
    stored.notify_all();
  });
  std::unique_lock lock(mutex);
  const bool done = stored.wait_for(lock, kPatience, [&] { return result.has_value(); });
  if (!done || !result->ok()) {
    ADD_FAILURE() << (done ? result->error().message : "an append was never answered");
    if (!done) std::abort();  // the callback would write into a frame that is gone
    return Offset(-1);
  }
  return **result;
}

template <class World>
class RegistryConformance : public testing::Test {
 protected:
  static std::unique_ptr<Following> follow(Registry& registry, Collected& collected) {
    auto following = registry.follow(collected.on_entry(), collected.on_caught_up());
    EXPECT_TRUE(following.ok()) << (following.ok() ? "" : following.error().message);
    return std::move(*following);
  }
  World world_;
};
TYPED_TEST_SUITE_P(RegistryConformance);

TYPED_TEST_P(RegistryConformance, AnEmptyLogIsCaughtUpAtOnceAndThenFollowed) {
  Registry& registry = this->world_.open();
  Collected collected;
  auto following = this->follow(registry, collected);
  ASSERT_TRUE(collected.wait_for_caught_up());
  EXPECT_TRUE(collected.entries().empty());
  const Offset offset = append_and_wait(registry, MatcherStart{77});
  ASSERT_TRUE(collected.wait_for(1));
  const Entry entry = collected.entries()[0];
  EXPECT_EQ(entry.offset, offset) << "a matcher's generation is this offset, for itself and for others";
  EXPECT_EQ(std::get<MatcherStart>(entry.record).process, 77U);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!following->at_end() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(following->at_end());
  EXPECT_EQ(collected.caught_up(), 1);
}

TYPED_TEST_P(RegistryConformance, AFollowerGetsTheContentThenCaughtUpThenWhatIsAppended) {
  Registry& registry = this->world_.open();
  for (std::uint64_t i = 1; i <= 10; ++i)
    append_and_wait(registry, checkpoint(static_cast<std::int32_t>(i % 3), i));
  Collected collected;
  auto following = this->follow(this->world_.again(), collected);
  ASSERT_TRUE(collected.wait_for_caught_up());
  const auto before = collected.entries();
  ASSERT_EQ(before.size(), collected.entries_before());
  const auto known = content(before);
  ASSERT_EQ(known.size(), 3U);
  EXPECT_EQ(std::get<Checkpoint>(known.at("checkpoint/0")), checkpoint(0, 9));
  EXPECT_EQ(std::get<Checkpoint>(known.at("checkpoint/1")), checkpoint(1, 10));
  EXPECT_EQ(std::get<Checkpoint>(known.at("checkpoint/2")), checkpoint(2, 8));
  const Offset last = append_and_wait(registry, checkpoint(0, 11));
  ASSERT_TRUE(collected.wait_for_offset(last));
  EXPECT_EQ(std::get<Checkpoint>(collected.entries().back().record), checkpoint(0, 11));
}

TYPED_TEST_P(RegistryConformance, EveryTypeOfRecordComesBack) {
  Registry& registry = this->world_.open();
  const std::vector<ControlRecord> records = {
      EpochBound{Epoch(0xfedcba9876543210), {"7281934", 3, "shop"}, "tidegate", 8},
      MatcherStart{0xffffffffffffffff},
      GenerationFence{Partition(2), Generation(5), Offset(1234567890123)},
      Checkpoint{Partition(1), Generation(5), Offset(9), Lsn(0xffffffffffffffff)},
      Lease{Incarnation(9), false},
      Registration{Incarnation(9), "acme/orders/0011", "SELECT \"ä\" …", false},
      ActivationRecord{"acme/orders/0011", Activation(0x8000000000000000), false},
      ActivationRecord{"acme/orders/0011", Activation(0x8000000000000000), true},
      Registration{Incarnation(9), "acme/orders/0011", "", true},
      Lease{Incarnation(9), true}};
  Collected collected;
  auto following = this->follow(registry, collected);
  for (const ControlRecord& record : records) registry.append(record, {});
  ASSERT_TRUE(collected.wait_for(records.size()));
  const auto entries = collected.entries();
  for (std::size_t i = 0; i < records.size(); ++i) EXPECT_EQ(entries[i].record, records[i]) << "record " << i;
}

TYPED_TEST_P(RegistryConformance, ManyThreadsAppendAndAllFollowersSeeOneOrder) {
  constexpr int kThreads = 4;
  constexpr std::uint64_t kEach = 200;
  Registry& registry = this->world_.open();
  Collected one;
  Collected other;
  auto first = this->follow(registry, one);
  auto second = this->follow(this->world_.again(), other);
  std::atomic<int> answered = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 1; i <= kEach; ++i) {
        registry.append(checkpoint(thread, i),
                        [&](const Result<Offset>& offset) { ++(offset.ok() ? answered : refused); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(one.wait_for(kThreads * kEach));
  ASSERT_TRUE(other.wait_for(kThreads * kEach));
  const auto entries = one.entries();
  const auto others = other.entries();
  std::map<Partition, std::uint64_t> last;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].offset, others[i].offset);
    EXPECT_EQ(entries[i].record, others[i].record);
    EXPECT_LT(i == 0 ? Offset(-1) : entries[i - 1].offset, entries[i].offset);
    const auto& record = std::get<Checkpoint>(entries[i].record);
    EXPECT_EQ(record.lsn.value(), ++last[record.partition]) << "each thread's order is kept";
  }
  append_and_wait(registry, MatcherStart{1});
  EXPECT_EQ(answered, kThreads * static_cast<int>(kEach)) << "answers come in order, so all are there";
  EXPECT_EQ(refused, 0);
}

TYPED_TEST_P(RegistryConformance, ACallbackMayAppendAndFollow) {
  Registry& registry = this->world_.open();
  Collected collected;
  Collected inner;
  std::unique_ptr<Following> nested;
  auto following = registry.follow(
      [&, on_entry = collected.on_entry()](const Entry& entry) {
        const auto* record = std::get_if<Checkpoint>(&entry.record);
        if (record != nullptr && record->partition == Partition(0) && record->lsn < Lsn(5)) {
          registry.append(checkpoint(0, record->lsn.value() + 1),
                          [&](const Result<Offset>&) { registry.append(checkpoint(1, 1), {}); });
        }
        if (!nested) nested = this->follow(registry, inner);
        on_entry(entry);
      },
      collected.on_caught_up());
  registry.append(checkpoint(0, 1), {});
  ASSERT_TRUE(collected.wait_for(9)) << "five, and one for each of the four answers";
  EXPECT_EQ(std::get<Checkpoint>(content(collected.entries()).at("checkpoint/0")).lsn, Lsn(5));
  ASSERT_TRUE(inner.wait_for_offset(collected.entries().back().offset));
  EXPECT_EQ(content(inner.entries()), content(collected.entries()));
  following = Error{};  // ends it, and with it the use of `nested`
}

TYPED_TEST_P(RegistryConformance, NoCallbackRunsAfterTheFollowingHasEnded) {
  Registry& registry = this->world_.open();
  Collected collected;
  std::atomic<bool> ended = false;
  std::atomic<int> late = 0;
  auto following = registry.follow([&](const Entry&) { late += ended ? 1 : 0; }, {});
  auto witness = this->follow(registry, collected);
  std::thread other([&] {
    for (std::uint64_t i = 0; i < 100; ++i) registry.append(checkpoint(0, i), {});
  });
  ASSERT_TRUE(collected.wait_for(1));
  following = Error{};
  ended = true;
  other.join();
  ASSERT_TRUE(collected.wait_for(100)) << "the other follower goes on";
  EXPECT_EQ(late, 0);
}

TYPED_TEST_P(RegistryConformance, ALateFollowerNeedNotHearOfWhatIsOverButMustNotTakeItForOpen) {
  Registry& registry = this->world_.open();
  registry.append(Lease{Incarnation(1), false}, {});
  registry.append(Lease{Incarnation(2), false}, {});
  registry.append(Registration{Incarnation(1), "a", "q", false}, {});
  registry.append(Registration{Incarnation(1), "a", "", true}, {});
  registry.append(Lease{Incarnation(1), true}, {});
  append_and_wait(registry, ActivationRecord{"a", Activation(1), false});
  Collected collected;
  auto following = this->follow(this->world_.again(), collected);
  ASSERT_TRUE(collected.wait_for_caught_up());
  std::vector<std::string> open;
  for (const auto& [key, record] : content(collected.entries())) {
    if (!ends_its_key(record)) open.push_back(key);
  }
  EXPECT_EQ(open, (std::vector<std::string>{"activation/a", "lease/0000000000000002"}));
}

REGISTER_TYPED_TEST_SUITE_P(RegistryConformance, AnEmptyLogIsCaughtUpAtOnceAndThenFollowed,
                            AFollowerGetsTheContentThenCaughtUpThenWhatIsAppended, EveryTypeOfRecordComesBack,
                            ManyThreadsAppendAndAllFollowersSeeOneOrder, ACallbackMayAppendAndFollow,
                            NoCallbackRunsAfterTheFollowingHasEnded,
                            ALateFollowerNeedNotHearOfWhatIsOverButMustNotTakeItForOpen);

}  // namespace tidegate::registry
