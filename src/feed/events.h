#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/account.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/fence.h"
#include "base/ids.h"
#include "feed/spool.h"
#include "protocol/cursor.h"
#include "protocol/errors.h"
#include "protocol/frames.h"

namespace tidegate::query {
class Query;
}

/// The values that cross between the feed's thread and the shards': the only part of feed/ that hub/ may
/// include.
namespace tidegate::feed {

// ---- frames ----

/// A piece of FrameBatch::bytes.
struct Slice {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;  ///< 0: this encoding was not wanted by anybody
};

/// One data record of one channel, with its frames. For `raw` and `v1` the slice is a whole WebSocket frame,
/// the same for every subscriber; for `json` and `base64` it is a message's tail (protocol/messages.h), to be
/// put behind the subscriber's own head. A subscriber whose encoding has no slice here gets nothing, but
/// `last` and `lsn` count for it as for the others: `json` has text on a diff's last part only, and where
/// that is large in further frames before it, which have no other slice and lie between two records' seqs.
struct Frame {
  ChannelId channel;
  FeedSeq seq;
  Partition partition;
  Offset offset;
  Lsn lsn;
  std::optional<Xid> xid;
  std::uint32_t part = 0;
  bool last = true;
  std::array<Slice, protocol::kEncodings> slices;
};

/// Records that were read together, encoded once. Immutable once posted; shared by every shard and by the
/// tail.
struct FrameBatch {
  std::string bytes;
  std::vector<Frame> frames;  ///< in the order of their bytes
  std::uint64_t number = 0;   ///< the tail's, rising; 0: the tail has it not
  Charge charge;              ///< what it holds of the process's memory
};

/// Some frames of a batch (indices, rising).
struct FrameRun {
  std::shared_ptr<const FrameBatch> batch;
  std::vector<std::uint32_t> frames;
};

// ---- from a shard to the feed ----

struct SubscribeCommand {
  SubscriptionId subscription;
  std::string routing_key;
  std::shared_ptr<const query::Query> query;  ///< null: pass-through
  protocol::Encoding encoding = protocol::Encoding::raw;
  std::optional<protocol::Cursor> cursor;      ///< managed
  std::optional<Lsn> resume_from;              ///< pass-through
  std::shared_ptr<Account> account = nullptr;  ///< whom reading for it is put down to; null: nobody
};
struct UnsubscribeCommand {
  SubscriptionId subscription;
};
/// A lagging subscription, or one that has written its snapshot, wants what came after `after`. Should that
/// have to be read from the log again, whole transactions are contained up to `whole`, which is not above
/// `after`, and everything with an LSN up to `floor`.
struct CatchUpCommand {
  SubscriptionId subscription;
  FeedSeq after;
  FeedSeq whole;
  Lsn floor;
  /// Where the client wants the last states alone: of whole transactions with an LSN above it, all of which
  /// are to be delivered, several may be put together.
  std::optional<Lsn> latest_above = std::nullopt;
};
/// What the feed holds of one query, for operators.
struct ChannelView {
  ChannelId channel;
  std::string table;      ///< as its schema has it: `public.orders`
  std::string canonical;  ///< JSON
  std::string sql;        ///< what a snapshot of it reads, with the next for `$1` and so on
  std::vector<std::string> parameters;
  std::string routing_key;
  std::size_t subscriptions = 0;
  std::size_t waiting = 0;               ///< of these, for a snapshot or a resume
  std::optional<Activation> activation;  ///< absent: it is being registered
  Epoch epoch;                           ///< of the activation, as are the next two
  Partition partition;
  Lsn lsn;  ///< of the last whole change
  std::size_t tail_records = 0;
  std::size_t tail_bytes = 0;  ///< of the frames of these
};
/// Asks for the channels of a query; looks at all that there are. `answer` is called on the feed's thread.
struct InspectCommand {
  QueryHash query;
  std::function<void(std::optional<ChannelView>)> answer;
};
using Command = std::variant<SubscribeCommand, UnsubscribeCommand, CatchUpCommand, InspectCommand>;

// ---- from the feed to a shard ----

/// The channel is known, and whether the resume holds: the ack. Sent once a SubscribeCommand, and again
/// (unsolicited) before a snapshot that a reset brings where `unsolicited`.
struct Accepted {
  SubscriptionId subscription;
  ChannelId channel;
  QueryHash query;
  bool resumed = false;
  bool unsolicited = false;
  /// Set where `resumed`: what the cursor said. The subscription then lags: it asks to catch up from `after`.
  /// (In pass-through a SnapshotReady with the same `after` follows at once; it asks when that is written.)
  std::optional<Fence> fence;
  Lsn floor;
  FeedSeq after;
  /// Managed: where the channel's records are, so that only that partition's Passed ends a filter.
  Partition partition{-1};
};

/// A snapshot replaces what these subscriptions hold. Afterwards each catches up from `after`.
struct SnapshotReady {
  std::vector<SubscriptionId> subscriptions;
  std::shared_ptr<const Spool> spool;  ///< pass-through: one part, the seed's empty snapshot
  std::optional<Fence> fence;          ///< absent in pass-through
  FeedSeq after;
  Lsn floor;  ///< managed: the V known when it began; everything up to it is in the snapshot
  /// Pass-through: the resume could not be exact, or what was queued was lost: `overflow` /
  /// `reset-to-snapshot` first.
  bool overflow = false;
};

/// Several transactions in one frame, the last of an answer. Its bytes say the last transaction's LSN and
/// offset; `seq` and `lsn` of the Frame are the first one's, so that who gives it back asks for all of them.
struct Conflated {
  Lsn above;  ///< as asked
  Lsn lsn;    ///< of the last one: everything up to it is held then
};

/// Part of what a subscription missed, in order. `live`: that was all; from now on Deliver has the rest.
struct CaughtUp {
  SubscriptionId subscription;
  FeedSeq after;  ///< as asked: an answer to an earlier question than the last is to be ignored
  std::vector<FrameRun> runs;
  FeedSeq up_to;  ///< everything of the channel up to here is contained
  bool live = false;
  std::optional<Conflated> conflated = std::nullopt;
};

/// New records of channels that have subscribers in this shard.
struct Deliver {
  FrameRun run;
  Steady posted{};  ///< when, for metrics
  std::optional<std::int64_t>
      commit_time_us;  ///< of the batch's first diff, where it is known; for metrics too
};

/// The stream of a managed log has passed `lsn` in this partition (rule 3): ends filters, raises floors.
struct Passed {
  Partition partition;
  Offset offset;
  Lsn lsn;
  Epoch epoch;
};

/// The partition is read no more: what it had passed says nothing of the time when it is read again.
struct Unread {
  Partition partition;
};

/// One query's fault; the subscription is over unless `keeps` (then it is told and goes on waiting).
struct Refused {
  SubscriptionId subscription;
  protocol::ErrorCode code = protocol::ErrorCode::unavailable;
  std::string message;
  std::optional<std::int64_t> retry_ms;
  bool keeps = false;
};

/// Every 30 s while a subscription waits (rule 16).
struct Waiting {
  SubscriptionId subscription;
  std::string_view what;  ///< `registration` or `visibility`
};

/// The tail has let go of its batches up to this number: whoever still holds frames of them becomes a place
/// (rule 26).
struct Evicted {
  std::uint64_t up_to = 0;
};

/// The process holds more than it may (rule 27): all frames become places or, where that was not enough, the
/// shard's largest debtor is cut.
struct Relieve {
  bool cut = false;
};

/// Nothing has come from upstream since then, or (absent) it has again.
struct Stale {
  std::optional<std::int64_t> since_unix_ms;
};

using Event = std::variant<Accepted, SnapshotReady, CaughtUp, Deliver, Passed, Unread, Refused, Waiting,
                           Evicted, Relieve, Stale>;

/// How the feed reaches one shard. `post` is called on the feed's thread; `backlog_bytes` says what was
/// posted and not yet handled, and the feed reads no further while any shard's is above its limit.
struct ShardPort {
  std::function<void(Event event, std::size_t bytes)> post;
  std::function<std::size_t()> backlog_bytes;
};

inline SubscriptionId subscription_id(std::uint16_t shard, std::uint64_t counter) {
  return SubscriptionId(std::uint64_t{shard} << 48 | counter);
}
inline std::uint16_t shard_of(SubscriptionId id) {
  return static_cast<std::uint16_t>(id.value() >> 48);
}

}  // namespace tidegate::feed
