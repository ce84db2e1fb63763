// The only unit of the server that includes Beast: a WebSocket unit takes half a minute to compile. HTTP
// first, then the upgrade, then frames.

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "protocol/errors.h"
#include "session/connection.h"
#include "session/conversation.h"
#include "session/frame_queue.h"
#include "session/opening.h"
#include "session/routes.h"
#include "session/shard.h"

namespace tidegate::session {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using namespace std::chrono_literals;

template <class Handler>
void async_teardown(beast::role_type role, FrameQueue& queue, Handler&& handler) {
  async_teardown(role, queue.next_layer(), std::forward<Handler>(handler));
}

namespace {

using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::uint32_t kHeaderBytesMax = 16 << 10;
/// A peer that was told to go, and takes nothing more, has this long.
constexpr auto kGoodbye = 5s;
constexpr std::uint16_t kAbnormal = 1006;

std::uint16_t number_of(protocol::CloseCode code) {
  return static_cast<std::uint16_t>(code);
}

/// Everything that an upgraded socket takes over.
struct Upgrade {
  Stream stream;
  std::unique_ptr<Request> request;
  std::string ahead;  ///< read behind the request
  Opening opening;
  Caller caller;
  Seat seat;
};

class WebSocketConnection final : public Connection {
 public:
  WebSocketConnection(Shard& shard, std::uint64_t number, SessionId session, Upgrade upgrade);
  ~WebSocketConnection() override;
  void start();
  void flush() override;
  void writable() override;
  void close(std::uint16_t code) override;
  void cut(std::uint16_t code) override;
  void sweep(Steady now) override;

 private:
  Awaitable<void> serve();
  Awaitable<bool> read_message();
  Awaitable<bool> read_rest();
  void take_message(std::string_view text);
  void sweep_goodbye(Steady now);
  FrameQueue& queue() { return stream_.next_layer(); }

