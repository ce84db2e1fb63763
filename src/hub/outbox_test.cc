#include "hub/outbox.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <string>

#include "base/testing.h"

namespace tidegate::hub {
namespace {

std::string contents(const Outbox& outbox) {
  std::array<iovec, 64> pieces{};
  const std::size_t count = outbox.gather(pieces.data(), pieces.size());
  std::string all;
  for (std::size_t i = 0; i < count; ++i)
    all.append(static_cast<char*>(pieces[i].iov_base), pieces[i].iov_len);
  return all;
}

TEST(Outbox, gives_what_was_pushed_in_order) {
  auto shared = std::make_shared<const std::string>("shared bytes");
  Outbox outbox;
  outbox.push("one ");
  {
    const HeldReference held(shared);
    outbox.push_shared(held.get(), std::string_view(*shared).substr(0, 6));
  }
  outbox.push(" two");
  EXPECT_EQ(contents(outbox), "one shared two");
  EXPECT_EQ(outbox.bytes(), 14u);
}

TEST(Outbox, joins_neighbouring_shared_bytes_into_one_entry) {
  auto shared = std::make_shared<const std::string>("abcdef");
  const HeldReference held(shared);
  Outbox outbox;
  outbox.push_shared(held.get(), std::string_view(*shared).substr(0, 2));
  outbox.push_shared(held.get(), std::string_view(*shared).substr(2, 2));
  outbox.push_shared(held.get(), std::string_view(*shared).substr(5, 1));  // not a neighbour
  std::array<iovec, 8> pieces{};
  EXPECT_EQ(outbox.gather(pieces.data(), pieces.size()), 2u);
  EXPECT_EQ(contents(outbox), "abcdf");
}

TEST(Outbox, goes_on_in_the_middle_of_an_entry_that_was_half_written) {
  Outbox outbox;
  outbox.push("hello");
  outbox.push("world");
  outbox.consume(7);
  EXPECT_EQ(contents(outbox), "rld");
  EXPECT_EQ(outbox.written(), 7u);
  EXPECT_EQ(outbox.pushed(), 10u);
  outbox.consume(3);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, rule_26_lets_go_of_shared_bytes_when_they_are_written) {
  auto shared = std::make_shared<const std::string>("abc");
  std::weak_ptr<const std::string> watch = shared;
  Outbox outbox;
  {
    const HeldReference held(shared);
    outbox.push_shared(held.get(), *shared);
  }
  shared.reset();
  EXPECT_FALSE(watch.expired());
  outbox.consume(3);
  EXPECT_TRUE(watch.expired());
}

TEST(Outbox, rule_26_lets_go_of_everything_when_the_session_ends) {
  auto shared = std::make_shared<const std::string>("abc");
  std::weak_ptr<const std::string> watch = shared;
  {
    Outbox outbox;
    const HeldReference held(shared);
    outbox.push("x");
    outbox.push_shared(held.get(), *shared);
    outbox.consume(2);
  }
  shared.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(Outbox, rule_26_what_is_dropped_counts_as_written_when_all_before_it_is) {
  auto batch = std::make_shared<feed::FrameBatch>();
  batch->bytes = "frameframe";
  batch->number = 3;
  batch->frames.resize(2);
  batch->frames[0].slices[0] = {0, 5};
  batch->frames[1].slices[0] = {5, 5};
  Outbox outbox;
  outbox.push("one");
  {
    const HeldReference held(std::shared_ptr<const feed::FrameBatch>{batch});
    outbox.push_shared(held.get(), batch->bytes, {Piece::Kind::frame, SubscriptionId(1)});
  }
  outbox.push("two");
  const std::uint64_t mark = outbox.pushed();
  outbox.push("three");
  EXPECT_EQ(outbox.oldest_batch(), 3u);
  const auto cuts = outbox.drop_frames();
  ASSERT_EQ(cuts.size(), 1u);
  EXPECT_EQ(cuts[0].owner, SubscriptionId(1));
  EXPECT_EQ(outbox.oldest_batch(), Outbox::kNoBatch);
  EXPECT_EQ(batch.use_count(), 1);
  EXPECT_EQ(outbox.bytes(), 11u);
  EXPECT_EQ(contents(outbox), "onetwothree");
  std::array<iovec, 8> pieces{};
  std::size_t up_to_mark = 0;
  for (std::size_t i = 0; i < outbox.gather(pieces.data(), pieces.size(), mark); ++i)
    up_to_mark += pieces[i].iov_len;
  EXPECT_EQ(up_to_mark, 6u) << "what stands behind a Close must not be sent";
  outbox.consume(6);
  EXPECT_EQ(outbox.written(), mark);
  outbox.consume(5);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, random_pushes_and_writes_lose_and_reorder_nothing) {
  const std::uint32_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  auto shared = std::make_shared<const std::string>(std::string(1000, 's'));
  const HeldReference held(shared);
  Outbox outbox;
  std::string expected;
  std::string written;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0) {
      std::string bytes(random() % 20, static_cast<char>('a' + random() % 26));
      expected += bytes;
      outbox.push(std::move(bytes));
    } else if (random() % 2 == 0) {
      const std::size_t at = random() % 900;
      const auto piece = std::string_view(*shared).substr(at, random() % 100);
      expected += piece;
      outbox.push_shared(held.get(), piece);
    } else {
      const std::string front = contents(outbox);
      const std::size_t take = front.empty() ? 0 : random() % (front.size() + 1);
      written += front.substr(0, take);
      outbox.consume(take);
    }
  }
  while (!outbox.empty()) {
    const std::string front = contents(outbox);
    written += front;
    outbox.consume(front.size());
  }
  EXPECT_EQ(written, expected);
}

}  // namespace
}  // namespace tidegate::hub
