#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "postgres/connection.h"
#include "source/source.h"

namespace tidegate::postgres {

/// Makes the server write out its WAL up to here, and the stream come past it. Transactional, because only a
/// commit does that at once: a message outside of a transaction may wait for somebody else's flush.
/// synchronous_commit is pinned to local, so no standby is waited for.
inline constexpr const char* kFlush = "select pg_logical_emit_message(true, 'tidegate', '')";

/// Parses the answer to `select pg_current_snapshot()::text, pg_current_wal_insert_lsn()`.
Result<source::Visibility> visibility_of(const Cells& row);

/// How far a slot is from losing its WAL, as pg_replication_slots has it.
struct SlotHealth {
  std::string wal_status;                  ///< `reserved`, `extended`, `unreserved` or `lost`; empty: no slot
  std::optional<std::int64_t> safe_bytes;  ///< what may be written before it is lost; absent: no limit is set
  std::int64_t retained_bytes = 0;         ///< of WAL that the server keeps for it
  /// WAL is, or is about to be, removed under it.
  [[nodiscard]] bool alarming() const {
    return wal_status == "unreserved" || wal_status == "lost" ||
           (safe_bytes && *safe_bytes < retained_bytes / 4);
  }
};

/// The second connection of a change stream, which asks what is visible, makes an idle stream move, and looks
/// after the slot, without ever blocking: `step` does what can be done now, `interest` says what to wait for.
/// One thread. It connects by itself when something is wanted.
class Aside {
 public:
  Aside(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

  void want_visibility() { visibility_wanted_ = true; }
  void want_nudge() { nudge_wanted_ = true; }
  /// From now on its health is asked for every `kHealthInterval`, as far as the connection allows.
  void watch_slot(std::string slot) { slot_ = std::move(slot); }
  /// From now on it connects to this server (`server_of`), the stream's.
  void keep_to(std::vector<std::pair<std::string, std::string>> server) {
    options_.server = std::move(server);
  }
  /// The last answer, once.
  std::optional<SlotHealth> take_health() { return std::exchange(health_, std::nullopt); }

  /// Goes on; a Visibility when one has come.
  std::optional<source::Visibility> step();
  /// Drops the connection, also one that is being made, since nobody may call `step` for a while: a server
  /// that shuts down waits for every client that has connected and not said who it is. What was wanted stays
  /// wanted.
  void disconnect();
  /// For poll(); nothing while nothing is under way.
  [[nodiscard]] std::optional<pollfd> interest() const;
  /// When `step` should be called though nothing happened on the socket.
  [[nodiscard]] std::optional<Steady> due() const;
  /// Since when no connection could be made; nothing while there is one, or none is wanted.
  [[nodiscard]] std::optional<Steady> failing_since() const { return failing_since_; }
  [[nodiscard]] bool wanted() const { return visibility_wanted_ || nudge_wanted_; }

 private:
  enum class State { closed, connecting, idle, asking_visibility, nudging, asking_health };
  [[nodiscard]] bool asking() const { return state_ > State::idle; }
  [[nodiscard]] bool health_due() const { return !slot_.empty() && clock_.steady() >= health_at_; }
  [[nodiscard]] std::optional<source::Visibility> answered(const Cells& row);
  void connect();
  void go_on_connecting();
  void send_next();
  std::optional<source::Visibility> read_answer();
  void broken();

  Options options_;
  const Clock& clock_;
  State state_ = State::closed;
  ConnectionHandle connection_;
  ResultHandle answer_;
  short events_ = POLLIN;
  bool visibility_wanted_ = false;
  bool nudge_wanted_ = false;
  std::string slot_;
  Steady health_at_{};
  std::optional<SlotHealth> health_;
  Steady retry_at_{};
  Steady give_up_at_{};  // of an attempt to connect
  std::optional<Steady> failing_since_;
};

}  // namespace tidegate::postgres
