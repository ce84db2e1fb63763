// What each fault does.

#include <utility>

#include "simulation/world.h"

namespace tidegate::simulation {

using std::chrono::milliseconds;

bool World::fault(Step step) {
  Database& database = surroundings.database;
  Broker& broker = surroundings.broker;
  switch (step.kind) {
    case Kind::log_orphans:
      if (broker.orphans() == 0) return false;
      broker.land_orphans(1 + step.much % 10);
      return true;
    case Kind::log_orphans_gone:
      broker.forget_orphans();
      return true;
    case Kind::control_orphans:
      if (surroundings.control.orphans() == 0) return false;
      surroundings.control.land_orphans(1 + step.much % 10);
      return true;
    case Kind::control_orphans_gone:
      surroundings.control.forget_orphans();
      return true;
    case Kind::slot_made_anew:
      // Making a slot waits for all who are under way.
      if (!database.settled()) return false;
      ++surroundings.slot.made;
      surroundings.slot.confirmed = database.wal_end();
      return true;
    case Kind::topic_made_anew:
      broker.recreate(static_cast<std::int32_t>(broker.parts().size()));
      fail_appends("the topic is another one");
      return true;
    case Kind::repartition:
      if (broker.parts().size() >= 5) return false;
      broker.add_partition();
      return true;
    case Kind::end_lost:
      broker.lose_end(1 + step.much % 12);
      fail_appends("out of sequence");
      return true;
    case Kind::fail_over:
      database.fail_over(step.much % 3);
      ++surroundings.slot.made;
      surroundings.slot.confirmed = database.wal_end();
      return true;
    default:
      return fault_of_matcher(step) || fault_of_gateway(step) || fault_of_control(step);
  }
}

/// An idempotent producer is told that what it goes on from is not there.
void World::fail_appends(const std::string& what) {
  for (const auto& matcher : matchers) {
    if (matcher) matcher->log.fail(what);
  }
}

bool World::fault_of_matcher(Step step) {
  const std::size_t which = step.who % kMatchers;
  MatcherProcess* matcher = matchers[which].get();
  if (matcher == nullptr) return false;
  switch (step.kind) {
    case Kind::matcher_kill:
      if (starting_[which]) {
        matcher->die_soon();
      } else {
        end_matcher(which);
      }
      return true;
    case Kind::matcher_stop:
      if (frozen(step.who % kMatchers)) return false;
      matcher->finish();
      end_matcher(which);
      return true;
    case Kind::matcher_pause:
      if (starting_[which]) return false;
      matcher_paused_[which] = surroundings.clock.steady() + milliseconds(step.much % 2 ? 1'000 : 15'000);
      return true;
    case Kind::matcher_cut:
      matcher->stream.cut();
      return true;
    case Kind::stand_still:
      matcher->stream.stand_still();
      return true;
    case Kind::append_fails:
      matcher->log.store(step.much % 4);
      matcher->log.fail("timed out");
      return true;
    default:
      return false;
  }
}

bool World::fault_of_gateway(Step step) {
  const std::size_t which = step.who % kGateways;
  GatewayProcess* gateway = gateways[which].get();
  if (gateway == nullptr) return false;
  switch (step.kind) {
    case Kind::gateway_kill:
      end_gateway(which);
      return true;
    case Kind::gateway_stop:
      if (frozen(static_cast<std::uint32_t>(kMatchers + which))) return false;
      gateway->leave();
      gateway->registry.store(SIZE_MAX);
      end_gateway(which);
      return true;
    case Kind::gateway_pause:
      gateway_paused_[which] = surroundings.clock.steady() + milliseconds(step.much % 2 ? 1'000 : 25'000);
      return true;
    case Kind::snapshot_fails:
      gateway->source.failures = 1;
      return true;
    default:
      return false;
  }
}

bool World::fault_of_control(Step step) {
  ControlView* control = control_of(step.who);
  if (control == nullptr) return false;
  switch (step.kind) {
    case Kind::control_fails:
      control->fail();
      return true;
    case Kind::control_broken:
      control->set_broken(true);
      return true;
    case Kind::control_mended:
      control->set_broken(false);
      return true;
    default:
      return false;
  }
}

}  // namespace tidegate::simulation
