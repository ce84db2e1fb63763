// What the feed's events do: the half of Hub::State on the journey of a change.

#include <algorithm>
#include <cassert>
#include <deque>
#include <span>
#include <utility>

#include "base/fault_point.h"
#include "hub/hub_state.h"
#include "hub/neighbours.h"
#include "protocol/deflate.h"

namespace tidegate::hub {
namespace {

constexpr std::size_t kUnwrittenMax = 256;  // of one turn; what comes on top goes untimed

std::string_view bytes_of(const feed::FrameBatch& batch, feed::Slice slice) {
  return std::string_view(batch.bytes).substr(slice.offset, slice.size);
}

std::size_t slice_index(protocol::Encoding encoding) {
  return static_cast<std::size_t>(encoding);
}

}  // namespace

void Hub::State::on(const feed::Accepted& event) {
  owner_.check();
  Subscription* subscription = find(event.subscription);
  if (subscription == nullptr) return;
  Session& session = subscription->session;
  join_channel(*subscription, event.channel);
  subscription->partition = event.partition;
  const std::string& name = subscription->names.front();
  if (session.traits.pass_through) {
    if (!event.unsolicited) send(session, protocol::ack_message(name));
  } else {
    const auto channel = session.traits.v1 ? std::optional(event.channel) : std::nullopt;
    const auto reason = std::exchange(subscription->reason, {});
    send(session, protocol::ack_message(name, event.query, event.resumed, channel, reason));
  }
  // Who comes meanwhile was not there when it was said.
  if (stale_since_unix_ms_ && session.traits.v1) {
    send(session, protocol::status_stale_message(*stale_since_unix_ms_));
  }
  if (event.unsolicited) {
    probe_.reset();
    subscription->phase = next_phase(subscription->phase, Trigger::reset);
    subscription->spool.reset();
    unlist_unfinished(*subscription);
    answered(*subscription);
    proceed(session);
  }
  if (!event.resumed) return;
  subscription->place.start_at_cursor(event.after, event.floor, event.fence);
  if (session.traits.pass_through) return;  // an empty snapshot follows, as in the seed
  subscription->phase = next_phase(subscription->phase, Trigger::resumed);
  proceed(*subscription);
}

void Hub::State::on(const feed::SnapshotReady& event) {
  owner_.check();
  for (SubscriptionId id : event.subscriptions) {
    Subscription* subscription = find(id);
    if (subscription == nullptr) continue;
    if (event.overflow) {
      probe_.reset();
      send_error(subscription->session, protocol::ErrorCode::overflow, "reset-to-snapshot", {}, {});
    }
    subscription->phase = next_phase(subscription->phase, Trigger::snapshot);
    subscription->place.start_at_snapshot(event.after, event.fence, event.floor);
    subscription->spool = event.spool;
    if (const auto& account = subscription->session.account) {
      account->owe_rows(event.spool->rows(), clock_.steady());
      const auto held = account->hold(event.spool, event.spool->memory_bytes());
      subscription->spool = std::shared_ptr<const feed::Spool>(held, event.spool.get());
    }
    subscription->next_part = 0;
    answered(*subscription);
    probe_.snapshot_started();
    list_unfinished(*subscription);
    proceed(*subscription);
  }
}

void Hub::State::on(const feed::CaughtUp& event) {
  owner_.check();
  Subscription* subscription = find(event.subscription);
  if (subscription == nullptr) return;
  Session& session = subscription->session;
  answered(*subscription);
  if (subscription->phase != Phase::lagging)
    return;  // a snapshot came in between: it asks again when that is written
  // Asked before its place went back.
  if (event.after != subscription->place.offered()) return proceed(session);
  // Asked of another snapshot's place: what was put together may hold what this one contains.
  if (event.conflated && event.conflated->above < subscription->place.delivers_above()) {
    return proceed(session);
  }
  Tally tally;
  const std::uint64_t pushed = session.outbox.pushed();
  for (const feed::FrameRun& run : event.runs) {
    const HeldReference held(run.batch);
    for (std::uint32_t index : run.frames) {
      offer(*subscription, *run.batch, run.batch->frames[index], held.get(), tally);
    }
  }
  count(tally);
  if (session.account && session.outbox.pushed() > pushed)
    session.account->owe_replayed(session.outbox.pushed() - pushed, clock_.steady());
  if (event.conflated) subscription->place.conflated(event.conflated->lsn);
  subscription->place.advance(event.up_to);
  if (event.live) go_live(*subscription);
  proceed(session);
}

void Hub::State::on(const feed::Deliver& event) {
  const feed::Deliver* const one = &event;
  deliver_all({&one, 1});
}

void Hub::State::deliver(std::span<const feed::Event> events) {
  std::vector<const feed::Deliver*> delivers;
  for (const feed::Event& event : events) delivers.push_back(&std::get<feed::Deliver>(event));
  deliver_all(delivers);
}

void Hub::State::deliver_all(std::span<const feed::Deliver* const> events) {
  owner_.check();
  std::deque<HeldReference> held;
  std::vector<Neighbours> all;
  const Steady now = clock_.steady();
  for (const feed::Deliver* event : events) {
    probe_.taken_after(now - event->posted);
    if (unwritten_.size() < kUnwrittenMax) unwritten_.push_back({now, event->commit_time_us});
    held.emplace_back(event->run.batch);
    append_neighbours(all, event->run, held.back().get());
  }
  Tally tally;
  for (auto first = all.begin(); first != all.end();) {
    const ChannelId channel = first->first().channel;
    const auto last = std::find_if(
        first, all.end(), [channel](const Neighbours& each) { return each.first().channel != channel; });
    const std::span<const Neighbours> together(first, last);
    first = last;
    const auto subscribed = channels_.find(channel);
    if (subscribed == channels_.end()) continue;
    // All of them to one subscription, then to the next: what a session is has to come from memory once, not
    // once a frame.
    for (Subscription* subscription : subscribed->second) {
      for (const Neighbours& each : together) deliver(*subscription, each, tally);
    }
  }
  count(tally);
}

void Hub::State::deliver(Subscription& subscription, const Neighbours& neighbours, Tally& tally) {
  tally.probed += neighbours.size();
  if (deliver_as_one(subscription, neighbours, tally)) return;
  for (std::size_t i = 0; i < neighbours.size(); ++i) {
    if (subscription.phase != Phase::live) return;
    if (subscription.session.outbox.bytes() > options_.outbox_bytes_max) return lag(subscription);
    offer(subscription, neighbours.batch(), neighbours.frame(i), neighbours.held(), tally);
  }
}

/// The same as one after the other, where nothing has to be decided in between. Else false.
bool Hub::State::deliver_as_one(Subscription& subscription, const Neighbours& neighbours, Tally& tally) {
  Session& session = subscription.session;
  const std::string_view bytes = neighbours.as_one(subscription.encoding, session.traits.pass_through);
  if (bytes.empty() || !subscription.diff_head.empty() || subscription.phase != Phase::live) return false;
  if (session.outbox.bytes() + bytes.size() > options_.outbox_bytes_max) return false;
  if (!subscription.place.needs_all(neighbours.first())) return false;
  session.outbox.push_shared(neighbours.held(), bytes, {Piece::Kind::frame, subscription.id});
  mark_dirty(session);
  fault_point("gateway.in_outbox");
  subscription.place.delivered_all(neighbours.last());
  tally.delivered += neighbours.size();
  return true;
}

void Hub::State::offer(Subscription& subscription, const feed::FrameBatch& batch, const feed::Frame& frame,
                       Held& held, Tally& tally) {
  switch (subscription.place.offer(frame)) {
    case Place::Verdict::seen:
      return;
    case Place::Verdict::contained:
      ++tally.contained;
      return;
    case Place::Verdict::deliver:
      push(subscription, batch, frame, held);
      fault_point("gateway.in_outbox");
      subscription.place.delivered(frame);
      ++tally.delivered;
      return;
  }
}

void Hub::State::push(Subscription& subscription, const feed::FrameBatch& batch, const feed::Frame& frame,
                      Held& held) {
  Session& session = subscription.session;
  const bool piece = !session.traits.pass_through && (frame.part != 0 || !frame.last);
  if (piece && !protocol::takes_parts(subscription.encoding)) return;  // the feed resets it (rule 5)
  const feed::Slice slice = frame.slices[slice_index(subscription.encoding)];
  if (subscription.diff_head.empty()) {
    session.outbox.push_shared(held, bytes_of(batch, slice), {Piece::Kind::frame, subscription.id});
  } else if (slice.size > 0) {
    push_text(subscription, batch, frame, held);
  }
  mark_dirty(session);
}

/// The subscriber's own head, and the tail that everybody shares.
void Hub::State::push_text(Subscription& subscription, const feed::FrameBatch& batch,
                           const feed::Frame& frame, Held& held) {
  const auto plain = frame.slices[slice_index(protocol::plain(subscription.encoding))];
  const auto wanted = frame.slices[slice_index(subscription.encoding)];
  std::string_view shared = bytes_of(batch, plain);
  const std::string_view head = subscription.diff_head;
  std::string stored;  // like `start` short enough to need no allocation
  std::string spliced;
  bool deflated = false;
  // While the filter is on the cursor must carry it, so the tail's shared one won't do.
  const Fence* filter = subscription.place.filter();
  if (filter != nullptr && protocol::plain(subscription.encoding) == protocol::Encoding::json) {
    spliced = protocol::splice_fence(shared, *filter);
    // The last byte is shared all the same: it says which frame this is.
    spliced.pop_back();
    shared.remove_prefix(shared.size() - 1);
  } else if (wanted.offset != plain.offset) {
    // Uncompressed and compressed blocks may follow each other in one message.
    deflated = true;
    shared = bytes_of(batch, wanted);
    stored = protocol::stored_block_header(head.size());
  }
  std::string start;
  protocol::append_frame_header(start, protocol::Opcode::text,
                                stored.size() + head.size() + spliced.size() + shared.size(), deflated);
  hub::Outbox& outbox = subscription.session.outbox;
  Piece mark{Piece::Kind::frame, subscription.id};
  outbox.push_copy({start, stored, head, spliced}, mark);
  mark.begins = false;
  outbox.push_shared(held, shared, mark);
}

void Hub::State::count(const Tally& tally) {
  probe_.subscriptions_probed(tally.probed);
  probe_.frames_delivered(tally.delivered);
  probe_.frames_contained(tally.contained);
}

void Hub::State::lag(Subscription& subscription) {
  subscription.phase = next_phase(subscription.phase, Trigger::full);
  // What was offered is in the outbox and will be written: the catch-up goes on behind it, be it in the
  // middle of a transaction. (A client could not tell a `diff` text that is said again: they have no
  // numbers.)
  probe_.lagged();
  if (subscription.session.traits.v1) {
    send(subscription.session, protocol::status_lagging_message(subscription.names.front()));
  }
  list_unfinished(subscription);
}

void Hub::State::go_live(Subscription& subscription) {
  subscription.phase = next_phase(subscription.phase, Trigger::caught_up);
  unlist_unfinished(subscription);
  probe_.caught_up();
  if (!subscription.place.has_fence()) return;
  // Everything that the stream had passed when the feed said `live` has been offered.
  Stream& stream = streams_[subscription.partition];
  if (stream.known) subscription.place.passed(stream.passed.lsn);
  stream.filtering.push_back(subscription.id);
}

void Hub::State::on(const feed::Passed& event) {
  owner_.check();
  Stream& stream = streams_[event.partition];
  stream.passed = event;
  stream.known = true;
  std::erase_if(stream.filtering, [&](SubscriptionId id) {
    Subscription* subscription = find(id);
    if (subscription == nullptr || !subscription->place.has_fence()) return true;
    if (subscription->phase != Phase::live) return true;  // listed again when it is live again
    subscription->place.passed(event.lsn);
    // As long as frames that it let through may be taken back, it may be needed again.
    if (subscription->session.outbox.empty()) subscription->place.written();
    return !subscription->place.has_fence();
  });
}

void Hub::State::on(const feed::Unread& event) {
  owner_.check();
  streams_.erase(event.partition);
}

void Hub::State::on(const feed::Refused& event) {
  owner_.check();
  Subscription* subscription = find(event.subscription);
  if (subscription == nullptr) return;
  Session& session = subscription->session;
  for (const std::string& name : std::vector<std::string>(subscription->names)) {
    send_error(session, event.code, event.message, name, event.retry_ms);
  }
  if (event.keeps) return;
  forget(*subscription, false);
  proceed(session);
}

void Hub::State::on(const feed::Waiting& event) {
  owner_.check();
  Subscription* subscription = find(event.subscription);
  if (subscription == nullptr || !subscription->session.traits.v1) return;
  send(subscription->session, protocol::status_waiting_message(subscription->names.front(), event.what));
}

void Hub::State::on(const feed::Stale& event) {
  owner_.check();
  stale_since_unix_ms_ = event.since_unix_ms;
  if (!event.since_unix_ms) return;
  const std::string message = protocol::status_stale_message(*event.since_unix_ms);
  sessions_.for_each([&](const std::unique_ptr<Session>& session) {
    if (session->traits.v1) send(*session, message);
  });
}

void Hub::State::flushed() {
  if (outbox_bytes_untold_ != 0) probe_.outbox_bytes(std::exchange(outbox_bytes_untold_, 0));
  if (unwritten_.empty()) return;
  const Steady now = clock_.steady();
  const std::int64_t wall_us = unix_us(clock_.wall());
  for (const Unwritten& each : unwritten_) {
    probe_.written_after(now - each.taken);
    if (each.commit_time_us) {
      probe_.written_after_commit(std::chrono::microseconds(wall_us - *each.commit_time_us));
    }
  }
  unwritten_.clear();
}

void Hub::State::tick() {
  owner_.check();
  tell_again();
  give_back_evicted();
  go_on_with_starved();
  const Steady now = clock_.steady();
  while (!progress_due_.empty() && progress_due_.front().first <= now) {
    const SessionId id = progress_due_.front().second;
    progress_due_.pop_front();
    const auto* found = sessions_.find(id);
    if (found == nullptr) continue;
    send_progress(**found);
    progress_due_.emplace_back(now + options_.progress_interval, id);
  }
}

/// Only where nothing lags behind what is queued: the positions move the cursors of all its subscriptions.
void Hub::State::send_progress(Session& session) {
  if (session.by_name.empty() || !session.unfinished.empty()) return;
  for (const auto& [name, named] : session.by_name) {
    if (named.subscription->phase != Phase::live) return;
  }
  std::vector<protocol::PartitionPosition> positions;
  Epoch epoch;
  for (const auto& [partition, stream] : streams_) {
    if (!stream.known) continue;
    epoch = stream.passed.epoch;
    positions.push_back({partition, stream.passed.offset, stream.passed.lsn});
  }
  if (positions.empty()) return;
  session.outbox.push(protocol::text_frame(protocol::progress_message(epoch, positions)),
                      {Piece::Kind::position, {}});
  mark_dirty(session);
}

}  // namespace tidegate::hub
