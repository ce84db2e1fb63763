#include "hub/hub_state.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tidegate::hub {
namespace {

constexpr std::int64_t kRetryMs =
    1'000;  // the feed's box is full: it empties in milliseconds once it reads again

/// Answers that may come at once for one session, however many of its subscriptions lag: what they bring has
/// room in its outbox.
constexpr int kQuestions = 4;

template <class T>
void erase_unordered(std::vector<T>& list, const T& item) {
  const auto place = std::find(list.begin(), list.end(), item);
  if (place == list.end()) return;
  *place = std::move(list.back());
  list.pop_back();
}

/// What may be kept of a connection's subscribes together; what is kept of each even where memory is short.
constexpr std::size_t kRequestsBytesMax = 8 << 20;
constexpr std::size_t kKeptAlways = 4'096;

/// Of what is held for one connection alone, its account does not know so much, at most.
constexpr std::size_t kCopiesStep = 4'096;

bool is_text(protocol::Encoding encoding) {
  return protocol::plain(encoding) == protocol::Encoding::json || encoding == protocol::Encoding::base64;
}

}  // namespace

Hub::State::State(std::uint16_t shard, Options options, ToFeed to_feed, Clock& clock,
                  metrics::Registry& metrics, std::shared_ptr<Budget> memory)
    : shard_(shard),
      options_(options),
      to_feed_(std::move(to_feed)),
      clock_(clock),
      memory_(std::move(memory)),
      probe_(metrics) {}

// ---- sessions ----

SessionId Hub::State::open(SessionTraits traits, std::shared_ptr<Account> account) {
  owner_.check();
  const SessionId id = ids_.take();
  sessions_.put(id, std::make_unique<Session>(id, traits, memory_, std::move(account)));
  if (traits.v1) progress_due_.emplace_back(clock_.steady() + options_.progress_interval, id);
  return id;
}

void Hub::State::close(SessionId id) {
  owner_.check();
  Session& closing = session(id);
  while (!closing.by_name.empty()) forget(*closing.by_name.begin()->second.subscription, true);
  outbox_bytes_untold_ -= static_cast<std::int64_t>(closing.outbox_bytes_told);
  sessions_.erase(id);
  ids_.give_back(id);
}

Session& Hub::State::session(SessionId id) {
  const auto* found = sessions_.find(id);
  assert(found != nullptr && "a session is used after it was closed");
  return **found;
}

void Hub::State::mark_dirty(Session& session) {
  if (!session.debtor && session.outbox.control_bytes() > options_.outbox_bytes_hard) cut(session);
  if (session.dirty) return;
  session.dirty = true;
  dirty_.push_back(session.id);
}

/// Once a session and batch, not once a frame.
bool Hub::State::tell_outbox_bytes(Session& session) {
  const std::size_t bytes = session.outbox.bytes();
  const bool more = tell_copies(session);
  outbox_bytes_untold_ +=
      static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(session.outbox_bytes_told);
  session.outbox_bytes_told = bytes;
  return more;
}

/// Its account is told in steps: who takes what it gets at once costs nothing there. True where it holds
/// more.
bool Hub::State::tell_copies(Session& session) {
  const std::size_t own = session.outbox.own_bytes();
  session.copies.set(own);
  if (!session.account) return false;
  const std::size_t apart = own > session.copies_told ? own - session.copies_told : session.copies_told - own;
  if (apart < kCopiesStep && (own > 0 || apart == 0)) return false;
  const bool more = own > session.copies_told;
  session.copies_told = own;
  session.account->hold_own(own + session.kept);
  return more;
}

std::vector<SessionId> Hub::State::take_dirty() {
  std::vector<SessionId> taken;
  taken.swap(dirty_);
  std::erase_if(taken, [this](SessionId id) {
    const auto* found = sessions_.find(id);
    if (found == nullptr) return true;
    (*found)->dirty = false;
    const bool more = tell_outbox_bytes(**found);
    list_holding(**found);
    if (more) hold_less(**found);
    return false;
  });
  return taken;
}

std::vector<SessionId> Hub::State::take_debtors() {
  if (std::exchange(cut_largest_, false)) cut_largest();
  std::vector<SessionId> taken;
  taken.swap(debtors_);
  std::erase_if(taken, [this](SessionId id) { return sessions_.find(id) == nullptr; });
  return taken;
}

