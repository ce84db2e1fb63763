#include "feed/delivery.h"

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "protocol/diff.h"

namespace tidegate::feed {
namespace {

using protocol::Encoding;

/// A diff's time of commit is looked at up to this size: all of it must be verified first.
constexpr std::size_t kTimedBytesMax = 16 << 10;

constexpr auto index_of(Encoding encoding) {
  return static_cast<std::size_t>(encoding);
}

std::size_t bytes_of(const Frame& frame) {
  std::size_t bytes = sizeof(Frame);
  for (int i = 0; i < protocol::kEncodings; ++i) {
    // What was not worth compressing stands in the place of both.
    const auto encoding = static_cast<Encoding>(i);
    const Slice& slice = frame.slices[index_of(encoding)];
    const bool same = protocol::plain(encoding) != encoding &&
                      slice.offset == frame.slices[index_of(protocol::plain(encoding))].offset;
    if (!same) bytes += slice.size;
  }
  return bytes;
}

Wanted only(Encoding encoding) {
  Wanted wanted{};
  wanted[index_of(encoding)] = true;
  return wanted;
}

/// One of the earlier texts of a diff, which lie between its last part and what goes before that. They have
/// no payload.
bool further_text(const Frame& frame) {
  return frame.slices[index_of(Encoding::raw)].size == 0;
}

}  // namespace

/// Collects one CaughtUp: runs of frames out of shared batches, and out of one private batch where a frame
/// lacks the subscription's encoding.
class Delivery::Gathering {
 public:
  Gathering(Encoding encoding, std::size_t bytes_max, std::optional<Lsn> latest_above,
            protocol::Deflater& deflater)
      : encoding_(encoding), bytes_max_(bytes_max), latest_above_(latest_above), deflater_(deflater) {}

  [[nodiscard]] Encoding encoding() const { return encoding_; }
  /// What transactions were put together ends the answer.
  [[nodiscard]] bool full() const { return bytes_ >= bytes_max_ || conflated_; }
  [[nodiscard]] std::optional<Lsn> latest_above() const { return latest_above_; }
  /// The highest LSN of what was taken: what is above it was not, whatever generation said it again.
  [[nodiscard]] Lsn taken() const { return taken_; }

  void take(const std::shared_ptr<const FrameBatch>& batch, std::uint32_t frame) {
    if (runs_.empty() || runs_.back().batch != batch) runs_.push_back({batch, {}});
    runs_.back().frames.push_back(frame);
    bytes_ += batch->frames[frame].slices[index_of(encoding_)].size;
    up_to_ = batch->frames[frame].seq;
    taken_ = std::max(taken_, batch->frames[frame].lsn);
  }

  void encode_again(Frame frame, std::string_view payload, const TextTails* texts) {
    if (!own_) own_ = std::make_shared<FrameBatch>();
    frame.slices = {};
    const auto first = static_cast<std::uint32_t>(own_->frames.size());
    const std::uint32_t count = encode(*own_, frame, payload, only(encoding_), texts, deflater_);
    for (std::uint32_t i = 0; i < count; ++i) take(own_, first + i);
  }

  void take_conflated(const std::shared_ptr<const FrameBatch>& batch, FeedSeq up_to, Lsn lsn) {
    take(batch, 0);
    up_to_ = up_to;
    conflated_ = Conflated{*latest_above_, lsn};
  }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] FeedSeq up_to() const { return up_to_; }
  [[nodiscard]] const std::optional<Conflated>& conflated() const { return conflated_; }
  std::vector<FrameRun> runs(const Tail& tail) && {
    if (own_) tail.charge(*own_);
    return std::move(runs_);
  }

 private:
  const Encoding encoding_;
  const std::size_t bytes_max_;
  const std::optional<Lsn> latest_above_;
  protocol::Deflater& deflater_;
  std::optional<Conflated> conflated_;
  std::vector<FrameRun> runs_;
  std::shared_ptr<FrameBatch> own_;
  std::size_t bytes_ = 0;
  FeedSeq up_to_;
  Lsn taken_;
};

