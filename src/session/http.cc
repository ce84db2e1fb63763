// The only unit of the server that includes Beast, whose HTTP it is: plain requests, and the opening of a
// WebSocket, which goes on in websocket.cc.

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "protocol/deflate.h"
#include "session/connection.h"
#include "session/opening.h"
#include "session/routes.h"
#include "session/shard.h"
#include "session/websocket.h"

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 inlines Asio's allocation of coroutine frames on one side only, and takes the two for strangers.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace tidegate::session {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using namespace std::chrono_literals;

using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::uint32_t kHeaderBytesMax = 16 << 10;
/// Of a plain request to operators' routes: what they take is short.
constexpr std::size_t kBodyBytesMax = 64 << 10;
/// At the clients' port no route takes one, and nobody has shown a token yet.
constexpr std::size_t kClientsBodyBytesMax = 1 << 10;
constexpr std::uint16_t kAbnormal = 1006;

class HttpConnection final : public Connection {
 public:
  HttpConnection(Shard& shard, std::uint64_t number, Stream stream, Peer peer)
      : shard_(shard),
        number_(number),
        stream_(std::move(stream)),
        peer_(std::move(peer)),
        deadline_(shard.now() + shard.context().options.handshake_timeout) {}
  void start();
  void flush() override {}
  void readable() override {}
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
  void upgrade(std::string answer, Caller caller, bool deflate, Seat seat, const beast::flat_buffer& ahead);
  [[nodiscard]] Response answer(const Request& request) const;

  Shard& shard_;
  const std::uint64_t number_;
  Stream stream_;
  const Peer peer_;
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

Response try_again(std::string_view why, int seconds) {
  auto response = plain(http::status::service_unavailable, std::string(why) + "\n");
  response.set(http::field::retry_after, std::to_string(seconds));
  return response;
}

Response too_many(const Limited& over) {
  auto response =
      plain(http::status::too_many_requests, "too many (" + name_of(over.limit) + "): try again later\n");
  response.set(http::field::retry_after, std::to_string(over.retry.count() / 1'000 + 1));
  response.keep_alive(false);
  return response;
}

/// Whether a request wants a WebSocket at all.
bool asks_for_websocket(const Request& request) {
  return request.method() == http::verb::get && request.version() >= 11 &&
         http::token_list(joined(request, http::field::upgrade)).exists("websocket") &&
         http::token_list(joined(request, http::field::connection)).exists("upgrade");
}

/// Why it can't have one (RFC 6455 sections 4.2.1 and 4.4).
std::optional<Response> misasked(const Request& request, bool has_key) {
  if (request[http::field::host].empty())
    return plain(http::status::bad_request, "a Host header is missing\n");
  // Whoever sets one may have added it behind the client's own (pass-through).
  if (request.count("x-tenant") > 1)
    return plain(http::status::bad_request, "there are several x-tenant headers\n");
  if (!has_key) return plain(http::status::bad_request, "Sec-WebSocket-Key is not 16 bytes in base64\n");
  if (request[http::field::sec_websocket_version] == "13") return std::nullopt;
  auto response = plain(http::status::upgrade_required, "the version of the WebSocket protocol is 13\n");
  response.set(http::field::sec_websocket_version, "13");
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
  const auto& options = shard_.context().options;
  parser.body_limit(
      std::min(options.payload_bytes_max, options.websockets ? kClientsBodyBytesMax : kBodyBytesMax));
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
  if (!shard_.context().options.websockets || !asks_for_websocket(request)) {
    shard_.context().probe.request();
    Response response = answer(request);
    co_return co_await write(response);
  }
  auto& context = shard_.context();
  if (peer_.over) {
    auto refused = too_many(*peer_.over);
    co_return co_await write(refused);
  }
  const auto accept = accept_of(view(request[http::field::sec_websocket_key]));
  if (auto wrong = misasked(request, accept.has_value())) {
    context.probe.rejected(Rejection::handshake);
    wrong->keep_alive(false);
    co_return co_await write(*wrong);
  }
  const Opening opening = read_opening(
      joined(request, http::field::sec_websocket_protocol), view(request[http::field::authorization]),
      query_parameter(view(request.target()), context.options.token_parameter));
  Caller caller;
  caller.tenant = view(request["x-tenant"]);
  caller.v1 = opening.v1;
  caller.address = peer_.address.to_string();
  caller.since = context.parts.clock.wall();
  std::optional<Seat> seat = Seat::take(shard_.context());
  if (auto refused = refusal(request, opening, caller, seat)) {
    refused->keep_alive(false);
    co_return co_await write(*refused);
  }
  Limited over;
  caller.admission =
      context.limits.admit(caller.principal ? &*caller.principal : nullptr, shard_.now(), over);
  if (!caller.admission) {
    auto refused = too_many(over);
    co_return co_await write(refused);
  }
  const auto extension =
      context.options.deflate
          ? protocol::accept_deflate(joined(request, http::field::sec_websocket_extensions))
          : std::nullopt;
  upgrade(switching_protocols(*accept, opening.selected, extension.value_or("")), std::move(caller),
          extension.has_value(), std::move(*seat), buffer);
  co_return false;
}

std::optional<Response> HttpConnection::refusal(const Request& request, const Opening& opening,
                                                Caller& caller, const std::optional<Seat>& seat) const {
  auto& context = shard_.context();
  if (!seat) {
    context.probe.rejected(Rejection::full);
    return try_again("this server has as many connections as it may: try again", 5);
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
    if (principal.error().fault == Fault::unavailable) return try_again(why, 1);
  }
  context.probe.rejected(Rejection::unauthorized);
  auto response = plain(http::status::unauthorized, why + "\n");
  response.set(http::field::www_authenticate, "Bearer");
  return response;
}

void HttpConnection::upgrade(std::string answer, Caller caller, bool deflate, Seat seat,
                             const beast::flat_buffer& ahead) {
  const hub::SessionTraits traits{caller.v1, shard_.context().options.pass_through, deflate};
  const auto number = shard_.next_number();
  const auto session = shard_.hub().open(traits, caller.admission->account());
  Upgrade taken{std::move(stream_),
                std::move(answer),
                std::string(static_cast<const char*>(ahead.data().data()), ahead.size()),
                deflate,
                std::move(caller),
                std::move(seat)};
  shard_.adopt(number, serve_websocket(shard_, number, session, std::move(taken)), session);
}

Response HttpConnection::answer(const Request& request) const {
  const auto& context = shard_.context();
  const auto target = view(request.target());
  HttpAnswer answer{200, "text/plain; charset=utf-8", context.options.plain_answer};
  if (const auto* handler = find_route(context.parts.routes, target)) {
    answer = (*handler)({std::string(view(request.method_string())), std::string(target), request.body(),
                         std::string(view(request[http::field::authorization]))});
  }
  Response response(static_cast<http::status>(answer.status), request.version());
  response.set(http::field::content_type, answer.content_type);
  const auto size = answer.body.size();
  if (request.method() != http::verb::head) response.body() = std::move(answer.body);
  response.content_length(size);
  // Where anybody may connect a socket that waits for another request would be held for nothing.
  response.keep_alive(request.keep_alive() && !context.options.websockets && !shard_.draining());
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

std::unique_ptr<Connection> serve_http(Shard& shard, std::uint64_t number, Stream stream, Peer peer) {
  auto connection = std::make_unique<HttpConnection>(shard, number, std::move(stream), std::move(peer));
  connection->start();
  return connection;
}

}  // namespace tidegate::session
