#include "simulation/world.h"

#include <fmt/format.h>

#include <utility>

#include "matcher/testing.h"

namespace tidegate::simulation {

using std::chrono::milliseconds;

namespace {

/// So long after the last fault everybody must be up to date: some leases and the longest interval after
/// which something is said again.
constexpr milliseconds kConverge{120'000};

Asked ask(const char* json) {
  auto query = matcher::orders_query(json);
  return {query::routing_key("t", *query), query};
}

}  // namespace

World::World(Sizes with, Tally& tally)
    : sizes(with), surroundings(with.partitions, with.gaps), tally_(tally) {
  surroundings.slot.confirmed = surroundings.database.wal_end();
  timeline_of_ = [this](Epoch epoch) -> std::optional<std::uint32_t> {
    const auto found = surroundings.control.epochs().find(epoch);
    if (found == surroundings.control.epochs().end()) return std::nullopt;
    return found->second.source.timeline;
  };
  static const std::vector<Asked> kAsked{
      ask(R"({})"),
      ask(R"({"where":[{"column":"region","op":"=","value":"eu"}]})"),
      ask(R"({"columns":["id","region"],"where":[{"column":"total","op":">","value":1}]})"),
      ask(R"({"where":[{"column":"id","op":">=","value":4}]})"),
  };
  asked = kAsked;
  const auto add = [this](Dialect dialect, std::initializer_list<std::size_t> which) {
    std::vector<Watched> watched;
    for (std::size_t one : which) {
      const bool latest = (sizes.latest >> clients.size() & 1) != 0;
      watched.emplace_back("q" + std::to_string(one), dialect != Dialect::raw, latest, asked[one],
                           surroundings.database, timeline_of_);
    }
    clients.push_back(std::make_unique<Client>(dialect, std::move(watched)));
  };
  add(Dialect::v1, {0, 1});
  add(Dialect::v1_json, {0, 2});
  add(Dialect::raw, {1, 3});
  add(Dialect::v1_base64, {3});
}

World::~World() {
  for (std::size_t i = 0; i < kGateways; ++i) end_gateway(i);
  for (std::size_t i = 0; i < kMatchers; ++i) end_matcher(i);
  for (const auto& client : clients) {
    for (const Watched& watched : client->watched()) {
      tally_.snapshots += watched.replica.counts().snapshots;
      tally_.diffs += watched.replica.counts().diffs;
      tally_.changes += watched.replica.counts().changes;
      tally_.errors += watched.errors;
    }
  }
  tally_.epochs += surroundings.control.epochs().size();
}

// ---- a schedule ----

std::string World::run(const std::vector<Step>& steps) {
  steps_ = &steps;
  for (next_ = 0; next_ < steps.size() && wrong_.empty();) {
    const Step step = steps[next_++];
    perform(step);
  }
  steps_ = nullptr;
  ++tally_.schedules;
  return wrong_.empty() ? converge() : wrong_;
}

/// What happens between two words of a matcher that starts: the next steps of the schedule.
void World::nested() {
  if (between) return between();
  if (steps_ == nullptr || !wrong_.empty()) return;
  for (std::size_t count = nested_.below(sizes.nested_max + 1); count > 0 && next_ < steps_->size();
       --count) {
    const Step step = (*steps_)[next_++];
    perform(step);
  }
}

void World::tell(const std::string& what) const {
  if (tells) fmt::print("      {} ms: {}\n", surroundings.clock.now().count(), what);
}

bool World::perform(Step step) {
  if (!wrong_.empty()) return false;
  ++tally_.steps;
  bool done = false;
  switch (step.kind) {
    case Kind::round:
      round(step.who % 4 > 0);
      surroundings.clock.advance(milliseconds(5 + step.much % 60));
      done = true;
      break;
    case Kind::pass: {
      static constexpr std::array<int, 16> kPasses{1,   2,   5,     20,    50,    100,   150,    200,
                                                   300, 500, 1'100, 2'000, 4'000, 6'000, 11'000, 31'000};
      surroundings.clock.advance(milliseconds(kPasses[step.much % kPasses.size()]));
      done = true;
      break;
    }
    default:
      done = step_database(step) || step_matcher(step) || step_gateway(step) || step_client(step) ||
             step_log(step) || step_control(step) || fault(step);
  }
  if (done) ++tally_.done[static_cast<std::size_t>(step.kind)];
  tell(text_of(step) + (done ? "" : ": nothing"));
  return done;
}

void World::rounds(int count, bool reveal) {
  for (int i = 0; i < count; ++i) perform(Kind::round, reveal ? 1 : 0, 45);
}

// ---- everybody does a little ----

void World::round(bool reveal) {
  for (std::uint32_t who = 0; who < kMatchers + kGateways; ++who) {
    if (auto* log = log_of(who)) {
      log->store(SIZE_MAX);
      if (!frozen(who)) log->acknowledge(SIZE_MAX);
    }
    if (auto* control = control_of(who)) {
      control->store(SIZE_MAX);
      if (frozen(who)) continue;
      control->acknowledge(SIZE_MAX);
      control->deliver(SIZE_MAX);
    }
  }
  if (reveal) surroundings.database.reveal(Dice(1));
  for (std::size_t i = 0; i < kMatchers; ++i) {
    for (int times = 0; times < 4 && matchers[i] && !frozen(static_cast<std::uint32_t>(i)); ++times) {
      matchers[i]->stream.serve(5);
      matchers[i]->stream.look();
      run_matcher(i);
    }
    if (matchers[i]) matchers[i]->log.store(SIZE_MAX);
  }
  for (std::size_t i = 0; i < kGateways; ++i) {
    if (!gateways[i] || frozen(static_cast<std::uint32_t>(kMatchers + i))) continue;
    if (!run_gateway(i, SIZE_MAX)) continue;
    while (gateways[i]->work()) {
    }
    if (!run_gateway(i, SIZE_MAX)) continue;
    handle(i, 0, SIZE_MAX);
    handle(i, 1, SIZE_MAX);
    gateways[i]->tick();
  }
  for (const auto& client : clients) {
    if (!gateway_of(*client) && !client->away)
      connect(*client, static_cast<std::uint32_t>(client->gateway() + 1), Dice(0));
    read(*client, SIZE_MAX);
  }
}

// ---- the end of a schedule ----

void World::repair() {
  surroundings.broker.land_orphans(SIZE_MAX);
  surroundings.control.land_orphans(SIZE_MAX);
  matcher_paused_ = {};
  gateway_paused_ = {};
  while (surroundings.database.commit_open(Dice(3), true)) {
  }
  while (surroundings.database.reveal(Dice(1))) {
  }
  for (auto& gateway : gateways) {
    if (!gateway) continue;
    gateway->source.failures = 0;
    gateway->registry.set_broken(false);
  }
  if (matchers[0] && matchers[1]) end_matcher(1);
}

std::string World::converge() {
  repair();
  for (int again = 0; again < 2 && wrong_.empty(); ++again) {
    surroundings.database.commit(Dice(surroundings.database.commits().size()), false);
    bool all = false;
    const Steady deadline = surroundings.clock.steady() + kConverge;
    while (!all && wrong_.empty() && surroundings.clock.steady() < deadline) {
      if (!matchers[0] && !matchers[1]) start_matcher(0, 0);
      for (std::size_t i = 0; i < kGateways; ++i) {
        if (!gateways[i]) start_gateway(i);
      }
      round(true);
      surroundings.clock.advance(milliseconds(150));
      all = true;
      for (const auto& client : clients) {
        for (const Watched& watched : client->watched()) all &= watched.up_to_date();
      }
    }
    if (all || !wrong_.empty()) continue;
    for (const auto& client : clients) {
      for (const Watched& watched : client->watched()) {
        if (!watched.up_to_date())
          wrong_ += fmt::format("{} is not up to date in the end ({}); ", watched.name(), watched.standing());
      }
    }
  }
  return wrong_;
}

// ---- who is who ----

ControlView* World::control_of(std::uint32_t who) {
  who %= kMatchers + kGateways;
  if (who < kMatchers) return matchers[who] ? &matchers[who]->registry : nullptr;
  return gateways[who - kMatchers] ? &gateways[who - kMatchers]->registry : nullptr;
}

BrokerView* World::log_of(std::uint32_t who) {
  who %= kMatchers + kGateways;
  if (who < kMatchers) return matchers[who] ? &matchers[who]->log : nullptr;
  return gateways[who - kMatchers] ? &gateways[who - kMatchers]->log : nullptr;
}

bool World::frozen(std::uint32_t who) const {
  who %= kMatchers + kGateways;
  if (who < kMatchers) return starting_[who] || paused(matcher_paused_[who]);
  return paused(gateway_paused_[who - kMatchers]);
}

GatewayProcess* World::gateway_of(const Client& client) {
  for (const auto& gateway : gateways) {
    if (gateway && gateway->number == client.gateway()) return gateway.get();
  }
  return nullptr;
}

}  // namespace tidegate::simulation
