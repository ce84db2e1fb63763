// The only unit of the client that includes Beast.
#include "client/client.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <future>
#include <optional>
#include <thread>

#include "transport/io.h"
#include "transport/stream.h"
#include "transport/trust.h"

namespace tidegate::client {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using transport::as_values;
using transport::Awaitable;
using transport::ErrorStatus;
using transport::Executor;
using transport::Socket;
using transport::Stream;
using Resolver = net::ip::basic_resolver<net::ip::tcp, Executor>;
using Endpoint = net::ip::tcp::endpoint;

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) {
    if (!all.empty()) all += ", ";
    all += name;
  }
  return all;
}

}  // namespace

class Loop::State {
 public:
  State() : work(io.get_executor()), thread([this] { io.run(); }) {}
  ~State() {
    io.stop();
    thread.join();
  }
  [[nodiscard]] bool here() const { return std::this_thread::get_id() == thread.get_id(); }

  net::io_context io{1};
  net::executor_work_guard<Executor> work;
  std::thread thread;
};

Loop::Loop() : state_(std::make_unique<State>()) {}
Loop::~Loop() = default;
void Loop::post(std::function<void()> task) {
  net::post(state_->io, std::move(task));
}

namespace {

/// Shared by the client and its coroutine, which may end later.
class Connection {
 public:
  Connection(net::io_context& io, Settings settings, Handlers handlers)
      : io_(io),
        settings_(std::move(settings)),
        handlers_(std::move(handlers)),
        stream_(Socket(io.get_executor())),
        resumed_(io) {}

  // All of these on the loop's thread.
  /// Whoever runs it keeps this object alive.
  Awaitable<void> run();
  void know(std::weak_ptr<Connection> self) { self_ = std::move(self); }
  void send(std::string bytes, bool text);
  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    resumed_.cancel();
  }
  void close(std::uint16_t code);
  void abort() {
    stream_.next_layer().close();
    resumed_.cancel();
  }
  /// Nothing is called any more. (The handlers stay: one of them may be what is running.)
  void silence() { silent_ = true; }

 private:
  struct Outgoing {
    std::string bytes;
    bool text = true;
    std::optional<std::uint16_t> close;
  };
  Awaitable<bool> connect();
  Awaitable<bool> secure();
  Awaitable<bool> shake_hands();
  Awaitable<bool> read_one();
  void write_next();
  void written(ErrorStatus error);
  void fail(const std::string& what, ErrorStatus error, int status = 0, std::string body = {});
  void fail(Failure failure);
  void end(ErrorStatus error);

  net::io_context& io_;
  const Settings settings_;
  Handlers handlers_;
  websocket::stream<Stream, false> stream_;
  net::steady_timer resumed_;
  beast::flat_buffer message_;
  std::deque<Outgoing> outgoing_;
  std::weak_ptr<Connection> self_;
  bool open_ = false;
  bool writing_ = false;
  bool paused_ = false;
  bool silent_ = false;
  bool closed_ = false;  // by our own Close, and the peer's answer
};

void Connection::fail(const std::string& what, ErrorStatus error, int status, std::string body) {
  fail({what + ": " + error.message(), status, std::move(body)});
}

void Connection::fail(Failure failure) {
  if (!silent_ && handlers_.on_error) handlers_.on_error(failure);
}

// With `if (!co_await f())` g++ 12 lays out this frame wrongly, and `this` is garbage: name the value first.
Awaitable<void> Connection::run() {
  const bool connected = co_await connect();
  if (!connected) co_return;
  const bool secured = co_await secure();
  if (!secured) co_return;
  const bool open = co_await shake_hands();
  if (!open) co_return;
  open_ = true;
  write_next();
  while (co_await read_one()) {
  }
}

Awaitable<bool> Connection::connect() {
  ErrorStatus error;
  std::vector<Endpoint> endpoints;
  const auto address = net::ip::make_address(settings_.host, error);
  if (!error) {
    endpoints.emplace_back(address, settings_.port);
  } else {
    Resolver resolver(io_.get_executor());
    auto [failed, found] =
        co_await resolver.async_resolve(settings_.host, std::to_string(settings_.port), as_values);
    if (failed) {
      fail("cannot resolve " + settings_.host, failed);
      co_return false;
    }
    for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  }
  auto& socket = stream_.next_layer().next_layer();
  for (const auto& endpoint : endpoints) {
    socket.close(error);
    socket.open(endpoint.protocol(), error);
    if (!error && settings_.receive_buffer_bytes > 0) {
      socket.set_option(net::socket_base::receive_buffer_size(settings_.receive_buffer_bytes), error);
    }
    if (error) break;
    auto [failed] = co_await socket.async_connect(endpoint, as_values);
    error = failed;
    if (!error) {
      socket.set_option(net::ip::tcp::no_delay(true), error);
      co_return true;
    }
  }
  fail("cannot connect to " + settings_.host + ":" + std::to_string(settings_.port), error);
  co_return false;
}

Awaitable<bool> Connection::secure() {
  if (!settings_.tls) co_return true;
  const auto trust = transport::Trust::open(settings_.ca_file);
  if (!trust) {
    fail({trust.error().message, 0, {}});
    co_return false;
  }
  Stream& stream = stream_.next_layer();
  stream = Stream(std::move(stream.next_layer()), trust->connect(settings_.host));
  const auto refused = co_await stream.shake_hands();
  if (!refused) co_return true;
  const std::string& trouble = stream.channel()->trouble();
  fail({"no TLS with " + settings_.host + ": " + (trouble.empty() ? "the connection was closed" : trouble),
        0,
        {}});
  co_return false;
}

