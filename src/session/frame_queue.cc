#include "session/frame_queue.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "base/encoding.h"
#include "base/fault_point.h"
#include "protocol/frames.h"

namespace tidegate::session {
namespace {

/// Pieces of one system call. The kernel's limit is 1,024; above some dozens the call's own cost is spread
/// thin.
constexpr std::size_t kPieces = 128;
constexpr std::uint16_t kNoCode = 1005;

/// The code of a Close frame of a server.
std::uint16_t code_of(std::string_view frame) {
  if (frame.size() < 4) return kNoCode;
  return read_big_endian<std::uint16_t>(frame.substr(2, 2)).value_or(kNoCode);
}

}  // namespace

FrameQueue::FrameQueue(Socket socket, hub::Outbox& outbox, Probe& probe, std::string ahead,
                       std::function<void()> on_pushed)
    : socket_(std::move(socket)),
      outbox_(outbox),
      probe_(probe),
      ahead_(std::move(ahead)),
      on_pushed_(std::move(on_pushed)) {}

FrameQueue::~FrameQueue() = default;

FrameQueue::Flushed FrameQueue::flush() {
  while (has_unwritten()) {
    iovec pieces[kPieces];
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = outbox_.gather(pieces, kPieces, end());
    std::size_t wanted = 0;
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) wanted += pieces[i].iov_len;
    const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      probe_.blocked();
      return Flushed::blocked;
    }
    if (sent < 0) return Flushed::failed;
    probe_.sent(static_cast<std::size_t>(sent));
    outbox_.consume(static_cast<std::size_t>(sent));
    complete_if_written();
    if (static_cast<std::size_t>(sent) < wanted) {
      probe_.blocked();
      fault_point("gateway.half_written");
      return Flushed::blocked;
    }
  }
  return Flushed::all;
}

void FrameQueue::push_ping() {
  // One at a time: behind a backlog they would only pile up.
  if (close_code_ || ping_mark_ > outbox_.written()) return;
  std::string frame;
  protocol::append_frame_header(frame, protocol::Opcode::ping, 0);
  outbox_.push(std::move(frame));
  ping_mark_ = outbox_.pushed();
}

void FrameQueue::push_close(std::uint16_t code) {
  if (close_code_) return;
  std::string frame;
  protocol::append_frame_header(frame, protocol::Opcode::close, sizeof code);
  append_big_endian(frame, code);
  outbox_.push(std::move(frame));
  close_code_ = code;
  close_mark_ = outbox_.pushed();
}

void FrameQueue::write(std::string bytes, std::unique_ptr<Pending> pending) {
  const auto size = bytes.size();
  if (!socket_.is_open()) return complete(std::move(pending), net::error::operation_aborted, 0);
  if (bytes.empty()) return complete(std::move(pending), {}, 0);
  if (close_code_) {
    // Beast answers the peer's Close while ours is queued or sent: one is enough, but the socket must not be
    // shut down before it has left.
    pending_ = std::move(pending);
    pending_mark_ = close_mark_;
    pending_size_ = size;
    return complete_if_written();
  }
  const bool close = opened_ && (static_cast<unsigned char>(bytes[0]) & 0x0f) == 8;
  const auto code = code_of(bytes);
  outbox_.push(std::move(bytes));
  pending_ = std::move(pending);
  pending_mark_ = outbox_.pushed();
  pending_size_ = size;
  if (close) {
    close_code_ = code;
    close_mark_ = pending_mark_;
  }
  on_pushed_();
}

void FrameQueue::complete(std::unique_ptr<Pending> pending, ErrorStatus error, std::size_t size) {
  net::post(get_executor(),
            [pending = std::move(pending), error, size]() mutable { pending->complete(error, size); });
}

void FrameQueue::complete_if_written() {
  if (pending_ && outbox_.written() >= pending_mark_) complete(std::move(pending_), {}, pending_size_);
}

void FrameQueue::abort() {
  ErrorStatus ignored;
  socket_.close(ignored);
  if (pending_) complete(std::move(pending_), net::error::operation_aborted, 0);
}

}  // namespace tidegate::session
