#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kafka/options.h"

namespace tidegate::registry {
class Following;
}

namespace tidegate::kafka {

class Producer;

/// The topic that revocations stand in, of a diff topic.
[[nodiscard]] std::string revocation_topic(const std::string& diff_topic);

/// A compacted topic of one partition that every process reads whole, and may write to: what all must know.
class Bulletin {
 public:
  using OnRecord = std::function<void(std::string_view key, std::string_view value)>;
  /// Reads from the beginning on, on a thread of its own; `on_caught_up` is called there once what was there
  /// has been given. `not_found` (`setup` makes it) or `unavailable`.
  static Result<std::unique_ptr<Bulletin>> open(Options options, std::string topic, OnRecord on_record,
                                                std::function<void()> on_caught_up);
  ~Bulletin();
  Bulletin(const Bulletin&) = delete;
  Bulletin& operator=(const Bulletin&) = delete;

  /// Set where the topic is gone or was made anew: open another one. Any thread.
  [[nodiscard]] std::optional<Error> failure() const;
  /// Writes a record, and tombstones for `obsolete` keys. Waits for the record's acknowledgement; without one
  /// it may be there or not. Any thread.
  Status append(std::string key, std::string value, const std::vector<std::string>& obsolete,
                std::chrono::milliseconds timeout);

 private:
  Bulletin(Options options, std::string topic);
  const Options options_;
  const std::string topic_;
  std::unique_ptr<registry::Following> following_;
  std::mutex mutex_;
  std::shared_ptr<Producer> producer_;  // from the first append on; guarded by mutex_
};

}  // namespace tidegate::kafka