void Hub::State::send(Session& session, std::string_view text) {
  session.outbox.push(protocol::text_frame(text));
  mark_dirty(session);
}

void Hub::State::send_error(Session& session, protocol::ErrorCode code, std::string_view message,
                            std::string_view name, std::optional<std::int64_t> retry_ms) {
  probe_.error(code);
  send(session, protocol::error_message(code, message, name, retry_ms));
}

// ---- subscriptions ----

Subscription* Hub::State::find(SubscriptionId id) {
  const auto found = subscriptions_.find(id);
  return found == subscriptions_.end() ? nullptr : found->second.get();
}

/// What is kept of it as long as it lasts; nothing, and the client is told, where there is no room.
std::optional<Charge> Hub::State::keep(Session& session, const SubscribeRequest& request) {
  Charge kept(memory_);
  if (session.kept + request.kept_bytes > kRequestsBytesMax) {
    send_error(session, protocol::ErrorCode::too_many_subscriptions,
               "the queries of this connection are together larger than 8 MiB", request.hash_id, {});
    return std::nullopt;
  }
  if (request.kept_bytes <= kKeptAlways) {
    kept.set(request.kept_bytes);
    return kept;
  }
  if (kept.add(request.kept_bytes)) return kept;
  send_error(session, protocol::ErrorCode::unavailable, "no memory for one more query", request.hash_id,
             kRetryMs);
  return std::nullopt;
}

/// What is kept of it is its account's from now on, to the byte: it comes and goes seldom.
void Hub::State::put_name(Session& session, std::string name, Named named) {
  session.kept += named.kept.bytes();
  session.by_name.emplace(std::move(name), std::move(named));
  if (session.account) session.account->hold_own(session.copies_told + session.kept);
}

void Hub::State::erase_name(Session& session, Names::iterator used) {
  session.kept -= used->second.kept.bytes();
  session.by_name.erase(used);
  if (session.account) session.account->hold_own(session.copies_told + session.kept);
}

/// Binary frames name a query by its channel or not at all, so a second name for an equal query follows the
/// first.
bool Hub::State::follow_existing(Session& session, SubscribeRequest& request, protocol::Encoding encoding,
                                 std::string_view reason, Charge& kept) {
  if (session.traits.pass_through || is_text(encoding)) return false;
  for (const auto& [name, named] : session.by_name) {
    Subscription* const other = named.subscription;
    if (other->routing_key != request.routing_key || other->encoding != encoding) continue;
    if (other->latest != request.latest) continue;
    other->names.push_back(request.hash_id);
    put_name(session, request.hash_id, {other, std::move(request.request), std::move(kept)});
    send(session, protocol::ack_same_as_message(request.hash_id, other->query, other->names.front(), reason));
    return true;
  }
  return false;
}

void Hub::State::subscribe(Session& session, SubscribeRequest request, std::string_view reason) {
  owner_.check();
  const auto plain =
      request.frames.value_or(session.traits.v1 ? protocol::Encoding::v1 : protocol::Encoding::raw);
  const auto encoding = session.traits.deflate ? protocol::deflated(plain) : plain;
  if (const auto used = session.by_name.find(request.hash_id); used != session.by_name.end()) {
    Subscription& earlier = *used->second.subscription;
    if (earlier.names.size() == 1) {
      forget(earlier, true);
    } else {
      leave_name(earlier, used);
    }
  }
  if (session.by_name.size() >= options_.subscriptions_max) {
    return send_error(session, protocol::ErrorCode::too_many_subscriptions,
                      "too many subscriptions on this connection", request.hash_id, {});
  }
  std::optional<Charge> kept = keep(session, request);
  if (!kept) return;
  if (follow_existing(session, request, encoding, reason, *kept)) return;

  const SubscriptionId id = feed::subscription_id(shard_, ++last_subscription_);
  feed::SubscribeCommand command{id,
                                 request.routing_key,
                                 std::move(request.query),
                                 encoding,
                                 std::move(request.cursor),
                                 request.resume_from,
                                 session.account};
  if (!to_feed_(std::move(command))) {
    return send_error(session, protocol::ErrorCode::unavailable, "the gateway is busy", request.hash_id,
                      kRetryMs);
  }
  auto made = std::make_unique<Subscription>(id, session, session.traits.pass_through);
  made->names.push_back(request.hash_id);
  made->routing_key = std::move(request.routing_key);
  made->query = request.query_hash;
  made->encoding = encoding;
  made->latest = request.latest;
  made->reason = reason;
  if (plain == protocol::Encoding::json) made->diff_head = protocol::message_head("diff", request.hash_id);
  if (encoding == protocol::Encoding::base64)
    made->diff_head = protocol::message_head("diffB64", request.hash_id);
  put_name(session, std::move(request.hash_id), {made.get(), std::move(request.request), std::move(*kept)});
  subscriptions_.emplace(id, std::move(made));
  probe_.subscribed();
}

