#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/identity.h"
#include "feed/channels.h"
#include "feed/control.h"
#include "feed/delivery.h"
#include "feed/history.h"
#include "feed/order.h"
#include "feed/pressure.h"
#include "feed/probe.h"
#include "feed/reading.h"
#include "feed/snapshot_pool.h"
#include "feed/values.h"
#include "log/log.h"

namespace tidegate::feed {

/// Managed queries, as rules 3 to 5 and 14 to 19 have them:
/// - A channel registers, and is active from the `active` record on, whose R and activation it keeps. Its
/// tail holds
///   every diff above `complete_lsn`, at first R.
/// - When V has reached `complete_lsn` somebody who waits makes a flight start. What is noted before it
/// starts is where
///   the tail goes on: before the first diff above V. All diffs up to V are in the snapshot, since V is
///   visible; of those above the fence decides.
/// - Whatever breaks the span of matching (another activation, epoch, `reset`, lost records) cuts the tail
/// and makes
///   all subscribers wait for a fresh snapshot.
/// The feed's thread only.
class Managed {
 public:
  struct Parts {
    Channels& channels;
    Tail& tail;
    Delivery& delivery;
    Control& control;
    SnapshotPool& pool;
    Reread& reread;
    Probe& probe;
    Clock& clock;
    const Options& options;
    std::int32_t partitions;
    const Pressure& relief;
    log::Reader& reader;
    Reading* reading = nullptr;  ///< null: all partitions are read
    std::function<void(const std::string&)> warn = nullptr;
  };
  explicit Managed(Parts parts);

  void on_command(const SubscribeCommand& command);
  void on_command(const UnsubscribeCommand& command);
  void on_command(const CatchUpCommand& command);
  /// Answers some of those whose answer is put together, so that the log's reading is never held up for long.
  /// Whether some wait still.
  bool on_turn();
  /// Whatever the control topic says, before the records that were read after it.
  void on_news(const Control::News& news);
  void on_record(const log::Record& record);
  /// A batch is over and its frames are posted.
  void on_batch_end();
  void on_snapshot(SnapshotResult result);
  void on_reread(RereadResult result);
  void on_end(const EndResult& result);
  /// Records were lost: all channels begin anew.
  void on_lost();
  void on_time();

  /// When something valid last came from a matcher. Null: nothing yet.
  [[nodiscard]] std::optional<Steady> heard() const { return heard_; }
  [[nodiscard]] bool knows_epoch() const { return epoch_.has_value(); }

 private:
  struct PartitionState {
    std::optional<Lsn> visible;  // V
    Offset read{-1};             // of the last record that counted
    Generation generation{-1};   // of the last record that counted
    Fences fences;
    std::optional<Passed> passed;  // not yet posted
  };

  void on_epoch(const Control::News& news);

  // Records.
  void on_progress(const log::Record& record, PartitionState& partition);
  void on_active(Channel& channel, const log::Record& record);
  void on_closed(Channel& channel, const log::Record& record);
  void on_diff(Channel& channel, const log::Record& record);
  void on_reset(Channel& channel, const log::Record& record);
  void on_schema(Channel& channel, const log::Record& record);
  [[nodiscard]] bool fits(Channel& channel, const log::Record& record);

  // Which partitions are read.
  void enlist(Channel& channel);
  void remove(Channel& channel);
  void open_marked(std::uint64_t mark);
  void close_idle(Steady now);

  // Channels.
  void register_anew(Channel& channel, Reset reason);
  void reset(Channel& channel, Reset reason, std::optional<Lsn> complete_lsn);
  void advance(Channel& channel);
  void serve(Channel& channel, const std::vector<SubscriptionId>& waiting, const Taken& taken);
  void start_flight(Channel& channel);
  void drop_kept(Steady now);
  bool lost_race(Subscription& subscription);
  void snapshot_failed(Channel& channel, const SnapshotResult& result);
  void refuse_for_memory(Channel& channel);
  void refuse_pending(Channel& channel, protocol::ErrorCode code, const std::string& message,
                      std::optional<std::int64_t> retry_ms);
  [[nodiscard]] std::optional<Lsn> visible(const Channel& channel) const;
  [[nodiscard]] std::vector<std::shared_ptr<Account>> payers(const Channel& channel) const;

  // Subscriptions.
  void accept(Subscription& subscription);
  void decide(Subscription& subscription);
  [[nodiscard]] static std::optional<Refusal> refusal(const Channel& channel, const protocol::Cursor& cursor);
  void hold(Subscription& subscription, const protocol::Cursor& cursor, FeedSeq after, Held from);
  void begin_anew(Subscription& subscription);
  void refresh_partless(Channel& channel);

  // What the tail has, or has lost and the log may have.
  void catch_up(const CatchUpCommand& command);
  void reread_resume(Subscription& subscription, const protocol::Cursor& cursor);
  void reread_lagging(Subscription& subscription, const CatchUpCommand& command);
  [[nodiscard]] bool reread(Subscription& subscription, Offset offset, Lsn lsn, Lsn record_lsn_max);
  void give_up(Subscription& subscription, Refusal reason);
  void give_up_lagging(Subscription& subscription, Refusal reason);
  void on_late_rereads(Steady now);
  [[nodiscard]] PartitionState& partition(Partition number) {
    return partitions_[static_cast<std::size_t>(number.value())];
  }

  Parts parts_;
  std::optional<registry::EpochBound> epoch_;
  std::vector<PartitionState> partitions_;
  std::unordered_set<ChannelId> waiting_;                           // channels with somebody pending
  std::unordered_map<Partition, std::vector<ChannelId>> unlisted_;  // until their partition's end is known
  std::uint64_t last_flight_ = 0;
  std::deque<std::pair<Steady, ChannelId>> kept_;  // snapshots for those who come soon, as they were taken
  /// Resumes that the log is read for, in the order in which their acks are due (rule 16).
  struct Due {
    Steady at;
    SubscriptionId subscription;
    std::uint64_t ticket;
  };
  std::deque<Due> rereads_due_;
  std::uint64_t last_ticket_ = 0;
  std::deque<CatchUpCommand> put_off_;  // at most one a subscription
  std::optional<Steady> heard_;
  std::string unfit_;   // why the last query ended that fits its table no more
  std::string warned_;  // the disk's last complaint, until a snapshot was kept again
};

}  // namespace tidegate::feed
