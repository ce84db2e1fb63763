#include "feed/history.h"

#include <map>
#include <utility>

#include "feed/history_walk.h"

namespace tidegate::feed {

Reread::Reread(log::Log& log, Probe& probe, const Options& options, std::function<void(RereadResult)> done)
    : log_(log),
      probe_(probe),
      options_(options),
      done_(std::move(done)),
      worker_(kJobsMax, options.snapshot_threads > 0,
              [this](std::vector<RereadJob> jobs, const std::atomic<bool>& stopping) {
                walk(std::move(jobs), stopping);
              }) {}

void Reread::walk(std::vector<RereadJob> jobs, const std::atomic<bool>& stopping) {
  std::map<Partition, std::vector<RereadJob>> by_partition;
  for (RereadJob& job : jobs) by_partition[job.partition].push_back(std::move(job));
  for (auto& [partition, of_partition] : by_partition) {
    HistoryWalk(log_, probe_, options_, held_, done_, std::move(of_partition)).run(stopping);
  }
}

}  // namespace tidegate::feed
