#include "simulation/processes.h"

#include <utility>

namespace tidegate::simulation {

// ---- a matcher ----

MatcherProcess::MatcherProcess(Surroundings& world, matcher::Options options, std::function<void()> between)
    : stream(world.database, world.slot),
      log(world.broker, between),
      registry(world.control, between),
      source_(world.database),
      tables_(source_),
      reign_(std::make_unique<matcher::Reign>(
          matcher::Parts{stream, tables_, log, registry, world.clock, metrics_}, options)) {}

void MatcherProcess::express(bool express) {
  log.set_express(express);
  registry.set_express(express);
}

bool MatcherProcess::over(const Status& status) {
  if (status.ok()) return false;
  error = status.error();
  return true;
}

bool MatcherProcess::start() {
  express(true);
  const auto started = reign_->start();
  express(false);
  return !over(started);
}

bool MatcherProcess::step() {
  if (over(reign_->settle()) || over(reign_->tick())) return false;
  auto event = stream.next(reign_->patience());
  if (event) return !over(reign_->handle(std::move(*event)));
  return event.error().fault == Fault::unavailable || !over(event.error());
}

void MatcherProcess::finish() {
  express(true);
  log.store(SIZE_MAX);
  log.acknowledge(SIZE_MAX);
  registry.store(SIZE_MAX);
  registry.acknowledge(SIZE_MAX);
  over(reign_->finish());
  express(false);
  stream.serve(0);
}

void MatcherProcess::die_soon() {
  log.fail("killed");
  registry.set_broken(true);
}

// ---- a gateway ----

namespace {
std::uint64_t last_number = 0;
}

GatewayProcess::GatewayProcess(Surroundings& world, const feed::Options& feed_options,
                               const hub::Options& hub_options)
    : source(world.database),
      log(world.broker, {}),
      registry(world.control, {}),
      number(++last_number),
      shards_(kShards) {
  std::vector<feed::ShardPort> ports;
  for (Shard& shard : shards_) {
    ports.push_back({[&shard](feed::Event event, std::size_t bytes) {
                       shard.backlog += bytes;
                       shard.events.emplace_back(std::move(event), bytes);
                     },
                     [&shard] { return shard.backlog; }});
  }
  feed_ = std::make_unique<feed::Feed>(
      feed::Parts{log, &registry, &source, world.clock, metrics_, std::move(ports)}, feed_options);
  for (std::uint16_t i = 0; i < kShards; ++i) {
    shards_[i].hub = std::make_unique<hub::Hub>(
        i, hub_options, [this](feed::Command command) { return feed_->post(std::move(command)); },
        world.clock, metrics_);
  }
}

GatewayProcess::~GatewayProcess() = default;

bool GatewayProcess::start() {
  registry.set_express(true);
  const auto started = feed_->start();
  registry.set_express(false);
  if (!started) error = started.error();
  return started.ok();
}

bool GatewayProcess::step(std::size_t read_max) {
  log.set_read_max(read_max);
  const auto done = feed_->step(std::chrono::milliseconds(0));
  log.set_read_max(1'000);
  if (!done) error = done.error();
  return done.ok();
}

void GatewayProcess::handle(std::uint16_t number_of, std::size_t count) {
  Shard& shard = shards_[number_of];
  for (; count > 0 && !shard.events.empty(); --count) {
    const auto [event, bytes] = std::move(shard.events.front());
    shard.events.pop_front();
    shard.backlog -= bytes;
    shard.hub->on_event(event);
  }
}

void GatewayProcess::tick() {
  for (Shard& shard : shards_) shard.hub->tick();
}

void GatewayProcess::leave() {
  feed_->stop();
  if (auto done = feed_->run(); !done) error = done.error();
}

}  // namespace tidegate::simulation
