#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "admin/options.h"
#include "auth/revocations.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "feed/events.h"
#include "metrics/metrics.h"
#include "session/edge.h"
#include "transport/credentials.h"

namespace tidegate::admin {

/// What the surface shows and does, on its own thread, which may wait. What is null this process has not.
struct Calls {
  std::function<Status()> ready;
  std::function<std::string()> metrics;
  std::function<Result<std::vector<session::ConnectionView>>(const session::Selection&, std::size_t max)>
      connections;
  std::function<Result<std::size_t>(const session::Selection&)> disconnect;
  std::function<Result<feed::ChannelView>(const QueryHash&)> query;
  /// What counts now, as JSON, and where it is kept.
  std::function<Result<std::string>(auth::Revocation)> revoke;
  std::function<Status()> reload;
};

/// The handlers of `/healthz`, `/readyz`, `/metrics` and `/admin/*`. With a token it is asked for; without
/// one what can be read of health and metrics is open, and /admin refused. The first two say no reason
/// without it.
std::map<std::string, session::HttpHandler> routes(const Options& options, Calls calls, const Clock& clock);

/// `/healthz` and `/readyz` for everybody: no reasons, no names.
std::map<std::string, session::HttpHandler> public_routes(std::function<Status()> ready);

/// The operators' listener: a thread and a port of its own.
class Surface {
 public:
  /// `credentials`: what TLS shows there; null: none is spoken.
  Surface(const Options& options, Calls calls, Clock& clock,
          std::shared_ptr<transport::Credentials> credentials);
  ~Surface();
  Surface(const Surface&) = delete;
  Surface& operator=(const Surface&) = delete;

  /// Binds; the error says why that is impossible.
  Status start();
  [[nodiscard]] std::uint16_t port() const { return edge_->port(); }
  void stop() { edge_->stop(); }

 private:
  metrics::Registry metrics_;  // of its own: operators are no clients
  std::unique_ptr<session::Edge> edge_;
};

}  // namespace tidegate::admin
