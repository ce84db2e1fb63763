#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/fence.h"
#include "base/identity.h"
#include "base/ids.h"
#include "base/result.h"
#include "query/query.h"
#include "query/schema.h"
#include "source/changes.h"

namespace tidegate::source {

/// A committed statement changed the table's definition, or the values in it without writing its rows (rule
/// 7). The catalogue may show it only when the transaction has become visible.
struct TableAltered {
  std::uint32_t relation = 0;
  std::string name;                  ///< `schema.table` after the change, for messages
  bool rewritten = false;            ///< its rows may have other values than the stream has said
  std::vector<std::string> columns;  ///< those that may have; none named: all
};

/// A committed transaction, whole (SQLite: the commits of one read).
struct Transaction {
  Lsn lsn;
  std::optional<Xid> xid;  ///< 64-bit; absent where the source has none and everything streamed is visible
  std::int64_t commit_time_us = 0;  ///< since 1970-01-01 UTC
  Changes changes;
  std::size_t bytes = 0;  ///< about what it holds in memory
  std::vector<TableAltered> altered;
};

/// Nothing is in flight and every transaction up to `lsn` (inclusive) has been given.
struct StreamPosition {
  Lsn lsn;
};

/// The answer to `request_visibility`: which transactions a snapshot taken now sees, and the last LSN
/// (inclusive) that the server had inserted when it was taken.
struct Visibility {
  XidSnapshot snapshot;
  Lsn inserted;
};

/// A table's shape changed in the stream; changes after it have the new shape.
struct SchemaChanged {
  std::shared_ptr<const query::TableSchema> table;
};

/// Nothing came within the wait, or `wake` was called.
struct Idle {};

using StreamEvent = std::variant<Idle, Transaction, StreamPosition, Visibility, SchemaChanged>;

/// SEAM, part one. The committed changes in commit order. One thread calls; `confirm`, `wake` and `stop` are
/// for any. Errors of `next`: `unavailable` (the adapter reconnects by itself and goes on; the caller reports
/// and calls again; whole transactions may come again), `lost` (slot or identity gone: a new epoch), `fatal`.
class ChangeStream {
 public:
  virtual ~ChangeStream() = default;
  /// Takes the slot (or the journal) without handling anything; `identity` is known afterwards. Errors say
  /// what the operator should type.
  virtual Status start() = 0;
  [[nodiscard]] virtual const SourceIdentity& identity() const = 0;
  /// The slot's name; empty where there is none.
  [[nodiscard]] virtual std::string slot() const = 0;
  /// The position from which the stream starts: everything up to here (inclusive) was confirmed before or
  /// precedes the slot.
  [[nodiscard]] virtual Lsn start_position() const = 0;
  virtual Result<StreamEvent> next(std::chrono::milliseconds wait) = 0;
  /// Asks for a Visibility event; one is under way at a time, more calls are folded into it. Never blocks.
  virtual void request_visibility() = 0;
  /// Makes the stream move on an idle database: one logical message (rule 3). Never blocks.
  virtual void nudge() = 0;
  /// Everything up to `lsn` (inclusive) need never be streamed again.
  virtual void confirm(Lsn lsn) = 0;
  virtual void wake() = 0;
  virtual void stop() = 0;
};

/// What a snapshot is exact as of.
struct SnapshotInfo {
  Fence fence;
  SourceIdentity identity;
  /// The query bound to the table as the snapshot has it, whose rows come; null: as it was given.
  std::shared_ptr<const query::Query> query;
};

/// Receives a snapshot as the database gives it. A false return ends the reading.
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  virtual bool begin(const SnapshotInfo& info) = 0;
  virtual bool row(const query::Row& row) = 0;
};

/// SEAM, part two. Reads a query's rows at one exact point (rules 17, 20, 23). One instance a thread; it
/// reconnects by itself. Errors: `unavailable`, `lost` (the table's shape or the database is another one),
/// `denied`.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  virtual Status read(const query::Query& query, SnapshotSink& sink) = 0;
};

/// SEAM, part three. Reads the published tables and what they look like now.
class CatalogueReader {
 public:
  virtual ~CatalogueReader() = default;
  virtual Result<query::Catalogue> read() = 0;
  virtual Result<SourceIdentity> identity() = 0;
  /// Whether the database answers: for /readyz.
  virtual Status reachable() = 0;
};

/// A database, as one thing to wire: makes the three.
class Source {
 public:
  virtual ~Source() = default;
  virtual Result<std::unique_ptr<ChangeStream>> open_stream() = 0;
  virtual Result<std::unique_ptr<SnapshotReader>> open_snapshot_reader() = 0;
  virtual Result<std::unique_ptr<CatalogueReader>> open_catalogue() = 0;
};

}  // namespace tidegate::source
