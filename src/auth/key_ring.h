#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "auth/auth.h"
#include "auth/key_source.h"
#include "auth/probe.h"
#include "auth/refresh.h"
#include "base/clock.h"
#include "base/result.h"
#include "metrics/metrics.h"

namespace tidegate::auth {

/// For the log: lines for people, without secrets.
struct Voice {
  std::function<void(const std::string&)> info;
  std::function<void(const std::string&)> warning;
};

/// The keys of a process as they are now. A thread of its own looks at files every second and fetches a URL
/// when that is due; whoever verifies never waits for it. Where a place can't be read, or holds nothing that
/// can be used, its earlier keys stay. Every public call from any thread.
class KeyRing {
 public:
  /// Reads the secret and the files; the error says which can't be used and what to do. A URL is fetched
  /// afterwards, by the thread: see `ready`.
  static Result<std::unique_ptr<KeyRing>> open(const Options& options, Fetch fetch, Voice voice,
                                               const Clock& clock, metrics::Registry& metrics);
  /// Stops a fetch and joins.
  ~KeyRing();
  KeyRing(const KeyRing&) = delete;
  KeyRing& operator=(const KeyRing&) = delete;

  [[nodiscard]] std::shared_ptr<const KeySet> keys() const;
  /// A token named a key that is not here: the URL is fetched as soon as the cooldown allows.
  void want();
  /// Whether there are, or may come, other keys than these.
  [[nodiscard]] bool follows() const { return !sources_.empty(); }
  /// For /readyz: `unavailable`, with why, until every place was read once.
  [[nodiscard]] Status ready() const;

 private:
  KeyRing(const Options& options, Fetch fetch, Voice voice, const Clock& clock, metrics::Registry& metrics);
  Status open_sources(const Options& options);
  void run(const std::stop_token& stop);
  void look_at_files(const std::stop_token& stop);
  void fetch_if_due(const std::stop_token& stop);
  /// Of one source: true where it went well.
  bool load(std::size_t index, const std::stop_token& stop);
  void publish();
  void wait(std::stop_token stop);

  const Fetch fetch_;
  const Voice voice_;
  const Clock& clock_;
  Probe probe_;
  KeySet fixed_;  // the secret

  // By `open`, then the thread.
  std::vector<KeySource> sources_;
  std::vector<std::string> troubles_;  // what was said last of each source; empty: nothing
  bool files_ = false;
  bool running_ = false;  // before that the caller of `open` says what is wrong

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  RefreshSchedule schedule_;            // guarded by mutex_
  std::shared_ptr<const KeySet> keys_;  // guarded by mutex_
  std::string waits_for_;               // guarded by mutex_; empty: for nothing
  std::jthread thread_;                 // last: it uses the others
};

}  // namespace tidegate::auth
