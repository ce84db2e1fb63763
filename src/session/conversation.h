#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/result.h"
#include "hub/hub.h"
#include "policy/access.h"
#include "protocol/messages.h"
#include "query/query.h"
#include "session/context.h"

namespace tidegate::session {

/// Who talks, as the opening request said.
struct Caller {
  std::string tenant;                        ///< pass-through: the x-tenant header
  std::optional<auth::Principal> principal;  ///< where tokens are verified
  std::string address;                       ///< of the socket's other end, without its port
  std::shared_ptr<Admission> admission;      ///< what it counts in
  Wall since{};                              ///< when it asked for its upgrade
  bool v1 = false;                           ///< understands what it did not ask for
};

/// What one client's messages mean: reads them, checks what the client may, and tells the hub. No I/O; the
/// shard's thread (queries are parsed here: 8 MB of stack).
class Conversation {
 public:
  using AccessPointer = std::shared_ptr<const policy::Access>;
  /// `access` is the shard's current one, looked at for every subscribe.
  Conversation(const Context& context, Probe& probe, hub::Hub& hub, const AccessPointer& access,
               SessionId session, Caller caller);

  void on_text(std::string_view text);
  [[nodiscard]] const Caller& caller() const { return caller_; }
  /// It sends more than it may, and was told: the caller then closes with 1008.
  [[nodiscard]] bool floods() const { return floods_; }
  /// To be called often. Warns before the token's end; at its end, which is `exp` and the leeway, ends every
  /// subscription and says so; each once a token. True after the grace: the caller then closes with 4001.
  [[nodiscard]] bool token_is_over(Wall now);
  /// Policies or claims have changed: what is subscribed is narrowed again. A query that comes out the same
  /// goes on; another one takes its name, with a snapshot; what is refused now is over.
  void narrow_anew();

 private:
  bool limited_anew();
  bool limited(const protocol::Subscribe& subscribe);
  void on(const protocol::Ping& ping);
  void on(protocol::Subscribe& subscribe);
  void on(const protocol::Unsubscribe& unsubscribe);
  void on(const protocol::Auth& auth);
  void on(const protocol::Invalid& invalid);
  void subscribe_by_key(protocol::Subscribe& subscribe);
  void subscribe_query(protocol::Subscribe& subscribe);
  [[nodiscard]] Result<hub::SubscribeRequest> narrowed(protocol::Subscribe& subscribe) const;
  [[nodiscard]] Wall token_end() const;
  [[nodiscard]] Result<query::ParsedQuery> parse(const protocol::Subscribe& subscribe) const;
  [[nodiscard]] Status name_table(query::ParsedQuery& parsed, const std::string& table) const;

  const Context& context_;
  Probe& probe_;
  hub::Hub& hub_;
  const AccessPointer& access_;
  const SessionId session_;
  Caller caller_;
  bool floods_ = false;
  bool warned_ = false;   // of its token's end
  bool expired_ = false;  // and it is over
};

}  // namespace tidegate::session
