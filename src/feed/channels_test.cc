// Invariant: what a channel remembers is bounded by those who are there, however many come and go.
#include "feed/channels.h"

#include <gtest/gtest.h>

namespace tidegate::feed {
namespace {

class ChannelsTest : public testing::Test {
 protected:
  SubscriptionId subscribe() {
    const SubscriptionId id = subscription_id(0, ++last_);
    channels.subscribe(
        {.subscription = id, .routing_key = channel.key, .query = {}, .cursor = {}, .resume_from = {}},
        channel, Steady());
    return id;
  }
  void leave(SubscriptionId id) { channels.unsubscribe(*channels.find(id), Steady()); }

  Channels channels{1};
  Channel& channel = channels.create("t/things/1", nullptr);

 private:
  std::uint64_t last_ = 0;
};

TEST_F(ChannelsTest, who_waited_and_left_is_forgotten_while_others_wait_in_their_order) {
  std::vector<SubscriptionId> staying;
  for (int round = 0; round < 1'000; ++round) {
    const SubscriptionId left = subscribe();
    if (round % 100 == 0) staying.push_back(subscribe());
    leave(left);
    ASSERT_LE(channel.pending.size(), 2 * channel.subscriptions.size() + 20) << "in round " << round;
  }
  std::erase_if(channel.pending, [this](SubscriptionId id) { return channels.find(id) == nullptr; });
  EXPECT_EQ(channel.pending, staying);
}

TEST_F(ChannelsTest, who_has_a_place_is_no_longer_among_those_who_wait) {
  std::vector<SubscriptionId> all;
  for (int i = 0; i < 100; ++i) all.push_back(subscribe());
  for (const SubscriptionId id : all) Channels::place(*channels.find(id));
  for (std::size_t i = 1; i < all.size(); ++i) leave(all[i]);
  const SubscriptionId late = subscribe();
  EXPECT_EQ(channel.pending, std::vector<SubscriptionId>({late}));
}

}  // namespace
}  // namespace tidegate::feed
