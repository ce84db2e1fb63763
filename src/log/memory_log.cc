#include "log/memory_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "log/bisect.h"

namespace tidegate::log {
namespace {

/// Immutable once appended; the log and any number of batches share it.
struct Stored {
  std::string key;
  std::string value;
  Headers headers;
};
using Shared = std::shared_ptr<const Stored>;

std::size_t cost(const Stored& stored) {
  return stored.key.size() + stored.value.size() + sizeof(Stored) + sizeof(Shared) + 2 * sizeof(void*);
}

struct Retained {
  std::deque<Shared> records;
  std::int64_t start = 0;
  std::size_t bytes = 0;

  [[nodiscard]] std::int64_t end() const { return start + static_cast<std::int64_t>(records.size()); }
  [[nodiscard]] const Shared& at(std::int64_t offset) const {
    return records[static_cast<std::size_t>(offset - start)];
  }
};

Record view(Partition partition, std::int64_t offset, const Stored& stored) {
  return Record{.partition = partition,
                .offset = Offset(offset),
                .key = stored.key,
                .value = stored.value,
                .keyless = stored.key.empty(),
                .headers = stored.headers};
}

Error no_partition(Partition partition, std::size_t count) {
  return {Fault::invalid,
          fmt::format("partition {} does not exist, the log has {}", partition.value(), count)};
}

}  // namespace

struct MemoryLog::State {
  State(std::int32_t count, std::size_t limit)
      : bytes_max(limit), partitions(static_cast<std::size_t>(count)) {}

  [[nodiscard]] bool has(Partition partition) const {
    return partition.value() >= 0 && static_cast<std::size_t>(partition.value()) < partitions.size();
  }

  const std::size_t bytes_max;
  mutable std::mutex mutex;
  std::condition_variable appended;  // and woken
  // Guarded by mutex:
  std::vector<Retained> partitions;
  std::uint64_t dropped = 0;
};

class MemoryLog::MemoryReader final : public Reader {
 public:
  MemoryReader(std::shared_ptr<State> state, std::vector<Start> positions)
      : state_(std::move(state)), positions_(std::move(positions)) {}

  Result<Batch> read(std::chrono::milliseconds wait, std::size_t bytes_max) override {
    std::unique_lock lock(state_->mutex);
    state_->appended.wait_for(lock, wait, [this] { return woken_ || something(); });
    woken_ = false;
    Batch batch;
    auto records = std::make_shared<std::vector<Shared>>();
    for (std::size_t i = 0; i < positions_.size(); ++i) {
      Start& position = positions_[(first_ + i) % positions_.size()];
      if (Status in_range = check(position); !in_range.ok()) {
        if (!batch.records.empty()) break;  // what was read comes first; the next read says it
        return in_range.error();
      }
      take(position, bytes_max, batch, *records);
    }
    if (!positions_.empty())
      first_ = (first_ + 1) % positions_.size();  // so that a busy partition starves no other
    batch.storage = std::move(records);
    return batch;
  }

  Status seek(Start start) override {
    if (!state_->has(start.partition)) return no_partition(start.partition, state_->partitions.size());
    std::lock_guard lock(state_->mutex);
    const auto found = std::find_if(positions_.begin(), positions_.end(),
                                    [&](const Start& at) { return at.partition == start.partition; });
    if (found == positions_.end()) {
      positions_.push_back(start);
    } else {
      found->offset = start.offset;
    }
    return {};
  }

  void pause(Partition partition) override {
    std::lock_guard lock(state_->mutex);
    std::erase_if(positions_, [partition](const Start& at) { return at.partition == partition; });
  }

  void wake() override {
    {
      std::lock_guard lock(state_->mutex);
      woken_ = true;
    }
    state_->appended.notify_all();
  }

 private:
  [[nodiscard]] Retained& partition(const Start& at) const {
    return state_->partitions[static_cast<std::size_t>(at.partition.value())];
  }

  /// Whether a read has anything to give, be it an error.
  [[nodiscard]] bool something() const {
    return std::any_of(positions_.begin(), positions_.end(),
                       [this](const Start& at) { return at.offset != Offset(partition(at).end()); });
  }

  [[nodiscard]] Status check(const Start& at) const {
    const Retained& from = partition(at);
    if (at.offset.value() >= from.start && at.offset.value() <= from.end()) return {};
    return Error{Fault::lost, fmt::format("offset {} of partition {} is not in the log, which holds {} to {}",
                                          at.offset.value(), at.partition.value(), from.start, from.end())};
  }

