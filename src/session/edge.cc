#include "session/edge.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "session/context.h"
#include "session/shard.h"

namespace tidegate::session {

class Edge::State {
 public:
  State(Parts parts, Options options, hub::Options hub, auth::Options auth)
      : context(std::move(parts), std::move(options), std::move(auth)) {
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    const int count = context.options.shards > 0 ? context.options.shards : std::max(cores, 1);
    for (int i = 0; i < count; ++i) {
      shards.push_back(std::make_unique<Shard>(static_cast<std::uint16_t>(i), context, hub));
    }
  }

  Context context;
  std::vector<std::unique_ptr<Shard>> shards;
  std::uint16_t port = 0;
};

Edge::Edge(Parts parts, Options options, hub::Options hub, auth::Options auth)
    : state_(std::make_unique<State>(std::move(parts), std::move(options), hub, std::move(auth))) {}

Edge::~Edge() {
  stop();
}

std::vector<feed::ShardPort> Edge::ports() {
  std::vector<feed::ShardPort> ports;
  for (auto& shard : state_->shards) ports.push_back(shard->port());
  return ports;
}

Status Edge::start() {
  const auto& options = state_->context.options;
  state_->port = options.port;
  for (auto& shard : state_->shards) {
    // With port 0 the first shard binds one and the others share it.
    auto bound = shard->listen(options.address, state_->port);
    if (!bound) return bound.error();
    state_->port = *bound;
  }
  for (auto& shard : state_->shards) {
    if (auto started = shard->start(); !started) return started;
  }
  return {};
}

std::uint16_t Edge::port() const {
  return state_->port;
}

void Edge::set_access(std::shared_ptr<const policy::Access> access) {
  for (auto& shard : state_->shards) shard->set_access(access);
}

void Edge::stop() {
  const auto deadline = state_->context.parts.clock.steady() + state_->context.options.drain;
  for (auto& shard : state_->shards) shard->drain();
  for (auto& shard : state_->shards) shard->join(deadline);
}

}  // namespace tidegate::session
