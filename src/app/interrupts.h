#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "base/result.h"

namespace tidegate::app {

/// What ends a process in order: SIGTERM or SIGINT, or a part that can't go on; and SIGHUP, which reloads.
/// Made before any thread, so that all of them block the signals and only `wait` takes them.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  /// What SIGHUP does, on the thread that waits. Without this it ends the process as SIGTERM does.
  void on_hangup(std::function<void()> reload) { reload_ = std::move(reload); }
  /// Any thread: a part has failed. The first failure counts until it is taken.
  void fail(Error error);
  /// Waits for a signal (returns ok), a failure (returns it) or the time to be over (`unavailable`, empty
  /// message).
  Status wait(std::optional<std::chrono::milliseconds> timeout = {});
  /// Whether a signal has come.
  [[nodiscard]] bool signalled() const { return signalled_; }

 private:
  [[nodiscard]] bool take_signal();

  std::function<void()> reload_;
  int signals_ = -1;
  int failures_ = -1;
  std::atomic<bool> signalled_{false};
  std::mutex mutex_;
  std::optional<Error> failure_;  // guarded by mutex_
};

}  // namespace tidegate::app