void Hub::State::unsubscribe(Session& session, std::string_view name) {
  owner_.check();
  const auto used = session.by_name.find(name);
  if (used != session.by_name.end()) {
    Subscription& subscription = *used->second.subscription;
    if (subscription.names.size() == 1) {
      forget(subscription, true);
    } else {
      leave_name(subscription, used);
    }
  }
  if (session.traits.v1) send(session, protocol::unsubscribed_message(name));
  proceed(session);
}

bool Hub::State::unsubscribe_all(Session& session) {
  owner_.check();
  while (!session.by_name.empty()) forget(*session.by_name.begin()->second.subscription, true);
  const bool whole = session.outbox.drop_all_owned();
  if (!whole && !session.debtor) cut(session);
  mark_dirty(session);
  return whole;
}

std::vector<Requested> Hub::State::requested(const Session& session) {
  std::vector<Requested> out;
  for (const auto& [name, named] : session.by_name)
    out.push_back({name, named.subscription->routing_key, named.request, named.kept.bytes()});
  return out;
}

void Hub::State::replace(Session& session, SubscribeRequest request) {
  owner_.check();
  take_back(session, request.hash_id);
  probe_.reset();
  subscribe(session, std::move(request), "policy");
  proceed(session);
}

void Hub::State::revoke(Session& session, std::string_view name, protocol::ErrorCode code,
                        std::string_view message) {
  owner_.check();
  take_back(session, name);
  send_error(session, code, message, name, {});
  proceed(session);
}

/// As far as another name does not share it, and may.
void Hub::State::take_back(Session& session, std::string_view name) {
  const auto used = session.by_name.find(name);
  if (used == session.by_name.end()) return;
  Subscription& subscription = *used->second.subscription;
  if (subscription.names.size() > 1) return leave_name(subscription, used);
  if (!session.outbox.drop_owned(subscription.id) && !session.debtor) cut(session);
  forget(subscription, true);
  mark_dirty(session);
}

/// The others go on. A snapshot whose parts came under this name begins again under the next.
void Hub::State::leave_name(Subscription& subscription, Names::iterator used) {
  if (subscription.names.front() == used->first) subscription.next_part = 0;
  std::erase(subscription.names, used->first);
  erase_name(subscription.session, used);
}

void Hub::State::forget(Subscription& subscription, bool tell_feed) {
  Session& session = subscription.session;
  for (const std::string& name : subscription.names) erase_name(session, session.by_name.find(name));
  unlist_unfinished(subscription);
  answered(subscription);
  leave_channel(subscription);
  if (tell_feed) tell(feed::UnsubscribeCommand{subscription.id});
  probe_.unsubscribed();
  subscriptions_.erase(subscription.id);
}

void Hub::State::join_channel(Subscription& subscription, ChannelId channel) {
  if (subscription.channel == channel) return;
  leave_channel(subscription);
  subscription.channel = channel;
  channels_[channel].push_back(&subscription);
}

void Hub::State::leave_channel(Subscription& subscription) {
  const auto found = channels_.find(subscription.channel);
  if (found == channels_.end()) return;
  erase_unordered(found->second, &subscription);
  if (found->second.empty()) channels_.erase(found);
}

// ---- room in the outbox ----

void Hub::State::list_unfinished(Subscription& subscription) {
  if (std::exchange(subscription.unfinished, true)) return;
  subscription.session.unfinished.push_back(&subscription);
}

