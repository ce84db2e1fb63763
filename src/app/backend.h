#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "app/interrupts.h"
#include "app/logging.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"
#include "feed/feed.h"
#include "matcher/matcher.h"
#include "metrics/metrics.h"
#include "source/source.h"

namespace tidegate::app {

/// What every part of a process shares; outlives them all.
struct Process {
  const config::Settings& settings;
  Clock& clock;
  metrics::Registry& metrics;
  Logger& logger;
  Interrupts& interrupts;
  /// Flags, environment and file, read again.
  std::function<Result<config::Settings>()> read_settings;
};

/// A matcher on its own thread, with the stream that it reads. A failure goes to Process::interrupts.
class Matching {
 public:
  Matching(Process process, source::Source& source, log::Log& log, registry::Registry& registry);
  ~Matching();
  Matching(const Matching&) = delete;
  Matching& operator=(const Matching&) = delete;

  /// Takes the stream; blocks until the matcher has begun.
  Status start();
  void stop();
  [[nodiscard]] Status ready() const;

 private:
  Process process_;
  source::Source& source_;
  log::Log& log_;
  registry::Registry& registry_;
  std::unique_ptr<source::ChangeStream> stream_;
  std::unique_ptr<source::CatalogueReader> catalogue_;
  std::unique_ptr<matcher::Matcher> matcher_;
  std::atomic<bool> started_{false};  ///< `matcher_` may be asked by others
  std::thread thread_;
};

/// Everything behind a gateway's edge: source, log and registry as the settings want them, the matcher where
/// this process has it, the feed, and a thread that watches the catalogue.
class Backend {
 public:
  using OnCatalogue = std::function<void(std::shared_ptr<const query::Catalogue>)>;
  /// `on_waiting` hears, from within `start`, what that waits for.
  Backend(Process process, std::vector<feed::ShardPort> shards, std::shared_ptr<Budget> memory,
          OnCatalogue on_catalogue, std::function<void(const std::string&)> on_waiting);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  /// Opens and starts everything, in order. `unavailable`: try again with a new Backend.
  Status start();
  /// Stops in the reverse order and joins.
  void stop();
  /// Any thread.
  [[nodiscard]] bool post(feed::Command command);
  /// Any thread, for /readyz.
  [[nodiscard]] Status ready() const;

 private:
  Status open_parts();
  Status start_catalogue();
  /// Hands them to the shards, and says in the log which can't be served and what to type.
  void publish(query::Catalogue tables);
  void watch_catalogue();

  Process process_;
  std::vector<feed::ShardPort> shards_;
  std::shared_ptr<Budget> memory_;
  OnCatalogue on_catalogue_;
  std::function<void(const std::string&)> on_waiting_;
  std::unique_ptr<source::Source> source_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<registry::Registry> registry_;
  std::unique_ptr<Matching> matching_;
  std::unique_ptr<feed::Feed> feed_;
  std::thread feed_thread_;
  std::unique_ptr<source::CatalogueReader> catalogue_;
  std::shared_ptr<const query::Catalogue> known_;  // by start, then the catalogue's thread
  std::thread catalogue_thread_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;  // guarded by mutex_
  std::atomic<bool> running_{false};
};

}  // namespace tidegate::app
