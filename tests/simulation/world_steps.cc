// What each step does.

#include <fmt/format.h>

#include <utility>

#include "simulation/world.h"

namespace tidegate::simulation {

using std::chrono::milliseconds;

const std::vector<std::string> kCounted{
    "tidegate_feed_snapshots_total",        "tidegate_feed_snapshots_reused_total",
    "tidegate_feed_snapshots_failed_total", "tidegate_feed_snapshots_raced_total",
    "tidegate_feed_resumes_total",          "tidegate_feed_conflated_transactions_total"};

// ---- the database ----

bool World::step_database(Step step) {
  Database& database = surroundings.database;
  const Dice dice(step.much);
  switch (step.kind) {
    case Kind::commit:
      return database.commit(dice, false);
    case Kind::commit_doubtful:
      return database.commit(dice, true);
    case Kind::begin:
      database.begin(dice);
      return true;
    case Kind::commit_open:
      return database.commit_open(dice, false);
    case Kind::commit_open_doubtful:
      return database.commit_open(dice, true);
    case Kind::abort:
      database.abort();
      return true;
    case Kind::reveal:
      return database.reveal(dice);
    case Kind::write_else:
      database.write_else(dice);
      return true;
    case Kind::truncate:
      return database.truncate(dice, step.who % 2 == 0);
    default:
      return false;
  }
}

// ---- matchers ----

bool World::step_matcher(Step step) {
  const std::size_t which = step.who % kMatchers;
  MatcherProcess* matcher = matchers[which].get();
  if (step.kind == Kind::matcher_start) {
    // Seldom a second one beside a living one.
    if (matchers[1 - which] && !frozen(static_cast<std::uint32_t>(1 - which)) && step.much % 4 != 0)
      return false;
    return matcher == nullptr && start_matcher(which, step.much);
  }
  if (matcher == nullptr || starting_[which]) return false;
  switch (step.kind) {
    case Kind::matcher_step:
      if (frozen(step.who % kMatchers)) return false;
      matcher->stream.answers_last(step.much % 2 == 0);
      for (std::uint32_t times = 1 + step.much % 4; times > 0 && matchers[which]; --times) run_matcher(which);
      return true;
    case Kind::matcher_serve:
      matcher->stream.serve(1 + step.much % 3);
      return true;
    case Kind::matcher_look:
      matcher->stream.look();
      return true;
    default:
      return false;
  }
}

bool World::start_matcher(std::size_t which, std::uint32_t much) {
  nested_ = Dice(much);
  starting_[which] = true;
  matchers[which] = std::make_unique<MatcherProcess>(
      surroundings, matcher::Options{.diff_bytes_max = sizes.diff_bytes_max, .part_bytes = sizes.part_bytes},
      [this, which] {
        if (starting_[which]) nested();
      });
  const bool started = matchers[which]->start();
  starting_[which] = false;
  tell(fmt::format("matcher {} {}", which, started ? "reigns" : "did not start"));
  if (!started) end_matcher(which);
  return started;
}

bool World::run_matcher(std::size_t which) {
  if (matchers[which]->step()) return true;
  end_matcher(which);
  return false;
}

void World::end_matcher(std::size_t which) {
  if (!matchers[which]) return;
  if (matchers[which]->error) tell(fmt::format("matcher {}: {}", which, matchers[which]->error->message));
  matchers[which].reset();
  matcher_paused_[which] = {};
}

// ---- gateways ----

bool World::step_gateway(Step step) {
  const std::size_t which = step.who % kGateways;
  if (step.kind == Kind::gateway_start) return !gateways[which] && start_gateway(which);
  GatewayProcess* gateway = gateways[which].get();
  if (gateway == nullptr || frozen(static_cast<std::uint32_t>(kMatchers + which))) return false;
  switch (step.kind) {
    case Kind::gateway_step: {
      static constexpr std::array<std::size_t, 4> kReads{1, 2, 5, 1'000};
      run_gateway(which, kReads[step.much % kReads.size()]);
      return true;
    }
    case Kind::gateway_work: {
      Dice dice(step.much);
      gateway->source.before_h = [this, dice]() mutable {
        for (auto count = dice.below(4); count > 1; --count) {
          surroundings.database.commit(Dice(dice.next()), dice.one_in(2));
        }
      };
      const bool done = gateway->work();
      gateway->source.before_h = {};
      return done;
    }
    case Kind::shard:
      handle(which, step.who / 2 % GatewayProcess::kShards, 1 + step.much % 4);
      return true;
    case Kind::tick:
      gateway->tick();
      handle(which, 0, 0);
      return true;
    default:
      return false;
  }
}

bool World::start_gateway(std::size_t which) {
  feed::Options options;
  options.tail_bytes_max = sizes.tail_bytes;
  options.catch_up_bytes = sizes.catch_up_bytes;
  options.latest_bytes_max = sizes.latest_bytes;
  options.linger = milliseconds(sizes.linger_ms);
  options.snapshot_reuse = milliseconds(sizes.reuse_ms);
  options.snapshot_part_bytes = sizes.snapshot_part_bytes;
  options.snapshot_threads = 0;
  hub::Options hub_options;
  hub_options.outbox_bytes_max = sizes.outbox_bytes;
  hub_options.outbox_bytes_low = sizes.outbox_bytes / 4;
  hub_options.outbox_bytes_hard = sizes.outbox_bytes + sizes.catch_up_bytes + 3'000;
  hub_options.progress_interval = milliseconds(1'000);
  gateways[which] = std::make_unique<GatewayProcess>(surroundings, options, hub_options);
  if (gateways[which]->start()) return true;
  end_gateway(which);
  return false;
}

bool World::run_gateway(std::size_t which, std::size_t read_max) {
  if (gateways[which]->step(read_max)) return true;
  end_gateway(which);
  return false;
}

void World::end_gateway(std::size_t which) {
  if (!gateways[which]) return;
  if (gateways[which]->error) tell(fmt::format("gateway {}: {}", which, gateways[which]->error->message));
  collect(gateways[which]->metrics());
  gateways[which].reset();
  gateway_paused_[which] = {};
}

/// And what a session's socket would see of it.
void World::handle(std::size_t which, std::uint16_t shard, std::size_t count) {
  GatewayProcess& gateway = *gateways[which];
  gateway.handle(shard, count);
  (void)gateway.hub(shard).take_dirty();
  for (SessionId debtor : gateway.hub(shard).take_debtors()) {
    for (const auto& client : clients) {
      if (client->gateway() != gateway.number || client->shard() != shard || client->session() != debtor)
        continue;
      client->leave(&gateway);
      ++tally_.debtors;
    }
  }
}

void World::collect(metrics::Registry& metrics) {
  for (const auto& name : kCounted) tally_.metrics[name] += metrics.counter(name, "").value();
  for (const char* from : {"nothing", "tail", "log"}) {
    tally_.metrics[std::string("resumes held by: ") + from] +=
        metrics.counter("tidegate_feed_resumes_held_total", "", {{"from", from}}).value();
  }
  for (const char* reason :
       {"closed", "activation", "epoch", "record", "value", "parts", "lease", "log_lost", "tail_lost"}) {
    tally_.metrics[std::string("reset: ") + reason] +=
        metrics.counter("tidegate_feed_resets_total", "", {{"reason", reason}}).value();
  }
}

// ---- clients ----

bool World::step_client(Step step) {
  Client& client = *clients[step.who % clients.size()];
  GatewayProcess* gateway = gateway_of(client);
  switch (step.kind) {
    case Kind::client_connect:
      if (gateway != nullptr) client.leave(gateway);
      return connect(client, static_cast<std::uint32_t>(step.who / clients.size()), Dice(step.much));
    case Kind::client_leave:
      if (gateway == nullptr) return false;
      client.leave(gateway);
      return true;
    case Kind::client_read:
      return read(client, step.much % 3 == 0 ? step.much % 2'000 : step.much % 100);
    case Kind::client_remember:
      client.remember();
      return true;
    default:
      return false;
  }
}

bool World::connect(Client& client, std::uint32_t where, Dice dice) {
  std::size_t which = where % kGateways;
  if (!gateways[which]) which = 1 - which;
  if (!gateways[which] || frozen(static_cast<std::uint32_t>(kMatchers + which))) return false;
  using With = Client::With;
  static constexpr std::array<With, 10> kWiths{With::cursor,  With::cursor,   With::cursor, With::cursor,
                                               With::cursor,  With::cursor,   With::older,  With::nothing,
                                               With::foreign, With::malformed};
  const bool plain = where == static_cast<std::uint32_t>(client.gateway() + 1);  // a round's
  const With with = plain ? With::cursor : kWiths[dice.below(kWiths.size())];
  client.connect(*gateways[which], static_cast<std::uint16_t>(where / 2 % GatewayProcess::kShards), with,
                 dice);
  return true;
}

bool World::read(Client& client, std::size_t bytes) {
  GatewayProcess* gateway = gateway_of(client);
  if (gateway == nullptr) return false;
  for (std::size_t i = 0; i < kGateways; ++i) {
    if (gateways[i].get() == gateway && frozen(static_cast<std::uint32_t>(kMatchers + i))) return false;
  }
  wrong_ = client.read(*gateway, bytes);
  if (wrong_.empty()) client.mend(*gateway);
  return true;
}

// ---- the log and the control topic ----

bool World::step_log(Step step) {
  if (step.kind == Kind::retain) {
    surroundings.broker.retain(step.much % 30);
    return true;
  }
  BrokerView* log = log_of(step.who % kMatchers);
  if (log == nullptr) return false;
  const std::size_t count = 1 + step.much % 5;
  if (step.kind == Kind::log_store) {
    log->store(count);
  } else if (step.kind == Kind::log_acknowledge && !frozen(step.who % kMatchers)) {
    log->acknowledge(count);
  } else {
    return false;
  }
  return true;
}

bool World::step_control(Step step) {
  if (step.kind == Kind::control_compact) {
    surroundings.control.compact();
    return true;
  }
  ControlView* control = control_of(step.who);
  if (control == nullptr) return false;
  const std::size_t count = 1 + step.much % 4;
  switch (step.kind) {
    case Kind::control_store:
      control->store(count);
      return true;
    case Kind::control_acknowledge:
      if (!frozen(step.who)) control->acknowledge(count);
      return true;
    case Kind::control_deliver:
      if (!frozen(step.who)) control->deliver(step.much % 3 == 0 ? SIZE_MAX : count);
      return true;
    default:
      return false;
  }
}

}  // namespace tidegate::simulation
