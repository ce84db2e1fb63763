// Random schedules: the contract's C1 to C4, C8 and C9, whatever dies, stalls, repeats or comes late. A
// failure prints its seed and the shortest part of its schedule that still fails; TIDEGATE_SIM_SEED runs one
// seed alone, TIDEGATE_SIM_STEPS (indices, as printed) a part of it, TIDEGATE_SIM_COUNT so many seeds.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "simulation/world.h"

namespace tidegate::simulation {

void reseed_ids(std::uint64_t seed);

namespace {

std::optional<std::uint64_t> setting(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

std::string run(const Schedule& schedule, const std::vector<std::size_t>& kept, std::uint64_t seed,
                Tally& tally) {
  std::vector<Step> steps;
  for (std::size_t index : kept) steps.push_back(schedule.steps.at(index));
  reseed_ids(seed);
  World world(schedule.sizes, tally);
  world.tells = setting("TIDEGATE_SIM_TELL").has_value();
  return world.run(steps);
}

std::vector<std::size_t> all_of(const Schedule& schedule) {
  std::vector<std::size_t> all(schedule.steps.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

std::vector<std::size_t> steps_setting() {
  std::vector<std::size_t> steps;
  const char* text = std::getenv("TIDEGATE_SIM_STEPS");
  std::stringstream list(text == nullptr ? "" : text);
  for (std::string one; std::getline(list, one, ',');) steps.push_back(std::stoul(one));
  return steps;
}

void report(const Schedule& schedule, std::uint64_t seed, const std::string& wrong) {
  Tally unused;
  const auto kept = shrunk(schedule.steps.size(), [&](const std::vector<std::size_t>& some) {
    return !run(schedule, some, seed, unused).empty();
  });
  std::string steps, indices;
  for (std::size_t index : kept) {
    steps += fmt::format("\n  {:4} {}", index, text_of(schedule.steps[index]));
    indices += (indices.empty() ? "" : ",") + std::to_string(index);
  }
  ADD_FAILURE() << wrong << "\nshrunk from " << schedule.steps.size() << " steps, "
                << run(schedule, kept, seed, unused) << steps << "\n  TIDEGATE_SIM_SEED=" << seed
                << " TIDEGATE_SIM_STEPS=" << indices
                << " simulation_test --gtest_filter=Simulation.random_schedules";
}

void print(const Tally& tally) {
  fmt::print("{} schedules, {} steps: {} snapshots, {} diffs, {} changes, {} errors, {} debtors, {} epochs\n",
             tally.schedules, tally.steps, tally.snapshots, tally.diffs, tally.changes, tally.errors,
             tally.debtors, tally.epochs);
  for (const auto& [name, value] : tally.metrics) fmt::print("  {}: {}\n", name, value);
  for (std::size_t i = 0; i < tally.done.size(); ++i) {
    fmt::print("  {}: {}\n", name_of(static_cast<Kind>(i)), tally.done[i]);
  }
}

/// Else the run was about less than it seems.
void hit_everything(const Tally& tally) {
  for (std::size_t i = 0; i < tally.done.size(); ++i) {
    EXPECT_GT(tally.done[i], 0u) << "never: " << name_of(static_cast<Kind>(i));
  }
  for (const auto& [name, value] : tally.metrics) {
    // No value is ever broken here, and a lease that ends while its gateway thinks otherwise takes both very
    // long.
    const bool hit = value > 0 || name == "reset: value" || name == "reset: closed";
    EXPECT_TRUE(hit) << "never: " << name;
  }
}

constexpr std::uint64_t kSchedules = 20'000;
constexpr std::uint64_t kSchedulesLong = 1'000'000;  // `make long`: about an hour

std::uint64_t schedules() {
  return std::getenv("TIDEGATE_LONG") != nullptr ? kSchedulesLong : kSchedules;
}

TEST(Simulation, random_schedules) {
  Tally tally;
  const auto one = setting("TIDEGATE_SIM_SEED");
  const std::uint64_t first = one.value_or(setting("TIDEGATE_SIM_FIRST").value_or(1));
  const std::uint64_t count = one ? 1 : setting("TIDEGATE_SIM_COUNT").value_or(schedules());
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    const Schedule schedule = schedule_of(seed);
    const auto chosen = steps_setting();
    const auto wrong = run(schedule, chosen.empty() ? all_of(schedule) : chosen, seed, tally);
    if (!wrong.empty() && !chosen.empty()) ADD_FAILURE() << wrong;
    if (!wrong.empty() && chosen.empty()) report(schedule, seed, wrong);
  }
  print(tally);
  if (count >= 10'000) hit_everything(tally);
}

}  // namespace
}  // namespace tidegate::simulation
