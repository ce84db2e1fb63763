#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "feed/snapshot_pool.h"
#include "metrics/metrics.h"

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

/// The feed's metrics, as events. Any thread.
class Probe {
 public:
  explicit Probe(metrics::Registry& registry);

  void records_read(std::uint64_t count) { records_.add(count); }
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
  void snapshot_failed() { failed_.add(); }
  void unspooled(Unspooled reason) { unspooled_[static_cast<std::size_t>(reason)]->add(); }
  void snapshot_raced() { raced_.add(); }
  void resume_asked() { asked_.add(); }
  void resume_held() { held_.add(); }
  void replay_refused() { replay_refused_.add(); }
  void reset(Reset reason) { resets_[static_cast<std::size_t>(reason)]->add(); }
  void undecodable() { undecodable_.add(); }
  void command_refused() { refused_.add(); }
  void reading_paused() { paused_.add(); }
  void stale(bool stale) { stale_.set(stale ? 1 : 0); }
  void lag(std::uint64_t lsn, std::int64_t milliseconds);

 private:
  metrics::Counter& records_;
  metrics::Counter& frames_;
  metrics::Counter& deliveries_;
  metrics::Gauge& channels_;
  metrics::Gauge& tail_bytes_;
  metrics::Counter& taken_;
  metrics::Counter& reused_;
  metrics::Counter& failed_;
  metrics::Counter& raced_;
  metrics::Counter& asked_;
  metrics::Counter& held_;
  metrics::Counter& replay_refused_;
  metrics::Counter& undecodable_;
  metrics::Counter& refused_;
  metrics::Counter& paused_;
  metrics::Gauge& stale_;
  metrics::Gauge& lag_lsn_;
  metrics::Gauge& lag_ms_;
  metrics::Histogram& active_after_;
  metrics::Histogram& rows_after_;
  std::array<metrics::Counter*, kUnspooled> unspooled_{};
  std::array<metrics::Counter*, kDrops> drops_{};
  std::array<metrics::Counter*, kResets> resets_{};
};

}  // namespace tidegate::feed
