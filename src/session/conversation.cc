#include "session/conversation.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "session/opening.h"

namespace tidegate::session {
namespace {

using protocol::ErrorCode;

ErrorCode code_of(Fault fault) {
  switch (fault) {
    case Fault::not_found:
      return ErrorCode::unknown_table;
    case Fault::denied:
      return ErrorCode::forbidden;
    case Fault::invalid:
      return ErrorCode::bad_query;
    case Fault::unavailable:
    case Fault::lost:
    case Fault::fatal:
      break;
  }
  return ErrorCode::unavailable;
}

constexpr std::string_view kMixed =
    "the key would not say whose it is: the tenant's name, or the table's, has a character that stands "
    "beside "
    "{tenant} in --key-template";

query::ParsedLiteral literal(const protocol::Scalar& scalar) {
  using From = protocol::Scalar::Kind;
  using To = query::ParsedLiteral::Kind;
  To kind = To::null;
  if (scalar.kind == From::boolean) kind = To::boolean;
  if (scalar.kind == From::number) kind = To::number;
  if (scalar.kind == From::string) kind = To::string;
  return {kind, scalar.text};
}

Operation operation_of(const protocol::ClientMessage& message) {
  // The variant's order is the enumeration's.
  static_assert(std::is_same_v<
                std::variant_alternative_t<static_cast<int>(Operation::invalid), protocol::ClientMessage>,
                protocol::Invalid>);
  return static_cast<Operation>(message.index());
}

policy::Principal principal_of(const auth::Principal& principal) {
  return {principal.subject, principal.tenant, false, principal.claims};
}
policy::Principal principal_of(const Caller& caller) {
  return caller.principal ? principal_of(*caller.principal) : policy::Principal();
}

/// What stays in memory as long as a query is subscribed to: what asked for it, the query bound, which is
/// about as large, and the transactions of its cursor's fence.
std::size_t kept_bytes(const protocol::Subscribe& subscribe) {
  std::size_t text = subscribe.hash_id.size() + subscribe.table.size();
  for (const auto* part : {&subscribe.sql, &subscribe.query_json, &subscribe.query_flatbuffer}) {
    if (*part) text += (*part)->size();
  }
  for (const auto& value : subscribe.params) text += value.text.size();
  std::size_t fence = 0;
  if (subscribe.cursor && subscribe.cursor->fence && subscribe.cursor->fence->snapshot)
    fence = subscribe.cursor->fence->snapshot->in_progress.size() * sizeof(Xid);
  return 2 * text + fence;
}

}  // namespace

Conversation::Conversation(const Context& context, Probe& probe, hub::Hub& hub, const AccessPointer& access,
                           SessionId session, Caller caller)
    : context_(context),
      probe_(probe),
      hub_(hub),
      access_(access),
      session_(session),
      caller_(std::move(caller)) {}

void Conversation::on_text(std::string_view text) {
  if (const auto over = caller_.admission->message(context_.parts.clock.steady())) {
    floods_ = true;
    return hub_.send_error(session_, ErrorCode::rate_limited,
                           "too many messages (" + name_of(over->limit) + ")", {}, over->retry.count());
  }
  const auto rules = context_.options.pass_through ? protocol::Rules::pass_through : protocol::Rules::managed;
  auto message = protocol::parse_client_message(text, rules);
  probe_.received(operation_of(message));
  std::visit([this](auto& known) { on(known); }, message);
  caller_.admission->subscriptions(hub_.weigh(session_).subscriptions);
}

Wall Conversation::token_end() const {
  return Wall{std::chrono::seconds(caller_.principal->expires_unix_s) + context_.verifier.options().leeway};
}

bool Conversation::token_is_over(Wall now) {
  if (!caller_.principal || caller_.principal->expires_unix_s == 0) return false;
  const auth::Options& options = context_.verifier.options();
  const Wall end = token_end();
  if (now >= end) {
    if (!std::exchange(expired_, true)) {
      static_cast<void>(hub_.unsubscribe_all(session_));  // the hub has it cut
      hub_.send_error(session_, ErrorCode::token_expired,
                      protocol::error_text(ErrorCode::token_expired).sentence);
    }
    return now >= end + options.grace;
  }
  const bool soon = options.warning.count() > 0 && now >= end - options.leeway - options.warning;
  if (soon && caller_.v1 && !std::exchange(warned_, true)) {
    hub_.send(session_, protocol::expiring_message(caller_.principal->expires_unix_s));
  }
  return false;
}

void Conversation::on(const protocol::Ping&) {
  hub_.send(session_, protocol::pong_message());
}

void Conversation::on(const protocol::Invalid& invalid) {
  hub_.send_error(session_, invalid.code, invalid.message, invalid.hash_id);
}

void Conversation::on(const protocol::Unsubscribe& unsubscribe) {
  hub_.unsubscribe(session_, unsubscribe.hash_id);
}

void Conversation::on(const protocol::Auth& message) {
  if (!caller_.principal) {
    hub_.send_error(session_, ErrorCode::bad_op, "'auth': this server verifies no tokens");
    return;
  }
  auto principal = context_.verifier.verify(message.token);
  if (!principal) {
    hub_.send_error(session_, ErrorCode::unauthorized, principal.error().message);
    return;
  }
  if (principal->subject != caller_.principal->subject || principal->tenant != caller_.principal->tenant) {
    hub_.send_error(
        session_, ErrorCode::unauthorized,
        "the token is of another subject or tenant than this connection's: open a new connection");
    return;
  }
  const bool narrows = access_ && !access_->same_claims(principal_of(caller_), principal_of(*principal));
  if (narrows && limited_anew()) return;
  caller_.principal = std::move(*principal);
  warned_ = expired_ = false;
  hub_.send(session_, protocol::authed_message(caller_.principal->expires_unix_s));
  if (narrows) narrow_anew();
}

/// Other claims ask for every query anew, which costs what subscribing to it does.
bool Conversation::limited_anew() {
  const std::size_t queries = hub_.weigh(session_).subscriptions;
  const auto over = caller_.admission->subscribe_anew(queries, context_.parts.clock.steady());
  if (!over) return false;
  hub_.send_error(session_, ErrorCode::rate_limited,
                  "the token's claims are others, and " + std::to_string(queries) +
                      " queries would be asked for anew (" + name_of(over->limit) +
                      "); the earlier token counts on",
                  {}, over->retry.count());
  return true;
}

/// Of what it has, the hub ends some without a message: looked at before it is held against it.
bool Conversation::limited(const protocol::Subscribe& subscribe) {
  caller_.admission->subscriptions(hub_.weigh(session_).subscriptions);
  const auto earlier = hub_.kept(session_, subscribe.hash_id);
  const std::size_t kept = kept_bytes(subscribe);
  const std::size_t more = kept - std::min(kept, earlier.value_or(0));
  const auto over = caller_.admission->subscribe(earlier.has_value(), more, context_.parts.clock.steady());
  if (!over) return false;
  const std::string name = name_of(over->limit);
  if (over->retry.count() == 0) {
    hub_.send_error(session_, ErrorCode::too_many_subscriptions, "too many subscriptions (" + name + ")",
                    subscribe.hash_id);
  } else {
    const char* const what =
        over->limit.what == Limit::What::subscribes ? "too many subscribes (" : "too much, for now (";
    hub_.send_error(session_, ErrorCode::rate_limited, what + name + ")", subscribe.hash_id,
                    over->retry.count());
  }
  return true;
}

void Conversation::on(protocol::Subscribe& subscribe) {
  if (limited(subscribe)) return;
  if (context_.options.pass_through) {
    subscribe_by_key(subscribe);
  } else {
    subscribe_query(subscribe);
  }
}

void Conversation::subscribe_by_key(protocol::Subscribe& subscribe) {
  auto key = templated_key(context_.options.key_template, caller_.tenant, subscribe.table, subscribe.hash_id);
  if (!key) return hub_.send_error(session_, ErrorCode::forbidden, kMixed, subscribe.hash_id);
  hub::SubscribeRequest request;
  request.routing_key = std::move(*key);
  request.hash_id = std::move(subscribe.hash_id);
  request.frames = subscribe.frames;
  request.resume_from = subscribe.resume_from;
  hub_.subscribe(session_, std::move(request));
}

void Conversation::subscribe_query(protocol::Subscribe& subscribe) {
  const auto refuse = [&](const Error& error) {
    hub_.send_error(session_, code_of(error.fault), error.message, subscribe.hash_id);
  };
  static_cast<void>(token_is_over(context_.parts.clock.wall()));  // the sweep has not looked yet, perhaps
  if (expired_) {
    return hub_.send_error(session_, ErrorCode::token_expired,
                           protocol::error_text(ErrorCode::token_expired).sentence, subscribe.hash_id);
  }
  if (!access_) return refuse({Fault::unavailable, "the tables are not known yet: try again"});
  auto request = narrowed(subscribe);
  if (!request) return refuse(request.error());
  if (caller_.principal) request->request = protocol::subscribe_message(subscribe);
  request->kept_bytes = kept_bytes(subscribe);
  request->cursor = std::move(subscribe.cursor);
  hub_.subscribe(session_, std::move(*request));
}

Result<hub::SubscribeRequest> Conversation::narrowed(protocol::Subscribe& subscribe) const {
  auto parsed = parse(subscribe);
  if (!parsed) return parsed.error();
  if (auto named = name_table(*parsed, subscribe.table); !named) return named.error();
  auto narrowed = access_->narrow(*parsed, principal_of(caller_));
  if (!narrowed) return narrowed.error();
  hub::SubscribeRequest request;
  request.hash_id = subscribe.hash_id;
  request.routing_key = std::move(narrowed->routing_key);
  request.query_hash = narrowed->query->hash();
  request.query = std::move(narrowed->query);
  request.frames = subscribe.frames;
  request.latest = subscribe.latest;
  return request;
}

void Conversation::narrow_anew() {
  if (!caller_.principal || !access_) return;
  for (hub::Requested& each : hub_.requested(session_)) {
    auto message = protocol::parse_client_message(each.request, protocol::Rules::managed);
    auto request = narrowed(std::get<protocol::Subscribe>(message));
    if (!request) {
      hub_.revoke(session_, each.hash_id, code_of(request.error().fault), request.error().message);
    } else if (request->routing_key != each.routing_key) {
      request->request = std::move(each.request);
      request->kept_bytes = each.kept_bytes;
      hub_.replace(session_, std::move(*request));
    }
  }
}

Result<query::ParsedQuery> Conversation::parse(const protocol::Subscribe& subscribe) const {
  if (subscribe.sql) {
    std::vector<query::ParsedLiteral> parameters;
    parameters.reserve(subscribe.params.size());
    for (const auto& scalar : subscribe.params) parameters.push_back(literal(scalar));
    return query::parse_sql(*subscribe.sql, parameters);
  }
  if (subscribe.query_json) return query::parse_json(*subscribe.query_json);
  if (subscribe.query_flatbuffer) return query::parse_flatbuffer(*subscribe.query_flatbuffer);
  return Error{Fault::invalid, "one of 'sql', 'query' and 'queryFbB64' is needed"};
}

Status Conversation::name_table(query::ParsedQuery& parsed, const std::string& table) const {
  if (parsed.table.empty()) parsed.table = table;
  if (parsed.table.empty()) return Error{Fault::invalid, "'table' is missing"};
  if (table.empty() || table == parsed.table) return {};
  // `orders` and `public.orders` are one table. Where neither exists for this client the answer is the same:
  // it shows nothing.
  const auto named = access_->find(table);
  if (named && named == access_->find(parsed.table)) return {};
  return Error{Fault::invalid, "'table' is '" + table + "', but the query reads '" + parsed.table + "'"};
}

}  // namespace tidegate::session