  Shard& shard_;
  const std::uint64_t number_;
  const SessionId session_;
  Seat seat_;
  websocket::stream<FrameQueue, false> stream_;
  Conversation conversation_;
  std::unique_ptr<Request> request_;  // until the upgrade is answered
  std::string message_;               // what of a long message has come
  std::array<char, 128> first_;       // holds most messages whole: an idle session has no buffer of its own
  Steady heard_;
  Steady next_ping_;
  Steady deadline_;
  std::uint64_t written_ = 0;  // when the hub was told last
  std::uint64_t written_at_goodbye_ = 0;
  std::uint16_t cut_code_ = kAbnormal;
  bool open_ = false;
  bool waiting_ = false;  // for writability
  bool goodbye_ = false;
};

WebSocketConnection::WebSocketConnection(Shard& shard, std::uint64_t number, SessionId session,
                                         Upgrade upgrade)
    : shard_(shard),
      number_(number),
      session_(session),
      seat_(std::move(upgrade.seat)),
      stream_(std::move(upgrade.stream), shard.hub().outbox(session), shard.context().probe,
              std::move(upgrade.ahead), [this] { flush(); }),
      conversation_(shard.context(), shard.context().probe, shard.hub(), shard.catalogue(), session,
                    std::move(upgrade.caller)),
      request_(std::move(upgrade.request)),
      heard_(shard.now()),
      next_ping_(heard_ + shard.context().options.ping_interval),
      deadline_(heard_ + shard.context().options.handshake_timeout) {
  stream_.read_message_max(shard.context().options.payload_bytes_max);
  stream_.control_callback([this](websocket::frame_type, beast::string_view) { heard_ = shard_.now(); });
  if (!upgrade.opening.selected.empty()) {
    stream_.set_option(websocket::stream_base::decorator(
        [selected = std::move(upgrade.opening.selected)](websocket::response_type& response) {
          response.set(http::field::sec_websocket_protocol, selected);
        }));
  }
}

WebSocketConnection::~WebSocketConnection() {
  if (open_) {
    shard_.context().probe.closed(queue().close_code().value_or(cut_code_));
    shard_.context().probe.ended();
  }
  shard_.forget(session_);
  shard_.hub().close(session_);
}

void WebSocketConnection::start() {
  net::co_spawn(shard_.executor(), serve(), [shard = &shard_, number = number_](std::exception_ptr bug) {
    if (bug) std::rethrow_exception(bug);
    shard->finished(number);
  });
}

Awaitable<void> WebSocketConnection::serve() {
  auto [refused] = co_await stream_.async_accept(*request_, as_values);
  request_.reset();
  if (refused) {
    shard_.context().probe.rejected(Rejection::handshake);
    co_return;
  }
  open_ = true;
  shard_.context().probe.opened();
  queue().opened();
  if (shard_.draining()) close(number_of(protocol::CloseCode::restart));
  while (co_await read_message()) {
  }
}

Awaitable<bool> WebSocketConnection::read_message() {
  auto [failed, size] =
      co_await stream_.async_read_some(net::buffer(first_.data(), first_.size()), as_values);
  if (failed) co_return false;
  heard_ = shard_.now();
  if (stream_.is_message_done()) {
    take_message(std::string_view(first_.data(), size));
    co_return true;
  }
  message_.assign(first_.data(), size);
  co_return co_await read_rest();
}

Awaitable<bool> WebSocketConnection::read_rest() {
  while (!stream_.is_message_done()) {
    const std::size_t old = stream_.got_text() ? message_.size() : 0;
    message_.resize(old + std::clamp<std::size_t>(old, 4 << 10, 64 << 10));
    auto [failed, size] = co_await stream_.async_read_some(
        net::buffer(message_.data() + old, message_.size() - old), as_values);
    if (failed) co_return false;
    message_.resize(old + size);
    heard_ = shard_.now();
  }
  take_message(message_);
  message_ = std::string();
  co_return true;
}

void WebSocketConnection::take_message(std::string_view text) {
  if (queue().close_code()) return;
  if (!stream_.got_text()) {
    shard_.context().probe.received(Operation::binary);
    return;
  }
  conversation_.on_text(text);
  shard_.turn_soon();
}

void WebSocketConnection::flush() {
  if (waiting_) return;
  const auto flushed = queue().flush();
  if (flushed == FrameQueue::Flushed::failed) return cut(kAbnormal);
  if (flushed == FrameQueue::Flushed::blocked) {
    waiting_ = true;
    shard_.flush_when_writable(queue().next_layer().next_layer(), number_);
  }
  if (queue().written() == written_) return;
  written_ = queue().written();
  if (queue().close_code()) return;
  shard_.hub().written(session_);
  shard_.turn_soon();
}

void WebSocketConnection::writable() {
  waiting_ = false;
  flush();
}

void WebSocketConnection::close(std::uint16_t code) {
  if (!open_) return cut(code);
  queue().push_close(code);
  flush();
}

void WebSocketConnection::cut(std::uint16_t code) {
  cut_code_ = code;
  queue().abort();
}

void WebSocketConnection::sweep(Steady now) {
  const auto& context = shard_.context();
  if (queue().close_code()) return sweep_goodbye(now);
  if (!open_) {
    if (now >= deadline_) cut(kAbnormal);
    return;
  }
  if (conversation_.token_is_over(context.parts.clock.wall()))
    return close(number_of(protocol::CloseCode::token));
  if (now - heard_ >= context.options.idle_timeout) return close(number_of(protocol::CloseCode::normal));
  if (now < next_ping_) return;
  next_ping_ = now + context.options.ping_interval;
  queue().push_ping();
  flush();
}

void WebSocketConnection::sweep_goodbye(Steady now) {
  // As long as the peer takes what is queued before the Close, it has time.
  if (!goodbye_ || queue().written() != written_at_goodbye_) {
    goodbye_ = true;
    written_at_goodbye_ = queue().written();
    deadline_ = now + kGoodbye;
  }
  if (now >= deadline_) cut(kAbnormal);
}

class HttpConnection final : public Connection {
 public:
  HttpConnection(Shard& shard, std::uint64_t number, Stream stream)
      : shard_(shard),
        number_(number),
        stream_(std::move(stream)),
        deadline_(shard.now() + shard.context().options.handshake_timeout) {}
  void start();
  void flush() override {}
  void writable() override {}
  void close(std::uint16_t code) override {
    if (waiting_) cut(code);
  }
  void cut(std::uint16_t) override { stream_.close(); }
  void sweep(Steady now) override {
    if (now >= deadline_) cut(kAbnormal);
  }

