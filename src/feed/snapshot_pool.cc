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
  Spooler(const SnapshotJob& job, const Options& options, const SpoolRoom& room, Clock& clock,
          const std::atomic<bool>& stopping)
      : job_(job),
        options_(options),
        room_(room),
        clock_(clock),
        stopping_(stopping),
        until_(clock.steady() + options.snapshot_timeout),
        cursor_(job.cursor) {}

  bool begin(const source::SnapshotInfo& info) override {
    // A reader that lost its connection may begin again.
    spool_ = std::make_shared<Spool>(room_);
    rows_.clear();
    rows_in_part_ = 0;
    info_ = info;
    query_ = info.query ? info.query : job_.query;
    cursor_.fence = info.fence;
    if (options_.unsafe_lsn_fence) info_.fence.snapshot.reset();
    return !stopping_;
  }

  bool row(const query::Row& row) override {
    std::string text;
    query_->append_row_json(text, row);
    if (!rows_.empty() && rows_.size() + text.size() > options_.snapshot_part_bytes) end_part(false);
    if (!rows_.empty()) rows_ += ',';
    rows_ += text;
    ++rows_in_part_;
    if (spool_->bytes() + rows_.size() > options_.snapshot_bytes_max) {
      fail(Unspooled::too_large,
           {Fault::invalid, "the result is larger than this gateway's limit; narrow the query"});
    } else if (clock_.steady() >= until_) {
      fail(Unspooled::late, {Fault::unavailable, "the snapshot took too long"});
    }
    return !failed_ && !stopping_;
  }

  SnapshotResult finish(Status status) {
    if (stopping_) {
      status = Error{Fault::unavailable, "the gateway stops"};
    } else if (status.ok() && !spool_) {
      status = Error{Fault::unavailable, "the snapshot did not begin"};
    }
    if (status.ok() && !failed_) end_part(true);
    if (failed_) status = failure_;
    return {job_.flight, job_.channel, std::move(status), failed_, std::move(spool_), std::move(info_)};
  }

 private:
  void end_part(bool last) {
    std::string columns;
    const auto part = static_cast<std::uint32_t>(spool_->parts());
    if (part == 0) query_->append_columns_json(columns);
    const Status kept = spool_->append(
        protocol::snapshot_tail(info_.fence.until, cursor_, columns, std::exchange(rows_, {}), part, last),
        std::exchange(rows_in_part_, 0));
    if (kept) return;
    const bool budget = kept.error().fault == Fault::denied;
    fail(budget ? Unspooled::budget : Unspooled::disk, {Fault::unavailable, kept.error().message});
  }
  void fail(Unspooled why, Error error) {
    if (failed_) return;
    failed_ = why;
    failure_ = std::move(error);
  }

  const SnapshotJob& job_;
  const Options& options_;
  const SpoolRoom& room_;
  Clock& clock_;
  const std::atomic<bool>& stopping_;
  const Steady until_;
  std::shared_ptr<Spool> spool_;
  protocol::Cursor cursor_;
  source::SnapshotInfo info_;
  std::shared_ptr<const query::Query> query_;  // its rows are those that come
  std::string rows_;
  std::size_t rows_in_part_ = 0;
  std::optional<Unspooled> failed_;
  Error failure_;
};

}  // namespace

SnapshotPool::SnapshotPool(source::Source& source, const Options& options, std::shared_ptr<Budget> memory,
                           Clock& clock, std::function<void(SnapshotResult)> done)
    : source_(source),
      options_(options),
      room_{options.spool_memory_bytes, options.spool_directory, std::move(memory),
            std::make_shared<Budget>(options.spool_bytes_max)},
      clock_(clock),
      done_(std::move(done)),
      queue_(options) {
  for (int i = 0; i < options_.snapshot_threads; ++i) threads_.emplace_back([this] { run(); });
}

SnapshotPool::~SnapshotPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
}

std::optional<SnapshotRefusal> SnapshotPool::start(SnapshotJob job) {
  {
    const std::lock_guard lock(mutex_);
    if (auto refused = queue_.push(std::move(job))) return refused;
  }
  ready_.notify_one();
  return std::nullopt;
}

std::size_t SnapshotPool::waiting() {
  const std::lock_guard lock(mutex_);
  return queue_.waiting();
}

std::optional<SnapshotJob> SnapshotPool::next() {
  std::unique_lock lock(mutex_);
  std::optional<SnapshotJob> job;
  ready_.wait(lock, [&] { return stopping_ || (job = queue_.take()); });
  if (stopping_) return std::nullopt;
  return job;
}

/// Its tenant may have another thread now: any of those that wait may be the one that takes what is next.
void SnapshotPool::finish(const SnapshotJob& job, Steady began) {
  const Steady now = clock_.steady();
  for (const auto& payer : job.payers) {
    payer->owe_reading((now - began) / static_cast<std::int64_t>(job.payers.size()), now);
  }
  {
    const std::lock_guard lock(mutex_);
    queue_.done(job.tenant, std::chrono::duration_cast<std::chrono::milliseconds>(now - began));
  }
  ready_.notify_one();
}

void SnapshotPool::run() {
  std::unique_ptr<source::SnapshotReader> reader;
  while (const std::optional<SnapshotJob> job = next()) take(*job, reader);
}

bool SnapshotPool::work() {
  assert(threads_.empty());
  std::optional<SnapshotJob> job;
  {
    const std::lock_guard lock(mutex_);
    job = queue_.take();
  }
  if (!job) return false;
  take(*job, reader_);
  return true;
}

void SnapshotPool::take(const SnapshotJob& job, std::unique_ptr<source::SnapshotReader>& reader) {
  const Steady began = clock_.steady();
  Spooler spooler(job, options_, room_, clock_, stopping_);
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
  finish(job, began);
  done_(std::move(result));
}

}  // namespace tidegate::feed