Delivery::Delivery(std::vector<ShardPort> ports, Tail& tail, Probe& probe, Clock& clock,
                   const Options& options, std::int32_t orders)
    : ports_(std::move(ports)),
      tail_(tail),
      probe_(probe),
      clock_(clock),
      options_(options),
      numbering_(orders),
      pending_(ports_.size()) {}

bool Delivery::add(Channel& channel, Frame frame, std::string_view payload) {
  Wanted wanted;
  for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] = channel.wanted[i] > 0;
  std::optional<TextTails> texts;
  if (wants_text(wanted) && frame.last && channel.query) {
    texts = text_of(channel, of_tail(channel), channel.entries.size(), frame, payload);
    if (!texts) return false;
  }
  FrameBatch& batch = tail_.building();
  if (batch.frames.empty() && channel.query && payload.size() <= kTimedBytesMax) {
    commit_time_us_ = protocol::commit_time_of(payload);
  }
  auto index = static_cast<std::uint32_t>(batch.frames.size());
  const std::uint32_t count = encode(batch, frame, payload, wanted, texts ? &*texts : nullptr, deflater_);
  probe_.frames_encoded(count);
  for (std::uint32_t end = index + count; index < end; ++index) {
    tail_.enter(channel, index);
    for (std::size_t shard = 0; shard < pending_.size(); ++shard) {
      if (channel.shard_subscribers[shard] == 0) continue;
      pending_[shard].frames.push_back(index);
      pending_[shard].bytes += bytes_of(batch.frames[index]);
    }
  }
  fault_point("gateway.encoded");
  return true;
}

void Delivery::flush() {
  const std::shared_ptr<const FrameBatch> batch = tail_.close();
  if (!batch) return;
  probe_.tail_bytes(tail_.bytes());
  const Steady now = clock_.steady();
  probe_.posted_after(now - read_at_);
  const auto commit_time_us = std::exchange(commit_time_us_, std::nullopt);
  for (std::size_t shard = 0; shard < pending_.size(); ++shard) {
    Pending pending = std::exchange(pending_[shard], {});
    if (pending.frames.empty()) continue;
    probe_.delivered(pending.frames.size());
    ports_[shard].post(Deliver{{batch, std::move(pending.frames)}, now, commit_time_us},
                       sizeof(Event) + pending.bytes);
    fault_point("gateway.posted");
  }
  post_evicted();
}

/// Rule 26. Where nobody but the tail held them, nobody is told.
void Delivery::post_evicted() {
  if (const auto up_to = tail_.take_evicted()) post_to_all(Evicted{*up_to});
}

FrameAt Delivery::of_tail(const Channel& channel) const {
  return [this, &channel](std::size_t index) -> HeldFrame {
    const TailEntry& entry = channel.entries[index];
    return {tail_.batch(entry), entry.frame};
  };
}

/// A diff's text. Its earlier parts, if any, are the last of those `before`, but for what others were given
/// of it as text.
std::optional<TextTails> Delivery::text_of(const Channel& channel, const FrameAt& at, std::size_t before,
                                           const Frame& frame, std::string_view payload) {
  const protocol::Cursor cursor{channel.epoch,   channel.hash, channel.activation.value_or(Activation()),
                                frame.partition, frame.offset, frame.lsn,
                                std::nullopt};
  if (frame.part == 0) return render_text(payload, cursor);
  while (before > 0 && further_text(at(before - 1).frame())) --before;
  if (before < frame.part) return std::nullopt;
  std::string whole;
  for (std::uint32_t part = 0; part < frame.part; ++part) {
    const HeldFrame held = at(before - frame.part + part);
    const Frame& piece = held.frame();
    if (piece.part != part || piece.lsn != frame.lsn) return std::nullopt;
    whole += payload_of(*held.batch, piece);
  }
  whole += payload;
  return render_text(whole, cursor);
}

