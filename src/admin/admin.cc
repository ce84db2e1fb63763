#include "admin/admin.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/encoding.h"

namespace tidegate::admin {
namespace {

namespace json = boost::json;
using session::HttpAnswer;
using session::HttpHandler;
using session::HttpRequest;

constexpr std::size_t kPage = 100;
constexpr std::size_t kPageMax = 10'000;
constexpr std::size_t kBodyBytesMax = 64 << 10;

// ---- answers ----

HttpAnswer text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body)};
}

HttpAnswer answer_of(const Error& error) {
  int status = 503;
  if (error.fault == Fault::invalid) status = 400;
  if (error.fault == Fault::denied) status = 401;
  if (error.fault == Fault::not_found) status = 404;
  std::string body = R"({"error":)";
  append_json_string(body, error.message);
  return {status, "application/json", body + "}\n"};
}

HttpAnswer answer_of(const Result<std::string>& result) {
  if (!result) return answer_of(result.error());
  return {200, "application/json", *result + "\n"};
}

Error wrong(std::string message) {
  return {Fault::invalid, std::move(message)};
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format(R"(,"{}":)", name);
  append_json_string(out, value);
}

// ---- questions ----

bool equal_in_constant_time(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

bool shows_token(const HttpRequest& request, const std::string& token) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view header = request.authorization;
  return !token.empty() && header.starts_with(kScheme) &&
         equal_in_constant_time(header.substr(kScheme.size()), token);
}

Status may(const HttpRequest& request, const Options& options) {
  if (options.token.empty()) {
    return Error{Fault::denied,
                 "no token is set, so nobody may: type `openssl rand -hex 32 > admin-token`, and start with "
                 "`--admin-token-file admin-token`"};
  }
  if (shows_token(request, options.token)) return {};
  return Error{Fault::denied,
               "a token is needed: 'Authorization: Bearer', with what --admin-token-file holds"};
}

std::optional<session::ConnectionId> read_id(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto shard = parse_u64(text.substr(0, dot));
  const auto session = dot == std::string_view::npos ? std::nullopt : parse_u64(text.substr(dot + 1));
  if (!shard || *shard > 0xffff || !session) return std::nullopt;
  return session::ConnectionId{static_cast<std::uint16_t>(*shard), SessionId(*session)};
}

Status select(session::Selection& which, std::string_view name, std::string value) {
  if (name == "subject") {
    which.subject = std::move(value);
  } else if (name == "tenant") {
    which.tenant = std::move(value);
  } else if (name == "id") {
    which.id = read_id(value);
    if (!which.id) return wrong("'id' must be one that /admin/connections shows: `0.17`");
  } else {
    return wrong(fmt::format("'{}' is none of 'subject', 'tenant' and 'id'", name));
  }
  return {};
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const auto digit = [&](std::size_t at) {
      const char c = at < text.size() ? text[at] : 'x';
      const std::string_view digits = "0123456789abcdef";
      return digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
    };
    const std::size_t high = digit(i + 1);
    const std::size_t low = digit(i + 2);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// The query part, a pair at a time; stops at the first error.
Status for_each_parameter(std::string_view target,
                          const std::function<Status(std::string_view, std::string)>& take) {
  const std::size_t mark = target.find('?');
  std::string_view rest = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const std::size_t sign = pair.find('=');
    auto value = unescaped(sign == std::string_view::npos ? std::string_view() : pair.substr(sign + 1));
    if (!value) return wrong("a `%` must be followed by two hexadecimal digits");
    if (Status taken = take(pair.substr(0, sign), std::move(*value)); !taken) return taken;
  }
  return {};
}

Result<json::object> read_body(const HttpRequest& request) {
  json::error_code failed;
  json::value value = json::parse(request.body, failed);
  if (failed || !value.is_object()) return wrong("the body must be a JSON object");
  return std::move(value.get_object());
}

// ---- calls ----

