#pragma once

#include <pthread.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "feed/events.h"
#include "hub/hub.h"
#include "hub/session_table.h"
#include "policy/access.h"
#include "session/connection.h"
#include "session/context.h"
#include "session/io.h"
#include "session/selection.h"
#include "session/sends.h"
#include "transport/send_batch.h"

namespace tidegate::session {

/// One thread with everything that its sessions need: a listening socket, a loop, a hub. What arrives
/// together leaves together: events and messages only fill outboxes, and one turn afterwards flushes each
/// session that got something once.
class Shard {
 public:
  Shard(std::uint16_t index, Context& context, hub::Options hub);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // ---- any thread ----
  [[nodiscard]] feed::ShardPort port();
  void set_access(std::shared_ptr<const policy::Access> access);
  /// Runs it on this shard's thread, soon; never where the shard is over.
  void ask(std::function<void(Shard&)> question);

  // ---- the owner's thread, in this order ----
  /// Binds and listens; the port that was bound.
  [[nodiscard]] Result<std::uint16_t> listen(const std::string& address, std::uint16_t port);
  [[nodiscard]] Status start();
  /// No new sockets; every WebSocket gets a Close (1012) behind what it has queued.
  void drain();
  /// Waits until a drain has ended or its time is over, cuts the rest, and joins.
  void join(Steady deadline);

  // ---- this shard's thread: for connections ----
  [[nodiscard]] Context& context() { return context_; }
  [[nodiscard]] hub::Hub& hub() { return hub_; }
  [[nodiscard]] const std::shared_ptr<const policy::Access>& access() const { return access_; }
  [[nodiscard]] Executor executor() { return io_.get_executor(); }
  [[nodiscard]] Steady now() const { return context_.parts.clock.steady(); }
  [[nodiscard]] bool draining() const { return draining_; }
  /// A connection has ended: it is destroyed.
  void finished(std::uint64_t number);
  /// The same from within it: soon.
  void finish_soon(std::uint64_t number);
  /// A socket that spoke HTTP goes on as a WebSocket: the new connection takes the next number.
  [[nodiscard]] std::uint64_t next_number() { return ++numbers_; }
  void adopt(std::uint64_t number, std::unique_ptr<Connection> connection, SessionId session);
  void forget(SessionId session) { sessions_.erase(session); }
  [[nodiscard]] Sends& sends() { return sends_; }
  /// Calls `readable` on that connection when there is something to read from `socket`, or soon, if it still
  /// is.
  void read_when_readable(Socket& socket, std::uint64_t number);
  void read_soon(std::uint64_t number);
  /// Where what comes is read into: each connection's until it returns.
  [[nodiscard]] std::span<char> read_buffer() { return read_buffer_; }
  /// Calls `writable` on that connection when `socket` can be written to, if both still are.
  void flush_when_writable(Socket& socket, std::uint64_t number);
  /// Flushes at the end of this turn of the loop.
  void turn_soon();

  // ---- this shard's thread: for operators; each looks at all sessions ----
  [[nodiscard]] std::vector<ConnectionView> connections(const Selection& which, std::size_t max);
  std::size_t disconnect(const Selection& which);
  void revoke(const auth::Revocation& revocation);

 private:
  void run();
  void read(std::uint64_t number);
  void accept();
  void accepted(ErrorStatus error, Socket socket);
  void open(Socket socket);
  [[nodiscard]] Stream stream_over(Socket socket) const;
  [[nodiscard]] bool is_meant(const Connection& connection, const Selection& which) const;
  void take_events();
  void turn();
  void flush(const std::vector<SessionId>& dirty);
  void send_batch();
  void sweep();
  void tick();
  void begin_drain();
  void end_if_empty();

  const std::uint16_t index_;
  Context& context_;
  net::io_context io_{1};
  Acceptor acceptor_;
  net::steady_timer sweep_timer_;
  net::steady_timer tick_timer_;
  net::steady_timer accept_timer_;
  hub::Hub hub_;
  std::shared_ptr<const policy::Access> access_;  // null until the tables are known
  hub::SessionTable<Connection*> sessions_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;  // they forget their sessions
  std::uint64_t numbers_ = 0;
  std::vector<char> read_buffer_;
  std::unique_ptr<transport::SendBatch> batch_;  // null: every send is a call of its own
  std::vector<Connection*> batched_;             // whose sends are in it
  Sends sends_;
  bool turn_posted_ = false;
  bool draining_ = false;

  std::mutex mutex_;                 // guards the next two
  std::vector<feed::Event> events_;  // bounded by who looks at backlog_
  std::size_t event_bytes_ = 0;
  std::atomic<std::size_t> backlog_{0};

  pthread_t thread_{};
  bool started_ = false;
};

}  // namespace tidegate::session
