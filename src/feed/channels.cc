#include "feed/channels.h"

#include <cassert>
#include <utility>

#include "query/query.h"

namespace tidegate::feed {

Channel* Channels::find(std::string_view key) {
  auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second.get();
}

Channel* Channels::find(ChannelId id) {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

Subscription* Channels::find(SubscriptionId id) {
  auto found = subscriptions_.find(id);
  return found == subscriptions_.end() ? nullptr : &found->second;
}

Channel& Channels::create(std::string key, std::shared_ptr<const query::Query> query) {
  auto channel = std::make_unique<Channel>();
  channel->id = ChannelId(++last_id_);
  channel->key = std::move(key);
  if (query) channel->hash = query->hash();
  channel->query = std::move(query);
  channel->shard_subscribers.resize(shards_);
  Channel& created = *channel;
  by_id_.emplace(created.id, &created);
  by_key_.emplace(created.key, std::move(channel));
  return created;
}

void Channels::remove(Channel& channel) {
  for (SubscriptionId id : channel.subscriptions) subscriptions_.erase(id);
  by_id_.erase(channel.id);
  auto found = by_key_.find(channel.key);
  assert(found != by_key_.end());
  // The key that the map compares with dies with the channel: take it out first.
  auto node = by_key_.extract(found);
}

Subscription& Channels::subscribe(const SubscribeCommand& command, Channel& channel, Steady now) {
  assert(shard_of(command.subscription) < shards_);
  if (Subscription* earlier = find(command.subscription)) unsubscribe(*earlier, now);
  Subscription& added = subscriptions_[command.subscription];
  added.id = command.subscription;
  added.channel = &channel;
  added.encoding = command.encoding;
  added.cursor = command.cursor;
  added.resume_from = command.resume_from;
  added.account = command.account;
  added.since = added.told = now;
  channel.subscriptions.insert(added.id);
  forget_departed(channel);
  channel.pending.push_back(added.id);
  ++channel.wanted[static_cast<std::size_t>(added.encoding)];
  channel.empty_since.reset();
  return added;
}

/// Those who left stay in `pending`, where finding each would cost all the others; but not without bound.
void Channels::forget_departed(Channel& channel) {
  if (channel.pending.size() <= 2 * channel.subscriptions.size() + 16) return;
  std::erase_if(channel.pending, [this](SubscriptionId id) {
    const Subscription* waiting = find(id);
    return waiting == nullptr || !waiting->pending;
  });
}

void Channels::place(Subscription& subscription) {
  if (!std::exchange(subscription.pending, false)) return;
  ++subscription.channel->shard_subscribers[shard_of(subscription.id)];
}

void Channels::wait(Subscription& subscription, Steady now) {
  if (std::exchange(subscription.pending, true)) return;
  subscription.since = subscription.told = now;
  subscription.history.reset();
  subscription.rereading.reset();
  subscription.pin = {};
  --subscription.channel->shard_subscribers[shard_of(subscription.id)];
  subscription.channel->pending.push_back(subscription.id);
}

void Channels::unsubscribe(Subscription& subscription, Steady now) {
  Channel& channel = *subscription.channel;
  channel.subscriptions.erase(subscription.id);
  if (!subscription.pending) --channel.shard_subscribers[shard_of(subscription.id)];
  --channel.wanted[static_cast<std::size_t>(subscription.encoding)];
  if (channel.subscriptions.empty()) {
    channel.pending.clear();
    channel.empty_since = now;
    empty_.emplace_back(now, channel.id);
  }
  subscriptions_.erase(subscription.id);
}

std::vector<Channel*> Channels::lapsed(Steady before) {
  std::vector<Channel*> lapsed;
  while (!empty_.empty() && empty_.front().first <= before) {
    Channel* channel = find(empty_.front().second);
    if (channel != nullptr && channel->empty_since == empty_.front().first) {
      channel->empty_since.reset();  // a second note of the same moment must not give it twice
      lapsed.push_back(channel);
    }
    empty_.pop_front();
  }
  return lapsed;
}

void Channels::for_each(const std::function<void(Channel&)>& visit) {
  for (auto& [key, channel] : by_key_) visit(*channel);
}

}  // namespace tidegate::feed
