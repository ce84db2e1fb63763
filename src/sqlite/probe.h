#pragma once

#include "metrics/metrics.h"

namespace tidegate::sqlite {

/// The module's metrics, as events.
class Probe {
 public:
  explicit Probe(metrics::Registry& registry)
      : misfits_(registry.counter(
            "tidegate_sqlite_misfits_total",
            "Cells shown as NULL, since what SQLite stores there does not fit the declared type")),
        keyless_(
            registry.counter("tidegate_sqlite_rows_without_key_total",
                             "Rows read and not shown, since their key is NULL or does not fit its type")),
        compared_(
            registry.counter("tidegate_sqlite_compares_total",
                             "Times that all tables were compared whole, after a change of the schema")),
        refused_(registry.counter("tidegate_sqlite_snapshots_refused_total",
                                  "Snapshots refused since too much waits for the change stream")),
        pruned_(
            registry.counter("tidegate_sqlite_journal_rows_pruned_total", "Journal rows that we dropped")),
        journal_rows_(registry.counter("tidegate_sqlite_journal_rows_total", "Journal rows that we read")) {}

  void cell_misfit() { misfits_.add(); }
  void row_without_key() { keyless_.add(); }
  void tables_compared() { compared_.add(); }
  void snapshot_refused() { refused_.add(); }
  void journal_pruned(std::uint64_t rows) { pruned_.add(rows); }
  void journal_row_read() { journal_rows_.add(); }

 private:
  metrics::Counter& misfits_;
  metrics::Counter& keyless_;
  metrics::Counter& compared_;
  metrics::Counter& refused_;
  metrics::Counter& pruned_;
  metrics::Counter& journal_rows_;
};

}  // namespace tidegate::sqlite
