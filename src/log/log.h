#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace tidegate::log {

/// What a record is (docs/PROTOCOL.md, "The log's records"). On the wire an absent `kind` is a diff, the
/// others are their names as text.
enum class Kind : std::uint8_t { diff, active, closed, progress, schema, reset, state };

inline constexpr std::uint32_t kFlagLastPart = 1;
inline constexpr std::uint16_t kFormat = 1;

/// A record's headers. What is absent in the log is absent here; a header of the wrong size counts as absent
/// and sets `malformed`.
struct Headers {
  std::optional<Lsn> lsn;
  std::optional<Xid> xid;
  std::optional<Epoch> epoch;
  std::optional<Generation> generation;
  std::uint32_t part = 0;
  std::uint32_t flags = kFlagLastPart;
  std::uint16_t format = kFormat;
  Kind kind = Kind::diff;
  bool malformed = false;
};

/// A record as read. Views point into the Batch that holds it.
struct Record {
  Partition partition;
  Offset offset;
  std::string_view key;
  std::string_view value;
  bool tombstone = false;  ///< no value at all (a null one), unlike an empty one
  bool keyless = false;
  Headers headers;
};

/// Where to begin in a partition.
struct Start {
  Partition partition;
  Offset offset;
};

/// Records of one read, in the order of each partition, with the memory that they point into.
struct Batch {
  std::vector<Record> records;
  std::shared_ptr<const void> storage;
  std::size_t bytes = 0;  ///< of keys and values
  /// Partitions that were read to their end, and where that was: everything below has been given. An end may
  /// lie above the last record's next offset, for transactions' markers take offsets too.
  std::vector<Start> ends;
};

/// A partition's first stored offset and the one that the next record will get.
struct Watermarks {
  Offset start;
  Offset end;
};

/// Follows some partitions. One thread uses it, but `wake` which is for any. Errors of `read`: `lost` where a
/// position is out of the log's range or the topic was made anew (the caller resets and seeks), `unavailable`
/// where the broker can't be reached (the reader goes on trying; call again), `fatal` where the partition
/// count changed.
class Reader {
 public:
  virtual ~Reader() = default;
  /// Waits for at most `wait`, or until woken, for at most about `bytes_max` of records. An empty batch is
  /// normal.
  virtual Result<Batch> read(std::chrono::milliseconds wait, std::size_t bytes_max) = 0;
  virtual Status seek(Start start) = 0;
  /// Nothing of that partition is fetched or given any more, until it is sought again.
  virtual void pause(Partition partition) = 0;
  /// Makes a waiting or the next `read` return soon.
  virtual void wake() = 0;
};

/// What `append` takes; copied or moved from before it returns.
struct Append {
  Partition partition;
  std::string key;
  std::string value;
  Headers headers;
};

/// Writes, in the order of the calls, idempotently, with all acknowledgements. One thread appends; the rest
/// is for any.
class Appender {
 public:
  virtual ~Appender() = default;
  /// Takes the record and returns its number, from 1. Blocks while the writer's own bounded queue is full
  /// (the memory log never blocks: it drops its oldest records). `acknowledged` is called on a thread of the
  /// log's with the record's offset, before it counts in `acknowledged()`.
  virtual Result<std::uint64_t> append(Append record, std::function<void(Offset)> acknowledged = {}) = 0;
  /// The highest n so that the appends 1 to n are all acknowledged.
  [[nodiscard]] virtual std::uint64_t acknowledged() const = 0;
  /// Set once any delivery failed: the process must end (rule 4).
  [[nodiscard]] virtual std::optional<Error> failure() const = 0;
  /// Called on a thread of the log's after `acknowledged()` has risen; set before the first append.
  virtual void set_on_acknowledged(std::function<void()> wake) = 0;
  /// Waits until everything is acknowledged.
  virtual Status flush(std::chrono::milliseconds timeout) = 0;
};

/// SEAM. A partitioned, ordered, bounded log of records: Kafka, or this process's memory. Any thread.
class Log {
 public:
  virtual ~Log() = default;
  /// Over all topics; fixed while the process lives.
  [[nodiscard]] virtual std::int32_t partitions() const = 0;
  virtual Result<Watermarks> watermarks(Partition partition) = 0;
  virtual Result<std::unique_ptr<Reader>> open_reader(const std::vector<Start>& starts) = 0;
  virtual Result<std::unique_ptr<Appender>> open_appender() = 0;
  /// For managed topics, which are ordered by (generation, LSN): the first offset of a record above `lsn` of
  /// that or a later generation, the end if there is none (rule 12). `lost` if records above `lsn` may have
  /// left the log.
  virtual Result<Offset> seek(Partition partition, Generation generation, Lsn lsn) = 0;
  /// Whether the log answered when it was asked last, a second or two ago: for /readyz. Never waits.
  virtual Status reachable() = 0;
};

}  // namespace tidegate::log
