#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/auth.h"
#include "auth/key_ring.h"
#include "auth/revocations.h"
#include "base/clock.h"
#include "base/result.h"
#include "feed/events.h"
#include "hub/hub.h"
#include "metrics/metrics.h"
#include "policy/access.h"
#include "session/options.h"
#include "session/selection.h"
#include "transport/credentials.h"

namespace tidegate::session {

struct HttpRequest {
  std::string method;
  std::string target;  ///< path and query, as sent
  std::string body;
  std::string authorization;  ///< that header's value
};
struct HttpAnswer {
  int status = 200;
  std::string content_type = "text/plain";
  std::string body;
};
/// Runs on a shard's thread and must not block for long.
using HttpHandler = std::function<HttpAnswer(const HttpRequest&)>;

/// What an edge works with.
struct Parts {
  Clock& clock;
  metrics::Registry& metrics;
  /// To the feed; false where its box is full.
  hub::Hub::ToFeed to_feed;
  /// By exact path (`/metrics`) or, ending in `*`, by prefix. A plain request elsewhere is answered
  /// `Options::plain_answer`.
  std::map<std::string, HttpHandler> routes;
  /// What the process may hold for its clients; null: nobody counts.
  std::shared_ptr<Budget> memory = nullptr;
  /// What tokens are verified with; null: every token is refused.
  std::shared_ptr<auth::KeyRing> keys = nullptr;
  /// What TLS shows; null: none is spoken.
  std::shared_ptr<transport::Credentials> credentials = nullptr;
  /// Tokens that count no more; null: none is.
  std::shared_ptr<auth::Revocations> revocations = nullptr;
};

/// The network edge: a listening socket, an io_context, a hub and a thread per shard. Threads are its own.
/// Reading and writing of one session happen on its shard's thread; `post` crosses.
class Edge {
 public:
  Edge(Parts parts, Options options, hub::Options hub, auth::Options auth);
  ~Edge();
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  /// One a shard, to be given to the feed before `start`.
  [[nodiscard]] std::vector<feed::ShardPort> ports();
  /// Binds and starts the shards. The error names the address and why.
  Status start();
  /// The port that was bound (for `port` 0).
  [[nodiscard]] std::uint16_t port() const;
  /// The tables as clients may see them now. Any thread. Where the policies are others than before, each
  /// shard narrows anew what is subscribed, in one go: nothing of an earlier query is delivered after that.
  void set_access(std::shared_ptr<const policy::Access> access);

  // For operators; any thread but a shard's, which it waits for. `unavailable` where one does not answer.
  /// At most `max` of the connections that are meant.
  Result<std::vector<ConnectionView>> connections(const Selection& which, std::size_t max);
  /// Closes them with 1008; how many.
  Result<std::size_t> disconnect(const Selection& which);
  /// Ends the connections whose token is concerned. Waits for nothing.
  void revoke(const auth::Revocation& revocation);

  /// Stops accepting, lets outboxes drain for at most `Options::drain`, closes every session with 1012, and
  /// joins.
  void stop();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::session
