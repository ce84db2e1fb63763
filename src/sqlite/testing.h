#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/encoding.h"
#include "metrics/metrics.h"
#include "rig/process.h"
#include "sqlite/connection.h"
#include "sqlite/sqlite.h"

namespace tidegate::sqlite::testing {

using namespace std::chrono_literals;

/// What a reader of the stream holds: rows of each table by their key's text.
using Model = std::map<std::string, std::map<std::string, query::Row>>;

inline std::string key_text(const query::TableSchema& schema, const query::Row& row) {
  std::string text;
  for (const int column : schema.key) text += row[static_cast<std::size_t>(column)].value_or("<null>") + "|";
  return text;
}

/// Applies a transaction, and checks each change against what the model holds: inserts are new, old rows are
/// whole.
inline void follow_model(Model& model, const source::Transaction& transaction) {
  for (const auto& change : transaction.changes) {
    auto& table = model[change.table->name];
    if (change.kind == source::ChangeKind::truncate) table.clear();
    if (change.old_row) {
      const auto key = key_text(*change.table, *change.old_row);
      ASSERT_TRUE(table.contains(key)) << key;
      ASSERT_EQ(table[key], *change.old_row);
      table.erase(key);
    }
    if (change.new_row) {
      const auto key = key_text(*change.table, *change.new_row);
      ASSERT_TRUE(table.emplace(key, *change.new_row).second) << key;
    }
  }
}

/// A snapshot's rows by key, and its H.
struct Collected final : source::SnapshotSink {
  source::SnapshotInfo info;
  std::vector<query::Row> rows;
  std::function<void()> on_begin;
  bool begin(const source::SnapshotInfo& snapshot) override {
    info = snapshot;
    if (on_begin) on_begin();
    return true;
  }
  bool row(const query::Row& row) override {
    rows.push_back(row);
    return true;
  }
};

/// A file of its own, a source on it, and somebody else's connection.
class File {
 public:
  explicit File(const std::string& schema, Options options = {}) {
    options.path = path();
    rig::run({"sqlite3", path(), schema});
    source_ = make_source(options, clock_, metrics_);
    stream_ = std::move(*source_->open_stream());
    catalogue_ = std::move(*source_->open_catalogue());
    snapshots_ = std::move(*source_->open_snapshot_reader());
  }

  [[nodiscard]] std::string path() const { return directory_.path() + "/shop.db"; }
  source::Source& source() { return *source_; }
  source::ChangeStream& stream() { return *stream_; }
  source::CatalogueReader& catalogue() { return *catalogue_; }
  std::string metrics() { return metrics_.text(); }

  /// The stock command line, a second process.
  std::string cli(const std::string& sql) { return rig::run({"sqlite3", path(), sql}); }

  /// Everything that has been committed, applied to the model; the events.
  std::vector<source::StreamEvent> drain(Model& model) {
    std::vector<source::StreamEvent> events;
    for (;;) {
      auto event = stream_->next(0ms);
      EXPECT_TRUE(event.ok()) << event.error().message;
      if (!event || std::holds_alternative<source::Idle>(*event)) return events;
      if (const auto* transaction = std::get_if<source::Transaction>(&*event)) {
        EXPECT_GT(transaction->lsn, last_);
        last_ = transaction->lsn;
        follow_model(model, *transaction);
      }
      events.push_back(std::move(*event));
    }
  }

  std::shared_ptr<const query::Query> query(const std::string& table, const std::string& where = "[]") {
    auto catalogue = catalogue_->read();
    EXPECT_TRUE(catalogue.ok());
    std::string name;
    append_json_string(name, table);
    auto parsed = query::parse_json(R"({"table":)" + name + R"(,"where":)" + where + "}");
    EXPECT_TRUE(parsed.ok());
    auto bound = query::Query::bind(*parsed, catalogue->find(table));
    EXPECT_TRUE(bound.ok()) << (bound ? "" : bound.error().message);
    return bound ? *bound : nullptr;
  }

  Collected snapshot(const query::Query& query) {
    Collected sink;
    auto read = snapshots_->read(query, sink);
    EXPECT_TRUE(read.ok()) << (read ? "" : read.error().message);
    return sink;
  }

  /// The table as a snapshot has it, by key.
  std::map<std::string, query::Row> rows(const std::string& table) {
    const auto all = query(table);
    std::map<std::string, query::Row> rows;
    for (auto& row : snapshot(*all).rows) rows[key_text(all->table(), row)] = row;
    return rows;
  }

  void start(Model& model, const std::vector<std::string>& tables) {
    auto started = stream_->start();
    ASSERT_TRUE(started.ok()) << started.error().message;
    for (const auto& table : tables) model[table] = rows(table);
    drain(model);
  }

 private:
  rig::TemporaryDirectory directory_;
  SystemClock clock_;
  metrics::Registry metrics_;
  std::unique_ptr<source::Source> source_;
  std::unique_ptr<source::ChangeStream> stream_;
  std::unique_ptr<source::CatalogueReader> catalogue_;
  std::unique_ptr<source::SnapshotReader> snapshots_;
  Lsn last_;
};

}  // namespace tidegate::sqlite::testing
