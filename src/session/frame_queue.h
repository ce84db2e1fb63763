#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hub/outbox.h"
#include "session/io.h"
#include "session/sends.h"
#include "transport/send_batch.h"

namespace tidegate::session {

/// Between a session's outbox and its stream. Everything that leaves a WebSocket connection leaves through
/// the outbox, in order: the hub pushes whole data frames there, and what is said here (the opening's answer,
/// pings, pongs, the Close) becomes private entries among them. `flush` gathers what is queued into as few
/// system calls as the kernel takes.
///
/// The first Close that is queued is the last thing that is sent: what the hub pushes behind it stays in the
/// outbox and goes with it.
///
/// The shard's thread. The outbox belongs to the hub and outlives this object.
class FrameQueue {
 public:
  enum class Flushed : std::uint8_t {
    all,      ///< nothing is left that may be sent
    blocked,  ///< the socket is full: flush again when it is writable
    failed,   ///< the socket is gone
  };

  FrameQueue(Stream stream, hub::Outbox& outbox, Sends& sends)
      : stream_(std::move(stream)), outbox_(outbox), sends_(sends) {}
  FrameQueue(const FrameQueue&) = delete;
  FrameQueue& operator=(const FrameQueue&) = delete;

  Stream& stream() { return stream_; }
  [[nodiscard]] Flushed flush();
  /// Or, together with others: has `batch` send what is queued. False, and nothing done, where that is for
  /// `flush`: with TLS, or where there is too little or too much of it.
  [[nodiscard]] bool join(transport::SendBatch& batch);
  /// What became of it; goes on by itself where that was not all.
  [[nodiscard]] Flushed sent(const Stream::Sent& sent);

  /// Queues whole frames, or the answer to the opening; nothing behind a Close.
  void push(std::string frames);
  /// Queues a frame without payload. One at a time: behind a backlog they would only pile up.
  void push_ping();
  /// Queues pongs, and remembers whether they have left: a peer that floods with pings is read no faster than
  /// it takes the pongs.
  void push_pongs(std::string frames);
  [[nodiscard]] bool pongs_unwritten() const { return outbox_.written() < pong_mark_; }
  /// Queues a Close behind all that is queued; nothing where one is. `code` 0: without one.
  void push_close(std::uint16_t code, std::string_view reason = {});
  /// The queued or sent Close's; 1005 where it has none.
  [[nodiscard]] std::optional<std::uint16_t> close_code() const { return close_code_; }
  /// Whether all before the Close and itself has been written.
  [[nodiscard]] bool close_written() const {
    return close_code_ && outbox_.written() >= close_mark_ && stream_.all_sent();
  }
  [[nodiscard]] bool has_unwritten() const { return outbox_.written() < end() || !stream_.all_sent(); }
  [[nodiscard]] std::uint64_t written() const { return outbox_.written(); }

 private:
  /// What may be sent, as a running total.
  [[nodiscard]] std::uint64_t end() const { return close_code_ ? close_mark_ : outbox_.pushed(); }
  [[nodiscard]] std::optional<Flushed> take(const Stream::Sent& sent);

  Stream stream_;
  hub::Outbox& outbox_;
  Sends& sends_;
  std::uint64_t ping_mark_ = 0;
  std::uint64_t pong_mark_ = 0;
  std::uint64_t close_mark_ = 0;
  std::optional<std::uint16_t> close_code_;
};

}  // namespace tidegate::session
