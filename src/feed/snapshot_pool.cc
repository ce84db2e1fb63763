#include "feed/snapshot_pool.h"

#include <cassert>
#include <string>
#include <utility>

#include "base/fault_point.h"
#include "protocol/messages.h"
#include "query/query.h"

namespace tidegate::feed {
namespace {

/// Makes a spool of the rows: parts of about `snapshot_part_bytes`, the last one flagged, the columns in part
/// 0.
class Spooler final : public source::SnapshotSink {
 public:
  Spooler(const SnapshotJob& job, const Options& options, const std::atomic<bool>& stopping)
      : job_(job),
        options_(options),
        stopping_(stopping),
        spool_(std::make_shared<Spool>()),
        cursor_(job.cursor) {}

  bool begin(const source::SnapshotInfo& info) override {
    // A reader that lost its connection may begin again.
    *spool_ = {};
    rows_.clear();
    begun_ = true;
    info_ = info;
    cursor_.fence = info.fence;
    if (options_.unsafe_lsn_fence) info_.fence.snapshot.reset();
    return !stopping_;
  }

  bool row(const query::Row& row) override {
    std::string text;
    job_.query->append_row_json(text, row);
    if (!rows_.empty() && rows_.size() + text.size() > options_.snapshot_part_bytes) end_part(false);
    if (!rows_.empty()) rows_ += ',';
    rows_ += text;
    too_large_ = spool_->bytes + rows_.size() > options_.snapshot_bytes_max;
    return !too_large_ && !stopping_;
  }

  SnapshotResult finish(Status status) {
    if (too_large_) {
      status = Error{Fault::invalid, "the result is larger than this gateway's limit; narrow the query"};
    } else if (stopping_) {
      status = Error{Fault::unavailable, "the gateway stops"};
    } else if (status.ok() && !begun_) {
      status = Error{Fault::unavailable, "the snapshot did not begin"};
    }
    if (status.ok()) end_part(true);
    return {job_.flight, job_.channel, std::move(status), std::move(spool_), std::move(info_)};
  }

 private:
  void end_part(bool last) {
    std::string columns;
    const auto part = static_cast<std::uint32_t>(spool_->tails.size());
    if (part == 0) job_.query->append_columns_json(columns);
    spool_->tails.push_back(
        protocol::snapshot_tail(info_.fence.until, cursor_, columns, std::exchange(rows_, {}), part, last));
    spool_->bytes += spool_->tails.back().size();
  }

  const SnapshotJob& job_;
  const Options& options_;
  const std::atomic<bool>& stopping_;
  std::shared_ptr<Spool> spool_;
  protocol::Cursor cursor_;
  source::SnapshotInfo info_;
  std::string rows_;
  bool begun_ = false;
  bool too_large_ = false;
};

}  // namespace

SnapshotPool::SnapshotPool(source::Source& source, const Options& options,
                           std::function<void(SnapshotResult)> done)
    : source_(source), options_(options), done_(std::move(done)) {
  for (int i = 0; i < options_.snapshot_threads; ++i) threads_.emplace_back([this] { run(); });
}

SnapshotPool::~SnapshotPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
}

void SnapshotPool::start(SnapshotJob job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  ready_.notify_one();
}

std::optional<SnapshotJob> SnapshotPool::next() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
  if (stopping_) return std::nullopt;
  SnapshotJob job = std::move(jobs_.front());
  jobs_.pop_front();
  return job;
}

void SnapshotPool::run() {
  std::unique_ptr<source::SnapshotReader> reader;
  while (const std::optional<SnapshotJob> job = next()) take(*job, reader);
}

bool SnapshotPool::work() {
  assert(threads_.empty());
  {
    std::lock_guard lock(mutex_);
    if (jobs_.empty()) return false;
  }
  take(*next(), reader_);
  return true;
}

void SnapshotPool::take(const SnapshotJob& job, std::unique_ptr<source::SnapshotReader>& reader) {
  Spooler spooler(job, options_, stopping_);
  Status status;
  if (!reader) {
    auto opened = source_.open_snapshot_reader();
    if (opened) {
      reader = std::move(*opened);
    } else {
      status = opened.error();
    }
  }
  if (reader) status = reader->read(*job.query, spooler);
  SnapshotResult result = spooler.finish(std::move(status));
  fault_point("snapshot.spooled");
  done_(std::move(result));
}

}  // namespace tidegate::feed
