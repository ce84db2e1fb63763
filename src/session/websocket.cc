#include "session/websocket.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include "base/budget.h"
#include "base/encoding.h"
#include "base/utf8.h"
#include "protocol/deflate.h"
#include "protocol/errors.h"
#include "protocol/frames.h"
#include "session/frame_queue.h"
#include "session/frame_reader.h"
#include "session/shard.h"

namespace tidegate::session {
namespace {

using namespace std::chrono_literals;

/// A peer that was told to go, and takes nothing more, has this long; however slowly it takes what is queued
/// before, it has so long at most.
constexpr auto kGoodbye = 5s;
constexpr auto kGoodbyeMost = 30s;
constexpr std::uint16_t kAbnormal = 1006;
constexpr std::uint16_t kNotReadable = 1007;
/// Reads of one connection before others have their turn.
constexpr std::size_t kUnfinishedAlways = 16 * 1024;  // TCP cuts everybody's messages somewhere
constexpr int kReads = 4;

std::uint16_t number_of(protocol::CloseCode code) {
  return static_cast<std::uint16_t>(code);
}

class WebSocketConnection final : public Connection {
 public:
  WebSocketConnection(Shard& shard, std::uint64_t number, SessionId session, Upgrade upgrade);
  ~WebSocketConnection() override;
  void start(std::string answer, std::string ahead);
  void flush() override;
  bool join(transport::SendBatch& batch) override;
  void sent(const Stream::Sent& sent) override;
  void readable() override;
  void writable() override;
  void close(std::uint16_t code) override;
  void cut(std::uint16_t code) override;
  void sweep(Steady now) override;
  void policies_changed() override { conversation_.narrow_anew(); }
  [[nodiscard]] SessionId session() const override { return session_; }
  [[nodiscard]] const Caller* caller() const override { return &conversation_.caller(); }
  void revoke() override;

 private:
  enum class Got : std::uint8_t { some, all, end };
  Got receive();
  void take(std::span<char> bytes);
  void keep_unfinished(bool whole);
  void on(const FrameReader::Message& message, std::string& pongs);
  void on_text(const FrameReader::Message& message);
  void violate(std::uint16_t code, std::string_view why);
  void on_close(std::string_view payload);
  void read_on(Got got);
  void on_flushed(FrameQueue::Flushed flushed);
  void sweep_goodbye(Steady now);
  void reset(std::uint16_t code);

