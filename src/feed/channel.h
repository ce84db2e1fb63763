#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "feed/events.h"
#include "feed/pins.h"

namespace tidegate::feed {

/// Where the tail holds one frame of a channel, with what a search needs.
struct TailEntry {
  std::uint64_t batch = 0;  ///< Tail's number of it
  std::uint32_t frame = 0;
  FeedSeq seq;
  Lsn lsn;
  Offset offset;
};

/// A transaction of which some parts have come (rule 5).
struct Unfinished {
  Generation generation;
  Lsn lsn;
  std::uint32_t next_part = 0;
};

/// A snapshot that is being taken for all who wait for it (rule 17): what was noted before it began.
struct Flight {
  std::uint64_t number = 0;
  FeedSeq after;
  Lsn visible;  ///< V
  Pin pin;      ///< what came after it stays in the tail
};

/// A snapshot that was taken, for those who come soon.
struct Taken {
  std::shared_ptr<const Spool> spool;
  Fence fence;
  FeedSeq after;
  Lsn visible;
  Steady at;
};

/// Everything the feed knows of one routing key. The feed's thread only.
struct Channel {
  ChannelId id;
  std::string key;
  std::shared_ptr<const query::Query> query;  ///< null: pass-through
  QueryHash hash;

  // Who listens.
  std::unordered_set<SubscriptionId> subscriptions;
  std::vector<std::uint32_t> shard_subscribers;  ///< one a shard: those that have a place, not the pending
  std::array<std::uint32_t, protocol::kEncodings> wanted{};
  std::vector<SubscriptionId> pending;  ///< wait for a snapshot; may name some that have left
  std::optional<Steady> empty_since;

  // The tail: every record of the channel with a seq above `complete_since` is in `entries`.
  std::deque<TailEntry> entries;
  FeedSeq complete_since;
  /// Managed: every diff of this activation with an LSN above it is in `entries`. Pass-through: where set,
  /// the highest LSN among the channel's records that are known to precede `entries`.
  std::optional<Lsn> complete_lsn;

  // Managed.
  std::optional<Activation> activation;  ///< absent: registering
  Steady enlisted_at;                    ///< when it was last registered anew
  Epoch epoch;                           ///< of the activation
  Partition partition;
  Lsn last_complete;  ///< rule 5: a diff at or below it has been given before
  std::optional<Unfinished> unfinished;
  /// Rule 5: the last diff that came in parts. Who can't join parts needs a snapshot that holds it.
  Lsn parts_lsn;
  FeedSeq parts_seq;
  std::optional<Flight> flight;
  std::optional<Taken> taken;
  int lost_races = 0;
  /// Reset, and the snapshot that mends it has not gone out: its subscribers in the hubs still look live, so
  /// that nobody else may join before.
  bool resetting = false;
};

/// Bytes of all histories that are held.
using HeldBytes = std::shared_ptr<std::atomic<std::size_t>>;

/// A stretch of a channel's past that was read from the log again: what a tail that reaches back so far would
/// hold. Shared by all who wait for it, gone when the last of them has it. (In pass-through its seqs lie in a
/// range that was reserved when the resume came, below all that was read since.)
struct History {
  History() = default;
  ~History() {
    if (held) *held -= batch.bytes.size();
  }
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  FrameBatch batch;  ///< every record above the place where it begins and up to `up_to`
  FeedSeq up_to;
  HeldBytes held;  ///< where `batch` is counted in it
};

/// One subscription of a shard's. The feed's thread only.
struct Subscription {
  SubscriptionId id;
  Channel* channel = nullptr;
  protocol::Encoding encoding = protocol::Encoding::raw;
  std::shared_ptr<Account> account;  ///< null: nobody's
  bool accepted = false;
  /// Waits for a snapshot, or for what decides about its resume: nothing is delivered to it.
  bool pending = true;
  std::optional<protocol::Cursor> cursor;  ///< until it is decided whether the resume holds
  std::optional<Lsn> resume_from;          ///< likewise, in pass-through
  Steady since;                            ///< it waits since then
  Steady told;                             ///< it was last told that it waits
  std::shared_ptr<const History> history;  ///< comes before the tail
  FeedSeq history_since;                   ///< it has what the subscription lacks above this place

  /// Managed: where its last snapshot or resume put it. Pass-through: where the replay that it resumed from
  /// ends, which the tail has nothing of.
  FeedSeq placed;

  // Managed: the log is being read again for it.
  std::optional<std::uint64_t> rereading;    ///< the question's number
  std::optional<protocol::Cursor> resuming;  ///< a pending one's
  FeedSeq reread_after;                      ///< of one that lags, as are the next three: what it asked for
  FeedSeq reread_whole;
  Lsn reread_floor;
  std::optional<Lsn> reread_above;
  std::size_t reread_bytes = 0;  ///< since it was live

  /// It has its snapshot and has not joined the live stream yet: what it lacks stays in the tail.
  Pin pin;
  int lost_races = 0;  ///< since it was live: snapshots whose continuation the tail lost all the same
};

}  // namespace tidegate::feed
