#include "feed/pass_through.h"

#include <algorithm>
#include <utility>

#include "protocol/messages.h"

namespace tidegate::feed {
namespace {

constexpr Partition kAll{0};  // one order of seqs for all partitions

std::shared_ptr<const Spool> empty_snapshot(Lsn cursor) {
  const std::string message = protocol::empty_snapshot_message("", cursor);
  return Spool::of({message.substr(protocol::message_head("snapshot", "").size())});
}

/// A record of the key at or below `lsn` is known, and everything of the key that came after it is in the
/// tail.
bool reaches_back(const Channel& channel, Lsn lsn) {
  if (channel.complete_lsn && *channel.complete_lsn <= lsn) return true;
  return std::any_of(channel.entries.begin(), channel.entries.end(),
                     [lsn](const TailEntry& entry) { return entry.lsn <= lsn; });
}

}  // namespace

void PassThrough::on_command(const SubscribeCommand& command) {
  Channel* channel = parts_.channels.find(std::string_view(command.routing_key));
  if (channel == nullptr) {
    channel = &parts_.channels.create(command.routing_key, nullptr);
    channel->complete_since = parts_.delivery.numbering().now(kAll);
  }
  Subscription& added = parts_.channels.subscribe(command, *channel, parts_.clock.steady());
  channel->pending.clear();  // nobody waits for a flight here
  replays_.erase(added.id);
  if (!added.resume_from) return begin_here(added, false);
  parts_.probe.resume_asked();
  resume(added, *added.resume_from);
}

void PassThrough::on_command(const UnsubscribeCommand& command) {
  replays_.erase(command.subscription);
  Subscription* subscription = parts_.channels.find(command.subscription);
  if (subscription != nullptr) parts_.channels.unsubscribe(*subscription, parts_.clock.steady());
}

void PassThrough::on_command(const CatchUpCommand& command) {
  Subscription* subscription = parts_.channels.find(command.subscription);
  if (subscription == nullptr || subscription->pending) return;
  // What was dropped from its outbox was of a replay that is delivered: the tail has it not.
  const bool replayed = !subscription->history && command.after < subscription->placed;
  if (!replayed && parts_.delivery.catch_up(*subscription, command.after)) return;
  parts_.probe.reset(Reset::tail_lost);
  begin_here(*subscription, true);
}

void PassThrough::accept(Subscription& subscription, Accepted accepted) {
  Channels::place(subscription);
  if (std::exchange(subscription.accepted, true)) return;
  accepted.subscription = subscription.id;
  accepted.channel = subscription.channel->id;
  parts_.delivery.post(subscription.id, std::move(accepted));
}

/// What was read after this moment is delivered.
void PassThrough::begin_here(Subscription& subscription, bool overflow) {
  accept(subscription, {});
  subscription.history.reset();
  subscription.placed = FeedSeq();
  parts_.delivery.post_snapshot({subscription.id}, {.spool = empty_snapshot(head_.value_or(Lsn())),
                                                    .after = parts_.delivery.numbering().now(kAll),
                                                    .overflow = overflow});
}

void PassThrough::resume(Subscription& subscription, Lsn from) {
  const Channel& channel = *subscription.channel;
  const FeedSeq now = parts_.delivery.numbering().now(kAll);
  if (reaches_back(channel, from))
    return resume_exactly(subscription, from, Tail::before_lsn(channel, from, now), Held::tail);
  if (head_ && from >= *head_) return resume_exactly(subscription, from, now, Held::nothing);
  if (join_replay(subscription, from) || start_replay(subscription, from)) return;
  parts_.probe.replay_refused();
  begin_here(subscription, true);
}

/// What was read since that replay was asked for lies in the tail, behind the room for its records; and there
/// is time.
bool PassThrough::join_replay(const Subscription& subscription, Lsn from) {
  const auto latest = latest_.find({subscription.channel->id, from, subscription.encoding});
  if (latest == latest_.end()) return false;
  Asked& asked = asked_.at(latest->second);
  if (subscription.channel->complete_since > asked.after) return false;
  if (parts_.clock.steady() + parts_.options.ack_within / 2 > asked.deadline) return false;
  asked.waiting.push_back(subscription.id);
  replays_[subscription.id] = latest->second;
  return true;
}

bool PassThrough::start_replay(const Subscription& subscription, Lsn from) {
  const Channel& channel = *subscription.channel;
  const FeedSeq now = parts_.delivery.numbering().now(kAll);
  const Steady deadline = parts_.clock.steady() + parts_.options.ack_within;
  ReplayJob job{++last_ticket_, channel.id, channel.key, from, now, subscription.encoding, ends_, deadline};
  if (!parts_.replay.start(std::move(job))) return false;
  // What is read from now on comes behind what the replay brings.
  parts_.delivery.numbering().reserve();
  const Wish wish{channel.id, from, subscription.encoding};
  asked_[last_ticket_] = {wish, now, deadline, {subscription.id}};
  latest_[wish] = last_ticket_;
  replays_[subscription.id] = last_ticket_;
  return true;
}

void PassThrough::resume_exactly(Subscription& subscription, Lsn from, FeedSeq after, Held held) {
  parts_.probe.resume_held(held);
  accept(subscription, {.resumed = true, .floor = from, .after = after});
  parts_.delivery.post_snapshot({subscription.id}, {.spool = empty_snapshot(from), .after = after});
}

void PassThrough::on_replay(ReplayResult result) {
  const auto found = asked_.find(result.ticket);
  if (found == asked_.end()) return;
  const Asked asked = std::move(found->second);
  asked_.erase(found);
  const auto latest = latest_.find(asked.wish);
  if (latest != latest_.end() && latest->second == result.ticket) latest_.erase(latest);
  if (result.history) parts_.tail.charge(result.history->batch);
  for (const SubscriptionId id : asked.waiting) {
    const auto waiting = replays_.find(id);
    if (waiting == replays_.end() || waiting->second != result.ticket) continue;
    replays_.erase(waiting);
    Subscription* subscription = parts_.channels.find(id);
    if (subscription == nullptr) continue;
    if (result.bound) parts_.probe.replay_refused();
    if (!result.history) {
      begin_here(*subscription, true);
      continue;
    }
    if (!result.history->batch.frames.empty()) {
      subscription->history = result.history;
      subscription->placed = result.history->up_to;
    }
    resume_exactly(*subscription, *subscription->resume_from, asked.after, Held::log);
  }
}

void PassThrough::on_record(const log::Record& record) {
  auto& end = ends_[static_cast<std::size_t>(record.partition.value())];
  end = std::max(end, record.offset.next());
  const log::Headers& headers = record.headers;
  if (record.keyless) return parts_.probe.dropped(Drop::keyless);
  if (record.tombstone) return parts_.probe.dropped(Drop::tombstone);
  if (headers.malformed || !headers.lsn) return parts_.probe.dropped(Drop::malformed);
  head_ = std::max(head_.value_or(Lsn()), *headers.lsn);
  Channel* channel = parts_.channels.find(record.key);
  if (channel == nullptr) return parts_.probe.dropped(Drop::no_channel);
  const Frame frame{.channel = channel->id,
                    .seq = parts_.delivery.numbering().now(kAll),
                    .partition = record.partition,
                    .offset = record.offset,
                    .lsn = *headers.lsn,
                    .xid = headers.xid,
                    .part = headers.part,
                    .last = (headers.flags & log::kFlagLastPart) != 0};
  // Opaque values have no text form, so this can't fail.
  if (!parts_.delivery.add(*channel, frame, record.value)) parts_.probe.undecodable();
}

void PassThrough::on_lost(std::vector<Offset> ends) {
  ends_ = std::move(ends);
  parts_.delivery.flush();
  parts_.channels.for_each([this](Channel& channel) {
    parts_.probe.reset(Reset::log_lost);
    parts_.tail.cut(channel, parts_.delivery.numbering().now(kAll), std::nullopt);
    for (SubscriptionId id : channel.subscriptions) {
      Subscription& subscription = *parts_.channels.find(id);
      // One that waits for a replay learns it when it asks to catch up.
      if (!subscription.pending) begin_here(subscription, true);
    }
  });
}

void PassThrough::on_time() {
  for (Channel* channel : parts_.channels.lapsed(parts_.clock.steady() - parts_.options.linger)) {
    parts_.channels.remove(*channel);
  }
  parts_.probe.history_bytes(parts_.replay.held_bytes());
}

}  // namespace tidegate::feed
