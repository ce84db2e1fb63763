// What the matcher's records do: the half of Managed on the log's side.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "feed/managed.h"
#include "feed/order.h"

namespace tidegate::feed {
namespace {

/// To clients in place of the matcher's reason. A query that is asked for again is held against what its
/// client may see, and that answer says what is wrong.
constexpr std::string_view kUnfit =
    "the table has changed and the query no longer fits it: subscribe again, which tells what is wrong";

}  // namespace

void Managed::on_record(const log::Record& record) {
  PartitionState& from = partition(record.partition);
  const auto epoch = epoch_ ? std::optional(epoch_->epoch) : std::nullopt;
  if (const auto reason = stranger(record, epoch, from.generation, from.fences)) {
    return parts_.probe.dropped(*reason);
  }
  // A place is always at a record that counts, so that reading from there on knows the generation in force
  // (rule 12).
  parts_.delivery.numbering().read(record.partition, record.offset);
  from.read = record.offset;
  from.generation = std::max(from.generation, *record.headers.generation);
  if (record.headers.kind == log::Kind::progress) return on_progress(record, from);
  Channel* channel = parts_.channels.find(record.key);
  if (channel == nullptr) return parts_.probe.dropped(Drop::no_channel);
  // Places of two partitions can't be compared, and the matcher computes them as we do (rule 11).
  if (record.partition != channel->partition) return parts_.probe.dropped(Drop::other_partition);
  switch (record.headers.kind) {
    case log::Kind::diff:
      return on_diff(*channel, record);
    case log::Kind::active:
      return on_active(*channel, record);
    case log::Kind::closed:
      return on_closed(*channel, record);
    case log::Kind::reset:
    case log::Kind::state:
      return on_reset(*channel, record);
    case log::Kind::schema:
      return on_schema(*channel, record);
    case log::Kind::progress:
      return;
  }
}

void Managed::on_progress(const log::Record& record, PartitionState& from) {
  const std::optional<ProgressValue> progress = parse_progress(record.value);
  if (!progress) return parts_.probe.dropped(Drop::malformed);
  heard_ = parts_.clock.steady();  // rule 3: a matcher without its database answers still
  from.visible = progress->visible;
  from.passed = Passed{record.partition, record.offset, progress->position, epoch_->epoch};
  const std::chrono::microseconds age(unix_us(parts_.clock.wall()) - progress->time_us);
  const std::uint64_t behind =
      progress->position > progress->visible ? progress->position.value() - progress->visible.value() : 0;
  parts_.probe.lag(behind, age);
}

void Managed::on_batch_end() {
  bool moved = false;
  for (PartitionState& partition : partitions_) {
    if (!partition.passed) continue;
    parts_.delivery.post_to_all(*std::exchange(partition.passed, std::nullopt));
    moved = true;
  }
  if (!moved) return;
  const std::vector<ChannelId> waiting(waiting_.begin(), waiting_.end());
  for (ChannelId id : waiting) {
    if (Channel* channel = parts_.channels.find(id)) advance(*channel);
  }
}

void Managed::on_active(Channel& channel, const log::Record& record) {
  const std::optional<ActiveValue> active = parse_active(record.value);
  if (!active || active->query != channel.hash.hex()) return parts_.probe.dropped(Drop::malformed);
  if (channel.activation == active->activation) return;  // another gateway's answer
  const bool again = channel.activation.has_value();
  if (!again) parts_.probe.active_after(parts_.clock.steady() - channel.enlisted_at);
  channel.activation = active->activation;
  channel.epoch = *record.headers.epoch;
  channel.last_complete = active->registered;
  if (again) {
    reset(channel, Reset::activation, active->registered);
  } else {
    parts_.tail.cut(channel, parts_.delivery.now(channel), active->registered);
  }
  // Who came with a cursor learns now whether it counts here.
  for (SubscriptionId id : channel.pending) {
    Subscription* subscription = parts_.channels.find(id);
    if (subscription != nullptr && subscription->pending) decide(*subscription);
  }
  std::erase_if(channel.pending, [this](SubscriptionId id) {
    const Subscription* subscription = parts_.channels.find(id);
    return subscription == nullptr || !subscription->pending || subscription->rereading;
  });
  advance(channel);
}

void Managed::on_closed(Channel& channel, const log::Record& record) {
  const std::optional<Activation> closed = parse_closed(record.value);
  if (!closed) return parts_.probe.dropped(Drop::malformed);
  if (channel.activation == *closed) register_anew(channel, Reset::closed);
}

/// Rule 5: whether this part goes on where the channel is.
bool Managed::fits(Channel& channel, const log::Record& record) {
  switch (standing(record.headers, channel.last_complete, channel.unfinished)) {
    case Standing::next:
      return true;
    case Standing::seen:
      parts_.probe.dropped(Drop::seen_before);
      return false;
    case Standing::headless:
      break;
  }
  // Whoever waits for the whole of it must begin anew.
  parts_.probe.dropped(Drop::bad_part);
  channel.last_complete = *record.headers.lsn;
  reset(channel, Reset::parts, channel.last_complete);
  return false;
}

void Managed::on_diff(Channel& channel, const log::Record& record) {
  if (!channel.activation) return parts_.probe.dropped(Drop::not_active);
  if (!fits(channel, record)) return;
  const log::Headers& headers = record.headers;
  const Frame frame{.channel = channel.id,
                    .seq = parts_.delivery.now(channel),
                    .partition = record.partition,
                    .offset = record.offset,
                    .lsn = *headers.lsn,
                    .xid = headers.xid,
                    .part = headers.part,
                    .last = (headers.flags & log::kFlagLastPart) != 0};
  move_on(headers, channel.last_complete, channel.unfinished);
  if (!parts_.delivery.add(channel, frame, record.value)) {
    parts_.probe.undecodable();
    return reset(channel, Reset::value, headers.lsn);
  }
  if (frame.last && frame.part == 0) return;
  channel.parts_lsn = frame.lsn;
  channel.parts_seq = frame.seq;
  if (frame.last) refresh_partless(channel);
}

void Managed::on_reset(Channel& channel, const log::Record& record) {
  if (!channel.activation) return parts_.probe.dropped(Drop::not_active);
  const Lsn lsn = *record.headers.lsn;
  // Parts of a `state` after its first, or one that is streamed again.
  if (record.headers.kind == log::Kind::state && lsn <= channel.last_complete) {
    return parts_.probe.dropped(Drop::seen_before);
  }
  channel.last_complete = std::max(channel.last_complete, lsn);
  reset(channel, Reset::record, channel.last_complete);
  advance(channel);
}

void Managed::on_schema(Channel& channel, const log::Record& record) {
  parts_.delivery.flush();
  const SchemaValue schema = parse_schema(record.value);
  // One statement may end many queries for one reason.
  if (schema.reason != unfit_ && parts_.warn) {
    parts_.warn("queries no longer fit their table and were ended: " + schema.reason);
  }
  unfit_ = schema.reason;
  for (SubscriptionId id : channel.subscriptions) {
    parts_.delivery.post(id, Refused{id, schema.code, std::string(kUnfit), std::nullopt, false});
  }
  remove(channel);
}

}  // namespace tidegate::feed
