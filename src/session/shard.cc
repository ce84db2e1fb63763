#include "session/shard.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "protocol/errors.h"

namespace tidegate::session {
namespace {

using namespace std::chrono_literals;

/// Sockets beyond `connections_max` are only for saying no, and for plain requests; above these they are
/// dropped.
constexpr std::size_t kSpareSockets = 1'000;
/// libpg_query has no guard of its own: a deep text needs this much.
constexpr std::size_t kStackBytes = 8 << 20;
/// A turn goes on while snapshots and catch-ups refill what was written, but gives the loop back in between.
constexpr int kRounds = 4;
constexpr std::size_t kReadBytes = 64 << 10;

using ReusePort = net::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

Error cannot_listen(const std::string& address, std::uint16_t port, const ErrorStatus& why) {
  return {Fault::fatal, fmt::format("cannot listen on {}:{}: {}", address, port, why.message())};
}

std::chrono::milliseconds sweep_interval(const Options& options) {
  const auto shortest = std::min({options.idle_timeout, options.ping_interval, options.handshake_timeout});
  return std::clamp<std::chrono::milliseconds>(shortest / 8, 5ms, 1s);
}

}  // namespace

Shard::Shard(std::uint16_t index, Context& context, hub::Options hub)
    : index_(index),
      context_(context),
      acceptor_(io_.get_executor()),
      sweep_timer_(io_),
      tick_timer_(io_),
      accept_timer_(io_),
      hub_(index, hub, context.parts.to_feed, context.parts.clock, context.parts.metrics,
           context.parts.memory),
      read_buffer_(kReadBytes),
      batch_(context.options.no_io_uring ? nullptr : transport::SendBatch::open()) {}

Shard::~Shard() = default;

feed::ShardPort Shard::port() {
  return {[this](feed::Event event, std::size_t bytes) {
            backlog_.fetch_add(bytes, std::memory_order_relaxed);
            std::lock_guard lock(mutex_);
            events_.push_back(std::move(event));
            event_bytes_ += bytes;
            if (events_.size() == 1) net::post(io_, [this] { take_events(); });
          },
          [this] { return backlog_.load(std::memory_order_relaxed); }};
}

void Shard::set_access(std::shared_ptr<const policy::Access> access) {
  net::post(io_, [this, access = std::move(access)]() mutable {
    const auto before = std::exchange(access_, std::move(access));
    if (!before || before->options() == access_->options()) return;
    for (auto& [number, connection] : connections_) connection->policies_changed();
    turn_soon();
  });
}

void Shard::ask(std::function<void(Shard&)> question) {
  net::post(io_, [this, question = std::move(question)] { question(*this); });
}

Result<std::uint16_t> Shard::listen(const std::string& address, std::uint16_t port) {
  ErrorStatus error;
  const auto parsed = net::ip::make_address(address, error);
  if (error) return Error{Fault::fatal, fmt::format("cannot listen on '{}': not an IP address", address)};
  const net::ip::tcp::endpoint endpoint(parsed, port);
  if (index_ == 0 && port != 0) {
    // With SO_REUSEPORT alone a second program of ours would share the port in silence: ask without it first.
    Acceptor probe(io_.get_executor());
    probe.open(endpoint.protocol(), error);
    if (!error) probe.set_option(net::socket_base::reuse_address(true), error);
    if (!error) probe.bind(endpoint, error);
    if (error) return cannot_listen(address, port, error);
  }
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(net::socket_base::reuse_address(true), error);
  if (!error) acceptor_.set_option(ReusePort(true), error);
  if (!error && parsed.is_v6()) acceptor_.set_option(net::ip::v6_only(false), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(net::socket_base::max_listen_connections, error);
  if (error) return cannot_listen(address, port, error);
  const auto bound = acceptor_.local_endpoint(error);
  if (error) return cannot_listen(address, port, error);
  return bound.port();
}

Status Shard::start() {
  // On the shard's own thread: from its first call on the hub belongs to it.
  net::post(io_, [this] {
    accept();
    sweep();
    tick();
  });
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  const int failed = pthread_create(
      &thread_, &attributes,
      [](void* shard) -> void* {
        static_cast<Shard*>(shard)->run();
        return nullptr;
      },
      this);
  pthread_attr_destroy(&attributes);
  if (failed != 0)
    return Error{Fault::fatal, "cannot start a shard's thread: " +
                                   ErrorStatus(failed, boost::system::system_category()).message()};
  started_ = true;
  return {};
}

void Shard::run() {
  io_.run();
  // Those that a drain left over, here, since the hub that they belong to is this thread's.
  for (auto& [number, connection] : connections_) {
    connection->cut(static_cast<std::uint16_t>(protocol::CloseCode::restart));
  }
  io_.restart();
  io_.poll();
  connections_.clear();
}

void Shard::drain() {
  net::post(io_, [this] { begin_drain(); });
}

void Shard::join(Steady deadline) {
  if (!started_) return;
  const auto left = std::max<std::chrono::nanoseconds>(deadline - now(), 0ns);
  net::post(io_, [this, left] {
    accept_timer_.expires_after(std::chrono::duration_cast<net::steady_timer::duration>(left));
    accept_timer_.async_wait([this](ErrorStatus cancelled) {
      if (!cancelled) io_.stop();
    });
    end_if_empty();
  });
  pthread_join(thread_, nullptr);
  started_ = false;
}

void Shard::begin_drain() {
  draining_ = true;
  ErrorStatus ignored;
  acceptor_.close(ignored);
  for (auto& [number, connection] : connections_)
    connection->close(static_cast<std::uint16_t>(protocol::CloseCode::restart));
}

void Shard::end_if_empty() {
  if (draining_ && connections_.empty()) io_.stop();
}

void Shard::accept() {
  acceptor_.async_accept([this](ErrorStatus error, Socket socket) { accepted(error, std::move(socket)); });
}

void Shard::accepted(ErrorStatus error, Socket socket) {
  if (draining_ || error == net::error::operation_aborted) return;
  if (error) {
    // Out of file descriptors, most likely: the backlog waits, and so do we.
    context_.probe.rejected(Rejection::sockets);
    accept_timer_.expires_after(100ms);
    accept_timer_.async_wait([this](ErrorStatus cancelled) {
      if (!cancelled) accept();
    });
    return;
  }
  context_.probe.accepted();
  if (context_.sockets.fetch_add(1) >= context_.options.connections_max + kSpareSockets) {
    context_.sockets.fetch_sub(1);
    context_.probe.rejected(Rejection::sockets);
  } else {
    open(std::move(socket));
  }
  accept();
}

void Shard::open(Socket socket) {
  ErrorStatus ignored;
  const auto from = socket.remote_endpoint(ignored).address();
  auto opening = context_.limits.open(from, now());
  // Whatever comes of it: a handshake of TLS costs more than all that follows.
  auto over = context_.limits.handshake(from, now());
  if (!opening || (over && context_.parts.credentials)) {
    context_.sockets.fetch_sub(1);
    return;
  }
  socket.set_option(net::ip::tcp::no_delay(true), ignored);
  const auto number = next_number();
  connections_.emplace(number, serve_http(*this, number, stream_over(std::move(socket)),
                                          {from, std::move(*opening), std::move(over)}));
}

Stream Shard::stream_over(Socket socket) const {
  const auto& credentials = context_.parts.credentials;
  if (!credentials) return Stream(std::move(socket));
  return Stream(std::move(socket), credentials->accept(context_.parts.memory));
}

void Shard::finished(std::uint64_t number) {
  connections_.erase(number);
  context_.sockets.fetch_sub(1);
  end_if_empty();
}

void Shard::adopt(std::uint64_t number, std::unique_ptr<Connection> connection, SessionId session) {
  context_.sockets.fetch_add(1);
  sessions_.put(session, connection.get());
  connections_.emplace(number, std::move(connection));
}

void Shard::finish_soon(std::uint64_t number) {
  net::post(io_, [this, number] { finished(number); });
}

void Shard::read_when_readable(Socket& socket, std::uint64_t number) {
  socket.async_wait(net::socket_base::wait_read, [this, number](ErrorStatus error) {
    if (error != net::error::operation_aborted) read(number);
  });
}

void Shard::read_soon(std::uint64_t number) {
  net::post(io_, [this, number] { read(number); });
}

void Shard::read(std::uint64_t number) {
  if (const auto found = connections_.find(number); found != connections_.end()) found->second->readable();
}

void Shard::flush_when_writable(Socket& socket, std::uint64_t number) {
  socket.async_wait(net::socket_base::wait_write, [this, number](ErrorStatus error) {
    if (error) return;
    if (const auto found = connections_.find(number); found != connections_.end()) {
      found->second->writable();
    }
  });
}

void Shard::take_events() {
  std::vector<feed::Event> events;
  std::size_t bytes = 0;
  {
    std::lock_guard lock(mutex_);
    events.swap(events_);
    bytes = std::exchange(event_bytes_, 0);
  }
  hub_.on_events(events);
  backlog_.fetch_sub(bytes, std::memory_order_relaxed);
  turn_soon();
}

void Shard::turn_soon() {
  if (turn_posted_) return;
  turn_posted_ = true;
  net::post(io_, [this] { turn(); });
}

void Shard::turn() {
  turn_posted_ = false;
  for (int round = 0; round < kRounds; ++round) {
    const auto dirty = hub_.take_dirty();
    if (dirty.empty()) break;
    flush(dirty);
    if (round + 1 == kRounds) turn_soon();
  }
  hub_.flushed();
  sends_.tell(context_.probe);
  for (const SessionId session : hub_.take_debtors()) {
    if (Connection** const connection = sessions_.find(session)) {
      (*connection)->cut(static_cast<std::uint16_t>(protocol::CloseCode::try_again));
    }
  }
}

/// What arrived together leaves together, where it can in one system call. (No connection goes meanwhile:
/// their ends are posted.)
void Shard::flush(const std::vector<SessionId>& dirty) {
  for (const SessionId session : dirty) {
    Connection** const connection = sessions_.find(session);
    if (connection == nullptr) continue;
    if (batch_ && (*connection)->join(*batch_)) {
      batched_.push_back(*connection);
      if (batch_->full()) send_batch();
    } else {
      (*connection)->flush();
    }
  }
  if (!batched_.empty()) send_batch();
}

void Shard::send_batch() {
  if (batched_.size() > 1) context_.probe.batched(batched_.size());
  const auto sent = batch_->send();
  for (std::size_t i = 0; i < sent.size(); ++i) batched_[i]->sent(sent[i]);
  batched_.clear();
}

void Shard::sweep() {
  const auto time = now();
  for (auto& [number, connection] : connections_) connection->sweep(time);
  turn_soon();
  sweep_timer_.expires_after(sweep_interval(context_.options));
  sweep_timer_.async_wait([this](ErrorStatus cancelled) {
    if (!cancelled) sweep();
  });
}

void Shard::tick() {
  hub_.tick();
  turn_soon();
  tick_timer_.expires_after(1s);
  tick_timer_.async_wait([this](ErrorStatus cancelled) {
    if (!cancelled) tick();
  });
}

// ---- for operators ----

bool Shard::is_meant(const Connection& connection, const Selection& which) const {
  const Caller* caller = connection.caller();
  if (!caller) return false;
  const auto& principal = caller->principal;
  if (which.id && *which.id != ConnectionId{index_, connection.session()}) return false;
  if (which.subject && (!principal || principal->subject != *which.subject)) return false;
  return !which.tenant || (principal && principal->tenant == *which.tenant);
}

std::vector<ConnectionView> Shard::connections(const Selection& which, std::size_t max) {
  std::vector<ConnectionView> views;
  sessions_.for_each([&](const Connection* connection) {
    if (views.size() >= max || !is_meant(*connection, which)) return;
    const Caller& caller = *connection->caller();
    ConnectionView view{.id = {index_, connection->session()},
                        .address = caller.address,
                        .since_unix_s = unix_us(caller.since) / 1'000'000};
    if (caller.principal) {
      view.subject = caller.principal->subject;
      view.tenant = caller.principal->tenant;
    }
    const auto weight = hub_.weigh(connection->session());
    view.subscriptions = weight.subscriptions;
    view.queued_bytes = weight.queued_bytes;
    view.held_bytes = weight.held_bytes;
    views.push_back(std::move(view));
  });
  return views;
}

std::size_t Shard::disconnect(const Selection& which) {
  std::size_t closed = 0;
  sessions_.for_each([&](Connection* connection) {
    if (!is_meant(*connection, which)) return;
    connection->close(static_cast<std::uint16_t>(protocol::CloseCode::policy));
    ++closed;
  });
  return closed;
}

void Shard::revoke(const auth::Revocation& revocation) {
  sessions_.for_each([&](Connection* connection) {
    const Caller* caller = connection->caller();
    if (!caller || !caller->principal || !revocation.concerns(*caller->principal)) return;
    connection->revoke();
  });
  turn_soon();
}

}  // namespace tidegate::session
