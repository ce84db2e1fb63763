#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "hub/outbox.h"
#include "session/io.h"
#include "session/probe.h"

namespace tidegate::session {

/// The layer between Beast's WebSocket stream and the socket, or TLS above it (an AsyncStream). Everything
/// that leaves the connection leaves through the session's outbox, in order: the hub pushes whole data frames
/// there, Beast's own writes (the handshake, pongs, its Close) become private entries among them. `flush`
/// gathers what is queued into as few system calls as the kernel takes. A write of Beast's completes, posted,
/// when its bytes have left the outbox: so a peer that floods with pings is read no faster than it takes the
/// pongs.
///
/// The first Close that is queued, by Beast or by `close`, is the last thing that is sent: what the hub
/// pushes behind it stays in the outbox and goes with it.
///
/// The shard's thread. The outbox belongs to the hub and outlives this object.
class FrameQueue {
 public:
  using executor_type = Executor;
  using next_layer_type = Stream;

  enum class Flushed : std::uint8_t {
    all,      ///< nothing is left that may be sent
    blocked,  ///< the socket is full: flush again when it is writable
    failed,   ///< the socket is gone
  };

  /// `ahead` was read from the socket with the opening request and comes first. `on_pushed` is called when
  /// Beast has queued something: time to flush.
  FrameQueue(Stream stream, hub::Outbox& outbox, Probe& probe, std::string ahead,
             std::function<void()> on_pushed);
  ~FrameQueue();
  FrameQueue(const FrameQueue&) = delete;
  FrameQueue& operator=(const FrameQueue&) = delete;

  executor_type get_executor() { return next_.get_executor(); }
  next_layer_type& next_layer() { return next_; }
  const next_layer_type& next_layer() const { return next_; }

  /// From now on Beast writes frames. (Before, the `H` of `HTTP/1.1` would look like a Close.)
  void opened() { opened_ = true; }
  [[nodiscard]] Flushed flush();
  /// Queues a frame without payload, of ours.
  void push_ping();
  /// Queues a Close behind all that is queued; nothing where one is.
  void push_close(std::uint16_t code);
  /// A Close is queued or sent; which, and whether all before it and itself has been written.
  [[nodiscard]] std::optional<std::uint16_t> close_code() const { return close_code_; }
  [[nodiscard]] bool close_written() const {
    return close_code_ && outbox_.written() >= close_mark_ && next_.all_sent();
  }
  [[nodiscard]] bool has_unwritten() const { return outbox_.written() < end() || !next_.all_sent(); }
  [[nodiscard]] std::uint64_t written() const { return outbox_.written(); }
  [[nodiscard]] std::uint64_t pushed() const { return outbox_.pushed(); }
  /// Closes the socket; what Beast waits for is completed with an error.
  void abort();

  template <class MutableBuffers, class Token>
  auto async_read_some(const MutableBuffers& buffers, Token&& token) {
    return net::async_initiate<Token, void(ErrorStatus, std::size_t)>(
        [this](auto handler, const MutableBuffers& into) { this->read(into, std::move(handler)); }, token,
        buffers);
  }
  template <class ConstBuffers, class Token>
  auto async_write_some(const ConstBuffers& buffers, Token&& token) {
    return net::async_initiate<Token, void(ErrorStatus, std::size_t)>(
        [this](auto handler, const ConstBuffers& from) {
          std::string bytes(net::buffer_size(from), '\0');
          net::buffer_copy(net::buffer(bytes.data(), bytes.size()), from);
          this->write(std::move(bytes), std::make_unique<PendingOf<decltype(handler)>>(std::move(handler)));
        },
        token, buffers);
  }

 private:
  /// A write of Beast's that is not complete yet; it makes at most one at a time.
  struct Pending {
    virtual ~Pending() = default;
    virtual void complete(ErrorStatus error, std::size_t size) = 0;
  };
  template <class Handler>
  struct PendingOf final : Pending {
    explicit PendingOf(Handler given) : handler(std::move(given)) {}
    void complete(ErrorStatus error, std::size_t size) override { handler(error, size); }
    Handler handler;
  };

  template <class MutableBuffers, class Handler>
  void read(const MutableBuffers& into, Handler handler) {
    if (ahead_.empty()) {
      next_.async_read_some(into, std::move(handler));
      return;
    }
    const auto size = net::buffer_copy(into, net::buffer(ahead_.data(), ahead_.size()));
    ahead_.erase(0, size);
    net::post(get_executor(),
              [handler = std::move(handler), size]() mutable { handler(ErrorStatus{}, size); });
  }
  void write(std::string bytes, std::unique_ptr<Pending> pending);
  void complete(std::unique_ptr<Pending> pending, ErrorStatus error, std::size_t size);
  void complete_if_written();
  /// What may be sent, as a running total.
  [[nodiscard]] std::uint64_t end() const { return close_code_ ? close_mark_ : outbox_.pushed(); }

  Stream next_;
  hub::Outbox& outbox_;
  Probe& probe_;
  std::string ahead_;
  std::function<void()> on_pushed_;
  std::unique_ptr<Pending> pending_;
  std::uint64_t pending_mark_ = 0;
  std::size_t pending_size_ = 0;
  std::uint64_t ping_mark_ = 0;
  std::uint64_t close_mark_ = 0;
  std::optional<std::uint16_t> close_code_;
  bool opened_ = false;
};

}  // namespace tidegate::session