 private:
  Awaitable<void> serve();
  Awaitable<bool> shake_hands();
  Awaitable<bool> serve_one(beast::flat_buffer& buffer);
  Awaitable<void> refuse(http::status status, std::string_view why);
  Awaitable<bool> write(Response& response);
  [[nodiscard]] std::optional<Response> refusal(const Request& request, const Opening& opening,
                                                Caller& caller, const std::optional<Seat>& seat) const;
  void upgrade(Request request, Opening opening, Caller caller, Seat seat, const beast::flat_buffer& ahead);
  [[nodiscard]] Response answer(const Request& request) const;

  Shard& shard_;
  const std::uint64_t number_;
  Stream stream_;
  Steady deadline_;
  bool waiting_ = true;  // for a request
};

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

/// All values of a header, joined with commas.
std::string joined(const Request& request, http::field name) {
  std::string all;
  const auto [first, last] = request.equal_range(name);
  for (auto field = first; field != last; ++field) {
    if (!all.empty()) all += ',';
    all += view(field->value());
  }
  return all;
}

Response plain(http::status status, std::string_view body) {
  Response response(status, 11);
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.body() = body;
  return response;
}

http::status status_of(const ErrorStatus& error) {
  if (error == http::error::body_limit) return http::status::payload_too_large;
  if (error == http::error::header_limit) return http::status::request_header_fields_too_large;
  return http::status::bad_request;
}

void HttpConnection::start() {
  net::co_spawn(shard_.executor(), serve(), [shard = &shard_, number = number_](std::exception_ptr bug) {
    if (bug) std::rethrow_exception(bug);
    shard->finished(number);
  });
}

Awaitable<void> HttpConnection::serve() {
  const bool secure = co_await shake_hands();
  if (!secure) co_return;
  beast::flat_buffer buffer;
  while (co_await serve_one(buffer)) {
    deadline_ = shard_.now() + shard_.context().options.idle_timeout;
  }
}

Awaitable<bool> HttpConnection::shake_hands() {
  const auto& credentials = shard_.context().parts.credentials;
  if (!credentials) co_return true;
  const auto refused = co_await stream_.shake_hands();
  if (refused) {
    credentials->refused(*refused);
    co_return false;
  }
  credentials->shook_hands(*stream_.channel());
  co_return true;
}

/// Whether the socket goes on speaking HTTP.
Awaitable<bool> HttpConnection::serve_one(beast::flat_buffer& buffer) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(kHeaderBytesMax);
  parser.body_limit(shard_.context().options.payload_bytes_max);
  waiting_ = true;
  auto [failed, size] = co_await http::async_read(stream_, buffer, parser, as_values);
  waiting_ = false;
  if (failed && failed.category() != http::make_error_code(http::error::end_of_stream).category())
    co_return false;
  if (failed == http::error::end_of_stream || failed == http::error::partial_message) co_return false;
  if (failed) {
    shard_.context().probe.rejected(Rejection::bad_request);
    co_await refuse(status_of(failed), failed.message());
    co_return false;
  }
  Request request = parser.release();
  if (!websocket::is_upgrade(request)) {
    shard_.context().probe.request();
    Response response = answer(request);
    co_return co_await write(response);
  }
  const auto& context = shard_.context();
  Opening opening = read_opening(joined(request, http::field::sec_websocket_protocol),
                                 view(request[http::field::authorization]),
                                 query_parameter(view(request.target()), context.options.token_parameter));
  Caller caller;
  caller.tenant = view(request["x-tenant"]);
  caller.v1 = opening.v1;
  std::optional<Seat> seat = Seat::take(shard_.context());
  if (auto refused = refusal(request, opening, caller, seat)) {
    refused->keep_alive(false);
    co_return co_await write(*refused);
  }
  upgrade(std::move(request), std::move(opening), std::move(caller), std::move(*seat), buffer);
  co_return false;
}

std::optional<Response> HttpConnection::refusal(const Request& request, const Opening& opening,
                                                Caller& caller, const std::optional<Seat>& seat) const {
  auto& context = shard_.context();
  if (!seat) {
    context.probe.rejected(Rejection::full);
    auto response = plain(http::status::service_unavailable,
                          "this server has as many connections as it may: try again\n");
    response.set(http::field::retry_after, "5");
    return response;
  }
  if (!origin_allowed(view(request[http::field::origin]), context.options.origins)) {
    context.probe.rejected(Rejection::forbidden_origin);
    return plain(http::status::forbidden, "pages of this origin may not connect to this server\n");
  }
  if (!context.verifies()) return std::nullopt;
  std::string why = "a token is needed: 'Authorization: Bearer', or the subprotocol 'bearer.<token>'";
  if (opening.token) {
    auto principal = context.verifier.verify(*opening.token);
    if (principal) {
      caller.principal = std::move(*principal);
      return std::nullopt;
    }
    why = principal.error().message;
  }
  context.probe.rejected(Rejection::unauthorized);
  auto response = plain(http::status::unauthorized, why + "\n");
  response.set(http::field::www_authenticate, "Bearer");
  return response;
}

void HttpConnection::upgrade(Request request, Opening opening, Caller caller, Seat seat,
                             const beast::flat_buffer& ahead) {
  const hub::SessionTraits traits{opening.v1, shard_.context().options.pass_through};
  const auto number = shard_.next_number();
  const auto session = shard_.hub().open(traits);
  Upgrade taken{std::move(stream_),
                std::make_unique<Request>(std::move(request)),
                std::string(static_cast<const char*>(ahead.data().data()), ahead.size()),
                std::move(opening),
                std::move(caller),
                std::move(seat)};
  auto connection = std::make_unique<WebSocketConnection>(shard_, number, session, std::move(taken));
  auto& started = *connection;
  shard_.adopt(number, std::move(connection), session);
  started.start();
}

Response HttpConnection::answer(const Request& request) const {
  const auto& context = shard_.context();
  const auto target = view(request.target());
  HttpAnswer answer{200, "text/plain; charset=utf-8", context.options.plain_answer};
  if (const auto* handler = find_route(context.parts.routes, target)) {
    answer = (*handler)({std::string(view(request.method_string())), std::string(target), request.body()});
  }
  Response response(static_cast<http::status>(answer.status), request.version());
  response.set(http::field::content_type, answer.content_type);
  const auto size = answer.body.size();
  if (request.method() != http::verb::head) response.body() = std::move(answer.body);
  response.content_length(size);
  response.keep_alive(request.keep_alive() && !shard_.draining());
  return response;
}

Awaitable<bool> HttpConnection::write(Response& response) {
  if (!response.has_content_length()) response.prepare_payload();
  deadline_ = shard_.now() + shard_.context().options.handshake_timeout;
  auto [failed, size] = co_await http::async_write(stream_, response, as_values);
  if (failed) co_return false;
  if (response.keep_alive()) co_return true;
  stream_.finish();
  co_return false;
}

Awaitable<void> HttpConnection::refuse(http::status status, std::string_view why) {
  auto response = plain(status, std::string(why) + "\n");
  response.keep_alive(false);
  co_await write(response);
  // The rest of what was refused is read and dropped: closing now would reset the connection, and the answer
  // with it.
  std::array<char, 4096> rest;
  deadline_ = shard_.now() + 2s;
  for (std::size_t total = 0; total < (4 << 20);) {
    auto [failed, size] = co_await stream_.async_read_some(net::buffer(rest.data(), rest.size()), as_values);
    if (failed) break;
    total += size;
  }
}

}  // namespace

std::unique_ptr<Connection> serve_http(Shard& shard, std::uint64_t number, Stream stream) {
  auto connection = std::make_unique<HttpConnection>(shard, number, std::move(stream));
  connection->start();
  return connection;
}

}  // namespace tidegate::session
