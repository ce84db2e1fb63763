// Who comes back with a cursor, and who lags behind the tail: the half of Managed on the past's side.

#include <algorithm>
#include <limits>
#include <utility>

#include "feed/managed.h"

namespace tidegate::feed {
namespace {

constexpr Lsn kAnyLsn{std::numeric_limits<std::uint64_t>::max()};

/// Where a subscription that holds everything up to `lsn` stands in a history.
FeedSeq before_lsn(const History& history, Lsn lsn) {
  const std::vector<Frame>& frames = history.batch.frames;
  const auto next = std::partition_point(frames.begin(), frames.end(),
                                         [lsn](const Frame& each) { return each.lsn <= lsn; });
  return next == frames.end() ? history.up_to : Tail::before(next->seq);
}

/// Whether the stretch has, at or before a place, what that place does not hold. A stretch begins where
/// somebody holds least and has each LSN once; who joined in a later generation may stand behind what was
/// streamed before, and waits for it to come again.
bool skips(const History& history, FeedSeq whole, Lsn floor) {
  const std::vector<Frame>& frames = history.batch.frames;
  const auto next = std::partition_point(frames.begin(), frames.end(),
                                         [floor](const Frame& each) { return each.lsn <= floor; });
  return next != frames.end() && next->seq <= whole;
}

}  // namespace

/// Rule 14: a cursor counts only within one activation, in force now.
std::optional<Refusal> Managed::refusal(const Channel& channel, const protocol::Cursor& cursor) {
  if (cursor.epoch != channel.epoch) return Refusal::epoch;
  if (cursor.query != channel.hash || cursor.partition != channel.partition) return Refusal::query;
  if (cursor.activation != channel.activation) return Refusal::activation;
  if (channel.resetting || !channel.complete_lsn) return Refusal::resetting;
  return std::nullopt;
}

void Managed::decide(Subscription& subscription) {
  if (subscription.accepted || !subscription.cursor) return;
  const protocol::Cursor cursor = *std::exchange(subscription.cursor, std::nullopt);
  const Channel& channel = *subscription.channel;
  if (const auto reason = refusal(channel, cursor)) {
    parts_.probe.resume_refused(*reason);
    return accept(subscription);
  }
  if (cursor.lsn < *channel.complete_lsn) return reread_resume(subscription, cursor);
  const FeedSeq now = parts_.delivery.now(channel);
  const FeedSeq after = Tail::before_lsn(channel, cursor.lsn, now);
  hold(subscription, cursor, after, after == now ? Held::nothing : Held::tail);
}

void Managed::hold(Subscription& subscription, const protocol::Cursor& cursor, FeedSeq after, Held from) {
  parts_.probe.resume_held(from);
  const Channel& channel = *subscription.channel;
  subscription.accepted = true;
  subscription.placed = after;
  Channels::place(subscription);
  parts_.delivery.post(subscription.id, Accepted{.subscription = subscription.id,
                                                 .channel = channel.id,
                                                 .query = channel.hash,
                                                 .resumed = true,
                                                 .fence = cursor.fence,
                                                 .floor = cursor.lsn,
                                                 .after = after,
                                                 .partition = channel.partition});
}

// ---- who lags ----

void Managed::catch_up(const CatchUpCommand& command) {
  Subscription* subscription = parts_.channels.find(command.subscription);
  if (subscription == nullptr || subscription->pending || subscription->rereading) return;
  // It asked before it knew, be it of an earlier log: the snapshot answers it.
  if (command.whole < subscription->placed) return;
  if (parts_.delivery.catch_up(*subscription, command.after, command.latest_above)) return;
  reread_lagging(*subscription, command);
}

bool Managed::on_turn() {
  const std::size_t begun = parts_.delivery.conflated_bytes();
  while (!put_off_.empty() && parts_.delivery.conflated_bytes() - begun < parts_.options.latest_bytes_max) {
    const CatchUpCommand command = put_off_.front();
    put_off_.pop_front();
    catch_up(command);
  }
  return !put_off_.empty();
}

// ---- the log is read again ----

/// The tail begins behind the cursor. While a fence is on, the record at the cursor's place may be of what
/// was doubtful then, up to H.
void Managed::reread_resume(Subscription& subscription, const protocol::Cursor& cursor) {
  const Channel& channel = *subscription.channel;
  Refusal refused = Refusal::bound;
  const Offset to = parts_.delivery.numbering().offset_at(channel.partition, channel.complete_since);
  const Lsn record_lsn_max = cursor.fence ? std::max(cursor.lsn, cursor.fence->until) : cursor.lsn;
  if (cursor.offset < Offset(0) || cursor.offset > to) {
    // A generation that streams again: what the tail dropped as seen is not what this cursor holds.
    refused = Refusal::gone;
  } else if (reread(subscription, cursor.offset, cursor.lsn, record_lsn_max)) {
    subscription.resuming = cursor;
    rereads_due_.push_back(
        {subscription.since + parts_.options.ack_within, subscription.id, *subscription.rereading});
    return;
  }
  parts_.probe.resume_refused(refused);
  accept(subscription);
}

/// It is as good as one that comes back.
void Managed::reread_lagging(Subscription& subscription, const CatchUpCommand& command) {
  const Channel& channel = *subscription.channel;
  const bool helps = !subscription.history && command.whole < channel.complete_since && channel.activation;
  if (!helps) return give_up_lagging(subscription, Refusal::broken);
  const Offset offset = parts_.delivery.numbering().offset_at(channel.partition, command.whole);
  if (offset < Offset(0)) return give_up_lagging(subscription, Refusal::gone);
  const bool much = subscription.reread_bytes > parts_.options.replay_bytes_max;
  if (much || !reread(subscription, offset, command.floor, kAnyLsn)) {
    return give_up_lagging(subscription, Refusal::bound);
  }
  subscription.reread_after = command.after;
  subscription.reread_whole = command.whole;
  subscription.reread_floor = command.floor;
  subscription.reread_above = command.latest_above;
}

bool Managed::reread(Subscription& subscription, Offset offset, Lsn lsn, Lsn record_lsn_max) {
  const Channel& channel = *subscription.channel;
  const Numbering& numbering = parts_.delivery.numbering();
  const bool taken =
      parts_.reread.start({.subscription = subscription.id,
                           .ticket = ++last_ticket_,
                           .key = channel.key,
                           .channel = channel.id,
                           .epoch = channel.epoch,
                           .query = channel.hash,
                           .activation = *channel.activation,
                           .partition = channel.partition,
                           .zero = numbering.of(channel.partition, Offset(-1)),
                           .fences = partition(channel.partition).fences,
                           .offset = offset,
                           .lsn = lsn,
                           .record_lsn_max = record_lsn_max,
                           .to = numbering.offset_at(channel.partition, channel.complete_since),
                           .encoding = subscription.encoding});
  if (taken) subscription.rereading = last_ticket_;
  return taken;
}

/// Rule 14 once more: the channel has not been reset since the log was asked, or the ticket is void.
void Managed::on_reread(RereadResult result) {
  Subscription* subscription = parts_.channels.find(result.subscription);
  if (subscription == nullptr || subscription->rereading != result.ticket) return;
  Channel& channel = *subscription->channel;
  if (!result.history) {
    if (!subscription->pending) return give_up_lagging(*subscription, result.refusal);
    give_up(*subscription, result.refusal);
    return advance(channel);
  }
  subscription->rereading.reset();
  subscription->reread_bytes += result.bytes;
  subscription->history = std::move(result.history);
  if (subscription->pending) {
    const protocol::Cursor cursor = *std::exchange(subscription->resuming, std::nullopt);
    subscription->history_since = before_lsn(*subscription->history, cursor.lsn);
    return hold(*subscription, cursor, subscription->history_since, Held::log);
  }
  subscription->history_since = subscription->reread_whole;
  const bool skipping = skips(*subscription->history, subscription->reread_whole, subscription->reread_floor);
  if (!skipping && subscription->reread_above) {
    put_off_.push_back({subscription->id, subscription->reread_after, subscription->reread_whole,
                        subscription->reread_floor, subscription->reread_above});
  } else if (skipping || !parts_.delivery.catch_up(*subscription, subscription->reread_after)) {
    return give_up_lagging(*subscription, Refusal::broken);
  }
  parts_.probe.caught_up_from_log();
}

/// A fresh snapshot is always right.
void Managed::give_up(Subscription& subscription, Refusal reason) {
  parts_.probe.resume_refused(reason);
  subscription.rereading.reset();
  subscription.resuming.reset();
  subscription.channel->pending.push_back(subscription.id);
  waiting_.insert(subscription.channel->id);
  accept(subscription);
}

void Managed::give_up_lagging(Subscription& subscription, Refusal reason) {
  Channel& channel = *subscription.channel;
  parts_.probe.lag_refused(reason);
  if (lost_race(subscription)) return;
  parts_.probe.reset(Reset::tail_lost);
  begin_anew(subscription);
  advance(channel);
}

void Managed::on_late_rereads(Steady now) {
  while (!rereads_due_.empty() && rereads_due_.front().at <= now) {
    const Due due = rereads_due_.front();
    rereads_due_.pop_front();
    Subscription* subscription = parts_.channels.find(due.subscription);
    if (subscription == nullptr || subscription->rereading != due.ticket || !subscription->pending) continue;
    give_up(*subscription, Refusal::late);
    advance(*subscription->channel);
  }
  parts_.probe.history_bytes(parts_.reread.held_bytes());
}

}  // namespace tidegate::feed
