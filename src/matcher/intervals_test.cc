// Invariants: an interval is found by the numbers that it holds and no others, once; so it stays while others
// come and go; `FlatMap` and `Postings` hold what a plain container would.

#include "matcher/intervals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

#include "base/testing.h"

namespace tidegate::matcher {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::uint64_t new_seed() {
  return test_seed();
}

TEST(FlatMapTest, holds_what_a_plain_map_holds_when_keys_collide_and_go) {
  const std::uint64_t seed = new_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  FlatMap map;
  std::unordered_map<std::uint64_t, std::uint32_t> plain;
  EXPECT_EQ(map.find(0), FlatMap::kNone);
  map.erase(0);
  for (int round = 0; round < 100'000; ++round) {
    // Small ones, and such that differ in high bits alone.
    const std::uint64_t key = random() % 2 ? random() % 200 : (random() % 200) << 56;
    if (random() % 5 < 3) {
      const auto value = static_cast<std::uint32_t>(random() % 1'000);
      map.set(key, value);
      plain[key] = value;
    } else {
      map.erase(key);
      plain.erase(key);
    }
    const std::uint64_t other = random() % 2 ? random() % 200 : (random() % 200) << 56;
    const auto found = plain.find(other);
    ASSERT_EQ(map.find(other), found == plain.end() ? FlatMap::kNone : found->second) << "round " << round;
    ASSERT_EQ(map.size(), plain.size());
  }
}

TEST(PostingsTest, a_set_holds_what_was_added_and_not_removed) {
  const std::uint64_t seed = new_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Postings postings;
  std::vector<Postings::Handle> handles(3, Postings::kNone);
  std::vector<std::set<std::uint32_t>> sets(3);
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t which = random() % 3;
    // Grows and shrinks between none and far more than are searched.
    const bool growing = round / 200 % 2 == 0;
    const auto entry = static_cast<std::uint32_t>(random() % 300);
    const bool there = sets[which].contains(entry);
    if (!there && growing) {
      handles[which] = postings.add(handles[which], entry);
      sets[which].insert(entry);
    } else if (there && !growing) {
      handles[which] = postings.remove(handles[which], entry);
      sets[which].erase(entry);
    }
    std::multiset<std::uint32_t> found;
    postings.each(handles[which], [&](std::uint32_t each) { found.insert(each); });
    ASSERT_TRUE(std::equal(found.begin(), found.end(), sets[which].begin(), sets[which].end())) << round;
    ASSERT_EQ(postings.size(handles[which]), sets[which].size());
  }
}

/// Numbers that lie on, beside and across the borders of wide and narrow spans.
std::uint64_t random_number(std::mt19937_64& random) {
  switch (random() % 6) {
    case 0:
      return random() % 64;
    case 1:
      return kMax - random() % 64;
    case 2:
      return (std::uint64_t{1} << (random() % 64)) + random() % 5 - 2;
    case 3:
      return (std::uint64_t{1} << 63) + random() % 200 - 100;
    case 4:
      return random() % 1'000'000;
    default:
      return random();
  }
}

using Held = std::multimap<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t>;

void expect_found(const Intervals& intervals, const Postings& postings, const Held& held,
                  std::uint64_t number) {
  std::multiset<std::uint32_t> found;
  intervals.each(number, [&](Postings::Handle posting) {
    postings.each(posting, [&](std::uint32_t entry) { found.insert(entry); });
  });
  std::multiset<std::uint32_t> expected;
  for (const auto& [ends, entry] : held) {
    if (ends.first <= number && number <= ends.second) expected.insert(entry);
  }
  ASSERT_EQ(found, expected) << number;
}

TEST(IntervalsTest, gives_what_brute_force_gives_while_intervals_come_and_go) {
  const std::uint64_t seed = new_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Intervals intervals;
  Postings postings;
  Held held;
  std::uint32_t last = 0;
  for (int round = 0; round < 6'000; ++round) {
    if (random() % (round / 1'000 % 2 == 0 ? 4 : 1) != 0 || held.empty()) {
      std::uint64_t low = random_number(random);
      std::uint64_t high = random() % 3 ? low + random() % 20 : random_number(random);
      if (low > high) std::swap(low, high);
      if (!held.empty() && random() % 5 == 0) std::tie(low, high) = held.begin()->first;  // equal ones
      intervals.add(low, high, ++last, postings);
      held.emplace(std::pair(low, high), last);
    } else {
      auto victim = std::next(held.begin(), static_cast<std::ptrdiff_t>(random() % held.size()));
      intervals.remove(victim->first.first, victim->first.second, victim->second, postings);
      held.erase(victim);
    }
    expect_found(intervals, postings, held, random_number(random));
    if (held.empty()) continue;
    const auto& [low, high] =
        std::next(held.begin(), static_cast<std::ptrdiff_t>(random() % held.size()))->first;
    for (const std::uint64_t number : {low - 1, low, high, high + 1})
      expect_found(intervals, postings, held, number);
    if (HasFatalFailure()) FAIL() << "round " << round;
  }
  for (const auto& [ends, entry] : held) intervals.remove(ends.first, ends.second, entry, postings);
  EXPECT_TRUE(intervals.empty());
}

TEST(IntervalsTest, many_in_one_node_are_found_from_either_side_of_its_middle) {
  Intervals intervals;
  Postings postings;
  Held held;
  constexpr std::uint64_t middle = std::uint64_t{1} << 40;
  for (std::uint32_t i = 1; i <= 200; ++i) {
    intervals.add(middle - i, middle + (std::uint64_t{1} << 39) - i, i, postings);
    held.emplace(std::pair(middle - i, middle + (std::uint64_t{1} << 39) - i), i);
  }
  for (std::uint32_t i = 1; i <= 200; i += 2) {
    intervals.remove(middle - i, middle + (std::uint64_t{1} << 39) - i, i, postings);
    held.erase(std::pair(middle - i, middle + (std::uint64_t{1} << 39) - i));
  }
  for (const std::uint64_t at : {middle - 201, middle - 100, middle - 1, middle, middle + 7,
                                 middle + (std::uint64_t{1} << 39) - 100, middle + (std::uint64_t{1} << 39)})
    expect_found(intervals, postings, held, at);
}

TEST(IntervalsTest, everything_is_an_interval_too) {
  Intervals intervals;
  Postings postings;
  intervals.add(0, kMax, 1, postings);
  intervals.add(0, 0, 2, postings);
  intervals.add(kMax, kMax, 3, postings);
  const Held held = {{{0, kMax}, 1}, {{0, 0}, 2}, {{kMax, kMax}, 3}};
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 63, kMax - 1, kMax})
    expect_found(intervals, postings, held, at);
}

}  // namespace
}  // namespace tidegate::matcher