  Shard& shard_;
  const std::uint64_t number_;
  const SessionId session_;
  Seat seat_;
  FrameQueue queue_;
  FrameReader reader_;
  Conversation conversation_;
  Charge unfinished_;  // of a message
  std::optional<Steady> unfinished_since_;
  Steady heard_;
  Steady next_ping_;
  Steady deadline_;
  Steady last_deadline_;
  std::uint64_t written_ = 0;  // when the hub was told last
  std::uint64_t written_at_goodbye_ = 0;
  std::uint16_t cut_code_ = kAbnormal;
  bool waiting_ = false;   // for writability
  bool armed_ = false;     // for readability, or called soon
  bool paused_ = false;    // not for readability: the peer has pongs to take first
  bool deaf_ = false;      // the peer's Close has come, or what can't be understood: the rest is dropped
  bool finished_ = false;  // nothing follows from us
  bool goodbye_ = false;
  bool cut_ = false;
};

WebSocketConnection::WebSocketConnection(Shard& shard, std::uint64_t number, SessionId session,
                                         Upgrade upgrade)
    : shard_(shard),
      number_(number),
      session_(session),
      seat_(std::move(upgrade.seat)),
      queue_(std::move(upgrade.stream), shard.hub().outbox(session), shard.sends()),
      reader_(shard.context().options.payload_bytes_max, upgrade.deflate),
      conversation_(shard.context(), shard.context().probe, shard.hub(), shard.access(), session,
                    std::move(upgrade.caller)),
      unfinished_(shard.context().parts.memory),
      heard_(shard.now()),
      next_ping_(heard_ + shard.context().options.ping_interval) {
  shard_.context().probe.opened();
}

WebSocketConnection::~WebSocketConnection() {
  shard_.context().probe.closed(queue_.close_code().value_or(cut_code_));
  shard_.context().probe.ended();
  shard_.forget(session_);
  shard_.hub().close(session_);
}

void WebSocketConnection::start(std::string answer, std::string ahead) {
  queue_.push(std::move(answer));
  if (shard_.draining()) queue_.push_close(number_of(protocol::CloseCode::restart));
  take(ahead);
  flush();
  read_on(Got::some);  // TLS may hold more of what came with the request, which no socket tells of
}

void WebSocketConnection::readable() {
  armed_ = false;
  if (cut_) return;
  Got got = Got::some;
  for (int i = 0; i < kReads && got == Got::some && !paused_; ++i) got = receive();
  if (got == Got::end) return cut(kAbnormal);
  flush();  // also what TLS has to say
  shard_.turn_soon();
  read_on(got);
}

WebSocketConnection::Got WebSocketConnection::receive() {
  using State = Stream::Received::State;
  const auto buffer = shard_.read_buffer();
  const auto received = queue_.stream().receive(buffer.data(), buffer.size());
  if (received.state == State::ended || received.state == State::broken) return Got::end;
  if (received.bytes > 0) {
    heard_ = shard_.now();
    take(buffer.first(received.bytes));
  }
  return received.state == State::empty ? Got::all : Got::some;
}

/// Waits for more, unless there are pongs to be taken first.
void WebSocketConnection::read_on(Got got) {
  if (armed_ || cut_ || paused_) return;
  armed_ = true;
  if (got == Got::all) return shard_.read_when_readable(queue_.stream().next_layer(), number_);
  shard_.read_soon(number_);
}

void WebSocketConnection::take(std::span<char> bytes) {
  if (deaf_) return;
  std::string pongs;
  FrameReader::Message message;
  reader_.take(bytes);
  bool whole = false;
  auto next = reader_.next(message);
  for (; next == FrameReader::Next::message && !deaf_; next = reader_.next(message)) {
    whole |= message.kind == FrameReader::Kind::text || message.kind == FrameReader::Kind::binary;
    on(message, pongs);
  }
  queue_.push_pongs(std::move(pongs));
  if (next == FrameReader::Next::violated && !deaf_)
    violate(reader_.violation().code, reader_.violation().why);
  keep_unfinished(whole);
  paused_ = queue_.pongs_unwritten();
}

/// What a peer has begun to say takes memory of its own, not of others' debts, and a time of its own: pings
/// that are answered within a message don't prolong it.
void WebSocketConnection::keep_unfinished(bool whole) {
  const bool unfinished = reader_.unfinished();
  const std::size_t kept = unfinished ? reader_.bytes_kept() : 0;
  if (!unfinished) {
    unfinished_since_.reset();
  } else if (whole || !unfinished_since_) {
    unfinished_since_ = shard_.now();
  }
  const bool room = conversation_.caller().admission->account()->hold_unfinished(kept);
  if (kept < unfinished_.bytes() || kept <= kUnfinishedAlways) return unfinished_.set(kept);
  if ((unfinished_.add(kept - unfinished_.bytes()) && room) || deaf_) return;
  violate(number_of(protocol::CloseCode::try_again), "no memory for the rest of the message");
}

void WebSocketConnection::on(const FrameReader::Message& message, std::string& pongs) {
  using Kind = FrameReader::Kind;
  switch (message.kind) {
    case Kind::text:
      queue_.push_pongs(std::exchange(pongs, {}));  // answers in the order of what they answer
      if (!queue_.close_code()) on_text(message);
      if (conversation_.floods() && !deaf_)
        violate(number_of(protocol::CloseCode::policy), "too many messages");
      return;
    case Kind::binary:
      return shard_.context().probe.received(Operation::binary);
    case Kind::ping:
      protocol::append_frame_header(pongs, protocol::Opcode::pong, message.payload.size());
      pongs += message.payload;
      return;
    case Kind::pong:
      return;
    case Kind::close:
      queue_.push_pongs(std::exchange(pongs, {}));
      return on_close(message.payload);
  }
}

void WebSocketConnection::on_text(const FrameReader::Message& message) {
  if (!message.compressed) return conversation_.on_text(message.payload);
  std::string text;
  switch (protocol::inflate_message(message.payload, shard_.context().options.payload_bytes_max, text)) {
    case protocol::Inflated::broken:
      return violate(kNotReadable, "a compressed message that can't be inflated");
    case protocol::Inflated::too_large:
      return violate(number_of(protocol::CloseCode::too_big), "the message is too long");
    case protocol::Inflated::whole:
      break;
  }
  if (whole_characters(text) != text.size()) return violate(kNotReadable, "a text that is not UTF-8");
  conversation_.on_text(text);
}

/// Nothing that follows is looked at.
void WebSocketConnection::violate(std::uint16_t code, std::string_view why) {
  deaf_ = true;
  queue_.push_close(code, why);
}

/// Answered with its own code, behind all that is queued; where we were first, that was the answer.
void WebSocketConnection::on_close(std::string_view payload) {
  deaf_ = true;
  queue_.push_close(read_big_endian<std::uint16_t>(payload.substr(0, 2)).value_or(0));
}

void WebSocketConnection::flush() {
  if (!waiting_ && !cut_) on_flushed(queue_.flush());
}

bool WebSocketConnection::join(transport::SendBatch& batch) {
  return !waiting_ && !cut_ && queue_.join(batch);
}

void WebSocketConnection::sent(const Stream::Sent& sent) {
  if (!cut_) on_flushed(queue_.sent(sent));
}

void WebSocketConnection::on_flushed(FrameQueue::Flushed flushed) {
  if (flushed == FrameQueue::Flushed::failed) return cut(kAbnormal);
  if (flushed == FrameQueue::Flushed::blocked) {
    waiting_ = true;
    shard_.flush_when_writable(queue_.stream().next_layer(), number_);
  }
  if (deaf_ && !finished_ && queue_.close_written()) {
    // The peer closes the connection when it has read the Close: closing now could destroy that by a reset.
    finished_ = true;
    queue_.stream().finish();
  }
  if (queue_.written() == written_) return;
  written_ = queue_.written();
  if (paused_ && !queue_.pongs_unwritten()) {
    paused_ = false;
    read_on(Got::some);
  }
  if (queue_.close_code()) return;
  shard_.hub().written(session_);
  shard_.turn_soon();
}

/// A full socket that takes something again has been read from: a slow reader is no silent peer, though its
/// answers to our pings stand behind what it reads.
void WebSocketConnection::writable() {
  waiting_ = false;
  heard_ = shard_.now();
  flush();
}

void WebSocketConnection::close(std::uint16_t code) {
  queue_.push_close(code);
  flush();
}

void WebSocketConnection::cut(std::uint16_t code) {
  if (cut_) return;
  cut_ = true;
  cut_code_ = code;
  queue_.stream().close();
  shard_.finish_soon(number_);
}

/// What the kernel still holds is dropped too.
void WebSocketConnection::reset(std::uint16_t code) {
  ErrorStatus ignored;
  queue_.stream().next_layer().set_option(net::socket_base::linger(true, 0), ignored);
  cut(code);
}

/// What of its queries is queued is dropped. Where something else is, or half of a frame, nothing may follow,
/// not even a Close.
void WebSocketConnection::revoke() {
  if (cut_) return;
  const bool whole = shard_.hub().unsubscribe_all(session_);
  const auto code = number_of(protocol::CloseCode::token);
  if (!whole || queue_.has_unwritten()) return reset(code);
  queue_.push_close(code, "the token was revoked");
  flush();
}

void WebSocketConnection::sweep(Steady now) {
  if (cut_) return;
  const auto& context = shard_.context();
  if (queue_.close_code()) return sweep_goodbye(now);
  if (conversation_.token_is_over(context.parts.clock.wall()))
    return close(number_of(protocol::CloseCode::token));
  const auto since = unfinished_since_ ? std::min(heard_, *unfinished_since_) : heard_;
  if (now - since >= context.options.idle_timeout) return close(number_of(protocol::CloseCode::normal));
  if (now < next_ping_) return;
  next_ping_ = now + context.options.ping_interval;
  queue_.push_ping();
  flush();
}

void WebSocketConnection::sweep_goodbye(Steady now) {
  // As long as the peer takes what is queued before the Close, it has time, but not for ever.
  if (!goodbye_) last_deadline_ = now + kGoodbyeMost;
  if (!goodbye_ || queue_.written() != written_at_goodbye_) {
    goodbye_ = true;
    written_at_goodbye_ = queue_.written();
    deadline_ = std::min(now + kGoodbye, last_deadline_);
  }
  if (now < deadline_) return;
  if (queue_.has_unwritten()) return reset(kAbnormal);  // no Close would come behind what the kernel holds
  cut(kAbnormal);
}

}  // namespace

std::unique_ptr<Connection> serve_websocket(Shard& shard, std::uint64_t number, SessionId session,
                                            Upgrade upgrade) {
  std::string answer = std::move(upgrade.answer);
  std::string ahead = std::move(upgrade.ahead);
  auto connection = std::make_unique<WebSocketConnection>(shard, number, session, std::move(upgrade));
  connection->start(std::move(answer), std::move(ahead));
  return connection;
}

}  // namespace tidegate::session
