#include "sqlite/sqlite.h"

#include <utility>

#include "sqlite/follower.h"
#include "sqlite/stream.h"

namespace tidegate::sqlite {
namespace {

class Snapshots final : public source::SnapshotReader {
 public:
  Snapshots(Options options, Follower& follower, Probe& probe)
      : options_(std::move(options)), follower_(follower), probe_(probe) {}

  Status read(const query::Query& query, source::SnapshotSink& sink) override {
    if (auto prepared = follower_.prepare(); !prepared) return prepared;
    if (!connection_) {
      auto connection = follower_.connect();
      if (!connection) return connection.error();
      connection_ = std::move(*connection);
    }
    if (follower_.queued_bytes() > options_.queue_bytes_max) {
      probe_.snapshot_refused();
      return Error{Fault::unavailable, "the change stream is behind; try again"};
    }
    auto view = follower_.begin_read(*connection_);
    if (!view) {
      connection_.reset();
      return view.error();
    }
    auto done = read_rows(query, *view, sink);
    connection_->rollback();
    return done;
  }

 private:
  Status read_rows(const query::Query& query, const Follower::View& view, source::SnapshotSink& sink) {
    const auto now = view.catalogue->find(query.table().qualified());
    if (now == nullptr || *now != query.table()) {
      return Error{Fault::lost, "table " + query.table().name + " has another shape now"};
    }
    if (!now->refusal.empty()) return Error{Fault::denied, now->refusal};
    if (!sink.begin({Fence{view.lsn, std::nullopt}, follower_.identity()})) return {};
    auto rows = connection_->prepare(Table{now, {}}.select());
    if (!rows) return rows.error();
    query::Row row;
    for (;;) {
      auto found = rows->step();
      if (!found) return found.error();
      if (!*found) return {};
      // Our own evaluator, as for the stream: SQLite compares otherwise.
      if (read_row(*now, *rows, 0, row, probe_) && query.matches(row) && !sink.row(row)) return {};
    }
  }

  const Options options_;
  Follower& follower_;
  Probe& probe_;
  std::unique_ptr<Connection> connection_;
};

class Catalogues final : public source::CatalogueReader {
 public:
  explicit Catalogues(Follower& follower) : follower_(follower) {}

  Result<query::Catalogue> read() override {
    if (auto reached = connect(); !reached) return reached.error();
    auto view = follower_.begin_read(*connection_);
    if (!view) {
      connection_.reset();
      return view.error();
    }
    connection_->rollback();
    return *view->catalogue;
  }

  Result<SourceIdentity> identity() override {
    if (auto prepared = follower_.prepare(); !prepared) return prepared.error();
    return follower_.identity();
  }

  Status reachable() override {
    if (auto reached = connect(); !reached) return reached;
    auto answered = connection_->integer("SELECT count(*) FROM main._tidegate_file");
    return answered ? Status() : Status(answered.error());
  }

 private:
  Status connect() {
    if (auto prepared = follower_.prepare(); !prepared) return prepared;
    if (connection_) return {};
    auto connection = follower_.connect();
    if (!connection) return connection.error();
    connection_ = std::move(*connection);
    return {};
  }

  Follower& follower_;
  std::unique_ptr<Connection> connection_;
};

class Database final : public source::Source {
 public:
  Database(Options options, Clock& clock, metrics::Registry& metrics)
      : options_(std::move(options)), probe_(metrics), follower_(options_, clock, probe_) {}

  Result<std::unique_ptr<source::ChangeStream>> open_stream() override {
    return std::unique_ptr<source::ChangeStream>(std::make_unique<Stream>(options_, follower_));
  }
  Result<std::unique_ptr<source::SnapshotReader>> open_snapshot_reader() override {
    return std::unique_ptr<source::SnapshotReader>(std::make_unique<Snapshots>(options_, follower_, probe_));
  }
  Result<std::unique_ptr<source::CatalogueReader>> open_catalogue() override {
    return std::unique_ptr<source::CatalogueReader>(std::make_unique<Catalogues>(follower_));
  }

 private:
  const Options options_;
  Probe probe_;
  Follower follower_;
};

}  // namespace

std::unique_ptr<source::Source> make_source(Options options, Clock& clock, metrics::Registry& metrics) {
  return std::make_unique<Database>(std::move(options), clock, metrics);
}

}  // namespace tidegate::sqlite