bool Delivery::gather(Gathering& gathering, const Channel& channel, const FrameAt& at, std::size_t index) {
  const HeldFrame held = at(index);
  const Frame& frame = held.frame();
  const bool text = protocol::plain(gathering.encoding()) == Encoding::json;
  const bool further = further_text(frame);
  const bool there = frame.slices[index_of(gathering.encoding())].size > 0;
  const bool nothing_to_say = text ? !frame.last || !channel.query : further;
  const bool piece = channel.query && !further && (frame.part != 0 || !frame.last);
  if (piece && !protocol::takes_parts(gathering.encoding())) return false;
  // It was made for others, compressed otherwise. The last frame brings all texts anew, under the same seqs,
  // and none of these may have been given before.
  if (text && further && !there) return true;
  if (there || nothing_to_say) {
    gathering.take(held.batch, held.index);
    return true;
  }
  const std::string_view payload = payload_of(*held.batch, frame);
  if (!text) {
    gathering.encode_again(frame, payload, nullptr);
    return true;
  }
  const std::optional<TextTails> texts = text_of(channel, at, index, frame, payload);
  if (texts) gathering.encode_again(frame, payload, &*texts);
  return texts.has_value();
}

/// What the log was asked for again, from `at` on, which moves along. The last who needs it lets it go.
bool Delivery::gather_history(Gathering& gathering, Subscription& subscription, FeedSeq& at) {
  const std::shared_ptr<const History> history = subscription.history;
  const std::shared_ptr<const FrameBatch> batch(history, &history->batch);
  const FrameAt frame_at = [&batch](std::size_t index) -> HeldFrame {
    return {batch, static_cast<std::uint32_t>(index)};
  };
  const std::vector<Frame>& frames = batch->frames;
  const auto next = std::upper_bound(frames.begin(), frames.end(), at,
                                     [](FeedSeq seq, const Frame& frame) { return seq < frame.seq; });
  auto index = static_cast<std::size_t>(next - frames.begin());
  for (; index < frames.size() && !gathering.full(); ++index) {
    if (gather_latest(gathering, *subscription.channel, frame_at, index, frames.size(), false)) {
      at = gathering.up_to();
      if (at >= frames.back().seq) index = frames.size();
      break;
    }
    if (!gather(gathering, *subscription.channel, frame_at, index)) return false;
    at = frames[index].seq;
  }
  if (index < frames.size()) return true;
  at = std::max(at, history->up_to);
  subscription.history.reset();
  return true;
}

/// What lies in the tail behind `answer.up_to`, which moves along.
bool Delivery::gather_tail(Gathering& gathering, const Channel& channel, CaughtUp& answer) {
  const FrameAt at = of_tail(channel);
  const std::size_t end = channel.entries.size();
  std::size_t index = Tail::first_after(channel, answer.up_to);
  for (; index < end && !gathering.full(); ++index) {
    if (gather_latest(gathering, channel, at, index, end, true)) {
      index = Tail::first_after(channel, gathering.up_to());
      break;
    }
    if (!gather(gathering, channel, at, index)) return false;
  }
  answer.live = index == end;
  answer.up_to = answer.live ? now(channel) : std::max(answer.up_to, gathering.up_to());
  return true;
}

