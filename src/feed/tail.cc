#include "feed/tail.h"

#include <algorithm>
#include <cassert>

#include "feed/numbering.h"

namespace tidegate::feed {

std::size_t bytes_of(const FrameBatch& batch) {
  return sizeof batch + batch.bytes.capacity() +
         batch.frames.capacity() * (sizeof(Frame) + sizeof(TailEntry));
}

FrameBatch& Tail::building() {
  if (!building_) building_ = std::make_shared<FrameBatch>();
  return *building_;
}

void Tail::enter(Channel& channel, std::uint32_t frame) {
  const Frame& entered = building_->frames[frame];
  channel.entries.push_back({first_ + ring_.size(), frame, entered.seq, entered.lsn, entered.offset});
}

std::shared_ptr<const FrameBatch> Tail::close() {
  if (!building_) return nullptr;
  std::shared_ptr<FrameBatch> closed = std::move(building_);
  building_ = nullptr;
  closed->number = first_ + ring_.size();
  charge(*closed);
  bytes_ += bytes_of(*closed);
  ring_.push_back(closed);
  while (bytes_ > bytes_max_ && ring_.size() > 1 && first_ < pins_->lowest()) evict();
  return closed;
}

std::size_t Tail::relieve(std::size_t bytes) {
  const std::size_t before = bytes_;
  while (before - bytes_ < bytes && !ring_.empty()) evict();
  return before - bytes_;
}

Pin Tail::pin(const Channel& channel, FeedSeq after) const {
  const std::size_t next = first_after(channel, after);
  return {pins_, next < channel.entries.size() ? channel.entries[next].batch : first_ + ring_.size()};
}

void Tail::charge(FrameBatch& batch) const {
  batch.charge = Charge(memory_);
  batch.charge.set(bytes_of(batch));
}

void Tail::evict() {
  const FrameBatch& oldest = *ring_.front();
  for (std::uint32_t index = 0; index < oldest.frames.size(); ++index) {
    const Frame& frame = oldest.frames[index];
    Channel* channel = channels_.find(frame.channel);
    if (channel == nullptr || channel->entries.empty()) continue;
    const TailEntry& front = channel->entries.front();
    if (front.batch != first_ || front.frame != index) continue;  // it was cut away before
    channel->entries.pop_front();
    channel->complete_since = std::max(channel->complete_since, frame.seq);
    channel->complete_lsn = std::max(channel->complete_lsn.value_or(frame.lsn), frame.lsn);
  }
  bytes_ -= bytes_of(oldest);
  if (ring_.front().use_count() > 1) evicted_ = first_;
  ring_.pop_front();
  ++first_;
}

void Tail::cut(Channel& channel, FeedSeq since, std::optional<Lsn> lsn) {
  channel.entries.clear();
  channel.complete_since = since;
  channel.complete_lsn = lsn;
  channel.parts_lsn = {};  // of another epoch's LSNs nothing can be said
  channel.parts_seq = {};
}

const std::shared_ptr<FrameBatch>& Tail::held(std::uint64_t number) const {
  assert(number >= first_);
  const std::size_t index = number - first_;
  return index < ring_.size() ? ring_[index] : building_;
}

const Frame& Tail::frame(const TailEntry& entry) const {
  return held(entry.batch)->frames[entry.frame];
}

std::shared_ptr<const FrameBatch> Tail::batch(const TailEntry& entry) const {
  return held(entry.batch);
}

std::size_t Tail::first_after(const Channel& channel, FeedSeq after) {
  auto found = std::upper_bound(channel.entries.begin(), channel.entries.end(), after,
                                [](FeedSeq seq, const TailEntry& entry) { return seq < entry.seq; });
  return static_cast<std::size_t>(found - channel.entries.begin());
}

FeedSeq Tail::before(FeedSeq seq) {
  return FeedSeq((seq.value() - 1) / kSeqStride * kSeqStride);
}

FeedSeq Tail::before_lsn(const Channel& channel, Lsn lsn, FeedSeq now) {
  if (channel.query) {
    auto found = std::partition_point(channel.entries.begin(), channel.entries.end(),
                                      [lsn](const TailEntry& entry) { return entry.lsn <= lsn; });
    return found == channel.entries.end() ? now : before(found->seq);
  }
  // In pass-through LSNs need not rise.
  for (const TailEntry& entry : channel.entries) {
    if (entry.lsn > lsn) return before(entry.seq);
  }
  return now;
}

}  // namespace tidegate::feed
