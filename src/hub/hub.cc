#include "hub/hub.h"

#include <algorithm>

#include "hub/hub_state.h"

namespace tidegate::hub {

Hub::Hub(std::uint16_t shard, Options options, ToFeed to_feed, Clock& clock, metrics::Registry& metrics,
         std::shared_ptr<Budget> memory)
    : state_(std::make_unique<State>(shard, options, std::move(to_feed), clock, metrics, std::move(memory))) {
}
Hub::~Hub() = default;

SessionId Hub::open(SessionTraits traits, std::shared_ptr<Account> account) {
  return state_->open(traits, std::move(account));
}
void Hub::close(SessionId session) {
  state_->close(session);
}
Outbox& Hub::outbox(SessionId session) {
  return state_->session(session).outbox;
}
void Hub::subscribe(SessionId session, SubscribeRequest request) {
  state_->subscribe(state_->session(session), std::move(request));
}
void Hub::unsubscribe(SessionId session, std::string_view hash_id) {
  state_->unsubscribe(state_->session(session), hash_id);
}
bool Hub::unsubscribe_all(SessionId session) {
  return state_->unsubscribe_all(state_->session(session));
}
std::vector<Requested> Hub::requested(SessionId session) const {
  return State::requested(state_->session(session));
}
void Hub::replace(SessionId session, SubscribeRequest request) {
  state_->replace(state_->session(session), std::move(request));
}
void Hub::revoke(SessionId session, std::string_view hash_id, protocol::ErrorCode code,
                 std::string_view message) {
  state_->revoke(state_->session(session), hash_id, code, message);
}
Hub::Weight Hub::weigh(SessionId session) const {
  const Session& one = state_->session(session);
  return {one.by_name.size(), one.outbox.bytes(), one.outbox.own_bytes()};
}
std::optional<std::size_t> Hub::kept(SessionId session, std::string_view hash_id) const {
  const Names& names = state_->session(session).by_name;
  const auto found = names.find(hash_id);
  if (found == names.end()) return std::nullopt;
  return found->second.kept.bytes();
}
void Hub::send(SessionId session, std::string_view text) {
  state_->send(state_->session(session), text);
}
void Hub::send_error(SessionId session, protocol::ErrorCode code, std::string_view message,
                     std::string_view hash_id, std::optional<std::int64_t> retry_ms) {
  state_->send_error(state_->session(session), code, message, hash_id, retry_ms);
}
void Hub::on_event(const feed::Event& event) {
  std::visit([this](const auto& one) { state_->on(one); }, event);
}
void Hub::on_events(std::span<const feed::Event> events) {
  const auto delivers = [](const feed::Event& event) { return std::holds_alternative<feed::Deliver>(event); };
  for (auto first = events.begin(); first != events.end();) {
    const auto last = std::find_if_not(first, events.end(), delivers);
    state_->deliver({first, last});
    first = last;
    for (; first != events.end() && !delivers(*first); ++first) on_event(*first);
  }
}
void Hub::tick() {
  state_->tick();
}
void Hub::flushed() {
  state_->flushed();
}
void Hub::written(SessionId session) {
  state_->written(state_->session(session));
}
std::vector<SessionId> Hub::take_dirty() {
  return state_->take_dirty();
}
std::vector<SessionId> Hub::take_debtors() {
  return state_->take_debtors();
}

}  // namespace tidegate::hub
