// Invariants: a mailbox keeps each producer's order, loses nothing that it took, and never holds more bytes
// than its bound (but for one item that alone is above it).
#include "base/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/owner_thread.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

TEST(MailboxTest, GivesEverythingInOrderAndIsEmptyThen) {
  Mailbox<int> box(100);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(box.post(i, 1));
  EXPECT_EQ(box.take(), (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(box.take().empty());
  EXPECT_TRUE(box.wait(0ms).empty());
}

TEST(MailboxTest, RefusesWhatDoesNotFitAndTakesItOnceThereIsRoom) {
  Mailbox<int> box(10);
  EXPECT_TRUE(box.post(1, 6));
  EXPECT_FALSE(box.post(2, 5));
  EXPECT_TRUE(box.post(3, 4)) << "exactly full";
  EXPECT_FALSE(box.post(4, 1));
  EXPECT_EQ(box.take(), (std::vector<int>{1, 3}));
  EXPECT_TRUE(box.post(2, 10));
  EXPECT_EQ(box.wait(0ms), (std::vector<int>{2})) << "waiting frees the bytes too";
  EXPECT_TRUE(box.post(5, 10));
}

TEST(MailboxTest, TakesAnItemAboveTheBoundOnlyWhenEmpty) {
  Mailbox<int> box(10);
  EXPECT_TRUE(box.post(1, 1'000));
  EXPECT_FALSE(box.post(2, 0 + 1));
  EXPECT_EQ(box.take().size(), 1u);
  EXPECT_TRUE(box.post(3, 1));
  EXPECT_FALSE(box.post(4, 1'000));
}

TEST(MailboxTest, TellsOfEveryPostThatItTookAndOfNoOther) {
  int told = 0;
  Mailbox<int> box(2);
  box.set_on_post([&] { ++told; });
  EXPECT_TRUE(box.post(1, 2));
  EXPECT_FALSE(box.post(2, 1));
  EXPECT_EQ(told, 1);
}

TEST(MailboxTest, HoldsThingsThatCanOnlyBeMoved) {
  Mailbox<std::unique_ptr<int>> box(100);
  EXPECT_TRUE(box.post(std::make_unique<int>(7)));
  EXPECT_EQ(*box.take().at(0), 7);
}

TEST(MailboxTest, WakesAConsumerThatWaits) {
  Mailbox<int> box(100);
  std::thread producer([&] { EXPECT_TRUE(box.post(1, 1)); });
  std::vector<int> got;
  while (got.empty()) got = box.wait(60s);
  EXPECT_EQ(got, std::vector<int>{1});
  producer.join();
}

TEST(MailboxTest, LosesNothingAndStaysBoundedUnderManyProducers) {
  constexpr std::size_t kBound = 64;
  constexpr int kProducers = 4;
  constexpr int kEach = 5'000;
  Mailbox<std::pair<int, int>> box(kBound);
  std::atomic<int> refused{0};
  std::vector<std::thread> producers;
  for (int producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&, producer] {
      for (int i = 0; i < kEach; ++i) {
        while (!box.post({producer, i}, 4)) {
          ++refused;
          std::this_thread::yield();
        }
      }
    });
  }
  std::vector<int> next(kProducers, 0);
  for (int left = kProducers * kEach; left > 0;) {
    const auto got = box.wait(60s);
    ASSERT_LE(got.size(), kBound / 4);
    for (const auto& [producer, i] : got) ASSERT_EQ(i, next[static_cast<std::size_t>(producer)]++);
    left -= static_cast<int>(got.size());
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_TRUE(box.take().empty());
}

TEST(OwnerThreadDeathTest, NamesAThreadThatDoesNotOwn) {
  OwnerThread owner;
  owner.check();
  owner.check();
  EXPECT_DEBUG_DEATH(std::thread([&] { owner.check(); }).join(), "does not own");
  owner.release();
  std::thread([&] { owner.check(); }).join();
}

}  // namespace
}  // namespace tidegate
