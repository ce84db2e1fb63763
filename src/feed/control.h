#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "feed/options.h"
#include "registry/registry.h"

namespace tidegate::feed {

/// This gateway's end of the control topic: what a matcher says there of epoch and generations, and what we
/// say: lease and registrations, under one incarnation (rule 15). The feed's thread, except where it says
/// otherwise.
class Control {
 public:
  /// What was learned since the last `take`.
  struct News {
    std::optional<registry::EpochBound> epoch;
    std::vector<registry::GenerationFence> fences;  ///< in the order in which they are stored
    bool flooded = false;                           ///< more than kFencesMax of them came: some are missing
    std::uint64_t mark = 0;                         ///< the last one up to which all has been read
  };
  static constexpr std::size_t kFencesMax = 100'000;

  Control(registry::Registry& registry, Clock& clock, const Options& options, std::function<void()> on_news);
  ~Control();

  /// Follows, and waits until everything that was there has been read.
  Status start(std::chrono::milliseconds timeout);
  [[nodiscard]] News take();
  /// Stores something in the control topic; once that, and all before it, has been read, News says so.
  [[nodiscard]] std::uint64_t mark();
  /// Any thread.
  [[nodiscard]] bool caught_up() const;

  void enlist(const std::string& routing_key, const std::string& canonical);
  void retire(const std::string& routing_key);
  /// Renews the lease when it is time. True where half a lease passed without an acknowledged renewal: there
  /// is a new incarnation, and everything must be enlisted again.
  [[nodiscard]] bool renew();
  struct Failed {
    std::string routing_key;
    bool too_large = false;  ///< for a record: it can't be stored at all
  };
  /// Registrations that could not be stored, since the last call.
  [[nodiscard]] std::vector<Failed> take_failed();
  /// Set once the control topic takes or gives nothing any more: this gateway must begin anew. `lost`.
  [[nodiscard]] std::optional<Error> failure() const;
  /// Ends the lease.
  void leave();
  [[nodiscard]] Incarnation incarnation() const { return incarnation_; }

 private:
  struct Answers;  // of the registry, on its threads; they may come after this object's end
  void on_entry(const registry::Entry& entry);
  void send_lease(bool ended, std::uint64_t mark = 0);

  registry::Registry& registry_;
  Clock& clock_;
  const Options& options_;
  const std::function<void()> on_news_;
  Incarnation incarnation_;
  Steady sent_{};
  std::uint64_t last_mark_ = 0;
  std::shared_ptr<Answers> answers_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  News news_;               // guarded by mutex_
  bool caught_up_ = false;  // guarded by mutex_
  Offset read_{-1};         // guarded by mutex_
  bool marking_ = false;    // guarded by mutex_: a mark has not been reached

  std::unique_ptr<registry::Following> following_;  // last: its callbacks use all of the above
};

}  // namespace tidegate::feed
