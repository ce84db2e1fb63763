#pragma once

#include <poll.h>

#include <chrono>
#include <optional>

#include "base/clock.h"
#include "postgres/connection.h"
#include "source/source.h"

namespace tidegate::postgres {

/// Parses the answer to `select pg_current_snapshot()::text, pg_current_wal_insert_lsn()`.
Result<source::Visibility> visibility_of(const Cells& row);

/// The second connection of a change stream, which asks what is visible and makes an idle stream move,
/// without ever blocking: `step` does what can be done now, `interest` says what to wait for. One thread. It
/// connects by itself when something is wanted.
class Aside {
 public:
  Aside(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

  void want_visibility() { visibility_wanted_ = true; }
  void want_nudge() { nudge_wanted_ = true; }

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
  enum class State { closed, connecting, idle, asking_visibility, nudging };
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
  Steady retry_at_{};
  Steady give_up_at_{};  // of an attempt to connect
  std::optional<Steady> failing_since_;
};

}  // namespace tidegate::postgres
