#include <utility>

#include "base/encoding.h"
#include "base/fault_point.h"
#include "matcher/reign.h"

namespace tidegate::matcher {

namespace {

/// The broker answers in milliseconds; one that is just starting, in seconds.
constexpr std::chrono::seconds kStart{30};

}  // namespace

Status Reign::start() {
  owner_.check();
  if (auto done = parts_.stream.start(); !done) return done;
  fault_point("matcher.slot_taken");
  if (auto done = read_catalogue(); !done) return done;
  auto appender = parts_.log.open_appender();
  if (!appender) return appender.error();
  const std::int32_t partitions = parts_.log.partitions();
  (*appender)->set_on_acknowledged([] { fault_point("matcher.acknowledged"); });  // looked at by every tick
  writer_ = std::make_unique<RecordWriter>(std::move(*appender), partitions, options_.diff_bytes_max,
                                           options_.part_bytes);
  watermark_ = VisibleWatermark(parts_.stream.start_position());
  ledger_ = Ledger(parts_.stream.start_position());
  checkpoints_ = Checkpoints(partitions);
  confirmed_ = parts_.stream.start_position();
  if (auto done = follow(); !done) return done;
  if (auto done = decide_epoch(); !done) return done;
  fault_point("matcher.epoch_decided");
  if (auto done = enthrone(); !done) return done;
  fault_point("matcher.start_written");
  if (auto done = fence(); !done) return done;
  fault_point("matcher.fenced");
  auto inherited = inherit();
  fault_point("matcher.inherited");
  owner_.release();  // the loop may be another thread's
  return inherited;
}

Status Reign::await(std::string_view what, Steps timeout, const std::function<bool()>& done) {
  const Steady deadline = parts_.clock.steady() + timeout;
  while (!done()) {
    for (auto& notice : inbox_->wait(std::chrono::milliseconds(50))) {
      if (auto taken = take(notice); !taken) return taken;
    }
    if (auto checked = check(); !checked) return checked;
    if (!done() && parts_.clock.steady() >= deadline) {
      return Error{Fault::unavailable,
                   "no answer in time from the log or the control topic: " + std::string(what)};
    }
  }
  return {};
}

void Reign::store(registry::ControlRecord record) {
  ++unstored_;
  parts_.registry.append(std::move(record), [inbox = inbox_](const Result<Offset>& stored) {
    stored ? inbox->post(Stored{}) : inbox->post(stored.error());
  });
}

Status Reign::follow() {
  auto following = parts_.registry.follow(
      [inbox = inbox_](const registry::Entry& entry) {
        std::size_t bytes = sizeof(Notice);
        if (const auto* each = std::get_if<registry::Registration>(&entry.record)) {
          bytes += each->routing_key.size() + each->canonical.size();
        }
        inbox->post(entry, bytes);
      },
      [inbox = inbox_] { inbox->post(CaughtUp{}); });
  if (!following) return following.error();
  following_ = std::move(*following);
  return await("reading the control topic", kStart, [this] { return caught_up_; });
}

Status Reign::decide_epoch() {
  const Circumstances now{.source = parts_.stream.identity(),
                          .slot = parts_.stream.slot(),
                          .partitions = writer_->partitions(),
                          .start_position = parts_.stream.start_position()};
  if (auto foreign = of_another_database(predecessor_, now); !foreign.empty()) {
    return Error{Fault::denied, std::move(foreign)};
  }
  epoch_break_ = breaks_epoch(predecessor_, now);
  if (epoch_break_.empty()) {
    const auto stand = checkpoints_stand(parts_.log, predecessor_);
    if (!stand) return stand.error();
    if (!*stand) epoch_break_ = "the log does not hold what the checkpoints say";
  }
  if (epoch_break_.empty()) {
    epoch_ = predecessor_.epoch->epoch;
    return {};
  }
  epoch_ = Epoch(random_u64());
  parts_.registry.append(registry::EpochBound{epoch_, now.source, now.slot, now.partitions},
                         [inbox = inbox_](const Result<Offset>& stored) {
                           stored ? inbox->post(EpochStored{*stored}) : inbox->post(stored.error());
                         });
  return await("the epoch's record", kStart, [this] { return epoch_at_.value() >= 0; });
}

Status Reign::enthrone() {
  parts_.registry.append(registry::MatcherStart{process_}, [inbox = inbox_](const Result<Offset>& stored) {
    stored ? inbox->post(Enthroned{*stored}) : inbox->post(stored.error());
  });
  auto done = await("the start record", kStart, [this] { return generation_.value() >= 0; });
  if (!done) return done;
  writer_->begin({epoch_, generation_});
  return {};
}

Status Reign::fence() {
  if (auto done = progress(); !done) return done;
  const auto partitions = static_cast<std::size_t>(writer_->partitions());
  auto done = await("the first progress", kStart, [&] { return first_progress_.size() == partitions; });
  if (!done) return done;
  fault_point("matcher.first_progress");
  for (const auto& each : first_progress_) {
    store(registry::GenerationFence{each.partition, generation_, each.offset});
  }
  return await("the generation's fences", kStart, [this] { return unstored_ == 0; });
}

Status Reign::inherit() {
  reigning_ = true;
  const auto inherited = activations_.reign(lease_clock_.look(parts_.clock.steady(), following_->at_end()));
  for (const auto& key : inherited.abandoned) {
    store(registry::ActivationRecord{key, activations_.activation(key), true});
  }
  for (const auto& key : inherited.kept) {
    if (auto done = keep(key); !done) return done;
  }
  auto done = await("the activations", kStart, [this] { return unstored_ == 0; });
  if (!done) return done;
  for (const auto& key : inherited.abandoned) {
    if (auto told = ended(key, activations_.activation(key)); !told) return told;
  }
  return run_tasks();
}

Status Reign::keep(const std::string& key) {
  Activation activation = activations_.activation(key);
  if (!epoch_break_.empty()) {
    // The span of matching is broken; the old id must not vouch for it.
    activation = Activation(random_u64());
    activations_.began(key, activation);
    store(registry::ActivationRecord{key, activation, false});
  }
  return admit(key, activations_.canonical(key), activation);
}

}  // namespace tidegate::matcher
