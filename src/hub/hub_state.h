#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/owner_thread.h"
#include "hub/hub.h"
#include "hub/probe.h"
#include "hub/session.h"
#include "hub/session_table.h"

namespace tidegate::hub {

class Neighbours;

/// Everything that a hub knows. One shard's thread.
class Hub::State {
 public:
  State(std::uint16_t shard, Options options, ToFeed to_feed, Clock& clock, metrics::Registry& metrics,
        std::shared_ptr<Budget> memory);

  SessionId open(SessionTraits traits, std::shared_ptr<Account> account);
  void close(SessionId id);
  Session& session(SessionId id);
  /// `reason`: why it is not the client who asks; empty: it is.
  void subscribe(Session& session, SubscribeRequest request, std::string_view reason = {});
  void unsubscribe(Session& session, std::string_view name);
  bool unsubscribe_all(Session& session);
  static std::vector<Requested> requested(const Session& session);
  void replace(Session& session, SubscribeRequest request);
  void revoke(Session& session, std::string_view name, protocol::ErrorCode code, std::string_view message);
  void send(Session& session, std::string_view text);
  void send_error(Session& session, protocol::ErrorCode code, std::string_view message, std::string_view name,
                  std::optional<std::int64_t> retry_ms);
  void tick();
  void flushed();
  void written(Session& session);
  std::vector<SessionId> take_dirty();
  std::vector<SessionId> take_debtors();

  void on(const feed::Accepted& event);
  void on(const feed::SnapshotReady& event);
  void on(const feed::CaughtUp& event);
  void on(const feed::Deliver& event);
  /// Deliver events alone, in order.
  void deliver(std::span<const feed::Event> events);
  void on(const feed::Passed& event);
  void on(const feed::Unread& event);
  void on(const feed::Refused& event);
  void on(const feed::Waiting& event);
  void on(const feed::Evicted& event);
  void on(const feed::Relieve& event);
  void on(const feed::Stale& event);

 private:
  struct Tally {
    std::size_t probed = 0;
    std::size_t delivered = 0;
    std::size_t contained = 0;
  };

  Subscription* find(SubscriptionId id);
  std::optional<Charge> keep(Session& session, const SubscribeRequest& request);
  bool follow_existing(Session& session, SubscribeRequest& request, protocol::Encoding encoding,
                       std::string_view reason, Charge& kept);
  void take_back(Session& session, std::string_view name);
  static void put_name(Session& session, std::string name, Named named);
  static void erase_name(Session& session, Names::iterator used);
  void leave_name(Subscription& subscription, Names::iterator used);
  void forget(Subscription& subscription, bool tell_feed);
  void tell(feed::Command command);
  void tell_again();
  void mark_dirty(Session& session);
  bool tell_outbox_bytes(Session& session);
  static bool tell_copies(Session& session);
  void hold_less(Session& session);
  void join_channel(Subscription& subscription, ChannelId channel);
  void leave_channel(Subscription& subscription);

  void deliver_all(std::span<const feed::Deliver* const> events);
  void deliver(Subscription& subscription, const Neighbours& neighbours, Tally& tally);
  bool deliver_as_one(Subscription& subscription, const Neighbours& neighbours, Tally& tally);
  void offer(Subscription& subscription, const feed::FrameBatch& batch, const feed::Frame& frame, Held& held,
             Tally& tally);
  void push(Subscription& subscription, const feed::FrameBatch& batch, const feed::Frame& frame, Held& held);
  static void push_text(Subscription& subscription, const feed::FrameBatch& batch, const feed::Frame& frame,
                        Held& held);
  void lag(Subscription& subscription);
  void go_live(Subscription& subscription);
  void count(const Tally& tally);

  void list_holding(Session& session);
  void give_back_evicted();
  template <class Condition>
  void give_back(Condition condition);
  void turn_to_places(Session& session);
  bool starves(Session& session, const feed::Spool& spool, std::size_t part);
  bool may_ask(Session& session);
  void list_starved(Session& session);
  void go_on_with_starved();
  void cut_largest();
  void cut(Session& session);

  /// Goes on with a snapshot or a catch-up as far as the outbox has room.
  void proceed(Subscription& subscription);
  void proceed(Session& session);
  void write_snapshot(Subscription& subscription);
  static bool write_part(const Subscription& subscription, const feed::Spool& spool, const std::string& head,
                         Held& held);
  void lose(Subscription& subscription);
  void ask(Subscription& subscription);
  static void answered(Subscription& subscription);
  void list_unfinished(Subscription& subscription);
  void unlist_unfinished(Subscription& subscription);
  void send_progress(Session& session);

  const std::uint16_t shard_;
  const Options options_;
  const ToFeed to_feed_;
  Clock& clock_;
  const std::shared_ptr<Budget> memory_;
  Probe probe_;
  OwnerThread owner_;
  std::uint64_t last_subscription_ = 0;
  SessionIds ids_;
  SessionTable<std::unique_ptr<Session>> sessions_;
  std::unordered_map<SubscriptionId, std::unique_ptr<Subscription>> subscriptions_;
  std::unordered_map<ChannelId, std::vector<Subscription*>> channels_;
  std::deque<feed::Command> untold_;  // what the feed's full box refused
  std::vector<SessionId> dirty_;
  std::vector<SessionId> debtors_;
  bool cut_largest_ = false;  // wanted, when what came before has been written
  /// Deliveries since the last flush, for metrics.
  struct Unwritten {
    Steady taken;
    std::optional<std::int64_t> commit_time_us;
  };
  std::vector<Unwritten> unwritten_;
  std::int64_t outbox_bytes_untold_ = 0;  // to the gauge, until the next flush
  std::uint64_t evicted_ = 0;             // the tail's batches up to here are gone
  std::vector<SessionId> starved_;  // whose snapshots wait for memory, or what they missed for an account
  bool one_more_ = false;           // part may be copied all the same
  std::vector<SessionId> holding_;  // with something in their outbox when they were last looked at
  /// The stream's place in each partition, and the live subscriptions whose filter waits for it.
  struct Stream {
    feed::Passed passed;
    bool known = false;
    std::vector<SubscriptionId> filtering;
  };
  std::unordered_map<Partition, Stream> streams_;
  /// Set while nothing comes from upstream.
  std::optional<std::int64_t> stale_since_unix_ms_;
  /// v1 sessions in the order in which their next `progress` is due: one interval for all, so a queue.
  std::deque<std::pair<Steady, SessionId>> progress_due_;
};

}  // namespace tidegate::hub
