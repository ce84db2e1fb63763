#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/clock.h"
#include "base/identity.h"
#include "base/result.h"
#include "feed/events.h"
#include "feed/options.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "registry/registry.h"
#include "source/source.h"

namespace tidegate::feed {

/// What a feed works with. In pass-through `registry` and `source` are null.
struct Parts {
  log::Log& log;
  registry::Registry* registry = nullptr;
  source::Source* source = nullptr;
  Clock& clock;
  metrics::Registry& metrics;
  std::vector<ShardPort> shards;
  /// What the process holds for its clients; null: nobody counts.
  std::shared_ptr<Budget> memory = nullptr;
  /// For the operator, who must act. Called on the feed's thread; may be null.
  std::function<void(const std::string&)> warn = nullptr;
};

/// One a gateway, on the log reader's thread: channels and their numbers, registration, encode once, snapshot
/// flights and spools, tails. It gives every record that it reads a FeedSeq, and posts to the shards in that
/// order, so that a CaughtUp with `live` and the Delivers after it have no gap and no overlap.
class Feed {
 public:
  Feed(Parts parts, Options options);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  /// Opens the log's reader, follows the registry and takes an incarnation. Errors name what can't be
  /// reached, or that gateway and matcher see different databases (rule 29).
  Status start();
  /// Reads until `stop`; the calling thread becomes the feed's. An Error is one that this process can't go on
  /// with.
  Status run();
  /// One round of what `run` repeats, on the same thread; waits for at most `wait` where nothing has come.
  Status step(std::chrono::milliseconds wait);
  /// With `snapshot_threads` 0: takes the oldest snapshot, or does the replays, that wait for a thread;
  /// `step` handles what came of it. False where nothing waits.
  bool work();
  /// Any thread.
  void stop();
  /// Any thread. False where the box is full: the caller answers `unavailable`.
  [[nodiscard]] bool post(Command command);
  /// Any thread, for /readyz: ok, or what is missing.
  [[nodiscard]] Status ready() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::feed
