#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "feed/feed.h"
#include "hub/hub.h"
#include "matcher/reign.h"
#include "metrics/metrics.h"
#include "simulation/broker.h"
#include "simulation/control_topic.h"
#include "simulation/source.h"

namespace tidegate::simulation {

class SimulatedClock final : public Clock {
 public:
  [[nodiscard]] Steady steady() const override { return Steady(std::chrono::hours(1) + now_); }
  [[nodiscard]] Wall wall() const override { return Wall(std::chrono::hours(24 * 365 * 50) + now_); }
  void advance(std::chrono::milliseconds by) { now_ += by; }
  [[nodiscard]] std::chrono::milliseconds now() const { return now_; }

 private:
  std::chrono::milliseconds now_{0};
};

/// What all processes share.
struct Surroundings {
  Surroundings(std::int32_t partitions, bool gaps) : broker(partitions, gaps) {}
  SimulatedClock clock;
  Database database;
  Slot slot;
  Broker broker;
  ControlTopic control;
};

/// A `tidegate match`: one reign. It ends as the program does, by itself on an error or killed.
class MatcherProcess {
 public:
  MatcherProcess(Surroundings& world, matcher::Options options, std::function<void()> between);

  /// False, and the process is over, where it could not start. `between` is called after whatever it sends.
  bool start();
  /// One round of the matcher's loop. False: it is over.
  bool step();
  /// An orderly end.
  void finish();
  /// It dies at its next word to the world: whatever it says from now on fails.
  void die_soon();

  Stream stream;
  BrokerView log;
  ControlView registry;
  std::optional<Error> error;
  [[nodiscard]] const matcher::Reign& reign() const { return *reign_; }
  [[nodiscard]] metrics::Registry& metrics() { return metrics_; }

 private:
  bool over(const Status& status);
  void express(bool express);

  Source source_;
  Tables tables_;
  metrics::Registry metrics_;
  std::unique_ptr<matcher::Reign> reign_;
};

/// A `tidegate serve`: a feed and its shards' hubs.
class GatewayProcess {
 public:
  static constexpr std::uint16_t kShards = 2;
  GatewayProcess(Surroundings& world, const feed::Options& feed_options, const hub::Options& hub_options);
  ~GatewayProcess();

  bool start();
  /// One round of the feed's loop, which reads at most so many records. False: it is over.
  bool step(std::size_t read_max);
  /// Takes a snapshot that waits.
  bool work() { return feed_->work(); }
  /// A shard handles at most so many events.
  void handle(std::uint16_t shard, std::size_t count);
  void tick();
  /// An orderly end: the lease is given back.
  void leave();

  Source source;
  BrokerView log;
  ControlView registry;
  std::optional<Error> error;
  [[nodiscard]] hub::Hub& hub(std::uint16_t shard) { return *shards_[shard].hub; }
  [[nodiscard]] metrics::Registry& metrics() { return metrics_; }
  /// Unique among all that ever were, so that a client knows that its own is gone.
  const std::uint64_t number;

 private:
  struct Shard {
    std::deque<std::pair<feed::Event, std::size_t>> events;
    std::size_t backlog = 0;
    std::unique_ptr<hub::Hub> hub;
  };

  metrics::Registry metrics_;
  std::vector<Shard> shards_;
  std::unique_ptr<feed::Feed> feed_;
};

}  // namespace tidegate::simulation
