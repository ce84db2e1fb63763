// Outboxes become places again: what a subscription has queued and not written is fetched again later, from
// the tail, the log or a snapshot. The half of Hub::State that rules 26 and 27 are about.

#include <algorithm>
#include <cassert>
#include <map>

#include "hub/hub_state.h"

namespace tidegate::hub {
namespace {

/// A thousand usual queries take less: to cut somebody for them alone would help for as long as it takes to
/// come back.
constexpr std::size_t kKeptUsual = 1 << 20;

}  // namespace

/// Sessions whose outbox was not empty when it was last looked at: listed once, and only as long as somebody
/// has to wait.
void Hub::State::list_holding(Session& session) {
  if (session.outbox.empty() || std::exchange(session.holding, true)) return;
  holding_.push_back(session.id);
}

void Hub::State::on(const feed::Evicted& event) {
  owner_.check();
  evicted_ = std::max(evicted_, event.up_to);
  give_back_evicted();
}

/// Said again every second: who was about to be written when it was said may be blocked since.
void Hub::State::give_back_evicted() {
  give_back([this](const Session& session) { return session.outbox.oldest_batch() <= evicted_; });
}

void Hub::State::on(const feed::Relieve& event) {
  owner_.check();
  if (event.cut) {  // once what just came has been written: nobody owes that
    cut_largest_ = true;
    return;
  }
  give_back([](const Session&) { return true; });
}

template <class Condition>
void Hub::State::give_back(Condition condition) {
  std::erase_if(holding_, [&](SessionId id) {
    const auto* found = sessions_.find(id);
    if (found == nullptr) return true;
    Session& session = **found;
    if (condition(session)) turn_to_places(session);
    session.holding = !session.outbox.empty();
    return !session.holding;
  });
}

/// Drops what can be fetched again and notes where. Nobody is asked for it before the socket has taken
/// something.
void Hub::State::turn_to_places(Session& session) {
  std::map<SubscriptionId, feed::Frame> lost;
  for (Outbox::Cut& cut : session.outbox.drop_frames()) {
    if (cut.lost) {
      lost.try_emplace(cut.owner, *cut.lost);
    } else {
      lost.erase(cut.owner);  // a snapshot behind them replaces what they would have changed
    }
  }
  tell_outbox_bytes(session);
  if (!lost.empty()) mark_dirty(session);
  for (const auto& [id, frame] : lost) {
    Subscription* subscription = find(id);
    // One that waits for its snapshot, or whose snapshot is not queued yet, needs nothing of before.
    if (subscription == nullptr) continue;
    if (subscription->phase != Phase::live && subscription->phase != Phase::lagging) continue;
    subscription->place.go_back(frame);
    probe_.given_back();
    if (subscription->phase == Phase::live) lag(*subscription);
  }
}

/// A part of a file is copied into the outbox; no further one while the process holds more than it may,
/// however many clients wait for theirs.
bool Hub::State::starves(Session& session, const feed::Spool& spool, std::size_t part) {
  if (spool.in_memory(part)) return false;
  // One part at a time is always there: who reads it goes on.
  if (session.account && !session.outbox.empty() && session.account->holds_too_much()) {
    list_starved(session);
    return true;
  }
  if (!memory_ || memory_->excess() == 0) return false;
  if (std::exchange(one_more_, false)) return false;
  list_starved(session);
  return true;
}

void Hub::State::list_starved(Session& session) {
  if (std::exchange(session.starved, true)) return;
  starved_.push_back(session.id);
  if (session.account) session.account->count_waiting(clock_.steady());
}

/// Whether what it missed may be asked for now, by its account; else it is looked at again within a second.
bool Hub::State::may_ask(Session& session) {
  if (!session.account) return true;
  const bool crowded = !session.outbox.empty() && session.account->holds_too_much();
  if (!crowded && session.account->may_replay(clock_.steady())) return true;
  list_starved(session);
  return false;
}

/// Where those with whom it shares an account hold more than they may, it keeps nothing that can be fetched
/// again.
void Hub::State::hold_less(Session& session) {
  if (!session.account->holds_too_much()) return;
  session.account->count_waiting(clock_.steady());
  turn_to_places(session);
}

/// Every second. Where there is still no room one goes on all the same, so that the pressure stays and is
/// met: in the end by cutting those who hold what these wait for.
void Hub::State::go_on_with_starved() {
  one_more_ = true;
  for (SessionId id : std::exchange(starved_, {})) {
    const auto* found = sessions_.find(id);
    if (found == nullptr) continue;
    (*found)->starved = false;
    proceed(**found);
  }
  one_more_ = false;
}

/// The last resort: who owes most, with what its snapshots hold in memory and what is kept of its queries.
void Hub::State::cut_largest() {
  Session* largest = nullptr;
  std::size_t most = 0;
  sessions_.for_each([&](const std::unique_ptr<Session>& session) {
    std::size_t debt = session->outbox.bytes() + session->kept;
    // It reads as fast as it is written to, and has queries as others have.
    if (session->outbox.empty() && session->kept <= kKeptUsual) return;
    for (const Subscription* subscription : session->unfinished) {
      if (subscription->spool) debt += subscription->spool->memory_bytes();
    }
    if (session->debtor || debt <= most) return;
    most = debt;
    largest = session.get();
  });
  if (largest != nullptr) cut(*largest);
}

void Hub::State::cut(Session& session) {
  session.debtor = true;
  debtors_.push_back(session.id);
  probe_.debtor();
}

}  // namespace tidegate::hub
