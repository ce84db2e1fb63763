#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "feed/channels.h"
#include "feed/delivery.h"
#include "feed/probe.h"
#include "feed/replay.h"
#include "log/log.h"
#include "protocol/deflate.h"

namespace tidegate::feed {

/// Pass-through: someone else fills the topic, values are opaque, and a channel is live as soon as it exists.
/// The fence of a new subscription is its place in the log, by FeedSeq, never an LSN over all keys (the
/// seed's fault G). A resume is exact where the tail or a replay can show that nothing is missing, else it
/// says `overflow` (fault H). The feed's thread only.
class PassThrough {
 public:
  struct Parts {
    Channels& channels;
    Tail& tail;
    Delivery& delivery;
    Replay& replay;
    Probe& probe;
    Clock& clock;
    const Options& options;
  };
  PassThrough(Parts parts, std::vector<Offset> ends) : parts_(parts), ends_(std::move(ends)) {}

  void on_command(const SubscribeCommand& command);
  void on_command(const UnsubscribeCommand& command);
  void on_command(const CatchUpCommand& command);
  void on_record(const log::Record& record);
  void on_replay(const ReplayResult& result);
  /// Records were lost; reading goes on at `ends`.
  void on_lost(std::vector<Offset> ends);
  void on_time();

 private:
  void begin_here(Subscription& subscription, bool overflow);
  void resume(Subscription& subscription, Lsn from);
  void resume_exactly(Subscription& subscription, Lsn from, FeedSeq after, Held held);
  void accept(Subscription& subscription, Accepted accepted);

  Parts parts_;
  std::vector<Offset> ends_;  // one a partition: behind what was read
  std::optional<Lsn> head_;   // the highest LSN that was read
  protocol::Deflater deflater_;
  std::unordered_map<SubscriptionId, FeedSeq>
      replays_;  // under way: the place before the room for their records
};

}  // namespace tidegate::feed
