#include "feed/snapshot_queue.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tidegate::feed {
namespace {

using std::chrono::milliseconds;

// No sooner than a client would come by itself, and not so late that one who waits for nothing gives up.
constexpr milliseconds kRetryLeast{1'000};
constexpr milliseconds kRetryMost{60'000};
constexpr double kNewest = 0.1;  // of the running mean

std::size_t share_of(std::size_t all, int percent) {
  return std::max<std::size_t>(1, (all * static_cast<std::size_t>(percent) + 99) / 100);
}

}  // namespace

SnapshotQueue::SnapshotQueue(const Options& options)
    : threads_(static_cast<std::size_t>(std::max(1, options.snapshot_threads))),
      tenant_threads_(share_of(threads_, options.snapshot_tenant_percent)),
      waiting_max_(options.snapshot_queue_max),
      tenant_waiting_max_(share_of(waiting_max_, options.snapshot_tenant_percent)) {}

/// About when a place will be free, by what snapshots took lately.
milliseconds SnapshotQueue::retry_after(std::size_t jobs, std::size_t threads) const {
  const double ms = took_ms_ * static_cast<double>(jobs) / static_cast<double>(threads);
  return std::clamp(milliseconds(static_cast<std::int64_t>(ms)), kRetryLeast, kRetryMost);
}

std::optional<SnapshotRefusal> SnapshotQueue::push(SnapshotJob job) {
  if (waiting_ >= waiting_max_) return SnapshotRefusal{false, retry_after(waiting_, threads_)};
  const auto found = tenants_.find(job.tenant);
  const std::size_t waiting = found == tenants_.end() ? 0 : found->second.jobs.size();
  if (waiting >= tenant_waiting_max_) return SnapshotRefusal{true, retry_after(waiting, tenant_threads_)};
  ++waiting_;
  if (waiting == 0) turns_.push_back(job.tenant);
  tenants_[job.tenant].jobs.push_back(std::move(job));
  return std::nullopt;
}

/// Passes over at most as many tenants as have all their threads.
std::optional<SnapshotJob> SnapshotQueue::take() {
  const auto turn = std::find_if(turns_.begin(), turns_.end(), [this](const std::string& tenant) {
    return tenants_.at(tenant).taken < tenant_threads_;
  });
  if (turn == turns_.end()) return std::nullopt;
  Tenant& tenant = tenants_.at(*turn);
  SnapshotJob job = std::move(tenant.jobs.front());
  tenant.jobs.pop_front();
  ++tenant.taken;
  --waiting_;
  turns_.erase(turn);
  if (!tenant.jobs.empty()) turns_.push_back(job.tenant);
  return job;
}

void SnapshotQueue::done(const std::string& tenant, milliseconds took) {
  const auto found = tenants_.find(tenant);
  assert(found != tenants_.end() && found->second.taken > 0);
  if (--found->second.taken == 0 && found->second.jobs.empty()) tenants_.erase(found);
  const auto ms = static_cast<double>(took.count());
  took_ms_ = took_ms_ == 0 ? ms : took_ms_ + kNewest * (ms - took_ms_);
}

}  // namespace tidegate::feed
