#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fence.h"
#include "base/ids.h"
#include "feed/events.h"
#include "protocol/frames.h"

namespace tidegate::hub {

/// Where a subscription stands.
enum class Phase : std::uint8_t {
  pending,       ///< the feed has not answered with rows or a resume
  snapshotting,  ///< a spool's parts are being written
  lagging,       ///< holds only its place; what came after it is asked for when the outbox has room
  live,          ///< gets every record as it comes
};
inline constexpr int kPhases = 4;

/// What moves it.
enum class Trigger : std::uint8_t {
  snapshot,   ///< a spool has arrived: it replaces whatever the client holds
  resumed,    ///< the cursor holds
  written,    ///< the spool's last part is in the outbox
  caught_up,  ///< nothing is missing any more
  full,       ///< the outbox has no room for the next frame
  reset,      ///< what the client holds is void: a snapshot follows
};
inline constexpr int kTriggers = 6;

/// The whole table: every phase has an answer to every trigger.
constexpr Phase next_phase(Phase phase, Trigger trigger) {
  using enum Phase;
  constexpr std::array<std::array<Phase, kTriggers>, kPhases> table{{
      // snapshot, resumed, written, caught_up, full, reset
      {snapshotting, lagging, pending, pending, pending, pending},                 // pending
      {snapshotting, snapshotting, lagging, snapshotting, snapshotting, pending},  // snapshotting
      {snapshotting, lagging, lagging, live, lagging, pending},                    // lagging
      {snapshotting, live, live, live, lagging, pending},                          // live
  }};
  return table[static_cast<std::size_t>(phase)][static_cast<std::size_t>(trigger)];
}

/// Which frames of its channel a subscription still needs: rule 18's filter and floor, and the order of (LSN,
/// position). Pure. Frames are offered in the order of their FeedSeq, some perhaps twice.
class Place {
 public:
  enum class Verdict : std::uint8_t {
    seen,       ///< offered before
    contained,  ///< the snapshot, or what was delivered, already holds it
    deliver,
  };

  explicit Place(bool pass_through) : pass_through_(pass_through) {}

  /// A snapshot replaces everything: what comes after `after` counts, filtered by the fence until the stream
  /// is past it. Managed: everything up to `floor`, the V of that moment, is in it.
  void start_at_snapshot(FeedSeq after, std::optional<Fence> fence, Lsn floor = Lsn());
  /// A cursor holds: what comes after `after` and above `floor` counts.
  void start_at_cursor(FeedSeq after, Lsn floor, std::optional<Fence> fence);

  [[nodiscard]] Verdict offer(const feed::Frame& frame);
  /// The frame was put into the outbox. Parts move the floor at the last one only.
  void delivered(const feed::Frame& frame);
  /// Whether it needs each of some frames, `first` being their first: all whole by themselves, their LSNs
  /// rising (in pass-through: not falling). If so they may be delivered as one, and `delivered_all` says that
  /// they were.
  [[nodiscard]] bool needs_all(const feed::Frame& first) const;
  void delivered_all(const feed::Frame& last);
  /// Everything up to here was offered.
  void advance(FeedSeq up_to);
  /// This frame, which was delivered, and all after it were taken out of the outbox again.
  void go_back(const feed::Frame& frame);
  /// The live stream has passed this LSN; only for a subscription that is live.
  void passed(Lsn lsn);
  /// The frame that was delivered last holds all transactions up to this LSN, and `advance` follows.
  void conflated(Lsn lsn);
  /// Nothing that was delivered can be taken back any more.
  void written();

  /// Where a catch-up goes on: behind what was offered, be it in the middle of a transaction, whose earlier
  /// parts are in the outbox or written.
  [[nodiscard]] FeedSeq offered() const { return seen_; }
  /// Where whole transactions end, or before that: all up to here is contained.
  [[nodiscard]] FeedSeq after() const { return after_; }
  [[nodiscard]] Lsn floor() const { return floor_; }
  /// Everything above it is to be delivered.
  [[nodiscard]] Lsn delivers_above() const { return filtering_ ? std::max(floor_, fence_->until) : floor_; }
  /// Null when the filter is off.
  [[nodiscard]] const Fence* filter() const { return filtering_ ? &*fence_ : nullptr; }
  /// The filter is on, or would be again after going back.
  [[nodiscard]] bool has_fence() const { return fence_.has_value(); }

 private:
  /// A transaction of several pieces, and what was whole before it.
  struct Begun {
    Lsn lsn;
    FeedSeq after;
  };
  /// An outbox has room for a few of them; of one that was forgotten all since the start is read again.
  static constexpr std::size_t kBegunMax = 16;
  void whole_at(FeedSeq seq);
  void end_filter();

  bool pass_through_;
  bool unfinished_ = false;  // parts of a transaction were offered, its last one not yet
  bool filtering_ = false;
  FeedSeq seen_;   // offered up to here
  FeedSeq after_;  // whole transactions end here
  FeedSeq start_;  // the snapshot's, or the cursor's
  Lsn floor_;      // managed: not above it is contained; pass-through: below it
  std::vector<Begun> begun_;
  Lsn forgotten_;  // the last one that is not in begun_ any more
  std::optional<Fence> fence_;
};

struct Session;

/// One query of one connection.
struct Subscription {
  Subscription(SubscriptionId id_in, Session& session_in, bool pass_through)
      : id(id_in), session(session_in), place(pass_through) {}
  SubscriptionId id;
  Session& session;
  Phase phase = Phase::pending;
  Place place;
  std::vector<std::string> names;  ///< the client's `hashId`s; the first heads its messages
  std::string routing_key;
  QueryHash query;
  protocol::Encoding encoding = protocol::Encoding::raw;
  bool latest = false;
  bool asked = false;       ///< a CatchUpCommand is under way
  bool unfinished = false;  ///< listed in Session::unfinished
  std::string_view reason;  ///< why its `ack` comes unasked; a constant, empty once it has come
  ChannelId channel;
  Partition partition;    ///< managed: the channel's
  std::string diff_head;  ///< for text encodings
  std::shared_ptr<const feed::Spool> spool;
  std::size_t next_part = 0;
};

}  // namespace tidegate::hub