std::string show(const session::ConnectionView& view) {
  std::string out = fmt::format(R"({{"id":"{}.{}")", view.id.shard, view.id.session.value());
  append_member(out, "address", view.address);
  if (!view.subject.empty()) append_member(out, "subject", view.subject);
  if (!view.tenant.empty()) append_member(out, "tenant", view.tenant);
  return out + fmt::format(R"(,"since":{},"subscriptions":{},"queued_bytes":{},"held_bytes":{}}})",
                           view.since_unix_s, view.subscriptions, view.queued_bytes, view.held_bytes);
}

Result<std::string> list_connections(const Calls& calls, const HttpRequest& request) {
  session::Selection which;
  std::size_t max = kPage;
  const Status read = for_each_parameter(request.target, [&](std::string_view name, std::string value) {
    if (name == "principal") name = "subject";
    if (name != "max") return select(which, name, std::move(value));
    const auto number = parse_u64(value);
    if (!number || *number < 1 || *number > kPageMax)
      return Status(wrong(fmt::format("'max' must be a number from 1 to {}", kPageMax)));
    max = *number;
    return Status();
  });
  if (!read) return read.error();
  const auto views = calls.connections(which, max + 1);
  if (!views) return views.error();
  std::string out = R"({"connections":[)";
  for (std::size_t i = 0; i < std::min(views->size(), max); ++i)
    out += (i > 0 ? "," : "") + show((*views)[i]);
  return out + fmt::format(R"(],"more":{}}})", views->size() > max);
}

std::string show(const feed::ChannelView& view) {
  std::string out = fmt::format(R"({{"channel":{})", view.channel.value());
  append_member(out, "table", view.table);
  append_member(out, "routing_key", view.routing_key);
  append_member(out, "sql", view.sql);
  out += R"(,"parameters":[)";
  for (std::size_t i = 0; i < view.parameters.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, view.parameters[i]);
  }
  out += R"(],"canonical":)" + view.canonical;
  out += fmt::format(R"(,"subscriptions":{},"waiting":{})", view.subscriptions, view.waiting);
  if (view.activation) {
    out +=
        fmt::format(R"(,"activation":"{:016x}","epoch":"{:016x}","partition":{},"lsn":"{}")",
                    view.activation->value(), view.epoch.value(), view.partition.value(), view.lsn.value());
  }
  return out + fmt::format(R"(,"tail_records":{},"tail_bytes":{}}})", view.tail_records, view.tail_bytes);
}

std::optional<QueryHash> read_hash(std::string_view text) {
  const auto bytes = hex_decode(text);
  QueryHash hash;
  if (!bytes || bytes->size() != hash.bytes.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), hash.bytes.begin());
  return hash;
}

Result<std::string> show_query(const Calls& calls, const HttpRequest& request) {
  constexpr std::string_view kPath = "/admin/queries/";
  const auto hash = read_hash(std::string_view(request.target).substr(kPath.size()));
  if (!hash) return wrong("the path must end in a query's hash, 32 hexadecimal digits: an `ack` names it");
  const auto view = calls.query(*hash);
  if (!view) return view.error();
  return show(*view);
}

Result<std::string> disconnect(const Calls& calls, const HttpRequest& request) {
  const auto body = read_body(request);
  if (!body) return body.error();
  if (body->empty()) return wrong("name a 'subject', a 'tenant' or an 'id'");
  session::Selection which;
  for (const auto& [name, value] : *body) {
    if (!value.is_string()) return wrong(fmt::format("'{}' must be a string", std::string_view(name)));
    if (Status taken = select(which, name, std::string(value.get_string())); !taken) return taken.error();
  }
  const auto closed = calls.disconnect(which);
  if (!closed) return closed.error();
  return fmt::format(R"({{"disconnected":{}}})", *closed);
}

Result<std::string> revoke(const Calls& calls, const HttpRequest& request, const Clock& clock) {
  auto body = read_body(request);
  if (!body) return body.error();
  for (const auto& [name, value] : *body) {
    if (name != "jti" && name != "subject" && name != "until")
      return wrong(fmt::format("'{}' is none of 'jti', 'subject' and 'until'", std::string_view(name)));
  }
  const std::int64_t now = unix_us(clock.wall()) / 1'000'000;
  (*body)["at"] = now;
  auto revocation = auth::Revocation::parse(json::serialize(*body));
  if (!revocation) return revocation.error();
  if (revocation->until_unix_s <= now) return wrong("'until' is over: the token counts no more anyway");
  return calls.revoke(std::move(*revocation));
}

