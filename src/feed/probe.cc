#include "feed/probe.h"

#include <algorithm>

namespace tidegate::feed {
namespace {

constexpr std::array<const char*, kDrops> kDropNames = {
    "no_channel",     "malformed",  "tombstone",   "keyless",  "other_epoch",
    "old_generation", "not_active", "seen_before", "bad_part", "other_partition",
};
constexpr std::array<const char*, kResets> kResetNames = {
    "closed", "activation", "epoch", "record", "value", "parts", "lease", "log_lost", "tail_lost",
};

/// Milliseconds.
const std::vector<double> kWaits = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000, 5'000, 30'000};
constexpr std::array<const char*, kReliefs> kReliefNames = {"tails", "places", "spools", "refused",
                                                            "debtors"};
constexpr std::array<const char*, kUnspooled> kUnspooledNames = {"too_large", "late", "budget", "disk"};

constexpr std::array<const char*, kHelds> kHeldNames = {"nothing", "tail", "log"};
constexpr std::array<const char*, kRefusals> kRefusalNames = {
    "epoch", "activation", "query", "resetting", "retention",
    "gone",  "broken",     "bound", "late",      "unavailable",
};

}  // namespace

Probe::Probe(metrics::Registry& r)
    : records_(r.counter("tidegate_feed_records_total", "Records read from the log.")),
      bytes_(r.counter("tidegate_feed_bytes_total", "Bytes of keys and values read from the log.")),
      partitions_(r.gauge("tidegate_feed_partitions", "Partitions of the log that are read.")),
      opened_(r.counter("tidegate_feed_partitions_opened_total",
                        "Times that reading a partition began because a query lies in it.")),
      frames_(r.counter("tidegate_feed_frames_encoded_total", "Frames encoded, once a record.")),
      deliveries_(
          r.counter("tidegate_feed_deliveries_total", "Frames posted to shards that have subscribers.")),
      channels_(r.gauge("tidegate_feed_channels", "Queries that this gateway follows.")),
      tail_bytes_(r.gauge("tidegate_feed_tail_bytes", "Bytes held by the tails.")),
      memory_(
          r.gauge("tidegate_memory_bytes", "Bytes held for clients: batches, spools, copies in outboxes.")),
      waiting_(r.gauge("tidegate_feed_snapshots_waiting", "Snapshots that wait for a thread.")),
      taken_(r.counter("tidegate_feed_snapshots_total", "Snapshots taken.")),
      reused_(
          r.counter("tidegate_feed_snapshots_reused_total", "Subscriptions served by a recent snapshot.")),
      failed_(r.counter("tidegate_feed_snapshots_failed_total", "Snapshots that failed.")),
      raced_(
          r.counter("tidegate_feed_snapshots_raced_total", "Snapshots that the tail did not reach back to.")),
      asked_(r.counter("tidegate_feed_resumes_total", "Resumes that were asked for.")),
      from_log_(r.counter("tidegate_feed_catch_ups_from_log_total",
                          "Lagging subscriptions whose place the tail had lost, and the log had.")),
      conflated_frames_(
          r.counter("tidegate_feed_conflated_frames_total",
                    "Diffs of several transactions each, for clients that want the last states.")),
      conflated_(r.counter("tidegate_feed_conflated_transactions_total", "Transactions in these.")),
      rereads_(
          r.counter("tidegate_feed_rereads_total", "Walks over a partition's past, however many share one.")),
      reread_bytes_(r.counter("tidegate_feed_reread_bytes_total", "Bytes read by these walks.")),
      history_bytes_(r.gauge("tidegate_feed_history_bytes", "Bytes read again and not yet delivered.")),
      replay_refused_(r.counter("tidegate_feed_replays_refused_total",
                                "Resumes refused because too many waited, or too much was held.")),
      undecodable_(r.counter("tidegate_feed_undecodable_total", "Values that should be diffs and are not.")),
      refused_(
          r.counter("tidegate_feed_commands_refused_total", "Commands refused because too many waited.")),
      paused_(r.counter("tidegate_feed_paused_total", "Reads put off because a shard could not keep up.")),
      stale_(r.gauge("tidegate_feed_stale", "1 while nothing comes from upstream.")),
      lag_lsn_(r.gauge("tidegate_feed_lag_lsn", "Streamed but not yet visible, in LSN.")),
      lag_ms_(r.gauge("tidegate_feed_lag_milliseconds", "Age of the last progress or record.")),
      active_after_(r.histogram("tidegate_feed_active_after_milliseconds",
                                "From a query's registration to its activation here.", kWaits)),
      rows_after_(r.histogram("tidegate_feed_rows_after_milliseconds",
                              "From the time when a subscription began to wait to its rows.", kWaits)),
      stages_(r) {
  for (const bool tenant : {false, true}) {
    snapshots_refused_[tenant ? 1 : 0] = &r.counter("tidegate_feed_snapshots_refused_total",
                                                    "Snapshots that were not let wait: too many did already.",
                                                    {{"share", tenant ? "tenant" : "all"}});
  }
  for (int i = 0; i < kUnspooled; ++i) {
    unspooled_[i] =
        &r.counter("tidegate_feed_snapshots_unspooled_total",
                   "Snapshots that were read and could not be kept.", {{"reason", kUnspooledNames[i]}});
  }
  for (int i = 0; i < kHelds; ++i) {
    held_[i] =
        &r.counter("tidegate_feed_resumes_held_total", "Resumes that were exact.", {{"from", kHeldNames[i]}});
  }
  for (int i = 0; i < kRefusals; ++i) {
    resumes_refused_[i] = &r.counter("tidegate_feed_resumes_refused_total",
                                     "Resumes that got a fresh snapshot.", {{"reason", kRefusalNames[i]}});
    lags_refused_[i] =
        &r.counter("tidegate_feed_catch_ups_refused_total",
                   "Lagging subscriptions that the log could not help.", {{"reason", kRefusalNames[i]}});
  }
  for (int i = 0; i < kReliefs; ++i) {
    reliefs_[i] = &r.counter("tidegate_memory_relief_total", "Steps taken because too much was held.",
                             {{"step", kReliefNames[i]}});
  }
  for (int i = 0; i < kDrops; ++i) {
    drops_[i] =
        &r.counter("tidegate_feed_dropped_total", "Records read and dropped.", {{"reason", kDropNames[i]}});
  }
  for (int i = 0; i < kResets; ++i) {
    resets_[i] = &r.counter("tidegate_feed_resets_total", "Channels and subscriptions that began anew.",
                            {{"reason", kResetNames[i]}});
  }
}

void Probe::lag(std::uint64_t lsn, std::chrono::microseconds age) {
  lag_lsn_.set(static_cast<std::int64_t>(lsn));
  lag_ms_.set(std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(age).count()));
  stages_.took(metrics::Stage::logged, age);
}

}  // namespace tidegate::feed
