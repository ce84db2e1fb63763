#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "feed/channel.h"

namespace tidegate::feed {

/// The channels and subscriptions of this process, with their counts. The feed's thread only. Nothing here
/// looks at more than the one channel or subscription that it is about.
class Channels {
 public:
  explicit Channels(std::size_t shards) : shards_(shards) {}

  /// By the whole key (the seed's fault E); no allocation. Null if there is none.
  [[nodiscard]] Channel* find(std::string_view key);
  [[nodiscard]] Channel* find(ChannelId id);
  [[nodiscard]] Subscription* find(SubscriptionId id);

  Channel& create(std::string key, std::shared_ptr<const query::Query> query);
  void remove(Channel& channel);

  /// A used id ends the earlier subscription.
  Subscription& subscribe(const SubscribeCommand& command, Channel& channel, Steady now);
  /// It has a place in the stream, or (`wait`) has lost it and waits for a snapshot.
  static void place(Subscription& subscription);
  static void wait(Subscription& subscription, Steady now);
  void unsubscribe(Subscription& subscription, Steady now);

  /// Channels that have had no subscriber since `before` or earlier, each once; those that got one meanwhile
  /// are left.
  [[nodiscard]] std::vector<Channel*> lapsed(Steady before);
  void for_each(const std::function<void(Channel&)>& visit);
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  void forget_departed(Channel& channel);

  std::size_t shards_;
  std::uint32_t last_id_ = 0;
  std::unordered_map<std::string_view, std::unique_ptr<Channel>>
      by_key_;  // the view is of the channel's own key
  std::unordered_map<ChannelId, Channel*> by_id_;
  std::unordered_map<SubscriptionId, Subscription> subscriptions_;
  std::deque<std::pair<Steady, ChannelId>> empty_;  // in the order in which they became empty
};

}  // namespace tidegate::feed
