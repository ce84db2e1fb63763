#include "simulation/step.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "simulation/database.h"

namespace tidegate::simulation {
namespace {

struct Described {
  std::string_view name;
  int weight;
};

/// In the order of Kind. The weight is how often a schedule has it, faults where the schedule has that fault
/// at all.
constexpr std::array<Described, kKinds> kDescribed{{
    {"a round of everything", 60},
    {"time passes", 15},
    {"a transaction commits", 25},
    {"a transaction commits, and nobody sees it yet", 12},
    {"a transaction begins", 8},
    {"an open transaction commits", 6},
    {"an open transaction commits, and nobody sees it yet", 6},
    {"an open transaction aborts", 2},
    {"a commit becomes visible", 12},
    {"something else is written to the WAL", 4},
    {"TRUNCATE", 1},
    {"a matcher starts", 8},
    {"a matcher's loop", 30},
    {"the server sends to a matcher", 20},
    {"the server answers what is visible", 12},
    {"a gateway starts", 5},
    {"a gateway's loop", 30},
    {"a gateway reads a snapshot", 14},
    {"a shard handles events", 20},
    {"a gateway's second", 3},
    {"a client connects", 10},
    {"a client leaves", 3},
    {"a client reads", 20},
    {"a client stores where it is", 3},
    {"the log stores", 14},
    {"the log acknowledges", 14},
    {"the control topic stores", 10},
    {"the control topic acknowledges", 10},
    {"the control topic is read", 14},
    {"the control topic compacts", 2},
    {"retention", 2},
    {"a matcher is killed", 10},
    {"a matcher stops in order", 3},
    {"a matcher is paused", 4},
    {"a matcher's connection breaks", 4},
    {"the stream stands still", 4},
    {"an append fails, and may yet arrive", 3},
    {"records of the dead arrive", 8},
    {"records of the dead are gone", 2},
    {"control records of the dead arrive", 8},
    {"control records of the dead are gone", 2},
    {"a control record fails, and may yet arrive", 2},
    {"the control topic is out of reach", 2},
    {"the control topic is in reach again", 4},
    {"a gateway is killed", 4},
    {"a gateway stops in order", 2},
    {"a gateway is paused", 4},
    {"a snapshot fails", 3},
    {"the slot is dropped and made anew", 1},
    {"the topic is deleted and made anew", 1},
    {"the topic has more partitions", 1},
    {"a disk loses the log's end", 1},
    {"another primary takes over", 1},
}};

}  // namespace

std::string_view name_of(Kind kind) {
  return kDescribed[static_cast<std::size_t>(kind)].name;
}

std::string text_of(const Step& step) {
  return fmt::format("{} ({}, {})", name_of(step.kind), step.who, step.much);
}

Schedule schedule_of(std::uint64_t seed) {
  Dice dice(seed);
  Schedule schedule;
  Sizes& sizes = schedule.sizes;
  const auto one_of = [&dice](std::initializer_list<std::size_t> some) {
    return some.begin()[dice.below(some.size())];
  };
  sizes.partitions = static_cast<std::int32_t>(one_of({1, 2, 3}));
  sizes.tail_bytes = one_of({1'500, 6'000, 100'000});
  sizes.outbox_bytes = one_of({700, 3'000, 100'000});
  sizes.catch_up_bytes = one_of({200, 1'000, 100'000});
  sizes.part_bytes = one_of({200, 500, 900'000});
  sizes.snapshot_part_bytes = one_of({150, 1'000});
  sizes.diff_bytes_max = one_of({900, 100'000, 100'000});
  sizes.linger_ms = static_cast<int>(one_of({1'000, 8'000, 60'000}));
  sizes.reuse_ms = static_cast<int>(one_of({0, 300, 2'000}));
  sizes.gaps = dice.one_in(2);
  if (seed % 3 == 0) sizes.latest = seed / 3 % 16;  // not of the dice: a seed's steps stay what they were
  sizes.latest_bytes = seed % 2 == 0 ? 700 : 100'000;
  std::array<int, kKinds> weights{};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const bool fault = i >= kFirstFault;
    // What begins a new epoch hides everything else.
    const bool left_out = fault ? !dice.one_in(i >= kFirstOfEpochs ? 6 : 2) : dice.one_in(12) && i > 1;
    weights[i] = left_out ? 0 : kDescribed[i].weight;
  }
  const int sum = std::accumulate(weights.begin(), weights.end(), 0);
  if (!dice.one_in(4)) {
    for (const Kind kind :
         {Kind::matcher_start, Kind::gateway_start, Kind::commit, Kind::round, Kind::round, Kind::round}) {
      schedule.steps.push_back({kind, 1, static_cast<std::uint32_t>(dice.below(100'000))});
    }
    schedule.steps.push_back({Kind::gateway_start, 0, 0});
  }
  const std::size_t length = 60 + dice.below(240);
  for (std::size_t i = 0; i < length; ++i) {
    auto at = static_cast<int>(dice.below(static_cast<std::uint64_t>(sum)));
    int kind = 0;
    while (at >= weights[static_cast<std::size_t>(kind)]) at -= weights[static_cast<std::size_t>(kind++)];
    schedule.steps.push_back({static_cast<Kind>(kind), static_cast<std::uint32_t>(dice.below(60)),
                              static_cast<std::uint32_t>(dice.below(100'000))});
  }
  return schedule;
}

std::vector<std::size_t> shrunk(std::size_t steps,
                                const std::function<bool(const std::vector<std::size_t>&)>& fails) {
  std::vector<std::size_t> kept(steps);
  std::iota(kept.begin(), kept.end(), 0);
  for (std::size_t chunk = std::max<std::size_t>(1, steps / 2);; chunk /= 2) {
    bool shorter = true;
    while (shorter) {
      shorter = false;
      for (std::size_t at = 0; at < kept.size();) {
        std::vector<std::size_t> fewer = kept;
        const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
        fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(chunk, fewer.size() - at)));
        if (fails(fewer)) {
          kept = std::move(fewer);
          shorter = true;
        } else {
          at += chunk;
        }
      }
    }
    if (chunk == 1) return kept;
  }
}

}  // namespace tidegate::simulation
