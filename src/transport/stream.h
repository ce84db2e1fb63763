#pragma once

#include <sys/uio.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "transport/channel.h"
#include "transport/io.h"

namespace boost::beast {
enum class role_type;
}

namespace tidegate::transport {

/// A socket, plain or with TLS above it: one type (an Asio AsyncStream), so that what is built on it is
/// compiled once. Plain it costs a pointer. Reading waits until the socket is readable and only then takes
/// buffers. Moved only while nothing is waited for. The thread of its io_context.
class Stream {
 public:
  using executor_type = Executor;
  using next_layer_type = Socket;

  /// `channel` null: plain.
  explicit Stream(Socket socket, std::unique_ptr<Channel> channel = nullptr);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  executor_type get_executor() { return socket_.get_executor(); }
  /// The bare socket: to wait, and to read what nobody wants to understand any more.
  next_layer_type& next_layer() { return socket_; }
  const next_layer_type& next_layer() const { return socket_; }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  /// At once, without a word.
  void close();
  /// Nothing follows from us: TLS's close_notify, then TCP's FIN.
  void finish();

  /// The first thing to do; nothing to do where it is plain. Why there is no TLS: `timeout` where the socket
  /// was closed meanwhile by us.
  Awaitable<std::optional<Refusal>> shake_hands();
  /// Null: plain.
  [[nodiscard]] const Channel* channel() const { return secure_ ? &secure_->channel() : nullptr; }

  struct Sent {
    std::size_t bytes = 0;  ///< taken off the front of the pieces
    enum class State : std::uint8_t {
      open,
      full,    ///< the socket is: go on when it is writable
      broken,  ///< nothing can be sent any more
    } state = State::open;
  };
  /// One system call's worth, without waiting. With no pieces: what TLS still has to send.
  Sent send(const iovec* pieces, std::size_t count);
  struct Received {
    std::size_t bytes = 0;
    enum class State {
      open,    ///< there may be more
      empty,   ///< there is no more: go on when the socket is readable
      ended,   ///< the peer has said, or shown, that nothing follows
      broken,  ///< nothing can be received any more
    } state = State::open;
  };
  /// What has come, without waiting; bytes only in the first two states.
  Received receive(char* into, std::size_t size);
  /// Of what `send` took the kernel has everything.
  [[nodiscard]] bool all_sent() const { return !secure_ || secure_->channel().unsent() == 0; }

  template <class MutableBuffers, class Token>
  auto async_read_some(const MutableBuffers& buffers, Token&& token) {
    return net::async_initiate<Token, void(ErrorStatus, std::size_t)>(
        [this](auto handler, const MutableBuffers& into) {
          if (!secure_) return socket_.async_read_some(into, std::move(handler));
          secure_->read(socket_, first_of(into),
                        std::make_unique<PendingOf<decltype(handler)>>(std::move(handler)));
        },
        token, buffers);
  }
  template <class ConstBuffers, class Token>
  auto async_write_some(const ConstBuffers& buffers, Token&& token) {
    return net::async_initiate<Token, void(ErrorStatus, std::size_t)>(
        [this](auto handler, const ConstBuffers& from) {
          if (!secure_) return socket_.async_write_some(from, std::move(handler));
          secure_->write(socket_, pieces_of(from),
                         std::make_unique<PendingOf<decltype(handler)>>(std::move(handler)));
        },
        token, buffers);
  }

 private:
  /// What waits for an operation's end, with its type forgotten: TLS is compiled once.
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
  template <class MutableBuffers>
  static net::mutable_buffer first_of(const MutableBuffers& buffers) {
    const auto end = net::buffer_sequence_end(buffers);
    for (auto one = net::buffer_sequence_begin(buffers); one != end; ++one) {
      const net::mutable_buffer buffer(*one);
      if (buffer.size() > 0) return buffer;
    }
    return {};
  }
  template <class ConstBuffers>
  static std::vector<iovec> pieces_of(const ConstBuffers& buffers) {
    std::vector<iovec> pieces;
    const auto end = net::buffer_sequence_end(buffers);
    for (auto one = net::buffer_sequence_begin(buffers); one != end; ++one) {
      const net::const_buffer buffer(*one);
      pieces.push_back({const_cast<void*>(buffer.data()), buffer.size()});
    }
    return pieces;
  }

  /// TLS and who waits for it, at one place in memory.
  class Secure {
   public:
    explicit Secure(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}
    [[nodiscard]] Channel& channel() { return *channel_; }
    [[nodiscard]] const Channel& channel() const { return *channel_; }
    Sent send(int socket, const iovec* pieces, std::size_t count);
    void read(Socket& socket, net::mutable_buffer into, std::unique_ptr<Pending> pending);
    void write(Socket& socket, const std::vector<iovec>& pieces, std::unique_ptr<Pending> pending);

   private:
    void wait_to_read(Socket& socket);
    void wait_to_write(Socket& socket);
    static void post(Socket& socket, std::unique_ptr<Pending> pending, ErrorStatus error, std::size_t size);

    std::unique_ptr<Channel> channel_;
    std::unique_ptr<Pending> reading_;
    std::unique_ptr<Pending> writing_;
    net::mutable_buffer into_;
    std::size_t taken_ = 0;
  };

  Socket socket_;
  std::unique_ptr<Secure> secure_;
};

/// Says that nothing follows and waits until the peer has closed, so that what was sent last is not destroyed
/// by a reset. (Who owns it ends it if the peer doesn't.)
template <class Handler>
struct Teardown {
  Stream& stream;
  Handler handler;

  void operator()(ErrorStatus error) {
    char scratch[4096];
    for (int i = 0; i < 16 && !error; ++i) stream.next_layer().read_some(net::buffer(scratch), error);
    if (!error || error == net::error::would_block) {
      stream.next_layer().async_wait(net::socket_base::wait_read, std::move(*this));
      return;
    }
    stream.close();
    handler(error == net::error::eof ? ErrorStatus{} : error);
  }
};
/// Beast looks for this by its name when it is done with a WebSocket.
template <class Handler>
void async_teardown(boost::beast::role_type, Stream& stream, Handler&& handler) {
  ErrorStatus ignored;
  stream.next_layer().non_blocking(true, ignored);
  stream.finish();
  stream.next_layer().async_wait(net::socket_base::wait_read,
                                 Teardown<std::decay_t<Handler>>{stream, std::forward<Handler>(handler)});
}

}  // namespace tidegate::transport
