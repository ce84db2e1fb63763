#include <utility>

#include "base/encoding.h"
#include "base/fault_point.h"
#include "matcher/reign.h"

namespace tidegate::matcher {

namespace {

/// A registration that does not bind makes us read the catalogue again, but not for each one of a flood.
constexpr std::chrono::seconds kCatalogueAge{1};

template <class... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};

}  // namespace

Status Reign::take(Notice& notice) {
  return std::visit(
      Overload{
          [&](const registry::Entry& entry) -> Status {
            fault_point("matcher.control_read");
            learn(entry.record, entry.offset);
            return check();
          },
          [&](CaughtUp) -> Status {
            caught_up_ = true;
            return {};
          },
          [&](const EpochStored& stored) -> Status {
            epoch_at_ = stored.offset;
            return {};
          },
          [&](const Enthroned& enthroned) -> Status {
            generation_ = Generation(enthroned.offset.value());
            return {};
          },
          [&](Stored) -> Status {
            --unstored_;
            return {};
          },
          [&](const Began& each) -> Status { return began(each.key, each.activation); },
          [&](const Ended& each) -> Status { return ended(each.key, each.activation); },
          [&](const Progressed& each) -> Status {
            if (!reigning_) first_progress_.push_back(each);
            // The broker takes our records into a topic that was deleted and made anew under us.
            auto [last, fresh] = progressed_.try_emplace(each.partition, each.offset);
            if (!fresh && each.offset <= last->second) {
              return Error{Fault::fatal, "the log was made anew: what it held is lost"};
            }
            last->second = each.offset;
            parts_.registry.append(
                registry::Checkpoint{each.partition, generation_, each.offset, each.lsn},
                [inbox = inbox_, partition = each.partition, lsn = each.lsn](const Result<Offset>& stored) {
                  stored ? inbox->post(Noted{partition, lsn}) : inbox->post(stored.error());
                });
            return {};
          },
          [&](const Noted& each) -> Status {
            fault_point("matcher.checkpoint_stored");
            checkpoints_.noted(each.partition, each.lsn);
            return {};
          },
          [](const Error& error) -> Status {
            return Error{Fault::fatal, "the control topic did not take a record: " + error.message};
          },
      },
      notice);
}

void Reign::learn(const registry::ControlRecord& record, Offset offset) {
  const auto now = lease_clock_.now();
  std::visit(Overload{
                 [&](const registry::EpochBound& each) {
                   if (!caught_up_) {
                     predecessor_.epoch = each;
                   } else if (each.epoch != epoch_) {
                     other_epoch_at_ = offset;
                   }
                 },
                 [&](const registry::MatcherStart& each) {
                   if (each.process != process_) usurper_ = offset;
                 },
                 [&](const registry::Checkpoint& each) {
                   if (!caught_up_) predecessor_.checkpoints[each.partition] = each;
                 },
                 [&](const registry::Lease& each) { activations_.apply(each, now); },
                 [&](const registry::Registration& each) { activations_.apply(each, now); },
                 [&](const registry::ActivationRecord& each) { activations_.apply(each); },
                 [](const registry::GenerationFence&) {},
             },
             record);
}

Status Reign::run_tasks() {
  if (!reigning_) return {};
  for (auto tasks = activations_.take(); !tasks.empty(); tasks = activations_.take()) {
    for (const auto& [step, key] : tasks) {
      Status done;
      switch (step) {
        case Activations::Step::begin:
          done = begin(key);
          break;
        case Activations::Step::answer:
          if (const Matched* matched = roster_.find(key)) done = answer(*matched);
          break;
        case Activations::Step::end:
          end_activation(key, activations_.activation(key), true);
          break;
      }
      if (!done) return done;
    }
  }
  return {};
}

Status Reign::begin(const std::string& key) {
  // Bound before its activation exists, so that what can't be matched leaves no trace in the control topic.
  auto bound = bind(activations_.canonical(key));
  if (!bound) {
    const bool wrong = bound.error().fault == Fault::invalid;
    return refuse(key, wrong ? "bad_query" : "schema_changed", bound.error().message);
  }
  const Activation activation(random_u64());
  activations_.began(key, activation);
  parts_.registry.append(registry::ActivationRecord{key, activation, false},
                         [inbox = inbox_, key, activation](const Result<Offset>& stored) {
                           stored ? inbox->post(Began{key, activation}) : inbox->post(stored.error());
                         });
  return {};
}

Status Reign::began(const std::string& key, Activation activation) {
  if (!activations_.active(key, activation)) return {};
  fault_point("matcher.activation_stored");
  return admit(key, activations_.canonical(key), activation);
}

Status Reign::admit(const std::string& key, const std::string& canonical, Activation activation) {
  // The table may have changed since `begin`.
  auto bound = bind(canonical);
  if (!bound) {
    end_activation(key, activation, false);
    return refuse(key, "schema_changed", bound.error().message);
  }
  return answer(roster_.add({.key = key,
                             .partition = writer_->partition(key),
                             .activation = activation,
                             .query = std::move(*bound)}));
}

Status Reign::answer(const Matched& matched) {
  const Lsn r = watermark_.position();
  if (waiting_.empty() || waiting_.back() != r) waiting_.push_back(r);
  auto appended = writer_->active(matched, r);
  fault_point("matcher.active_appended");
  return appended;
}

Status Reign::refuse(const std::string& key, std::string_view code, const std::string& message) {
  activations_.refused(key);
  probe_.refused();
  return writer_->schema(key, watermark_.position(), code, message);
}

void Reign::end_activation(const std::string& key, Activation activation, bool tell) {
  parts_.registry.append(registry::ActivationRecord{key, activation, true},
                         [inbox = inbox_, key, activation, tell](const Result<Offset>& stored) {
                           if (!stored) {
                             inbox->post(stored.error());
                           } else if (tell) {
                             inbox->post(Ended{key, activation});
                           }
                         });
}

Status Reign::ended(const std::string& key, Activation activation) {
  if (!activations_.ended(key, activation)) return {};
  fault_point("matcher.end_stored");
  roster_.remove(key);
  auto appended = writer_->closed(key, activation, watermark_.position());
  fault_point("matcher.closed_appended");
  return appended;
}

Result<std::shared_ptr<const query::Query>> Reign::bind(const std::string& canonical) {
  // One that could not be read when it was to be may have the name of another table.
  if (catalogue_read_at_ == Steady()) {
    if (auto read = read_catalogue(); !read) return read.error();
  }
  auto bound = roster_.bind(canonical, catalogue_);
  if (bound) return bound;
  if (parts_.clock.steady() - catalogue_read_at_ < kCatalogueAge)
    return Error{Fault::unavailable, bound.error().message};  // what is refused for good is looked up first
  if (auto read = read_catalogue(); !read) return bound;
  return roster_.bind(canonical, catalogue_);
}

Status Reign::read_catalogue() {
  auto catalogue = parts_.catalogue.read();
  if (!catalogue) {
    catalogue_read_at_ = {};
    return catalogue.error();
  }
  catalogue_ = std::move(*catalogue);
  catalogue_read_at_ = parts_.clock.steady();
  return {};
}

}  // namespace tidegate::matcher
