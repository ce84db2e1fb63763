#include "session/edge.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <iterator>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "session/context.h"
#include "session/shard.h"

namespace tidegate::session {

namespace {

/// For a shard to answer an operator.
constexpr std::chrono::seconds kAnswer{5};

/// The hub's limit of a connection is one of the limits, and counted as they are.
Options with_limit_of(Options options, const hub::Options& hub) {
  options.limits.connection.subscriptions = hub.subscriptions_max;
  return options;
}

}  // namespace

class Edge::State {
 public:
  State(Parts parts, Options options, hub::Options hub, auth::Options auth)
      : context(std::move(parts), with_limit_of(std::move(options), hub), std::move(auth)) {
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    const int count = context.options.shards > 0 ? context.options.shards : std::max(cores, 1);
    for (int i = 0; i < count; ++i) {
      shards.push_back(std::make_unique<Shard>(static_cast<std::uint16_t>(i), context, hub));
    }
  }

  /// Asks every shard on its own thread, and waits for the answers.
  template <class Answer>
  Result<std::vector<Answer>> ask(std::function<Answer(Shard&)> question);

  Context context;
  std::vector<std::unique_ptr<Shard>> shards;
  std::atomic<bool> stopped{false};
  std::uint16_t port = 0;
};

template <class Answer>
Result<std::vector<Answer>> Edge::State::ask(std::function<Answer(Shard&)> question) {
  struct Asked {
    std::mutex mutex;
    std::condition_variable answered;
    std::vector<Answer> answers;  // guarded by mutex
  };
  // Who answers too late finds it still there.
  const auto asked = std::make_shared<Asked>();
  if (stopped) return Error{Fault::unavailable, "the gateway is stopping"};
  for (auto& shard : shards) {
    shard->ask([asked, question](Shard& self) {
      Answer answer = question(self);
      const std::lock_guard lock(asked->mutex);
      asked->answers.push_back(std::move(answer));
      asked->answered.notify_one();
    });
  }
  std::unique_lock lock(asked->mutex);
  const bool all =
      asked->answered.wait_for(lock, kAnswer, [&] { return asked->answers.size() == shards.size(); });
  if (!all) return Error{Fault::unavailable, "a shard did not answer in time: try again"};
  return std::move(asked->answers);
}

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

Result<std::vector<ConnectionView>> Edge::connections(const Selection& which, std::size_t max) {
  auto answers = state_->ask<std::vector<ConnectionView>>(
      [which, max](Shard& shard) { return shard.connections(which, max); });
  if (!answers) return answers.error();
  std::vector<ConnectionView> all;
  for (auto& answer : *answers) std::move(answer.begin(), answer.end(), std::back_inserter(all));
  if (all.size() > max) all.resize(max);
  return all;
}

Result<std::size_t> Edge::disconnect(const Selection& which) {
  const auto answers = state_->ask<std::size_t>([which](Shard& shard) { return shard.disconnect(which); });
  if (!answers) return answers.error();
  return std::accumulate(answers->begin(), answers->end(), std::size_t{0});
}

void Edge::revoke(const auth::Revocation& revocation) {
  for (auto& shard : state_->shards) {
    shard->ask([revocation](Shard& self) { self.revoke(revocation); });
  }
}

void Edge::stop() {
  state_->stopped = true;
  const auto deadline = state_->context.parts.clock.steady() + state_->context.options.drain;
  for (auto& shard : state_->shards) shard->drain();
  for (auto& shard : state_->shards) shard->join(deadline);
}

}  // namespace tidegate::session
