#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "feed/channels.h"
#include "feed/conflation.h"
#include "feed/encoder.h"
#include "feed/numbering.h"
#include "feed/options.h"
#include "feed/probe.h"
#include "feed/tail.h"
#include "protocol/deflate.h"

namespace tidegate::feed {

/// Everything that goes to the shards, in the order of FeedSeqs: what was read now (`add`, `flush`), and what
/// a lagging subscription missed (`catch_up`). Since both happen on the feed's thread, and a catch-up only
/// when everything is flushed, an answer with `live` and the Delivers after it have neither gap nor overlap.
class Delivery {
 public:
  /// `orders`: Numbering's.
  Delivery(std::vector<ShardPort> ports, Tail& tail, Probe& probe, Clock& clock, const Options& options,
           std::int32_t orders);

  Numbering& numbering() { return numbering_; }
  /// The seq of the last record that was read where the channel's records are.
  [[nodiscard]] FeedSeq now(const Channel& channel) const { return numbering_.now(channel.partition); }

  /// A batch was read: what is posted from now on has been waiting since.
  void batch_read() { read_at_ = clock_.steady(); }
  /// A record of this channel: encodes it, enters it into the tail and notes which shards want it. False, and
  /// nothing done, where somebody wants text and the value is no diff.
  [[nodiscard]] bool add(Channel& channel, Frame frame, std::string_view payload);
  /// Posts what was added, and what the tail let go of for it.
  void flush();
  void post_evicted();

  /// Posts the next part of what came after `after`. False where the tail has lost it (or it can't be shown
  /// as text). `latest_above`: CatchUpCommand's.
  [[nodiscard]] bool catch_up(Subscription& subscription, FeedSeq after,
                              std::optional<Lsn> latest_above = {});
  /// Read so far to put transactions together.
  [[nodiscard]] std::size_t conflated_bytes() const { return conflated_bytes_; }

  void post(SubscriptionId subscription, Event event);
  void post_to_all(const Event& event);
  /// One event a shard.
  void post_snapshot(const std::vector<SubscriptionId>& subscriptions, const SnapshotReady& snapshot);
  /// Some shard can't keep up.
  [[nodiscard]] bool congested() const;

 private:
  class Gathering;
  struct Pending {
    std::vector<std::uint32_t> frames;
    std::size_t bytes = 0;
  };
  /// What was put together out of a tail lately, for others who lag from the same place.
  struct Shared {
    ChannelId channel;
    protocol::Encoding encoding;
    FeedSeq first;
    FeedSeq up_to;
    Lsn lsn;
    std::weak_ptr<const FrameBatch> batch;
  };
  static constexpr std::size_t kSharedMax = 64;
  [[nodiscard]] FrameAt of_tail(const Channel& channel) const;
  static std::optional<TextTails> text_of(const Channel& channel, const FrameAt& at, std::size_t before,
                                          const Frame& frame, std::string_view payload);
  [[nodiscard]] static bool gather(Gathering& gathering, const Channel& channel, const FrameAt& at,
                                   std::size_t index);
  [[nodiscard]] bool gather_history(Gathering& gathering, Subscription& subscription, FeedSeq& at);
  [[nodiscard]] bool gather_tail(Gathering& gathering, const Channel& channel, CaughtUp& answer);
  [[nodiscard]] bool gather_latest(Gathering& gathering, const Channel& channel, const FrameAt& at,
                                   std::size_t index, std::size_t end, bool in_tail);
  [[nodiscard]] bool gather_shared(Gathering& gathering, const Channel& channel, FeedSeq first);

  std::vector<ShardPort> ports_;
  Tail& tail_;
  Probe& probe_;
  Clock& clock_;
  const Options& options_;
  Steady read_at_{};
  std::optional<std::int64_t> commit_time_us_;  // of the first diff of the batch being built
  Numbering numbering_;
  protocol::Deflater deflater_;
  std::vector<Pending> pending_;  // one a shard: frames of the batch being built
  std::deque<Shared> shared_;
  std::size_t conflated_bytes_ = 0;
};

}  // namespace tidegate::feed
