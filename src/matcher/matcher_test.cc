// The loop on a thread of its own, with the real clock: woken by what others say, ended by what it can't go
// on with.

#include "matcher/matcher.h"

#include <gtest/gtest.h>

#include <thread>

#include "matcher/reign_testing.h"

namespace tidegate::matcher {
namespace {

class MatcherTest : public testing::Test {
 protected:
  Parts parts() { return {world_.stream, world_.catalogue, world_.log, registry_, clock_, world_.metrics}; }
  /// Reads until a record of that kind comes.
  log::Headers await(log::Kind kind) {
    auto reader = world_.log.open_reader({{Partition(0), next_}});
    for (;;) {
      auto batch = (*reader)->read(std::chrono::seconds(10), 1 << 20);
      if (!batch || batch->records.empty()) return {};
      for (const auto& each : batch->records) {
        next_ = each.offset.next();
        if (each.headers.kind == kind) return each.headers;
      }
    }
  }
  World world_;
  SystemClock clock_;
  registry::DirectRegistry registry_;
  Offset next_{0};
};

TEST_F(MatcherTest, ARegistrationIsAnsweredAndACommitDelivered) {
  Matcher matcher(parts(), Options{});
  EXPECT_FALSE(matcher.ready().ok());
  ASSERT_TRUE(matcher.start().ok());
  EXPECT_TRUE(matcher.ready().ok());
  Status ended = Error{};
  std::thread thread([&] { ended = matcher.run(); });
  registry_.append(registry::Registration{Incarnation(1), "q", orders_query("{}")->canonical(), false}, {});
  EXPECT_EQ(await(log::Kind::active).lsn, Lsn(100));
  world_.stream.give(source::StreamEvent(transaction(200, {}, {inserted(order(1, "eu", "5"))})));
  EXPECT_EQ(await(log::Kind::diff).lsn, Lsn(200));
  matcher.stop();
  thread.join();
  EXPECT_TRUE(ended.ok());
  EXPECT_EQ(world_.stream.confirmed_, Lsn(200));
  EXPECT_TRUE(world_.stream.stopped_);
  EXPECT_FALSE(matcher.ready().ok());
}

TEST_F(MatcherTest, ALostStreamEndsItAndAnUnavailableOneDoesNot) {
  Matcher matcher(parts(), Options{});
  ASSERT_TRUE(matcher.start().ok());
  world_.stream.give(Error{Fault::unavailable, "the database is restarting"});
  world_.stream.give(source::StreamEvent(source::StreamPosition{Lsn(150)}));
  world_.stream.give(Error{Fault::lost, "the slot is gone"});
  const auto ended = matcher.run();
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().fault, Fault::lost);
  EXPECT_EQ(ended.error().message, "the slot is gone");
  EXPECT_FALSE(matcher.ready().ok());
}

}  // namespace
}  // namespace tidegate::matcher
