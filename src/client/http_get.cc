#include "client/http_get.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/url/parse.hpp>
#include <optional>
#include <utility>

namespace tidegate::client {
namespace {

namespace net = boost::asio;
namespace ssl = boost::asio::ssl;
namespace http = boost::beast::http;
using Executor = net::io_context::executor_type;
using Socket = net::basic_stream_socket<net::ip::tcp, Executor>;
using Resolver = net::ip::basic_resolver<net::ip::tcp, Executor>;
using ErrorStatus = boost::system::error_code;
template <class T>
using Awaitable = net::awaitable<T, Executor>;
constexpr net::as_tuple_t<net::use_awaitable_t<Executor>> as_values{};

constexpr std::uint32_t kHeaderBytesMax = 16 << 10;

struct Target {
  bool tls = false;
  std::string host;
  std::string port;
  std::string path;
};

std::optional<Target> read_url(const std::string& text) {
  const auto url = boost::urls::parse_uri(text);
  if (!url || url->host().empty() || url->has_userinfo()) return std::nullopt;
  Target out;
  out.tls = url->scheme() == "https";
  if (!out.tls && url->scheme() != "http") return std::nullopt;
  out.host = url->host_address();  // without the brackets of IPv6
  out.port = url->has_port() ? std::string(url->port()) : out.tls ? "443" : "80";
  out.path = std::string(url->encoded_path());
  if (out.path.empty()) out.path = "/";
  if (url->has_query()) out.path += "?" + std::string(url->encoded_query());
  return out;
}

Error failed(std::string_view what, const ErrorStatus& error) {
  return {Fault::unavailable, fmt::format("{}: {}", what, error.message())};
}

/// One request, on a loop that nobody else runs.
class Exchange {
 public:
  Exchange(net::io_context& io, const Target& target, const GetOptions& options)
      : target_(target), options_(options), tls_(ssl::context::tls_client), resolver_(io), socket_(io) {}

  Awaitable<void> run() { answer_ = co_await get(); }
  std::optional<Result<std::string>>& answer() { return answer_; }

 private:
  Awaitable<Result<std::string>> get();
  Awaitable<Result<std::string>> get_securely();
  Status trust();
  template <class Stream>
  Awaitable<Result<std::string>> exchange(Stream& stream);
  [[nodiscard]] Result<std::string> judge(http::response<http::string_body> response) const;

  const Target& target_;
  const GetOptions& options_;
  ssl::context tls_;
  Resolver resolver_;
  Socket socket_;
  std::optional<Result<std::string>> answer_;
};

Awaitable<Result<std::string>> Exchange::get() {
  auto [unknown, found] = co_await resolver_.async_resolve(target_.host, target_.port, as_values);
  if (unknown) co_return failed("its host can't be found", unknown);
  auto [refused, endpoint] = co_await net::async_connect(socket_, found, as_values);
  if (refused) co_return failed("can't connect", refused);
  if (target_.tls) co_return co_await get_securely();
  co_return co_await exchange(socket_);
}

Status Exchange::trust() {
  ErrorStatus error;
  tls_.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 | ssl::context::default_workarounds,
                   error);
  tls_.set_verify_mode(ssl::verify_peer, error);
  if (options_.ca_file.empty()) {
    tls_.set_default_verify_paths(error);
  } else {
    tls_.load_verify_file(options_.ca_file, error);
  }
  if (error) return failed(fmt::format("the certificates of `{}` can't be read", options_.ca_file), error);
  return {};
}

Awaitable<Result<std::string>> Exchange::get_securely() {
  if (auto trusted = trust(); !trusted) co_return trusted.error();
  ssl::stream<Socket&> stream(socket_, tls_);
  ErrorStatus not_an_address;
  net::ip::make_address(target_.host, not_an_address);
  // A server that has several names is asked for this one; an address is not a name.
  if (not_an_address) SSL_set_tlsext_host_name(stream.native_handle(), target_.host.c_str());
  ErrorStatus error;
  stream.set_verify_callback(ssl::host_name_verification(target_.host), error);
  auto [untrusted] = co_await stream.async_handshake(ssl::stream_base::client, as_values);
  if (untrusted) {
    const long why = SSL_get_verify_result(stream.native_handle());
    const std::string reason =
        why == X509_V_OK ? "" : fmt::format(" ({})", X509_verify_cert_error_string(why));
    co_return Error{Fault::unavailable,
                    fmt::format("no TLS with its server: {}{}; --auth-jwks-ca-file names whom to trust",
                                untrusted.message(), reason)};
  }
  co_return co_await exchange(stream);
}

template <class Stream>
Awaitable<Result<std::string>> Exchange::exchange(Stream& stream) {
  http::request<http::empty_body> request(http::verb::get, target_.path, 11);
  const bool brackets = target_.host.find(':') != std::string::npos;
  request.set(http::field::host, (brackets ? "[" + target_.host + "]" : target_.host) + ":" + target_.port);
  request.set(http::field::accept, "application/jwk-set+json, application/json");
  request.set(http::field::user_agent, "tidegate");
  request.set(http::field::connection, "close");
  auto [unsent, sent] = co_await http::async_write(stream, request, as_values);
  if (unsent) co_return failed("the request can't be sent", unsent);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.header_limit(kHeaderBytesMax);
  parser.body_limit(options_.bytes_max);
  auto [unread, read] = co_await http::async_read(stream, buffer, parser, as_values);
  if (unread == http::error::body_limit) {
    co_return Error{Fault::unavailable,
                    fmt::format("the answer is longer than {} bytes", options_.bytes_max)};
  }
  if (unread) co_return failed("the answer can't be read", unread);
  co_return judge(parser.release());
}

Result<std::string> Exchange::judge(http::response<http::string_body> response) const {
  if (response.result() == http::status::ok) return std::move(response.body());
  const bool elsewhere = http::to_status_class(response.result()) == http::status_class::redirection;
  return Error{Fault::unavailable,
               fmt::format("the answer is {}, not 200{}", response.result_int(),
                           elsewhere ? "; redirects are not followed: give the last URL" : "")};
}

}  // namespace

Result<std::string> http_get(const std::string& url, const GetOptions& options, std::stop_token stop) {
  const auto target = read_url(url);
  if (!target) return Error{Fault::invalid, "not a URL like https://host/path"};
  net::io_context io{1};
  Exchange exchange(io, *target, options);
  net::co_spawn(io.get_executor(), exchange.run(), [](std::exception_ptr bug) {
    if (bug) std::rethrow_exception(bug);
  });
  const std::stop_callback stopping(stop, [&io] { io.stop(); });
  io.run_for(options.timeout);
  ERR_clear_error();
  if (exchange.answer()) return std::move(*exchange.answer());
  return Error{Fault::unavailable, fmt::format("no answer within {} ms", options.timeout.count())};
}

}  // namespace tidegate::client
