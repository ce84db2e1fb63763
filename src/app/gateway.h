#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "admin/admin.h"
#include "app/backend.h"
#include "app/revocation.h"
#include "auth/key_ring.h"
#include "session/edge.h"
#include "transport/credentials.h"

namespace tidegate::app {

/// `address:port`, with brackets where they belong.
std::string place(const std::string& address, std::uint16_t port);

using Routes = std::map<std::string, session::HttpHandler>;

/// What a gateway has for all its starts.
struct Lasting {
  std::shared_ptr<auth::KeyRing> keys;                  ///< null where nobody is verified
  std::shared_ptr<RevocationStore> revocations;         ///< likewise
  std::shared_ptr<transport::Credentials> credentials;  ///< null where no TLS is spoken
};

/// It has run before in this process.
struct Anew {
  std::string reason;
  std::chrono::milliseconds pause;  ///< before anything is asked of the database and the broker
};

/// A gateway from its listening socket to its backend. It listens first, so that /healthz and /readyz answer
/// while the backend waits for its database or its log; a subscribe is answered `unavailable` until then.
class Gateway {
 public:
  Gateway(Process process, Routes extra_routes, Lasting lasting);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Binds; the error says why that is impossible.
  Status listen();
  /// Starts the backend, again and again while what it needs is unavailable, and then waits for a signal (ok)
  /// or for a failure of a part (its error). `anew`: what `setup` makes and is gone now is waited for, too,
  /// with the word on /readyz; at a first start that is an error.
  Status run(const std::optional<Anew>& anew);
  /// What SIGHUP does: reads the certificate and the configuration again. Changed tables count from now on,
  /// also for what is subscribed; of other settings that changed a warning names those. Where the
  /// configuration does not fit, the error (logged too) says why, and the earlier tables stay. Any thread,
  /// with 8 MB of stack.
  Status reload();
  /// The tables' policies as of now.
  [[nodiscard]] policy::Options policies() const;
  [[nodiscard]] std::uint16_t port() const { return edge_->port(); }
  [[nodiscard]] std::uint16_t admin_port() const { return admin_->port(); }
  /// Drains and closes every connection with 1012, then stops the backend.
  void stop();

 private:
  Status start_backend();
  Status read_policies();
  void give_access();
  void waits_for(const std::string& reason);
  [[nodiscard]] bool post(feed::Command command);
  [[nodiscard]] Status ready() const;
  [[nodiscard]] admin::Calls admin_calls();
  [[nodiscard]] Result<feed::ChannelView> inspect(const QueryHash& query);

  Process process_;
  const Lasting lasting_;
  const std::shared_ptr<Budget> memory_;  // of this start's: what an earlier one left dies with its own
  mutable std::shared_mutex mutex_;
  std::shared_ptr<Backend> backend_;  // guarded by mutex_
  std::string waiting_ = "starting";  // for what, while there is no backend; guarded by mutex_
  std::unique_ptr<session::Edge> edge_;
  std::unique_ptr<admin::Surface> admin_;

  mutable std::mutex access_mutex_;  // guards the rest: one thread at a time gives shards an Access
  std::shared_ptr<const query::Catalogue> catalogue_;  // null until it is known
  std::shared_ptr<const policy::Options> policies_;
  std::vector<std::string> faults_;  // that the log has
};

/// A gateway until a signal ends it. Where its backend fails in a way that a new start may cure, it starts
/// anew on the same ports. `on_listening` is told the clients' and the operators', each time.
Status run_gateway(Process process, const Routes& routes,
                   const std::function<void(std::uint16_t, std::uint16_t)>& on_listening);

}  // namespace tidegate::app