Result<std::string> reload(const Calls& calls) {
  if (Status done = calls.reload(); !done) return done.error();
  return std::string(R"({"reloaded":true})");
}

/// Of `/admin/*`: who may, by which method, and whether this process has it.
HttpHandler guarded(const Options& options, std::string_view method, bool has,
                    std::function<Result<std::string>(const HttpRequest&)> call) {
  return [options, method, has, call = std::move(call)](const HttpRequest& request) {
    if (Status allowed = may(request, options); !allowed) {
      HttpAnswer answer = answer_of(allowed.error());
      if (options.token.empty()) answer.status = 403;
      return answer;
    }
    if (request.method != method) {
      HttpAnswer answer = answer_of(wrong(fmt::format("this path takes {}", method)));
      answer.status = 405;
      return answer;
    }
    if (!has) return answer_of(Error{Fault::not_found, "this process has nothing of the kind"});
    return answer_of(call(request));
  };
}

HttpAnswer health(const HttpRequest&) {
  return text(200, "ok\n");
}

HttpAnswer readiness(const Status& status, bool reason) {
  if (status) return text(200, "ready\n");
  return text(503, reason ? "not ready: " + status.error().message + "\n" : "not ready\n");
}

}  // namespace

std::map<std::string, HttpHandler> public_routes(std::function<Status()> ready) {
  return {{"/healthz", health},
          {"/readyz", [ready = std::move(ready)](const HttpRequest&) { return readiness(ready(), false); }}};
}

std::map<std::string, HttpHandler> routes(const Options& options, Calls given, const Clock& clock) {
  const auto calls = std::make_shared<const Calls>(std::move(given));
  std::map<std::string, HttpHandler> made;
  made["*"] = [](const HttpRequest&) { return text(404, "no such page\n"); };
  made["/healthz"] = health;
  made["/readyz"] = [options, calls](const HttpRequest& request) {
    return readiness(calls->ready(), options.token.empty() || shows_token(request, options.token));
  };
  made["/metrics"] = [options, calls](const HttpRequest& request) {
    const Status allowed = options.token.empty() ? Status() : may(request, options);
    if (!allowed) return answer_of(allowed.error());
    return HttpAnswer{200, "text/plain; version=0.0.4", calls->metrics()};
  };
  made["/admin/*"] = guarded(options, "GET", false, {});
  made["/admin/connections"] =
      guarded(options, "GET", calls->connections != nullptr,
              [calls](const auto& request) { return list_connections(*calls, request); });
  made["/admin/queries/*"] = guarded(options, "GET", calls->query != nullptr,
                                     [calls](const auto& request) { return show_query(*calls, request); });
  made["/admin/disconnect"] = guarded(options, "POST", calls->disconnect != nullptr,
                                      [calls](const auto& request) { return disconnect(*calls, request); });
  made["/admin/revoke"] =
      guarded(options, "POST", calls->revoke != nullptr,
              [calls, &clock](const auto& request) { return revoke(*calls, request, clock); });
  made["/admin/reload"] =
      guarded(options, "POST", calls->reload != nullptr, [calls](const auto&) { return reload(*calls); });
  return made;
}

Surface::Surface(const Options& options, Calls calls, Clock& clock,
                 std::shared_ptr<transport::Credentials> credentials) {
  session::Parts parts{clock, metrics_, [](const feed::Command&) { return false; },
                       routes(options, std::move(calls), clock)};
  parts.credentials = std::move(credentials);
  session::Options listening;
  listening.address = options.address;
  listening.port = options.port;
  listening.shards = 1;
  listening.websockets = false;
  listening.payload_bytes_max = kBodyBytesMax;
  listening.drain = std::chrono::milliseconds(500);
  edge_ = std::make_unique<session::Edge>(std::move(parts), listening, hub::Options(), auth::Options());
}

Surface::~Surface() = default;

Status Surface::start() {
  Status started = edge_->start();
  if (started) return started;
  return Error{started.error().fault,
               started.error().message + ": name another place for operators with --admin-listen"};
}

}  // namespace tidegate::admin
