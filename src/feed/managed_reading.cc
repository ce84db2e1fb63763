// Which partitions are read: the half of Managed on Reading's side.

#include <utility>

#include "feed/managed.h"

namespace tidegate::feed {

/// Rule 17: not before it is known where its partition will be read from.
void Managed::enlist(Channel& channel) {
  if (parts_.reading == nullptr || parts_.reading->registers(channel.partition)) {
    return parts_.control.enlist(channel.key, channel.query->canonical());
  }
  unlisted_[channel.partition].push_back(channel.id);
}

void Managed::remove(Channel& channel) {
  parts_.control.retire(channel.key);
  waiting_.erase(channel.id);
  if (parts_.reading != nullptr) parts_.reading->leave(channel.partition, parts_.clock.steady());
  parts_.channels.remove(channel);
}

void Managed::on_end(const EndResult& result) {
  const auto mark = [this] { return parts_.control.mark(); };
  if (!parts_.reading->answered(result, mark, parts_.clock.steady())) return;
  for (ChannelId id : std::exchange(unlisted_[result.partition], {})) {
    if (Channel* channel = parts_.channels.find(id)) enlist(*channel);
  }
}

/// No channel of these has had an answer yet, so nothing of before counts for any.
void Managed::open_marked(std::uint64_t mark) {
  Numbering& numbering = parts_.delivery.numbering();
  for (const log::Start& start : parts_.reading->reached(mark)) {
    const Offset before(start.offset.value() - 1);
    PartitionState& of = partition(start.partition);
    of.visible.reset();
    of.passed.reset();
    of.read = before;
    if (numbering.of(start.partition, before) < numbering.now(start.partition)) {
      numbering.begin_again(start.partition, start.offset);  // the topic was made anew meanwhile
    } else {
      numbering.read(start.partition, before);
    }
    // What may fail is the partition's own: it is gone, and the reader says so.
    [[maybe_unused]] const Status sought = parts_.reader.seek(start);
    parts_.probe.partition_opened();
  }
  parts_.probe.partitions_read(parts_.reading->count());
}

void Managed::close_idle(Steady now) {
  for (const Partition closed : parts_.reading->on_time(now, [this] { return parts_.control.mark(); })) {
    partition(closed).passed.reset();
    parts_.delivery.post_to_all(Unread{closed});
    parts_.probe.partitions_read(parts_.reading->count());
  }
}

}  // namespace tidegate::feed
