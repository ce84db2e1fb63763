#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/account.h"
#include "base/budget.h"
#include "base/clock.h"
#include "feed/events.h"
#include "hub/options.h"
#include "hub/outbox.h"
#include "metrics/metrics.h"
#include "protocol/messages.h"

namespace tidegate::hub {

/// How a connection speaks.
struct SessionTraits {
  bool v1 = false;            ///< subprotocol tidegate.v1
  bool pass_through = false;  ///< the seed's rules
  bool deflate = false;       ///< takes compressed frames
};

/// A subscribe that parsing, policy and binding have passed.
struct SubscribeRequest {
  std::string hash_id;
  std::string routing_key;
  std::shared_ptr<const query::Query> query;  ///< null: pass-through
  QueryHash query_hash;
  std::optional<protocol::Encoding> frames;  ///< absent: raw, or v1
  std::optional<protocol::Cursor> cursor;
  std::optional<Lsn> resume_from;
  bool latest = false;  ///< managed: while it lags, several transactions may come as one
  /// What the client said, for whoever has to ask anew; the hub only keeps it.
  std::string request;
  std::size_t kept_bytes = 0;  ///< what this, the query and the cursor take, about
};

/// A name that is in use, with its query's routing key and what asked for it.
struct Requested {
  std::string hash_id;
  std::string routing_key;
  std::string request;
  std::size_t kept_bytes = 0;
};

/// One a shard: subscriptions, fences, outboxes. No I/O and no locks; everything is called on the shard's
/// thread. The cost of an event is the subscriptions that it concerns: no step looks at all sessions or all
/// subscriptions.
class Hub {
 public:
  using ToFeed = std::function<bool(feed::Command)>;
  /// `memory`: what the process may hold for its clients; null: nobody counts.
  Hub(std::uint16_t shard, Options options, ToFeed to_feed, Clock& clock, metrics::Registry& metrics,
      std::shared_ptr<Budget> memory = nullptr);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  /// `account`: what is done for the session is put down to it; null: nobody counts.
  SessionId open(SessionTraits traits, std::shared_ptr<Account> account = nullptr);
  void close(SessionId session);
  [[nodiscard]] Outbox& outbox(SessionId session);

  void subscribe(SessionId session, SubscribeRequest request);
  void unsubscribe(SessionId session, std::string_view hash_id);
  /// Ends all of them without a word. Of what is queued of them nothing is written any more; false where half
  /// of a frame is: then the connection is cut.
  bool unsubscribe_all(SessionId session);
  /// All names of the session.
  [[nodiscard]] std::vector<Requested> requested(SessionId session) const;
  /// The name is another query's from now on, unasked: an `ack` with that reason and a snapshot follow. Of
  /// what is queued of the earlier one nothing is written any more; a connection that has half a frame of it
  /// is cut.
  void replace(SessionId session, SubscribeRequest request);
  /// The name is over, in the same way, with an error.
  void revoke(SessionId session, std::string_view hash_id, protocol::ErrorCode code,
              std::string_view message);
  /// What a session has and holds, for operators.
  struct Weight {
    std::size_t subscriptions = 0;
    std::size_t queued_bytes = 0;  ///< in its outbox
    std::size_t held_bytes = 0;    ///< of these, what is its alone
  };
  [[nodiscard]] Weight weigh(SessionId session) const;
  /// What its query of that name takes, of SubscribeRequest's `kept_bytes`; nothing where it has none.
  [[nodiscard]] std::optional<std::size_t> kept(SessionId session, std::string_view hash_id) const;
  /// Queues a control message (a text frame) and marks the session dirty.
  void send(SessionId session, std::string_view text);
  void send_error(SessionId session, protocol::ErrorCode code, std::string_view message,
                  std::string_view hash_id = {}, std::optional<std::int64_t> retry_ms = {});

  void on_event(const feed::Event& event);
  /// The same, one after the other; what is delivered in several of them at a stretch goes to each session
  /// together.
  void on_events(std::span<const feed::Event> events);
  /// Whatever waits for time: `progress` messages. Every second.
  void tick();
  /// Everybody who was dirty has been flushed: what was delivered until now counts as written.
  void flushed();
  /// The session wrote something: snapshots go on, lagging subscriptions ask to catch up.
  void written(SessionId session);

  /// Sessions whose outbox got something since the last call, each once; the caller flushes them.
  [[nodiscard]] std::vector<SessionId> take_dirty();
  /// Sessions above the hard limit since the last call: the caller cuts them (1013).
  [[nodiscard]] std::vector<SessionId> take_debtors();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::hub