  void take(Start& position, std::size_t bytes_max, Batch& batch, std::vector<Shared>& records) const {
    const Retained& from = partition(position);
    std::int64_t offset = position.offset.value();
    for (; offset < from.end(); ++offset) {
      const Shared& stored = from.at(offset);
      const std::size_t bytes = stored->key.size() + stored->value.size();
      if (!batch.records.empty() && batch.bytes + bytes > bytes_max) break;
      batch.records.push_back(view(position.partition, offset, *stored));
      batch.bytes += bytes;
      records.push_back(stored);
    }
    position.offset = Offset(offset);
    if (offset == from.end()) batch.ends.push_back(position);
  }

  const std::shared_ptr<State> state_;
  std::vector<Start> positions_;  // the reader's thread; under the mutex where a wait looks at it
  std::size_t first_ = 0;         // where the next read begins in positions_
  bool woken_ = false;            // guarded by the state's mutex
};

class MemoryLog::MemoryAppender final : public Appender {
 public:
  explicit MemoryAppender(std::shared_ptr<State> state) : state_(std::move(state)) {}

  Result<std::uint64_t> append(Append record, std::function<void(Offset)> acknowledged) override {
    if (!state_->has(record.partition)) return no_partition(record.partition, state_->partitions.size());
    auto stored = std::make_shared<const Stored>(
        Stored{std::move(record.key), std::move(record.value), std::move(record.headers)});
    std::vector<Shared> evicted;  // freed without the lock
    std::int64_t offset = 0;
    {
      std::lock_guard lock(state_->mutex);
      Retained& to = state_->partitions[static_cast<std::size_t>(record.partition.value())];
      offset = to.end();
      to.bytes += cost(*stored);
      to.records.push_back(std::move(stored));
      while (to.bytes > state_->bytes_max && to.records.size() > 1) {
        to.bytes -= cost(*to.records.front());
        evicted.push_back(std::move(to.records.front()));
        to.records.pop_front();
        ++to.start;
      }
      state_->dropped += evicted.size();
    }
    state_->appended.notify_all();
    if (acknowledged) acknowledged(Offset(offset));
    const std::uint64_t number = count_.fetch_add(1, std::memory_order_release) + 1;
    if (on_acknowledged_) on_acknowledged_();
    return number;
  }

  [[nodiscard]] std::uint64_t acknowledged() const override { return count_.load(std::memory_order_acquire); }
  [[nodiscard]] std::optional<Error> failure() const override { return std::nullopt; }
  void set_on_acknowledged(std::function<void()> wake) override { on_acknowledged_ = std::move(wake); }
  Status flush(std::chrono::milliseconds) override { return {}; }

 private:
  const std::shared_ptr<State> state_;
  std::function<void()> on_acknowledged_;
  std::atomic<std::uint64_t> count_{0};
};

MemoryLog::MemoryLog(std::int32_t partitions, std::size_t bytes_max)
    : state_(std::make_shared<State>(partitions, bytes_max)) {}

std::int32_t MemoryLog::partitions() const {
  return static_cast<std::int32_t>(state_->partitions.size());
}

Result<Watermarks> MemoryLog::watermarks(Partition partition) {
  if (!state_->has(partition)) return no_partition(partition, state_->partitions.size());
  std::lock_guard lock(state_->mutex);
  const Retained& of = state_->partitions[static_cast<std::size_t>(partition.value())];
  return Watermarks{Offset(of.start), Offset(of.end())};
}

Result<std::unique_ptr<Reader>> MemoryLog::open_reader(const std::vector<Start>& starts) {
  for (const Start& start : starts) {
    if (!state_->has(start.partition)) return no_partition(start.partition, state_->partitions.size());
  }
  return std::unique_ptr<Reader>(std::make_unique<MemoryReader>(state_, starts));
}

Result<std::unique_ptr<Appender>> MemoryLog::open_appender() {
  return std::unique_ptr<Appender>(std::make_unique<MemoryAppender>(state_));
}

Result<Offset> MemoryLog::seek(Partition partition, Generation generation, Lsn lsn) {
  if (!state_->has(partition)) return no_partition(partition, state_->partitions.size());
  std::lock_guard lock(state_->mutex);
  const Retained& of = state_->partitions[static_cast<std::size_t>(partition.value())];
  const auto place_at = [&of](Offset offset) -> Result<std::optional<Place>> {
    for (std::int64_t at = offset.value(); at < of.end(); ++at) {
      const Headers& headers = of.at(at)->headers;
      if (headers.generation && headers.lsn)
        return std::optional(Place{Offset(at), *headers.generation, *headers.lsn});
    }
    return std::optional<Place>{};
  };
  return bisect(Watermarks{Offset(of.start), Offset(of.end())}, generation, lsn, place_at);
}

std::uint64_t MemoryLog::dropped() const {
  std::lock_guard lock(state_->mutex);
  return state_->dropped;
}

std::size_t MemoryLog::bytes() const {
  std::lock_guard lock(state_->mutex);
  std::size_t bytes = 0;
  for (const Retained& of : state_->partitions) bytes += of.bytes;
  return bytes;
}

}  // namespace tidegate::log
