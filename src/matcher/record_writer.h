#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "log/log.h"
#include "matcher/roster.h"
#include "source/source.h"

namespace tidegate::matcher {

/// Makes the log's records (docs/PROTOCOL.md) and appends them: one diff a query and transaction, cut into
/// parts where it is large (rule 5), and the matcher's own words. LSNs of the records of a partition never
/// fall. The matcher's thread.
class RecordWriter {
 public:
  struct Reign {
    Epoch epoch;
    Generation generation;
  };
  /// What a transaction's effect became in the log.
  struct Written {
    std::uint32_t parts = 0;  ///< 0: nothing was left of it
    bool reset = false;
  };

  RecordWriter(std::unique_ptr<log::Appender> appender, std::int32_t partitions, std::size_t diff_bytes_max,
               std::size_t part_bytes)
      : appender_(std::move(appender)),
        partitions_(partitions),
        diff_bytes_max_(diff_bytes_max),
        part_bytes_(part_bytes) {}

  /// Before the first record.
  void begin(Reign reign) { reign_ = reign; }

  /// Where records of a routing key lie (rule 11).
  [[nodiscard]] Partition partition(std::string_view key) const;

  /// `acknowledged` is called when the log has its last record; not where nothing was left of it.
  Result<Written> effect(const source::Transaction& transaction, const Effect& effect,
                         std::function<void(Offset)> acknowledged = {});
  /// The query is matched from `matched` on: R.
  Status active(const Matched& query, Lsn matched);
  Status closed(std::string_view key, Activation activation, Lsn matched);
  /// The query can't be matched (any more). `code` is one of the client's error codes.
  Status schema(std::string_view key, Lsn matched, std::string_view code, std::string_view message);
  Status reset(const Matched& query, Lsn lsn, std::optional<Xid> xid, std::string_view reason,
               std::function<void(Offset)> acknowledged = {});
  Status progress(Partition partition, Lsn position, Lsn visible, std::int64_t time_us,
                  std::function<void(Offset)> acknowledged);

  /// The last append's number, 0 before the first.
  [[nodiscard]] std::uint64_t last() const { return last_; }
  [[nodiscard]] std::int32_t partitions() const { return partitions_; }
  [[nodiscard]] log::Appender& appender() { return *appender_; }

 private:
  Result<Written> cut(const source::Transaction& transaction, const Effect& effect, std::string bytes,
                      std::function<void(Offset)> acknowledged);
  [[nodiscard]] log::Headers headers(log::Kind kind, Lsn lsn, std::optional<Xid> xid = {}) const;
  Status append(log::Append record, std::function<void(Offset)> acknowledged = {});

  std::unique_ptr<log::Appender> appender_;
  const std::int32_t partitions_;
  const std::size_t diff_bytes_max_;
  const std::size_t part_bytes_;
  Reign reign_;
  std::uint64_t last_ = 0;
};

}  // namespace tidegate::matcher
