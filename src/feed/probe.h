#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "feed/snapshot_pool.h"
#include "metrics/metrics.h"
#include "metrics/stages.h"

namespace tidegate::feed {

/// Why a record that was read is not delivered.
enum class Drop : std::uint8_t {
  no_channel,
  malformed,
  tombstone,
  keyless,
  other_epoch,
  old_generation,
  not_active,
  seen_before,
  bad_part,
  other_partition,
};
inline constexpr int kDrops = 10;

/// Why subscriptions of a channel begin anew.
enum class Reset : std::uint8_t {
  closed,
  activation,
  epoch,
  record,
  value,
  parts,
  lease,
  log_lost,
  tail_lost
};
inline constexpr int kResets = 9;

/// Why a resume does not hold.
enum class Refusal : std::uint8_t {
  epoch,        ///< the cursor's is another one
  activation,   ///< it was given out in another span of matching (rule 14)
  query,        ///< it is of another query, or of another number of partitions
  resetting,    ///< the channel itself waits for a snapshot
  retention,    ///< the log begins behind it
  gone,         ///< the log does not hold what the cursor says, or not in that order
  broken,       ///< what it missed holds a reset, or the span's end
  bound,        ///< more would have to be read or held than may be
  late,         ///< not known within the time for the ack (rule 16)
  unavailable,  ///< the log could not be read
};
inline constexpr int kRefusals = 10;

/// Where a resume that holds gets from what it missed.
enum class Held : std::uint8_t { nothing, tail, log };
inline constexpr int kHelds = 3;

/// What is given up under pressure (rule 27), in this order.
enum class Relief : std::uint8_t {
  tails,    ///< the oldest batches, pinned or not; outboxes that point into them become places
  places,   ///< all outboxes become places
  spools,   ///< those that are kept for who might come; new ones are not in memory
  refused,  ///< new snapshots
  debtors,  ///< who owes most is cut
};
inline constexpr int kReliefs = 5;

/// The feed's metrics, as events. Any thread.
class Probe {
 public:
  explicit Probe(metrics::Registry& registry);

  void records_read(std::uint64_t count, std::size_t bytes) {
    records_.add(count);
    bytes_.add(bytes);
  }
  void partitions_read(std::int64_t count) { partitions_.set(count); }
  void partition_opened() { opened_.add(); }
  void dropped(Drop reason) { drops_[static_cast<std::size_t>(reason)]->add(); }
  void frames_encoded(std::uint64_t count) { frames_.add(count); }
  void delivered(std::uint64_t count) { deliveries_.add(count); }
  void channels(std::size_t count) { channels_.set(static_cast<std::int64_t>(count)); }
  void tail_bytes(std::size_t bytes) { tail_bytes_.set(static_cast<std::int64_t>(bytes)); }
  /// From the wish for a query to its `active`.
  void active_after(std::chrono::duration<double, std::milli> time) { active_after_.observe(time.count()); }
  /// From the time when a subscription began to wait to its rows.
  void rows_after(std::chrono::duration<double, std::milli> time) { rows_after_.observe(time.count()); }
  void snapshot_taken() { taken_.add(); }
  void snapshot_reused() { reused_.add(); }
  void snapshots_waiting(std::size_t count) { waiting_.set(static_cast<std::int64_t>(count)); }
  void snapshot_refused(bool tenant) { snapshots_refused_[tenant ? 1 : 0]->add(); }
  void snapshot_failed() { failed_.add(); }
  void unspooled(Unspooled reason) { unspooled_[static_cast<std::size_t>(reason)]->add(); }
  void snapshot_raced() { raced_.add(); }
  void resume_asked() { asked_.add(); }
  void resume_held(Held from) { held_[static_cast<std::size_t>(from)]->add(); }
  void resume_refused(Refusal reason) { resumes_refused_[static_cast<std::size_t>(reason)]->add(); }
  /// So many transactions went out as one.
  void conflated(std::size_t transactions) {
    conflated_frames_.add();
    conflated_.add(transactions);
  }
  void caught_up_from_log() { from_log_.add(); }
  void lag_refused(Refusal reason) { lags_refused_[static_cast<std::size_t>(reason)]->add(); }
  void reread(std::size_t bytes) {
    rereads_.add();
    reread_bytes_.add(bytes);
  }
  void history_bytes(std::size_t bytes) { history_bytes_.set(static_cast<std::int64_t>(bytes)); }
  void replay_refused() { replay_refused_.add(); }
  void relieved(Relief step) { reliefs_[static_cast<std::size_t>(step)]->add(); }
  void memory_bytes(std::size_t bytes) { memory_.set(static_cast<std::int64_t>(bytes)); }
  void reset(Reset reason) { resets_[static_cast<std::size_t>(reason)]->add(); }
  void undecodable() { undecodable_.add(); }
  void command_refused() { refused_.add(); }
  void reading_paused() { paused_.add(); }
  void stale(bool stale) { stale_.set(stale ? 1 : 0); }
  /// What `progress` says: what is streamed and not yet visible, and how old the record is.
  void lag(std::uint64_t lsn, std::chrono::microseconds age);
  void posted_after(metrics::Stages::Time time) { stages_.took(metrics::Stage::posted, time); }

 private:
  metrics::Counter& records_;
  metrics::Counter& bytes_;
  metrics::Gauge& partitions_;
  metrics::Counter& opened_;
  metrics::Counter& frames_;
  metrics::Counter& deliveries_;
  metrics::Gauge& channels_;
  metrics::Gauge& tail_bytes_;
  metrics::Gauge& memory_;
  metrics::Gauge& waiting_;
  metrics::Counter& taken_;
  metrics::Counter& reused_;
  metrics::Counter& failed_;
  metrics::Counter& raced_;
  metrics::Counter& asked_;
  metrics::Counter& from_log_;
  metrics::Counter& conflated_frames_;
  metrics::Counter& conflated_;
  metrics::Counter& rereads_;
  metrics::Counter& reread_bytes_;
  metrics::Gauge& history_bytes_;
  metrics::Counter& replay_refused_;
  metrics::Counter& undecodable_;
  metrics::Counter& refused_;
  metrics::Counter& paused_;
  metrics::Gauge& stale_;
  metrics::Gauge& lag_lsn_;
  metrics::Gauge& lag_ms_;
  metrics::Histogram& active_after_;
  metrics::Histogram& rows_after_;
  metrics::Stages stages_;
  std::array<metrics::Counter*, 2> snapshots_refused_{};
  std::array<metrics::Counter*, kUnspooled> unspooled_{};
  std::array<metrics::Counter*, kHelds> held_{};
  std::array<metrics::Counter*, kRefusals> resumes_refused_{};
  std::array<metrics::Counter*, kRefusals> lags_refused_{};
  std::array<metrics::Counter*, kReliefs> reliefs_{};
  std::array<metrics::Counter*, kDrops> drops_{};
  std::array<metrics::Counter*, kResets> resets_{};
};

}  // namespace tidegate::feed
