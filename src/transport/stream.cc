#include "transport/stream.h"

#include <sys/socket.h>

#include <cerrno>

#include "transport/plain.h"

namespace tidegate::transport {
namespace {

ErrorStatus error_of(Channel::Step step) {
  if (step == Channel::Step::done) return {};
  if (step == Channel::Step::ended) return net::error::eof;
  return net::error::connection_reset;
}

Stream::Received receive_plainly(int socket, char* into, std::size_t size) {
  using State = Stream::Received::State;
  ssize_t got = 0;
  do {
    got = ::recv(socket, into, size, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return {0, State::ended};
  if (got < 0) return {0, errno == EAGAIN || errno == EWOULDBLOCK ? State::empty : State::broken};
  const auto bytes = static_cast<std::size_t>(got);
  return {bytes, bytes < size ? State::empty : State::open};
}

}  // namespace

Stream::Sent send_plainly(int socket, const iovec* pieces, std::size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = count;
  ssize_t sent = 0;
  do {
    // One piece, which is what comes alone, is cheaper without a header for the kernel to read.
    sent = count == 1 ? ::send(socket, pieces->iov_base, pieces->iov_len, kSendFlags)
                      : ::sendmsg(socket, &message, kSendFlags);
  } while (sent < 0 && errno == EINTR);
  return sent_plainly(pieces, count, sent < 0 ? -errno : sent);
}

Stream::Sent sent_plainly(const iovec* pieces, std::size_t count, std::ptrdiff_t outcome) {
  using State = Stream::Sent::State;
  if (outcome < 0) {
    const bool full = outcome == -EAGAIN || outcome == -EWOULDBLOCK || outcome == -EINTR;
    return {0, full ? State::full : State::broken};
  }
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < count; ++i) wanted += pieces[i].iov_len;
  const auto bytes = static_cast<std::size_t>(outcome);
  return {bytes, bytes < wanted ? State::full : State::open};
}

Stream::Stream(Socket socket, std::unique_ptr<Channel> channel) : socket_(std::move(socket)) {
  if (channel) secure_ = std::make_unique<Secure>(std::move(channel));
}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

void Stream::close() {
  ErrorStatus ignored;
  socket_.close(ignored);
}

void Stream::finish() {
  if (secure_) secure_->channel().say_goodbye(socket_.native_handle());
  ErrorStatus ignored;
  socket_.shutdown(net::socket_base::shutdown_send, ignored);
}

Awaitable<std::optional<Refusal>> Stream::shake_hands() {
  if (!secure_) co_return std::nullopt;
  Channel& channel = secure_->channel();
  for (;;) {
    const auto step = channel.shake_hands(socket_.native_handle());
    if (step == Channel::Step::ended || step == Channel::Step::failed) co_return channel.refusal();
    const bool sent = channel.send_rest(socket_.native_handle());
    if (channel.broken()) co_return Refusal::gone;
    if (step == Channel::Step::done && sent) co_return std::nullopt;
    const auto what = sent ? net::socket_base::wait_read : net::socket_base::wait_write;
    auto [closed] = co_await socket_.async_wait(what, as_values);
    if (closed) co_return Refusal::timeout;
  }
}

Stream::Sent Stream::send(const iovec* pieces, std::size_t count) {
  if (secure_) return secure_->send(socket_.native_handle(), pieces, count);
  return send_plainly(socket_.native_handle(), pieces, count);
}

Stream::Received Stream::receive(char* into, std::size_t size) {
  using State = Received::State;
  if (!secure_) return receive_plainly(socket_.native_handle(), into, size);
  const auto got = secure_->channel().read(socket_.native_handle(), into, size);
  if (got.step == Channel::Step::done) return {got.size, State::open};
  if (got.step == Channel::Step::wants_more) return {0, State::empty};
  return {0, got.step == Channel::Step::ended ? State::ended : State::broken};
}

Stream::Sent Stream::Secure::send(int socket, const iovec* pieces, std::size_t count) {
  using State = Sent::State;
  if (!channel_->send_rest(socket)) return {0, channel_->broken() ? State::broken : State::full};
  if (count == 0) return {};
  const std::size_t taken = channel_->encrypt(socket, pieces, count);
  if (taken == 0) return {0, State::broken};
  return {taken, channel_->unsent() > 0 ? State::full : State::open};
}

void Stream::Secure::read(Socket& socket, net::mutable_buffer into, std::unique_ptr<Pending> pending) {
  if (into.size() == 0) return post(socket, std::move(pending), {}, 0);
  const auto got = channel_->read(socket.native_handle(), static_cast<char*>(into.data()), into.size());
  if (got.step != Channel::Step::wants_more) {
    return post(socket, std::move(pending), error_of(got.step), got.size);
  }
  reading_ = std::move(pending);
  into_ = into;
  wait_to_read(socket);
}

void Stream::Secure::wait_to_read(Socket& socket) {
  socket.async_wait(net::socket_base::wait_read, [this, &socket](ErrorStatus error) {
    Channel::Read got;
    if (!error) {
      got = channel_->read(socket.native_handle(), static_cast<char*>(into_.data()), into_.size());
      if (got.step == Channel::Step::wants_more) return wait_to_read(socket);
      error = error_of(got.step);
    }
    const auto pending = std::move(reading_);  // whose end may be ours
    pending->complete(error, got.size);
  });
}

void Stream::Secure::write(Socket& socket, const std::vector<iovec>& pieces,
                           std::unique_ptr<Pending> pending) {
  bool empty = true;
  for (const iovec& piece : pieces) empty = empty && piece.iov_len == 0;
  if (empty) return post(socket, std::move(pending), {}, 0);
  taken_ = channel_->encrypt(socket.native_handle(), pieces.data(), pieces.size());
  const bool sent = channel_->send_rest(socket.native_handle());
  if (channel_->broken()) return post(socket, std::move(pending), net::error::connection_reset, 0);
  if (sent) return post(socket, std::move(pending), {}, taken_);
  writing_ = std::move(pending);
  wait_to_write(socket);
}

void Stream::Secure::wait_to_write(Socket& socket) {
  socket.async_wait(net::socket_base::wait_write, [this, &socket](ErrorStatus error) {
    if (!error && !channel_->send_rest(socket.native_handle())) {
      if (!channel_->broken()) return wait_to_write(socket);
      error = net::error::connection_reset;
    }
    const auto pending = std::move(writing_);
    pending->complete(error, error ? 0 : taken_);
  });
}

void Stream::Secure::post(Socket& socket, std::unique_ptr<Pending> pending, ErrorStatus error,
                          std::size_t size) {
  net::post(socket.get_executor(),
            [pending = std::move(pending), error, size]() mutable { pending->complete(error, size); });
}

}  // namespace tidegate::transport