void Hub::State::unlist_unfinished(Subscription& subscription) {
  if (!std::exchange(subscription.unfinished, false)) return;
  erase_unordered(subscription.session.unfinished, &subscription);
}

void Hub::State::written(Session& session) {
  owner_.check();
  tell_outbox_bytes(session);
  proceed(session);
}

void Hub::State::proceed(Session& session) {
  if (session.unfinished.empty() || session.outbox.bytes() > options_.outbox_bytes_low) return;
  std::vector<SubscriptionId> waiting;  // proceeding may shorten the list
  for (const Subscription* subscription : session.unfinished) waiting.push_back(subscription->id);
  for (SubscriptionId id : waiting) {
    if (Subscription* subscription = find(id)) proceed(*subscription);
  }
}

void Hub::State::proceed(Subscription& subscription) {
  const SubscriptionId id = subscription.id;
  if (subscription.phase == Phase::snapshotting) write_snapshot(subscription);
  Subscription* still = find(id);  // a spool that can't be read ends it
  if (still != nullptr && still->phase == Phase::lagging) ask(*still);
}

void Hub::State::write_snapshot(Subscription& subscription) {
  Session& session = subscription.session;
  const std::shared_ptr<const feed::Spool> spool = subscription.spool;
  const std::string head = protocol::message_head("snapshot", subscription.names.front());
  const HeldReference held(spool);
  const std::size_t first = subscription.next_part;
  while (subscription.next_part < spool->parts() && session.outbox.bytes() <= options_.outbox_bytes_max) {
    if (starves(session, *spool, subscription.next_part)) break;
    if (!write_part(subscription, *spool, head, held.get())) return lose(subscription);
    ++subscription.next_part;
    tell_copies(session);
  }
  if (subscription.next_part > first) mark_dirty(session);  // else it would be looked at again at once
  if (subscription.next_part == spool->parts()) {
    subscription.spool.reset();
    subscription.phase = next_phase(subscription.phase, Trigger::written);
  }
}

/// Out of memory by reference; out of the spool's file as a copy, of which there are never more than the
/// outbox has room for.
bool Hub::State::write_part(const Subscription& subscription, const feed::Spool& spool,
                            const std::string& head, Held& held) {
  Session& session = subscription.session;
  const std::size_t part = subscription.next_part;
  Piece mark{Piece::Kind::part, subscription.id};
  if (const auto tail = spool.in_memory(part)) {
    std::string start;
    protocol::append_frame_header(start, protocol::Opcode::text, head.size() + tail->size());
    session.outbox.push_copy({start, head}, mark);
    mark.begins = false;
    session.outbox.push_shared(held, *tail, mark);
    return true;
  }
  std::string text = head;
  if (const Status got = spool.read(part, text); !got) return false;
  session.outbox.push(protocol::text_frame(text), mark);
  return true;
}

/// Its snapshot can't be read any more.
void Hub::State::lose(Subscription& subscription) {
  for (const std::string& name : std::vector<std::string>(subscription.names)) {
    send_error(subscription.session, protocol::ErrorCode::unavailable,
               "the snapshot's rest could not be read; subscribe again", name, kRetryMs);
  }
  forget(subscription, true);
}

void Hub::State::ask(Subscription& subscription) {
  list_unfinished(subscription);
  Session& session = subscription.session;
  if (subscription.asked || session.asked >= kQuestions) return;
  if (session.outbox.bytes() > options_.outbox_bytes_low || !may_ask(session)) return;
  subscription.asked = true;
  ++session.asked;
  const Place& place = subscription.place;
  tell(feed::CatchUpCommand{subscription.id, place.offered(), place.after(), place.floor(),
                            subscription.latest ? std::optional(place.delivers_above()) : std::nullopt});
}

/// Its question is answered, or will never be.
void Hub::State::answered(Subscription& subscription) {
  if (std::exchange(subscription.asked, false)) --subscription.session.asked;
}

/// What must not be lost where the feed's box is full: it is said again every second. At most two a
/// subscription wait, and no new one comes while the box is full.
void Hub::State::tell(feed::Command command) {
  if (!untold_.empty() || !to_feed_(command)) untold_.push_back(std::move(command));
}

void Hub::State::tell_again() {
  while (!untold_.empty() && to_feed_(untold_.front())) untold_.pop_front();
}

}  // namespace tidegate::hub
