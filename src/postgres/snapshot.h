#pragma once

#include <optional>

#include "base/clock.h"
#include "postgres/connection.h"
#include "postgres/probe.h"
#include "source/source.h"

namespace tidegate::postgres {

/// Reads snapshots (source/source.h, rules 17, 20, 22, 23) on a connection of its own, one after the other.
/// The rows go to the sink one by one as the server sends them. No Error holds the server's words, only its
/// SQLSTATE.
class SnapshotSession final : public source::SnapshotReader {
 public:
  SnapshotSession(Options options, const Clock& clock, metrics::Registry& registry)
      : options_(std::move(options)), clock_(clock), probe_(registry) {}

  Status read(const query::Query& query, source::SnapshotSink& sink) override;

 private:
  Status read_once(const query::Query& query, source::SnapshotSink& sink);
  /// Opens the transaction with its lock; `connection_` is fresh or has just been used.
  Status open_transaction(const query::TableSchema& table);
  Status begin(const query::TableSchema& table);
  /// In one statement: what the snapshot sees, up to where the server had written, and who it is.
  Result<source::SnapshotInfo> read_fence();
  /// The query bound to the table as it is now, since it may have got columns or other types meanwhile (rule
  /// 7). `lost` where that can't be.
  Result<std::shared_ptr<const query::Query>> bind_now(const query::Query& query);
  Status read_rows(const query::SqlText& sql, std::size_t columns, source::SnapshotSink& sink);
  Status pump(std::size_t columns, source::SnapshotSink& sink);
  Status make_durable(Lsn until);
  /// Ends a statement that nobody wants any more, and the connection with it.
  void cut_off();
  Error explain(const Failure& failure, const query::TableSchema& table) const;

  const Options options_;
  const Clock& clock_;
  Probe probe_;
  std::optional<Connection> connection_;
};

}  // namespace tidegate::postgres
