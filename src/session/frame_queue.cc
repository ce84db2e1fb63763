#include "session/frame_queue.h"

#include <sys/uio.h>

#include <utility>

#include "base/encoding.h"
#include "base/fault_point.h"
#include "protocol/frames.h"

namespace tidegate::session {
namespace {

/// Pieces of one system call. The kernel's limit is 1,024; above some dozens the call's own cost is spread
/// thin.
constexpr std::size_t kPieces = 128;
constexpr std::uint16_t kNoCode = 1005;

}  // namespace

FrameQueue::Flushed FrameQueue::flush() {
  while (has_unwritten()) {
    iovec pieces[kPieces];
    const std::size_t count = outbox_.gather(pieces, kPieces, end());
    if (const auto over = take(stream_.send(pieces, count))) return *over;
  }
  return Flushed::all;
}

bool FrameQueue::join(transport::SendBatch& batch) {
  if (stream_.channel() != nullptr || outbox_.written() >= end()) return false;
  // Where all places are taken there may be more pieces.
  const auto pieces = batch.next_pieces();
  const std::size_t count = outbox_.gather(pieces.data(), pieces.size(), end());
  if (count == pieces.size()) return false;
  batch.add(stream_, count);
  return true;
}

FrameQueue::Flushed FrameQueue::sent(const Stream::Sent& sent) {
  const auto over = take(sent);
  return over ? *over : flush();
}

/// Nothing where it goes on.
std::optional<FrameQueue::Flushed> FrameQueue::take(const Stream::Sent& sent) {
  using State = Stream::Sent::State;
  if (sent.state == State::broken) return Flushed::failed;
  sends_.sent(sent.bytes);
  outbox_.consume(sent.bytes);
  if (sent.state == State::open) return {};
  sends_.blocked();
  if (sent.bytes > 0) fault_point("gateway.half_written");
  return Flushed::blocked;
}

void FrameQueue::push(std::string frames) {
  if (!close_code_) outbox_.push(std::move(frames));
}

void FrameQueue::push_ping() {
  if (close_code_ || ping_mark_ > outbox_.written()) return;
  std::string frame;
  protocol::append_frame_header(frame, protocol::Opcode::ping, 0);
  push(std::move(frame));
  ping_mark_ = outbox_.pushed();
}

void FrameQueue::push_pongs(std::string frames) {
  if (close_code_ || frames.empty()) return;
  push(std::move(frames));
  pong_mark_ = outbox_.pushed();
}

void FrameQueue::push_close(std::uint16_t code, std::string_view reason) {
  if (close_code_) return;
  std::string frame;
  protocol::append_frame_header(frame, protocol::Opcode::close, code == 0 ? 0 : sizeof code + reason.size());
  if (code != 0) {
    append_big_endian(frame, code);
    frame += reason;
  }
  push(std::move(frame));
  close_code_ = code == 0 ? kNoCode : code;
  close_mark_ = outbox_.pushed();
}

}  // namespace tidegate::session
