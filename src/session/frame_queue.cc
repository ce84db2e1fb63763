#include "session/frame_queue.h"

#include <sys/uio.h>

#include <algorithm>

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

FrameQueue::FrameQueue(Stream stream, hub::Outbox& outbox, Probe& probe, std::string ahead,
                       std::function<void()> on_pushed)
    : next_(std::move(stream)),
      outbox_(outbox),
      probe_(probe),
      ahead_(std::move(ahead)),
      on_pushed_(std::move(on_pushed)) {}

FrameQueue::~FrameQueue() = default;

FrameQueue::Flushed FrameQueue::flush() {
  using State = Stream::Sent::State;
  while (has_unwritten()) {
    iovec pieces[kPieces];
    const std::size_t count = outbox_.gather(pieces, kPieces, end());
    const auto sent = next_.send(pieces, count);
    if (sent.state == State::broken) return Flushed::failed;
    if (sent.bytes > 0) probe_.sent(sent.bytes);
    outbox_.consume(sent.bytes);
    complete_if_written();
    if (sent.state == State::full) {
      probe_.blocked();
      if (sent.bytes > 0) fault_point("gateway.half_written");
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
  if (!next_.is_open()) return complete(std::move(pending), net::error::operation_aborted, 0);
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
  if (pending_ && outbox_.written() >= pending_mark_ && next_.all_sent())
    complete(std::move(pending_), {}, pending_size_);
}

void FrameQueue::abort() {
  next_.close();
  if (pending_) complete(std::move(pending_), net::error::operation_aborted, 0);
}

}  // namespace tidegate::session
