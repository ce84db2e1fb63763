#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "feed/channels.h"
#include "feed/delivery.h"
#include "feed/probe.h"
#include "feed/replay.h"
#include "log/log.h"
#include "protocol/frames.h"

namespace tidegate::feed {

/// Pass-through: someone else fills the topic, values are opaque, and a channel is live as soon as it exists.
/// The fence of a new subscription is its place in the log, by FeedSeq, never an LSN over all keys (the
/// seed's fault G). A resume is exact where the tail or a replay can show that nothing is missing, else it
/// says `overflow` (fault H). Many who come back to one key with one LSN, as after an outage, share one
/// replay and its records. The feed's thread only.
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
  void on_replay(ReplayResult result);
  /// Records were lost; reading goes on at `ends`.
  void on_lost(std::vector<Offset> ends);
  void on_time();

 private:
  void begin_here(Subscription& subscription, bool overflow);
  void resume(Subscription& subscription, Lsn from);
  [[nodiscard]] bool join_replay(const Subscription& subscription, Lsn from);
  [[nodiscard]] bool start_replay(const Subscription& subscription, Lsn from);
  void resume_exactly(Subscription& subscription, Lsn from, FeedSeq after, Held held);
  void accept(Subscription& subscription, Accepted accepted);

  /// What makes two replays the same, but for what was read between them.
  using Wish = std::tuple<ChannelId, Lsn, protocol::Encoding>;
  /// A replay under way, for all who wait for it.
  struct Asked {
    Wish wish;
    FeedSeq after;  ///< the place before the room for its records
    Steady deadline;
    std::vector<SubscriptionId> waiting;  ///< may name some that have left, or ask for something else
  };

  Parts parts_;
  std::vector<Offset> ends_;  // one a partition: behind what was read
  std::optional<Lsn> head_;   // the highest LSN that was read
  std::uint64_t last_ticket_ = 0;
  std::unordered_map<std::uint64_t, Asked> asked_;             // by ticket
  std::map<Wish, std::uint64_t> latest_;                       // the last one of its kind in asked_
  std::unordered_map<SubscriptionId, std::uint64_t> replays_;  // which one it waits for
};

}  // namespace tidegate::feed
