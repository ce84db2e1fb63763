#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/account.h"
#include "base/ids.h"
#include "feed/options.h"
#include "protocol/cursor.h"
#include "query/query.h"

namespace tidegate::feed {

/// One snapshot to take: what the feed's thread noted before the reading begins.
struct SnapshotJob {
  std::uint64_t flight = 0;
  ChannelId channel;
  std::string tenant;  ///< whose share it is of; empty: of what all share
  std::shared_ptr<const query::Query> query;
  protocol::Cursor cursor;  ///< without the fence, which the snapshot brings
  std::vector<std::shared_ptr<Account>> payers =
      {};  ///< who wait as it begins: each pays its part of the time
};

/// Why a snapshot can't even wait.
struct SnapshotRefusal {
  bool tenant = false;  ///< its tenant's share of the queue is full; else the whole queue
  std::chrono::milliseconds retry{0};
};

/// Which snapshot is taken next: each tenant's in the order in which they came, the tenants in turn. A tenant
/// has at most its share of the threads and of the places to wait, so that what it asks for leaves room for
/// the others. Not for several threads.
class SnapshotQueue {
 public:
  explicit SnapshotQueue(const Options& options);

  /// It waits, or (refused) does not.
  [[nodiscard]] std::optional<SnapshotRefusal> push(SnapshotJob job);
  /// The next one that a thread may take. Each that is taken is to be `done`.
  [[nodiscard]] std::optional<SnapshotJob> take();
  void done(const std::string& tenant, std::chrono::milliseconds took);

  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  /// Places and threads of one tenant.
  [[nodiscard]] std::size_t tenant_waiting_max() const { return tenant_waiting_max_; }
  [[nodiscard]] std::size_t tenant_threads() const { return tenant_threads_; }

 private:
  struct Tenant {
    std::deque<SnapshotJob> jobs;
    std::size_t taken = 0;
  };
  [[nodiscard]] std::chrono::milliseconds retry_after(std::size_t jobs, std::size_t threads) const;

  const std::size_t threads_;
  const std::size_t tenant_threads_;
  const std::size_t waiting_max_;
  const std::size_t tenant_waiting_max_;
  std::size_t waiting_ = 0;
  std::unordered_map<std::string, Tenant> tenants_;  // those that have something
  std::deque<std::string> turns_;                    // those with somebody who waits, each once
  double took_ms_ = 0;                               // a snapshot, lately
};

}  // namespace tidegate::feed
