#include "matcher/reign.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/fault_point.h"

namespace tidegate::matcher {

namespace {

/// Between two rounds of checkpoints: the slot lags by so much at most.
constexpr std::chrono::seconds kCheckpoint{1};
/// Between two looks at leases and lingering: they count in seconds, and a look costs what lingers.
constexpr std::chrono::milliseconds kSweep{20};
/// An orderly end waits so long for the log.
constexpr std::chrono::seconds kFinish{5};

}  // namespace

Reign::Reign(Parts parts, Options options)
    : parts_(parts),
      options_(options),
      probe_(parts.metrics),
      inbox_(std::make_shared<Inbox>(parts.stream)),
      process_(random_u64()),
      activations_({.leases = parts.registry.leases(), .lease = options.lease, .linger = options.linger}),
      roster_(options.netting_bytes_max),
      pace_(options, parts.clock.steady()) {}

Reign::~Reign() {
  inbox_->close();
}

Status Reign::check() const {
  if (inbox_->flooded())
    return Error{Fault::fatal, "the control topic brings more than the matcher can take in"};
  // Also before we reign: our fences and ends of activations must not come behind a successor's.
  if (usurper_ && generation_.value() >= 0 && usurper_->value() > generation_.value()) {
    return Error{Fault::fatal, "another matcher has taken over"};
  }
  // What counts for readers is the last one; both stood for a moment, if both of us found a reason for a new
  // one.
  if (reigning_ && other_epoch_at_ && *other_epoch_at_ > epoch_at_) {
    return Error{Fault::fatal, "another matcher has begun a new epoch"};
  }
  if (auto failure = following_ ? following_->failure() : std::nullopt) {
    return Error{Fault::fatal, std::move(failure->message)};
  }
  if (auto failure = writer_->appender().failure()) {
    return Error{Fault::fatal, "the log did not take a record: " + failure->message};
  }
  return {};
}

Status Reign::settle() {
  owner_.check();
  for (auto& notice : inbox_->take()) {
    if (auto taken = take(notice); !taken) return taken;
  }
  if (auto done = run_tasks(); !done) return done;
  return check();
}

Pace::Standing Reign::standing() const {
  return {.position = watermark_.position(),
          .visible = watermark_.visible(),
          .doubtful = watermark_.doubtful() > 0,
          .queries = roster_.size() > 0,
          .waiting = waiting_.empty() ? std::nullopt : std::optional(waiting_.front())};
}

std::chrono::milliseconds Reign::patience() const {
  return pace_.patience(parts_.clock.steady(), standing());
}

Status Reign::tick() {
  owner_.check();
  const Steady now = parts_.clock.steady();
  if (now >= swept_at_ + kSweep) {
    swept_at_ = now;
    activations_.tick(lease_clock_.look(now, following_->at_end()));
    if (auto done = run_tasks(); !done) return done;
  }
  const auto due = pace_.due(now, standing());
  if (due.visibility) {
    parts_.stream.request_visibility();
    fault_point("matcher.visibility_asked");
  }
  if (due.nudge) {
    parts_.stream.nudge();
    probe_.nudged();
  }
  if (due.progress && !away_) {
    if (auto done = progress(); !done) return done;
  }
  confirm();
  probe_.standing(watermark_.position(), watermark_.visible(), watermark_.doubtful(), roster_.size());
  return check();
}

Status Reign::handle(source::StreamEvent event) {
  owner_.check();
  away_ = false;
  return std::visit([this](const auto& each) { return handle_event(each); }, event);
}

Status Reign::handle_event(const source::Transaction& transaction) {
  // The adapter reconnected: it was appended, and no append is ever lost without ending the process.
  if (transaction.lsn <= watermark_.position()) {
    probe_.repeated();
    return {};
  }
  const Steady received = parts_.clock.steady();
  const std::chrono::microseconds age(unix_us(parts_.clock.wall()) - transaction.commit_time_us);
  Roster::Tally tally;
  std::vector<Reshaped> shapes;
  auto effects = roster_.match(transaction, tally, shapes);
  if (!effects) return effects.error();
  for (const auto& shape : shapes) {
    if (auto done = reshaped(shape); !done) return done;
  }
  fault_point("matcher.matched");
  if (auto done = altered(transaction, *effects); !done) return done;
  for (auto& effect : *effects) {
    auto written = writer_->effect(transaction, effect, &effect == &effects->back() ? timed() : nullptr);
    if (!written) return written.error();
    effect.net = Net(nullptr);  // a large one's memory is wanted for the next one's encoding
    if (written->reset) {
      probe_.reset();
    } else if (written->parts > 0) {
      probe_.diff(written->parts);
    }
  }
  if (!effects->empty()) fault_point("matcher.appended");
  watermark_.streamed(transaction.lsn, transaction.xid);
  if (transaction.xid && !watched_) watched_ = Watched{transaction.lsn, parts_.clock.steady()};
  ledger_.reached(writer_->last(), transaction.lsn);
  probe_.transaction(tally.changes, tally.evaluations);
  probe_.netted(tally.netting_bytes, tally.given_up);
  const auto matching = parts_.clock.steady() - received;
  if (transaction.commit_time_us > 0) probe_.committed(age, matching);
  probe_.appended_after(matching);
  return {};
}

/// What notes how long the log takes to acknowledge what is appended next.
std::function<void(Offset)> Reign::timed() {
  return [this, begin = parts_.clock.steady()](Offset) {
    probe_.acknowledged_after(parts_.clock.steady() - begin);
  };
}

Status Reign::handle_event(const source::StreamPosition& position) {
  if (position.lsn <= watermark_.position()) return {};
  watermark_.reached(position.lsn);
  ledger_.reached(writer_->last(), position.lsn);
  return {};
}

Status Reign::handle_event(const source::Visibility& visibility) {
  watermark_.seen(visibility.snapshot);
  if (auto looked = look(); !looked) return looked;
  fault_point("matcher.visible");
  if (watched_ && watermark_.visible() >= watched_->lsn) {
    probe_.visible_after(parts_.clock.steady() - watched_->since);
    watched_.reset();
  }
  pace_.answered(parts_.clock.steady(), visibility.inserted, watermark_.position());
  return {};
}

Status Reign::handle_event(const source::SchemaChanged& changed) {
  const bool read = read_catalogue().ok();
  if (changed.table) {
    const auto table = read ? refused_as_now(changed.table) : changed.table;
    if (auto done = reshaped(roster_.reshape(table)); !done) return done;
  }
  return read ? end_renamed() : Status();
}

/// A query names its table: where another one has that name now, it is that one's rows that its snapshots
/// show, and no change of the one that it is bound to may follow them.
Status Reign::end_renamed() {
  for (const std::uint32_t relation : roster_.relations()) {
    const auto bound = roster_.shape(relation);
    const auto now = catalogue_.find(bound->qualified());
    if (now && now->relation == relation) continue;
    auto refused = std::make_shared<query::TableSchema>(*bound);
    refused->refusal = now ? "another table has its name now" : "the table is not published any more";
    if (auto done = reshaped(roster_.reshape(refused)); !done) return done;
  }
  return {};
}

std::shared_ptr<const query::TableSchema> Reign::refused_as_now(
    const std::shared_ptr<const query::TableSchema>& table) const {
  const auto now = catalogue_.find_relation(table->relation);
  if (now && now->refusal.empty()) return table;
  // Dropped, or not published any more: nothing comes for it, and nobody may hold it as current.
  auto refused = std::make_shared<query::TableSchema>(*table);
  refused->refusal = now ? now->refusal : "the table is not published any more";
  return refused;
}

Status Reign::altered(const source::Transaction& transaction, std::vector<Effect>& effects) {
  for (const auto& each : transaction.altered) {
    // Also one without queries: the next may be asked for by a name that is another table's now.
    altered_.push_back({transaction.lsn, each.relation});
    if (!each.rewritten) continue;
    for (const Matched* matched : roster_.naming(each.relation, each.columns)) {
      auto place = std::find_if(effects.begin(), effects.end(),
                                [&](const Effect& effect) { return effect.matched == matched; });
      if (place == effects.end()) place = effects.insert(place, {matched, Net(matched->query), {}});
      place->reset = "the table was rewritten";
    }
  }
  return {};
}

Status Reign::look() {
  if (altered_.empty() || altered_.front().lsn > watermark_.visible()) return {};
  if (auto read = read_catalogue(); !read) {
    return read.error().fault == Fault::unavailable ? Status() : read;  // looked at again with the next V
  }
  while (!altered_.empty() && altered_.front().lsn <= watermark_.visible()) {
    const std::uint32_t relation = altered_.front().relation;
    altered_.pop_front();
    if (auto done = look_at(relation); !done) return done;
  }
  return end_renamed();
}

Status Reign::look_at(std::uint32_t relation) {
  const auto bound = roster_.shape(relation);
  if (!bound) return {};
  const auto now = catalogue_.find_relation(relation);
  if (now && *now == *bound) return {};
  return reshaped(roster_.reshape(refused_as_now(now ? now : bound)));
}

Status Reign::reshaped(const Reshaped& reshaped) {
  for (const auto& unbound : reshaped.unbound) {
    end_activation(unbound.key, unbound.activation, false);
    if (auto done = refuse(unbound.key, "schema_changed", unbound.message); !done) return done;
  }
  for (const auto& replaced : reshaped.replaced) {
    if (auto done = writer_->reset(replaced, watermark_.position(), {}, "the key or a column is another one");
        !done)
      return done;
    probe_.reset();
  }
  return {};
}

Status Reign::progress() {
  const Steady now = parts_.clock.steady();
  const Lsn position = watermark_.position();
  const Lsn visible = watermark_.visible();
  const std::int64_t time_us = unix_us(parts_.clock.wall());
  const bool checkpoint = !checkpointed_at_ || now - *checkpointed_at_ >= kCheckpoint;
  for (std::int32_t each = 0; each < writer_->partitions(); ++each) {
    const Partition partition(each);
    std::function<void(Offset)> acknowledged;
    if (checkpoint) {
      acknowledged = [inbox = inbox_, partition, position](Offset offset) {
        inbox->post(Progressed{partition, offset, position});
      };
    }
    if (auto done = writer_->progress(partition, position, visible, time_us, std::move(acknowledged)); !done)
      return done;
  }
  fault_point("matcher.progressed");
  if (checkpoint) checkpointed_at_ = now;
  while (!waiting_.empty() && waiting_.front() <= visible) waiting_.pop_front();
  probe_.progress();
  return {};
}

void Reign::confirm() {
  Lsn lsn = std::min(ledger_.acknowledged(writer_->appender().acknowledged()), watermark_.visible());
  if (parts_.registry.leases()) {
    // The log outlives us, so the slot must never be above what the control topic says of the log (rule 10).
    const auto noted = checkpoints_.lowest();
    if (!noted) return;
    lsn = std::min(lsn, *noted);
  }
  if (lsn <= confirmed_) return;
  confirmed_ = lsn;
  fault_point("matcher.confirming");
  parts_.stream.confirm(lsn);
  fault_point("matcher.confirmed");
  probe_.confirmed(lsn);
}

Status Reign::finish() {
  owner_.check();
  if (!reigning_) return {};
  checkpointed_at_.reset();  // due
  const Lsn position = watermark_.position();
  if (auto done = progress(); !done) return done;
  if (auto done = writer_->appender().flush(kFinish); !done) return done;
  auto noted = await("the last checkpoints", kFinish, [this, position] {
    const auto lowest = checkpoints_.lowest();
    return lowest && *lowest >= position;
  });
  if (!noted) return noted;
  confirm();
  return {};
}

}  // namespace tidegate::matcher