Awaitable<bool> Connection::shake_hands() {
  stream_.read_message_max(settings_.message_bytes_max);
  stream_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
    if (!settings_.subprotocols.empty()) {
      request.set(beast::http::field::sec_websocket_protocol, joined(settings_.subprotocols));
    }
    for (const auto& [name, value] : settings_.headers) request.set(name, value);
  }));
  websocket::response_type response;
  const bool brackets = settings_.host.find(':') != std::string::npos;
  const std::string host =
      (brackets ? "[" + settings_.host + "]" : settings_.host) + ":" + std::to_string(settings_.port);
  auto [failed] = co_await stream_.async_handshake(response, host, settings_.target, as_values);
  if (failed) {
    const int status =
        failed == websocket::error::upgrade_declined ? static_cast<int>(response.result_int()) : 0;
    fail("no WebSocket", failed, status, response.body());
    co_return false;
  }
  const auto selected = response[beast::http::field::sec_websocket_protocol];
  if (!silent_ && handlers_.on_open) handlers_.on_open(std::string_view(selected.data(), selected.size()));
  co_return true;
}

Awaitable<bool> Connection::read_one() {
  while (paused_ && stream_.next_layer().is_open()) {
    resumed_.expires_at(net::steady_timer::time_point::max());
    auto [woken] = co_await resumed_.async_wait(as_values);
    (void)woken;
  }
  auto [failed, size] = co_await stream_.async_read(message_, as_values);
  if (failed) {
    end(failed);
    co_return false;
  }
  const std::string_view message(static_cast<const char*>(message_.data().data()), message_.size());
  const auto& handler = stream_.got_text() ? handlers_.on_text : handlers_.on_binary;
  if (!silent_ && handler) handler(message);
  message_.clear();
  // A client in a test is one of thousands: none keeps a large buffer.
  if (message_.capacity() > (64 << 10)) message_.shrink_to_fit();
  co_return true;
}

void Connection::end(ErrorStatus error) {
  open_ = false;
  outgoing_.clear();
  if (closed_ || error == websocket::error::closed) {
    const auto code = stream_.reason().code;
    if (!silent_ && handlers_.on_close) handlers_.on_close(code == websocket::close_code::none ? 1005 : code);
  } else {
    fail("the connection broke", error);
  }
}

void Connection::send(std::string bytes, bool text) {
  outgoing_.push_back({std::move(bytes), text, {}});
  write_next();
}

void Connection::close(std::uint16_t code) {
  outgoing_.push_back({{}, true, code});
  write_next();
}

void Connection::write_next() {
  if (!open_ || writing_ || outgoing_.empty()) return;
  writing_ = true;
  auto self = self_.lock();
  auto& next = outgoing_.front();
  if (next.close) {
    stream_.async_close(websocket::close_reason(*next.close), [self](ErrorStatus error) {
      self->closed_ = !error;
      self->written(error);
    });
    return;
  }
  stream_.text(next.text);
  auto bytes = std::make_shared<std::string>(std::move(next.bytes));
  stream_.async_write(net::buffer(bytes->data(), bytes->size()),
                      [self, bytes](ErrorStatus error, std::size_t) { self->written(error); });
}

void Connection::written(ErrorStatus error) {
  writing_ = false;
  if (!outgoing_.empty()) outgoing_.pop_front();
  if (!error) write_next();
}

}  // namespace

struct Client::State {
  State(Loop::State& given, Settings settings, Handlers handlers)
      : loop(given),
        connection(std::make_shared<Connection>(given.io, std::move(settings), std::move(handlers))) {}
  Loop::State& loop;
  std::shared_ptr<Connection> connection;
};

Client::Client(Loop& loop, Settings settings, Handlers handlers)
    : state_(std::make_unique<State>(*loop.state_, std::move(settings), std::move(handlers))) {
  net::post(loop.state_->io, [&io = loop.state_->io, connection = state_->connection] {
    connection->know(connection);
    net::co_spawn(io.get_executor(), connection->run(), [connection](std::exception_ptr bug) {
      if (bug) std::rethrow_exception(bug);
    });
  });
}

Client::~Client() {
  auto& connection = *state_->connection;
  if (state_->loop.here()) {
    connection.silence();
    connection.abort();
    return;
  }
  std::promise<void> done;
  net::post(state_->loop.io, [&connection, &done] {
    connection.silence();
    connection.abort();
    done.set_value();
  });
  done.get_future().wait();
}

void Client::send_text(std::string text) {
  net::post(state_->loop.io, [connection = state_->connection, text = std::move(text)]() mutable {
    connection->send(std::move(text), true);
  });
}
void Client::send_binary(std::string bytes) {
  net::post(state_->loop.io, [connection = state_->connection, bytes = std::move(bytes)]() mutable {
    connection->send(std::move(bytes), false);
  });
}
void Client::pause_reading() {
  net::post(state_->loop.io, [connection = state_->connection] { connection->pause(); });
}
void Client::resume_reading() {
  net::post(state_->loop.io, [connection = state_->connection] { connection->resume(); });
}
void Client::close(std::uint16_t code) {
  net::post(state_->loop.io, [connection = state_->connection, code] { connection->close(code); });
}
void Client::abort() {
  net::post(state_->loop.io, [connection = state_->connection] { connection->abort(); });
}

}  // namespace tidegate::client