/// Puts together the transactions that begin here. False where they are given as they are: the client does
/// not want it, the first may be contained in what it holds (also by what goes before it in this answer: a
/// history and the tail may both have it), or was begun already, or there is no second.
bool Delivery::gather_latest(Gathering& gathering, const Channel& channel, const FrameAt& at,
                             std::size_t index, std::size_t end, bool in_tail) {
  if (!gathering.latest_above() || !begins_transaction(at, index)) return false;
  const Frame first = at(index).frame();
  if (first.lsn <= std::max(*gathering.latest_above(), gathering.taken())) return false;
  if (in_tail && gather_shared(gathering, channel, first.seq)) return true;
  const auto stretch = conflate(at, index, end, options_.latest_bytes_max);
  if (!stretch) return false;
  const Frame& last = stretch->last;
  const auto batch = std::make_shared<FrameBatch>();
  const protocol::Cursor cursor{channel.epoch,  channel.hash, channel.activation.value_or(Activation()),
                                last.partition, last.offset,  last.lsn,
                                std::nullopt};
  encode_whole(*batch, last, gathering.encoding(), stretch->diff, cursor, deflater_);
  batch->frames[0].seq = first.seq;
  batch->frames[0].lsn = first.lsn;
  tail_.charge(*batch);
  probe_.conflated(stretch->transactions);
  conflated_bytes_ += stretch->bytes;
  if (in_tail) {
    shared_.push_back({channel.id, gathering.encoding(), first.seq, last.seq, last.lsn, batch});
    if (shared_.size() > kSharedMax) shared_.pop_front();
  }
  gathering.take_conflated(batch, last.seq, last.lsn);
  return true;
}

/// Somebody else began at the same place, and its socket has not taken all of it yet.
bool Delivery::gather_shared(Gathering& gathering, const Channel& channel, FeedSeq first) {
  const auto found = std::find_if(shared_.begin(), shared_.end(), [&](const Shared& each) {
    return each.channel == channel.id && each.encoding == gathering.encoding() && each.first == first;
  });
  const auto batch = found == shared_.end() ? nullptr : found->batch.lock();
  if (batch) {
    gathering.take_conflated(batch, found->up_to, found->lsn);
  } else if (found != shared_.end()) {
    shared_.erase(found);
  }
  return batch != nullptr;
}

bool Delivery::catch_up(Subscription& subscription, FeedSeq after, std::optional<Lsn> latest_above) {
  const Channel& channel = *subscription.channel;
  CaughtUp answer{.subscription = subscription.id, .after = after, .up_to = after};
  // Its place went back below it (rule 26).
  if (subscription.history && after < subscription.history_since) subscription.history.reset();
  Gathering gathering(subscription.encoding, options_.catch_up_bytes, latest_above, deflater_);
  if (subscription.history && !gather_history(gathering, subscription, answer.up_to)) return false;
  if (!subscription.history && !gathering.conflated() && answer.up_to >= channel.complete_since) {
    if (!gather_tail(gathering, channel, answer)) return false;
  } else if (answer.up_to == after) {
    return false;
  }
  if (answer.live) subscription.reread_bytes = 0;
  const std::size_t bytes = gathering.bytes();
  answer.conflated = gathering.conflated();
  answer.runs = std::move(gathering).runs(tail_);
  if (answer.live) {
    subscription.pin = {};
    subscription.lost_races = 0;
  }
  ports_[shard_of(subscription.id)].post(std::move(answer), sizeof(Event) + bytes);
  return true;
}

void Delivery::post(SubscriptionId subscription, Event event) {
  ports_[shard_of(subscription)].post(std::move(event), sizeof(Event));
}

void Delivery::post_to_all(const Event& event) {
  for (const ShardPort& port : ports_) port.post(event, sizeof(Event));
}

void Delivery::post_snapshot(const std::vector<SubscriptionId>& subscriptions,
                             const SnapshotReady& snapshot) {
  std::vector<std::vector<SubscriptionId>> by_shard(ports_.size());
  for (SubscriptionId id : subscriptions) by_shard[shard_of(id)].push_back(id);
  for (std::size_t shard = 0; shard < ports_.size(); ++shard) {
    if (by_shard[shard].empty()) continue;
    SnapshotReady part = snapshot;
    const std::size_t bytes =
        sizeof(Event) + by_shard[shard].size() * sizeof(SubscriptionId) + snapshot.spool->memory_bytes();
    part.subscriptions = std::move(by_shard[shard]);
    ports_[shard].post(std::move(part), bytes);
  }
}

bool Delivery::congested() const {
  return std::any_of(ports_.begin(), ports_.end(), [this](const ShardPort& port) {
    return port.backlog_bytes() > options_.shard_backlog_bytes_max;
  });
}

}  // namespace tidegate::feed
