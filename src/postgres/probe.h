#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "metrics/metrics.h"
#include "postgres/aside.h"

namespace tidegate::postgres {

/// What happens in this module, for the operator. Any thread.
class Probe {
 public:
  explicit Probe(metrics::Registry& registry)
      : transactions_(
            registry.counter("tidegate_postgres_transactions_total", "Transactions read from the stream")),
        changes_(registry.counter("tidegate_postgres_changes_total", "Row changes read from the stream")),
        refused_(registry.counter("tidegate_postgres_changes_refused_total",
                                  "Row changes dropped, since nobody may subscribe to their table")),
        spilled_(registry.counter("tidegate_postgres_transactions_spilled_total",
                                  "Transactions that went on in a file, since memory shall not hold them")),
        spill_bytes_(registry.gauge("tidegate_postgres_spill_bytes", "Bytes of those files now")),
        open_bytes_(registry.gauge("tidegate_postgres_open_transaction_bytes",
                                   "What transactions that are being streamed hold in memory")),
        bytes_(registry.counter("tidegate_postgres_stream_bytes_total", "Bytes read from the stream")),
        breaks_(
            registry.counter("tidegate_postgres_stream_breaks_total", "Times the stream's connection broke")),
        snapshots_(registry.counter("tidegate_postgres_snapshots_total", "Snapshots read whole")),
        snapshot_errors_(
            registry.counter("tidegate_postgres_snapshot_errors_total", "Snapshots that failed")),
        slot_retained_(registry.gauge("tidegate_postgres_slot_retained_bytes",
                                      "WAL that the server keeps for the replication slot")),
        slot_safe_(registry.gauge("tidegate_postgres_slot_safe_bytes",
                                  "WAL that may be written before the slot is lost; -1: without limit")),
        slot_alarm_(registry.gauge("tidegate_postgres_slot_alarm",
                                   "1 where the slot is about to lose its WAL, or has lost it")) {
    for (const char* status : kWalStatus) {
      wal_status_.push_back(&registry.gauge("tidegate_postgres_slot_wal_status",
                                            "1 for the slot's wal_status, as pg_replication_slots has it",
                                            {{"status", status}}));
    }
  }

  void transaction(std::size_t changes) {
    transactions_.add();
    changes_.add(changes);
  }
  void refused(std::uint64_t changes) { refused_.add(changes); }
  void spilled() { spilled_.add(); }
  void spill_bytes(std::uint64_t bytes) { spill_bytes_.set(static_cast<std::int64_t>(bytes)); }
  void open_bytes(std::size_t bytes) { open_bytes_.set(static_cast<std::int64_t>(bytes)); }
  void frame(std::size_t bytes) { bytes_.add(bytes); }
  void stream_broke() { breaks_.add(); }
  void snapshot_read() { snapshots_.add(); }
  void snapshot_failed() { snapshot_errors_.add(); }
  void slot(const SlotHealth& health) {
    slot_retained_.set(health.retained_bytes);
    slot_safe_.set(health.safe_bytes.value_or(-1));
    slot_alarm_.set(health.alarming() ? 1 : 0);
    for (std::size_t i = 0; i < kWalStatus.size(); ++i)
      wal_status_[i]->set(health.wal_status == kWalStatus.at(i) ? 1 : 0);
  }

 private:
  static constexpr std::array<const char*, 4> kWalStatus{"reserved", "extended", "unreserved", "lost"};

  metrics::Counter& transactions_;
  metrics::Counter& changes_;
  metrics::Counter& refused_;
  metrics::Counter& spilled_;
  metrics::Gauge& spill_bytes_;
  metrics::Gauge& open_bytes_;
  metrics::Counter& bytes_;
  metrics::Counter& breaks_;
  metrics::Counter& snapshots_;
  metrics::Counter& snapshot_errors_;
  metrics::Gauge& slot_retained_;
  metrics::Gauge& slot_safe_;
  metrics::Gauge& slot_alarm_;
  std::vector<metrics::Gauge*> wal_status_;
};

}  // namespace tidegate::postgres
