#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "source/source.h"
#include "sqlite/catalogue.h"
#include "sqlite/connection.h"
#include "sqlite/options.h"
#include "sqlite/probe.h"
#include "sqlite/shadow.h"

namespace tidegate::sqlite {

/// Follows one file's journal (journal.h) and makes the stream's events, in one place for stream and
/// snapshots.
///
/// Whoever opens a read transaction, the stream or a snapshot, first brings the shadow up to exactly that
/// transaction's point, under one lock. So no Transaction of the stream straddles a snapshot's H: else a row
/// that was inserted before H and deleted after it would be netted away, and the snapshot's client kept it
/// for ever.
///
/// Any thread; every call may wait for another one's reading.
class Follower {
 public:
  /// The tables as of a read transaction.
  struct View {
    Lsn lsn;  ///< the journal's last id in it: H
    std::shared_ptr<const query::Catalogue> catalogue;
  };

  Follower(Options options, Clock& clock, Probe& probe);

  /// Prepares the file and reads all tables into the shadow, if that was not done yet. Errors say what to
  /// type.
  Status prepare();
  /// The same from the start: after `lost`.
  Status prepare_again();

  [[nodiscard]] SourceIdentity identity() const;
  [[nodiscard]] Lsn start() const;
  [[nodiscard]] Lsn position() const;

  /// Begins a read transaction on `connection` and brings stream and shadow up to it; the caller ends it. On
  /// an error there is none.
  Result<View> begin_read(Connection& connection);

  /// The next event for the stream.
  std::optional<source::StreamEvent> take();
  [[nodiscard]] std::size_t queued_bytes() const;
  /// Called when a read has queued events, under our lock; an empty one ends that.
  void set_on_event(std::function<void()> wake);

  /// Drops journal rows up to `lsn` but the last ones; a batch a call, so that no writer waits long.
  Status prune(Lsn lsn);

  /// Opens a connection to the file, with an error that says what to type.
  Result<std::unique_ptr<Connection>> connect() const;

 private:
  using Schemas = std::vector<std::shared_ptr<const query::TableSchema>>;
  /// What a whole comparison found; in force once the shadow has committed.
  struct Comparison {
    std::vector<Table> tables;
    Schemas reshaped;  ///< new, dropped or of another shape
  };

  Status prepare_locked();
  Status load(Connection& connection);
  Status install();
  Result<bool> advance(Connection& connection);
  Status follow(Connection& connection, Lsn last, std::vector<source::Change>& changes);
  Status follow_row(Connection& connection, const Table& table, const Rows& journal,
                    std::vector<source::Change>& changes);
  Status settle(const Table& table, const std::string& key, std::optional<query::Row> now,
                std::vector<source::Change>& changes);
  Status compare_all(Connection& connection, Comparison& next, std::vector<source::Change>& changes);
  Status compare(Connection& connection, const Table& table, std::vector<source::Change>* changes);
  Status reshape(Comparison& next, std::vector<source::Change>& changes);
  void adopt(std::vector<Table> tables);
  void publish(Lsn lsn, std::vector<source::Change> changes);
  void push(source::StreamEvent event, std::size_t bytes);
  [[nodiscard]] const Table* find(const std::string& name) const;

  const Options options_;
  Clock& clock_;
  Probe& probe_;

  mutable std::mutex mutex_;  // guards all below
  std::function<void()> on_event_;
  std::unique_ptr<Connection> writer_;
  std::unique_ptr<Shadow> shadow_;
  bool prepared_ = false;
  std::string file_id_;
  RelationNumbers numbers_;
  std::int64_t schema_version_ = -1;
  bool compare_ = false;  ///< triggers may have been missing: the journal is not the whole truth
  std::int64_t mark_ = 0;
  std::vector<Table> tables_;
  std::shared_ptr<const query::Catalogue> catalogue_;
  Lsn start_;
  Lsn position_;
  Lsn pruned_;
  std::deque<std::pair<source::StreamEvent, std::size_t>> events_;
  std::size_t events_bytes_ = 0;
  std::unordered_set<std::string> seen_;
};

}  // namespace tidegate::sqlite
