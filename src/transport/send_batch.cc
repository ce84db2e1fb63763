#include "transport/send_batch.h"

#include <liburing.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include "transport/plain.h"

namespace tidegate::transport {
namespace {

struct Send {
  int socket = -1;
  std::array<iovec, SendBatch::kPieces> pieces;
  msghdr message{};  // where there are several
  std::size_t count = 0;
  bool done = false;
};

}  // namespace

struct SendBatch::State {
  io_uring ring{};
  bool usable = false;
  std::vector<Send> sends{kSends};
  std::size_t count = 0;
  std::vector<Stream::Sent> answers;

  ~State() { give_up(); }
  void give_up() {
    if (usable) io_uring_queue_exit(&ring);
    usable = false;
  }
  void prepare(std::size_t index);
  void submit();
  void take_answers();
};

/// A request of the ring's (io_uring_enter(2)): MSG_DONTWAIT has it answered at once, whatever the socket is
/// like.
void SendBatch::State::prepare(std::size_t index) {
  Send& send = sends[index];
  io_uring_sqe* request = io_uring_get_sqe(&ring);
  if (send.count == 1) {
    io_uring_prep_send(request, send.socket, send.pieces[0].iov_base, send.pieces[0].iov_len, kSendFlags);
  } else {
    send.message = {};
    send.message.msg_iov = send.pieces.data();
    send.message.msg_iovlen = send.count;
    io_uring_prep_sendmsg(request, send.socket, &send.message, kSendFlags);
  }
  io_uring_sqe_set_data64(request, index);
}

/// What the kernel does not take, which it does where it is short of memory, is sent by calls of their own,
/// and all that comes later too.
void SendBatch::State::submit() {
  for (std::size_t i = 0; i < count; ++i) prepare(i);
  std::size_t taken = 0;
  while (taken < count) {
    const int now = io_uring_submit(&ring);
    if (now == -EINTR) continue;
    if (now <= 0) break;
    taken += static_cast<std::size_t>(now);
  }
  take_answers();
  if (taken < count) give_up();
}

void SendBatch::State::take_answers() {
  unsigned head = 0, seen = 0;
  io_uring_cqe* answer = nullptr;
  io_uring_for_each_cqe(&ring, head, answer) {
    Send& send = sends[io_uring_cqe_get_data64(answer)];
    answers[io_uring_cqe_get_data64(answer)] = sent_plainly(send.pieces.data(), send.count, answer->res);
    send.done = true;
    ++seen;
  }
  io_uring_cq_advance(&ring, seen);
}

SendBatch::SendBatch(std::unique_ptr<State> state) : state_(std::move(state)) {}
SendBatch::~SendBatch() = default;

std::unique_ptr<SendBatch> SendBatch::open() {
  auto state = std::make_unique<State>();
  if (io_uring_queue_init(kSends, &state->ring, 0) < 0) return nullptr;
  state->usable = true;
  return std::unique_ptr<SendBatch>(new SendBatch(std::move(state)));
}

bool SendBatch::full() const {
  return state_->count == kSends;
}

bool SendBatch::empty() const {
  return state_->count == 0;
}

std::span<iovec, SendBatch::kPieces> SendBatch::next_pieces() {
  return state_->sends[state_->count].pieces;
}

void SendBatch::add(Stream& stream, std::size_t count) {
  Send& send = state_->sends[state_->count++];
  send.socket = stream.next_layer().native_handle();
  send.count = count;
  send.done = false;
}

std::span<const Stream::Sent> SendBatch::send() {
  State& state = *state_;
  state.answers.assign(state.count, {});
  // A single one is cheaper by itself.
  if (state.usable && state.count > 1) state.submit();
  for (std::size_t i = 0; i < state.count; ++i) {
    const Send& send = state.sends[i];
    if (!send.done) state.answers[i] = send_plainly(send.socket, send.pieces.data(), send.count);
  }
  state.count = 0;
  return state.answers;
}

}  // namespace tidegate::transport
