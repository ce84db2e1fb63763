#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>

#include "transport/stream.h"

namespace tidegate::transport {

/// Several plain sockets' sends as one system call, by io_uring(7). None is waited for: each takes what it
/// has room for, as by send(2) with MSG_DONTWAIT, and is done when the call returns. One thread.
class SendBatch {
 public:
  /// Sends of one call.
  static constexpr std::size_t kSends = 512;

  /// Null where the kernel has no io_uring for us: it is older than 5.6, or a container's filter forbids it.
  static std::unique_ptr<SendBatch> open();
  ~SendBatch();
  SendBatch(const SendBatch&) = delete;
  SendBatch& operator=(const SendBatch&) = delete;

  [[nodiscard]] bool full() const;
  [[nodiscard]] bool empty() const;
  /// Where to write the pieces of the next send, kPieces at most. Not where it is full.
  static constexpr std::size_t kPieces = 4;
  [[nodiscard]] std::span<iovec, kPieces> next_pieces();
  /// The first `count` of them are to be sent; what they point to must stay until `send` has returned.
  void add(Stream& stream, std::size_t count);
  /// Sends all, in the order in which they were added, and says in that order what became of each. Empty
  /// afterwards; the answer stays until the next `send`.
  [[nodiscard]] std::span<const Stream::Sent> send();

 private:
  struct State;
  explicit SendBatch(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::transport
