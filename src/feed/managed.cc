#include "feed/managed.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/encoding.h"
#include "base/fault_point.h"
#include "query/query.h"

namespace tidegate::feed {

using protocol::ErrorCode;

namespace {

constexpr std::int64_t kRetryMs = 1'000;
constexpr int kRaces = 2;  // a snapshot against the tail: a second loss is the last
constexpr const char* kShareFull = "too many of this tenant's snapshots wait already";
constexpr const char* kQueueFull = "too many snapshots wait already";
constexpr const char* kTooFast = "changes come faster than a snapshot can be taken";

const char* unspooled_text(Unspooled why) {
  switch (why) {
    case Unspooled::too_large:
      return "the result is too large; narrow the query";
    case Unspooled::late:
      return "the snapshot took too long";
    case Unspooled::budget:
      return "this gateway keeps as many snapshots as it may";
    case Unspooled::disk:
      return "this gateway has no room on its disk for the snapshot";
  }
  return "";
}

}  // namespace

Managed::Managed(Parts parts) : parts_(parts), partitions_(static_cast<std::size_t>(parts.partitions)) {}

// ---- what shards ask ----

void Managed::on_command(const SubscribeCommand& command) {
  assert(command.query && "a managed subscribe has a query");
  Channel* channel = parts_.channels.find(std::string_view(command.routing_key));
  if (channel == nullptr) {
    channel = &parts_.channels.create(command.routing_key, command.query);
    channel->partition = Partition(static_cast<std::int32_t>(murmur2_positive(command.routing_key) %
                                                             static_cast<std::uint32_t>(parts_.partitions)));
    channel->complete_since = parts_.delivery.now(*channel);
    channel->enlisted_at = parts_.clock.steady();
    if (parts_.reading != nullptr) parts_.reading->join(channel->partition, channel->enlisted_at);
    enlist(*channel);
  } else if (channel->query->table().relation != command.query->table().relation) {
    channel->query = command.query;  // the table was made anew under its name: snapshots are read of this one
  }
  Subscription& added = parts_.channels.subscribe(command, *channel, parts_.clock.steady());
  waiting_.insert(channel->id);
  if (!added.cursor) {
    accept(added);
  } else {
    parts_.probe.resume_asked();
    if (channel->activation) decide(added);
    if (!added.pending || added.rereading) channel->pending.pop_back();
  }
  advance(*channel);
}

void Managed::on_command(const UnsubscribeCommand& command) {
  Subscription* subscription = parts_.channels.find(command.subscription);
  if (subscription != nullptr) parts_.channels.unsubscribe(*subscription, parts_.clock.steady());
}

void Managed::on_command(const CatchUpCommand& command) {
  if (command.latest_above) return put_off_.push_back(command);
  catch_up(command);
}

// ---- what the control topic says ----

void Managed::on_news(const Control::News& news) {
  for (const registry::GenerationFence& fence : news.fences) {
    if (fence.partition.value() < 0 || fence.partition.value() >= parts_.partitions) continue;
    PartitionState& of = partition(fence.partition);
    of.fences.add(fence, of.read);
  }
  on_epoch(news);
  if (parts_.reading != nullptr && news.mark > 0) open_marked(news.mark);
}

void Managed::on_epoch(const Control::News& news) {
  if (!news.epoch || (epoch_ && epoch_->epoch == news.epoch->epoch)) return;
  const bool first = !epoch_;
  epoch_ = news.epoch;
  for (PartitionState& partition : partitions_) {
    partition.visible.reset();
    partition.passed.reset();
    partition.generation = Generation(-1);
  }
  if (first) return;  // whatever is registered waits for its first `active` anyway
  parts_.channels.for_each([this](Channel& channel) { register_anew(channel, Reset::epoch); });
}

// ---- channels ----

/// The span of matching is over, or not known to go on: nothing of before counts until the next `active`.
void Managed::register_anew(Channel& channel, Reset reason) {
  channel.activation.reset();
  channel.last_complete = Lsn();
  reset(channel, reason, std::nullopt);
  channel.enlisted_at = parts_.clock.steady();
  enlist(channel);
}

void Managed::reset(Channel& channel, Reset reason, std::optional<Lsn> complete_lsn) {
  parts_.delivery.flush();  // what came before the reset goes out before its ack
  parts_.probe.reset(reason);
  parts_.tail.cut(channel, parts_.delivery.now(channel), complete_lsn);
  channel.unfinished.reset();
  channel.flight.reset();  // a flight under way lands nowhere
  channel.taken.reset();
  channel.lost_races = 0;
  for (SubscriptionId id : channel.subscriptions) {
    Subscription& subscription = *parts_.channels.find(id);
    if (subscription.pending && subscription.rereading) give_up(subscription, Refusal::resetting);
    if (subscription.pending) continue;
    channel.resetting = true;
    begin_anew(subscription);
  }
}

void Managed::begin_anew(Subscription& subscription) {
  Channel& channel = *subscription.channel;
  Channels::wait(subscription, parts_.clock.steady());
  waiting_.insert(channel.id);
  parts_.delivery.post(subscription.id, Accepted{.subscription = subscription.id,
                                                 .channel = channel.id,
                                                 .query = channel.hash,
                                                 .unsolicited = true,
                                                 .partition = channel.partition});
}

/// Rule 5: a frame without a header and a base64 text have no room for a part's number.
void Managed::refresh_partless(Channel& channel) {
  parts_.delivery.flush();
  for (SubscriptionId id : channel.subscriptions) {
    Subscription& subscription = *parts_.channels.find(id);
    if (subscription.pending || protocol::takes_parts(subscription.encoding)) continue;
    parts_.probe.reset(Reset::parts);
    begin_anew(subscription);
  }
  advance(channel);
}

std::optional<Lsn> Managed::visible(const Channel& channel) const {
  return partitions_[static_cast<std::size_t>(channel.partition.value())].visible;
}

/// Whatever the channel's waiting subscriptions can be given now.
void Managed::advance(Channel& channel) {
  if (channel.pending.empty()) {
    waiting_.erase(channel.id);
    return;
  }
  if (!channel.activation || channel.flight) return;
  const bool partless =
      std::any_of(channel.pending.begin(), channel.pending.end(), [this](SubscriptionId id) {
        const Subscription* subscription = parts_.channels.find(id);
        return subscription != nullptr && !protocol::takes_parts(subscription->encoding);
      });
  // Rule 5: who can't join parts needs a snapshot that holds them.
  const FeedSeq after_least =
      partless ? std::max(channel.complete_since, channel.parts_seq) : channel.complete_since;
  const Lsn complete = channel.complete_lsn.value_or(Lsn());
  const Lsn least = partless ? std::max(complete, channel.parts_lsn) : complete;
  const Steady now = parts_.clock.steady();
  if (channel.taken && now - channel.taken->at <= parts_.options.snapshot_reuse &&
      channel.taken->after >= after_least) {
    parts_.probe.snapshot_reused();
    const Taken taken = *channel.taken;
    serve(channel, std::exchange(channel.pending, {}), taken);
    return;
  }
  channel.taken.reset();
  const std::optional<Lsn> v = visible(channel);
  if (v && *v >= least) start_flight(channel);
}

/// Rules 17 and 19: what the stream holds at this moment is noted first, then the reading begins.
void Managed::start_flight(Channel& channel) {
  std::erase_if(channel.pending, [this](SubscriptionId id) {
    const Subscription* subscription = parts_.channels.find(id);
    return subscription == nullptr || !subscription->pending;
  });
  if (channel.pending.empty()) return;
  if (parts_.relief.refuses_snapshots()) return refuse_for_memory(channel);
  const Lsn v = *visible(channel);
  const FeedSeq after = Tail::before_lsn(channel, v, parts_.delivery.now(channel));
  const std::size_t next = Tail::first_after(channel, after);
  const Offset offset = next < channel.entries.size() ? Offset(channel.entries[next].offset.value() - 1)
                                                      : partition(channel.partition).read;
  channel.flight = Flight{++last_flight_, after, v, parts_.tail.pin(channel, after)};
  const auto refused = parts_.pool.start(
      {last_flight_,
       channel.id,
       channel.key.substr(0, channel.key.find('/')),
       channel.query,
       {channel.epoch, channel.hash, *channel.activation, channel.partition, offset, v, std::nullopt},
       payers(channel)});
  parts_.probe.snapshots_waiting(parts_.pool.waiting());
  if (!refused) return;
  channel.flight.reset();
  parts_.probe.snapshot_refused(refused->tenant);
  refuse_pending(channel, ErrorCode::unavailable, refused->tenant ? kShareFull : kQueueFull,
                 refused->retry.count());
}

/// Also of those who leave before it is there.
std::vector<std::shared_ptr<Account>> Managed::payers(const Channel& channel) const {
  std::vector<std::shared_ptr<Account>> payers;
  for (const SubscriptionId id : channel.pending) {
    const Subscription* waiting = parts_.channels.find(id);
    if (waiting != nullptr && waiting->account) payers.push_back(waiting->account);
  }
  return payers;
}

void Managed::on_snapshot(SnapshotResult result) {
  Channel* channel = parts_.channels.find(result.channel);
  if (channel == nullptr || !channel->flight || channel->flight->number != result.flight) return;
  const Flight flight = *std::exchange(channel->flight, std::nullopt);
  if (!result.status.ok()) return snapshot_failed(*channel, result);
  if (!epoch_ || result.info.identity != epoch_->source) {
    parts_.probe.snapshot_failed();
    return refuse_pending(*channel, ErrorCode::unavailable, "gateway and matcher see different databases",
                          kRetryMs);
  }
  if (flight.after < channel->complete_since) {  // rule 19: the tail has lost what the snapshot lacks
    parts_.probe.snapshot_raced();
    if (++channel->lost_races < kRaces) return advance(*channel);
    return refuse_pending(*channel, ErrorCode::unavailable, kTooFast, kRetryMs);
  }
  parts_.probe.snapshot_taken();
  warned_.clear();
  if (parts_.relief.refuses_snapshots()) return refuse_for_memory(*channel);  // it was asked for before
  channel->lost_races = 0;
  channel->taken =
      Taken{std::move(result.spool), result.info.fence, flight.after, flight.visible, parts_.clock.steady()};
  kept_.emplace_back(channel->taken->at, channel->id);
  const Taken taken = *channel->taken;
  serve(*channel, std::exchange(channel->pending, {}), taken);
}

/// Nobody has to come for a snapshot to be let go: it may fill the room of those that are wanted.
void Managed::drop_kept(Steady now) {
  while (!kept_.empty() && now - kept_.front().first > parts_.options.snapshot_reuse) {
    const auto [at, id] = kept_.front();
    kept_.pop_front();
    Channel* channel = parts_.channels.find(id);
    if (channel != nullptr && channel->taken && channel->taken->at == at) channel->taken.reset();
  }
}

void Managed::snapshot_failed(Channel& channel, const SnapshotResult& result) {
  parts_.probe.snapshot_failed();
  if (result.unspooled) parts_.probe.unspooled(*result.unspooled);
  const std::string& why = result.status.error().message;
  if (result.unspooled == Unspooled::disk && why != warned_ && parts_.warn) parts_.warn(warned_ = why);
  // The database's own words, and the names of our directories, stay here (rule 22).
  switch (result.status.error().fault) {
    case Fault::lost:
      return refuse_pending(channel, ErrorCode::schema_changed,
                            "the table's shape has changed; subscribe again", {});
    case Fault::invalid:
      return refuse_pending(channel, ErrorCode::snapshot_failed, "the result is too large; narrow the query",
                            {});
    case Fault::denied:
      return refuse_pending(channel, ErrorCode::snapshot_failed, "this gateway may not read the table", {});
    default:
      return refuse_pending(
          channel, ErrorCode::unavailable,
          result.unspooled ? unspooled_text(*result.unspooled) : "the snapshot could not be read", kRetryMs);
  }
}

void Managed::serve(Channel& channel, const std::vector<SubscriptionId>& waiting, const Taken& taken) {
  std::vector<SubscriptionId> served;
  for (SubscriptionId id : waiting) {
    Subscription* subscription = parts_.channels.find(id);
    if (subscription == nullptr || !subscription->pending || subscription->channel != &channel) continue;
    subscription->cursor.reset();
    accept(*subscription);
    parts_.probe.rows_after(parts_.clock.steady() - subscription->since);
    Channels::place(*subscription);
    subscription->placed = taken.after;
    subscription->pin = parts_.tail.pin(channel, taken.after);
    served.push_back(id);
  }
  channel.resetting = false;
  waiting_.erase(channel.id);
  parts_.delivery.post_snapshot(
      served, {.spool = taken.spool, .fence = taken.fence, .after = taken.after, .floor = taken.visible});
  fault_point("snapshot.served");
}

void Managed::refuse_for_memory(Channel& channel) {
  parts_.probe.relieved(Relief::refused);
  refuse_pending(channel, ErrorCode::unavailable, "this gateway is short of memory", kRetryMs);
}

void Managed::refuse_pending(Channel& channel, ErrorCode code, const std::string& message,
                             std::optional<std::int64_t> retry_ms) {
  channel.lost_races = 0;
  channel.resetting = false;
  waiting_.erase(channel.id);
  for (SubscriptionId id : std::exchange(channel.pending, {})) {
    Subscription* subscription = parts_.channels.find(id);
    if (subscription == nullptr || !subscription->pending || subscription->channel != &channel) continue;
    parts_.delivery.post(id, Refused{id, code, message, retry_ms, false});
    parts_.channels.unsubscribe(*subscription, parts_.clock.steady());
  }
}

/// Rule 20: one that has not joined since its snapshot has lost a race, and takes part in two of them. True
/// where that was the last.
bool Managed::lost_race(Subscription& subscription) {
  if (!subscription.pin || ++subscription.lost_races < kRaces) return false;
  parts_.probe.snapshot_raced();
  parts_.delivery.post(subscription.id,
                       Refused{subscription.id, ErrorCode::unavailable, kTooFast, kRetryMs, false});
  parts_.channels.unsubscribe(subscription, parts_.clock.steady());
  return true;
}

// ---- subscriptions ----

void Managed::accept(Subscription& subscription) {
  if (std::exchange(subscription.accepted, true)) return;
  const Channel& channel = *subscription.channel;
  parts_.delivery.post(subscription.id, Accepted{.subscription = subscription.id,
                                                 .channel = channel.id,
                                                 .query = channel.hash,
                                                 .partition = channel.partition});
}

// ---- time ----

void Managed::on_time() {
  const Steady now = parts_.clock.steady();
  if (parts_.control.renew()) {
    parts_.channels.for_each([this](Channel& channel) { register_anew(channel, Reset::lease); });
  }
  for (const Control::Failed& failed : parts_.control.take_failed()) {
    Channel* channel = parts_.channels.find(std::string_view(failed.routing_key));
    if (channel == nullptr) continue;
    if (!failed.too_large) {
      enlist(*channel);
    } else {
      refuse_pending(*channel, ErrorCode::bad_query, "the query is too large for a record of the log", {});
    }
  }
  for (Channel* channel : parts_.channels.lapsed(now - parts_.options.linger)) {
    remove(*channel);
  }
  if (parts_.reading != nullptr) close_idle(now);
  on_late_rereads(now);
  drop_kept(now);
  parts_.probe.snapshots_waiting(parts_.pool.waiting());
  const std::vector<ChannelId> waiting(waiting_.begin(), waiting_.end());
  for (ChannelId id : waiting) {
    Channel* channel = parts_.channels.find(id);
    if (channel == nullptr) {
      waiting_.erase(id);
      continue;
    }
    bool told = false;
    for (SubscriptionId pending : channel->pending) {
      Subscription* subscription = parts_.channels.find(pending);
      if (subscription == nullptr || !subscription->pending) continue;
      if (now - subscription->since >= parts_.options.ack_within) {
        if (subscription->cursor) parts_.probe.resume_refused(Refusal::late);
        subscription->cursor.reset();
        accept(*subscription);
      }
      if (now - subscription->told < parts_.options.waiting_interval) continue;
      subscription->told = now;
      told = true;
      parts_.delivery.post(pending, Waiting{pending, channel->activation ? "visibility" : "registration"});
    }
    // An answer that was missed (its epoch was not known here yet, say) must not be waited for for ever.
    if (told && !channel->activation) enlist(*channel);
    advance(*channel);
  }
}

void Managed::on_lost() {
  for (PartitionState& partition : partitions_) partition.passed.reset();
  if (parts_.reading != nullptr) parts_.reading->lost();
  parts_.channels.for_each([this](Channel& channel) { register_anew(channel, Reset::log_lost); });
}

}  // namespace tidegate::feed
