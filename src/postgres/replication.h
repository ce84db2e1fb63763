#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"

namespace tidegate::postgres {

/// A walsender's connection while it streams, with the thread that answers the server. That thread only ever
/// holds the mutex for short, non-blocking calls of libpq, so nothing that a reader does keeps the server
/// from hearing of us. `receive` and `socket` are for one reading thread, the rest for any.
class ReplicationLink {
 public:
  /// Takes a connection on which START_REPLICATION succeeded. `confirmed` is where the slot stands.
  ReplicationLink(ConnectionHandle connection, NextByte confirmed, const Options& options,
                  const Clock& clock);
  ~ReplicationLink();
  ReplicationLink(const ReplicationLink&) = delete;
  ReplicationLink& operator=(const ReplicationLink&) = delete;

  /// The next frame's bytes if one is there; empty if not. `unavailable` where the connection is gone. Never
  /// waits.
  Result<std::optional<std::string>> receive();
  [[nodiscard]] int socket() const { return socket_; }
  /// The server ended the stream with an internal error of its own (XX000).
  [[nodiscard]] bool server_failed() const { return server_failed_; }

  /// Everything before `position` has been received; told with the next feedback.
  void received(NextByte position);
  /// Everything before `position` need not be kept: told at once.
  void confirm(NextByte position);
  /// The server wants an answer now.
  void reply_now();
  /// Wants one of the server: a sign of life.
  void ask();

 private:
  void feedback();
  /// Writes one status; false where it could not be written whole yet.
  bool send_status();

  const std::chrono::milliseconds interval_;
  const Clock& clock_;
  const ConnectionHandle connection_;  // libpq's calls are guarded by libpq_
  const int socket_;
  std::mutex libpq_;
  bool server_failed_ = false;  // of the reading thread

  std::mutex mutex_;
  std::condition_variable wanted_;
  NextByte written_;   // guarded by mutex_
  NextByte flushed_;   // guarded by mutex_
  bool now_ = false;   // guarded by mutex_
  bool ask_ = false;   // guarded by mutex_
  bool stop_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace tidegate::postgres
