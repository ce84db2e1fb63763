#include "feed/inspection.h"

#include "query/query.h"

namespace tidegate::feed {
namespace {

ChannelView view_of(const Channel& channel, const Tail& tail) {
  ChannelView view;
  view.channel = channel.id;
  view.table = channel.query->table().qualified();
  view.canonical = channel.query->canonical();
  auto sql = channel.query->to_sql();
  view.sql = std::move(sql.text);
  view.parameters = std::move(sql.parameters);
  view.routing_key = channel.key;
  view.subscriptions = channel.subscriptions.size();
  view.waiting = channel.pending.size();
  view.activation = channel.activation;
  view.epoch = channel.epoch;
  view.partition = channel.partition;
  view.lsn = channel.last_complete;
  view.tail_records = channel.entries.size();
  for (const TailEntry& entry : channel.entries) {
    for (const Slice& slice : tail.frame(entry).slices) view.tail_bytes += slice.size;
  }
  return view;
}

}  // namespace

std::optional<ChannelView> inspect(Channels& channels, const Tail& tail, const QueryHash& query) {
  std::optional<ChannelView> view;
  channels.for_each([&](const Channel& channel) {
    if (!view && channel.query && channel.hash == query) view = view_of(channel, tail);
  });
  return view;
}

}  // namespace tidegate::feed
