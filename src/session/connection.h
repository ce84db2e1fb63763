#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "session/conversation.h"
#include "session/io.h"
#include "session/limits.h"
#include "transport/send_batch.h"

namespace tidegate::session {

class Shard;

/// One accepted socket: first it speaks HTTP, within TLS where there is a certificate, and an upgrade makes a
/// WebSocket of it. The shard owns it by its number and drops it when `Shard::finished` was called, after its
/// coroutine has ended. The shard's thread.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Writes what the outbox holds, as far as the socket takes it.
  virtual void flush() = 0;
  /// Or, together with others: has `batch` do it and is told by `sent` what became of it. False where only
  /// `flush` will do.
  [[nodiscard]] virtual bool join(transport::SendBatch&) { return false; }
  virtual void sent(const Stream::Sent&) {}
  /// What `Shard::read_when_readable` and `read_soon` promised.
  virtual void readable() = 0;
  /// What `Shard::flush_when_writable` promised.
  virtual void writable() = 0;
  /// Says goodbye behind what is queued, and ends when the peer has answered.
  virtual void close(std::uint16_t code) = 0;
  /// Ends it at the socket, at once; `code` is for the books.
  virtual void cut(std::uint16_t code) = 0;
  /// Pings, idleness, deadlines, tokens. Several times within the shortest of these times.
  virtual void sweep(Steady now) = 0;
  /// What is subscribed is narrowed anew.
  virtual void policies_changed() {}
  /// The hub's session of a WebSocket.
  [[nodiscard]] virtual SessionId session() const { return {}; }
  /// Who talks, once that is settled: null before the upgrade.
  [[nodiscard]] virtual const Caller* caller() const { return nullptr; }
  /// Its token counts no more: it is closed with 4001, without a further byte of data.
  virtual void revoke() {}
};

/// The other end of a fresh socket.
struct Peer {
  net::ip::address address;
  AddressOpening opening;       ///< until it is a WebSocket
  std::optional<Limited> over;  ///< its address connects too often: it gets no WebSocket
};

/// Reads requests from a fresh stream, after its handshake where it has TLS. Starts at once.
std::unique_ptr<Connection> serve_http(Shard& shard, std::uint64_t number, Stream stream, Peer peer);

}  // namespace tidegate::session
