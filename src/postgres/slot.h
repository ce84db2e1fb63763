#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/identity.h"
#include "base/ids.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"

namespace tidegate::postgres {

/// A replication connection that streams from its slot, and what was found out on the way.
struct TakenSlot {
  ConnectionHandle connection;
  SourceIdentity identity;
  std::string slot;
  NextByte confirmed = 0;  ///< the stream has every transaction whose commit record begins here or later
  Xid reference;           ///< xmax of a snapshot of now
};

/// Connects, checks that server, role, publication and slot are fit, and starts streaming. Errors say what to
/// type. A durable slot that lost its WAL is dropped and made anew, and so is one that was there before and
/// is gone: it begins where it was made, which whoever compares positions takes for a new beginning (rule
/// 10). One that nobody has seen here before is `setup`'s to make. Making a slot waits for the transactions
/// that are open just now: `take` then gives `unavailable` with the reason after Options::slot_wait, and goes
/// on where it was when called again. One thread.
class SlotTaker {
 public:
  /// `wait_readable` waits for a socket until a point in time; false when the time is over or the stream was
  /// stopped.
  using Wait = std::function<bool(int socket, Steady until)>;
  SlotTaker(const Options& options, const Clock& clock, Wait wait_readable)
      : options_(options), clock_(clock), wait_readable_(std::move(wait_readable)) {}

  /// How the server sends a large transaction.
  enum class Large {
    in_blocks,  ///< while it is open
    whole,      ///< after its commit; until then the server keeps it on its own disk
  };

  /// `before`: the server and database where this slot was streamed from before, if it was.
  Result<TakenSlot> take(const std::optional<SourceIdentity>& before, Large large);

 private:
  Status prepare(const std::optional<SourceIdentity>& before);
  Status send_create();
  Status await_created();
  Status find_durable(Connection& ordinary, const std::optional<SourceIdentity>& before);
  void made_anew(const std::string& why);
  Status start_streaming(Large large);
  Error slot_error(const Failure& failure) const;
  std::string still_open();

  const Options& options_;
  const Clock& clock_;
  Wait wait_readable_;
  std::optional<Connection> connection_;  // replication
  bool absent_ = false;                   // the durable slot, and it is ours to make
  bool creating_ = false;
  TakenSlot taken_;
};

}  // namespace tidegate::postgres
