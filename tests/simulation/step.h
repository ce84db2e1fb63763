#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::simulation {

/// What can happen. Each is one step of a schedule; where it makes no sense at its moment it does nothing, so
/// that any part of a schedule is a schedule too.
enum class Kind : std::uint8_t {
  // Good path.
  round,  ///< everybody who lives does a little of everything
  pass,   ///< time
  commit,
  commit_doubtful,
  begin,
  commit_open,
  commit_open_doubtful,
  abort,
  reveal,
  write_else,
  truncate,
  matcher_start,
  matcher_step,
  matcher_serve,
  matcher_look,
  gateway_start,
  gateway_step,
  gateway_work,
  shard,
  tick,
  client_connect,
  client_leave,
  client_read,
  client_remember,
  log_store,
  log_acknowledge,
  control_store,
  control_acknowledge,
  control_deliver,
  control_compact,
  retain,
  // Faults.
  matcher_kill,
  matcher_stop,
  matcher_pause,
  matcher_cut,
  stand_still,
  append_fails,
  log_orphans,
  log_orphans_gone,
  control_orphans,
  control_orphans_gone,
  control_fails,
  control_broken,
  control_mended,
  gateway_kill,
  gateway_stop,
  gateway_pause,
  snapshot_fails,
  slot_made_anew,
  topic_made_anew,
  repartition,
  end_lost,
  fail_over,
};
inline constexpr int kKinds = static_cast<int>(Kind::fail_over) + 1;
inline constexpr int kFirstFault = static_cast<int>(Kind::matcher_kill);
inline constexpr int kFirstOfEpochs = static_cast<int>(Kind::slot_made_anew);

std::string_view name_of(Kind kind);

struct Step {
  Kind kind = Kind::round;
  std::uint32_t who = 0;   ///< which process, client or partition, modulo how many there are
  std::uint32_t much = 0;  ///< how many, how long, or the seed of its small choices
};
std::string text_of(const Step& step);

/// How large everything is; small, so that what is rare elsewhere is common here.
struct Sizes {
  std::int32_t partitions = 2;
  std::size_t tail_bytes = 20'000;
  std::size_t outbox_bytes = 2'000;
  std::size_t catch_up_bytes = 500;
  std::uint64_t latest = 0;  ///< a bit a client: those that want the last states alone
  std::size_t latest_bytes = 100'000;
  std::size_t part_bytes = 300;
  std::size_t snapshot_part_bytes = 200;
  std::size_t diff_bytes_max = 1'500;
  int linger_ms = 3'000;
  int reuse_ms = 500;
  bool gaps = true;
  std::size_t nested_max = 2;  ///< up to so many steps happen between two words of a matcher that starts
};

/// A schedule, from a seed. Which faults may happen, and how often, differs from seed to seed.
struct Schedule {
  Sizes sizes;
  std::vector<Step> steps;
};
Schedule schedule_of(std::uint64_t seed);

/// The same with some steps left out: a shorter list of indices for which `fails` still holds.
std::vector<std::size_t> shrunk(std::size_t steps,
                                const std::function<bool(const std::vector<std::size_t>&)>& fails);

}  // namespace tidegate::simulation
