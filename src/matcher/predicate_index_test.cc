// Invariants: a probe finds exactly the queries that hold the old or the new row; it evaluates no query whose
// demanded value the row lacks.

#include "matcher/predicate_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/testing.h"
#include "matcher/testing.h"

namespace tidegate::matcher {
namespace {

using Found = std::vector<std::tuple<std::uint64_t, bool, bool>>;

Found found(const std::vector<Hit>& hits) {
  Found found;
  for (const auto& hit : hits) found.emplace_back(hit.number.value(), hit.old_in, hit.new_in);
  std::sort(found.begin(), found.end());
  return found;
}

TEST(PredicateIndex, FindsWhatBruteForceFinds) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  PredicateIndex index;
  std::map<std::uint64_t, std::shared_ptr<const query::Query>> queries;
  std::uint64_t last = 0;
  for (int round = 0; round < 3'000; ++round) {
    if (queries.size() < 40 || pick(random, 3) == 0) {
      queries[++last] = random_query(random);
      index.add(QueryNumber(last), queries[last]);
    } else if (pick(random, 3) == 0) {
      auto victim = std::next(queries.begin(), static_cast<std::ptrdiff_t>(pick(random, queries.size())));
      index.remove(orders()->relation, QueryNumber(victim->first));
      queries.erase(victim);
    }
    const query::Row before = random_order(random, static_cast<int>(pick(random, 6)));
    const query::Row after = random_order(random, static_cast<int>(pick(random, 6)));
    const query::Row* old_row = pick(random, 4) ? &before : nullptr;
    const query::Row* new_row = pick(random, 4) ? &after : nullptr;
    Found expected;
    for (const auto& [number, query] : queries) {
      const bool old_in = old_row && query->matches(*old_row);
      const bool new_in = new_row && query->matches(*new_row);
      if (old_in || new_in) expected.emplace_back(number, old_in, new_in);
    }
    std::vector<Hit> hits;
    index.probe(orders()->relation, old_row, new_row, hits);
    ASSERT_EQ(found(hits), expected) << "round " << round;
    ASSERT_EQ(index.all(orders()->relation).size(), queries.size());
  }
}

TEST(PredicateIndex, OneChangeCostsOnlyTheQueriesOfItsValues) {
  PredicateIndex index;
  constexpr int count = 10'000;
  for (int i = 0; i < count; ++i) {
    index.add(QueryNumber(static_cast<std::uint64_t>(i)),
              orders_query(R"({"where":[{"column":"id","op":"=","value":)" + std::to_string(i) + "}]}"));
  }
  std::vector<Hit> hits;
  const query::Row before = order(17, "eu", "1");
  const query::Row moved = order(18, "eu", "1");
  EXPECT_EQ(index.probe(7, nullptr, &before, hits), 1U);
  EXPECT_EQ(found(hits), (Found{{17, false, true}}));
  EXPECT_EQ(index.probe(7, &before, &moved, hits), 2U);
  EXPECT_EQ(found(hits), (Found{{17, true, false}, {18, false, true}}));
  const query::Row nobody = order(count + 1, "eu", "1");
  EXPECT_EQ(index.probe(7, nullptr, &nobody, hits), 0U);
}

TEST(PredicateIndex, NumbersOfOneValueMeetInOneBucketWhateverTheirScale) {
  PredicateIndex index;
  index.add(QueryNumber(1), orders_query(R"({"where":[{"column":"total","op":"=","value":"5.5"}]})"));
  std::vector<Hit> hits;
  const query::Row row = order(1, "eu", "5.500");
  EXPECT_EQ(index.probe(7, nullptr, &row, hits), 1U);
  EXPECT_EQ(hits.size(), 1U);
}

/// How many tries a change costs that meets none of a thousand queries, with a number each in the place of #.
std::size_t tries_of_a_miss(const std::string& condition, const query::Row& row) {
  PredicateIndex index;
  for (int i = 0; i < 1'000; ++i) {
    std::string json = R"({"where":[)" + condition + "]}";
    for (std::size_t at = json.find('#'); at != std::string::npos; at = json.find('#', at))
      json.replace(at, 1, std::to_string(1'000 + i));
    index.add(QueryNumber(static_cast<std::uint64_t>(i)), orders_query(json));
  }
  std::vector<Hit> hits;
  const std::size_t tries = index.probe(7, nullptr, &row, hits);
  EXPECT_TRUE(hits.empty());
  return tries;
}

TEST(PredicateIndex, RangesPrefixesAndUnionsOfPartsCostAChangeThatMissesThemNothing) {
  const query::Row row = order(1, "eu", "5", "t");
  const std::string range = R"({"column":"id","op":">=","value":#},{"column":"id","op":"<","value":#1})";
  EXPECT_EQ(tries_of_a_miss(range, row), 0U);
  EXPECT_EQ(tries_of_a_miss(R"({"column":"id","op":">","value":#})", row), 0U);
  EXPECT_EQ(tries_of_a_miss(R"({"column":"total","op":"<","value":-#.5})", row), 0U);
  EXPECT_EQ(tries_of_a_miss(R"({"column":"title","op":"starts with","value":"t#"})", row), 0U);
  EXPECT_EQ(tries_of_a_miss(R"({"column":"title","op":"like","value":"a#_b%c"})", row), 0U);
  EXPECT_EQ(tries_of_a_miss(R"({"or":[{"column":"id","op":"=","value":#},{"and":[)" + range + "]}]}", row),
            0U);
  EXPECT_EQ(
      tries_of_a_miss(R"({"column":"region","op":"is null"},{"column":"title","op":"<>","value":"#"})", row),
      0U);
}

TEST(PredicateIndex, ASharedConditionThatCannotBeIndexedIsTriedOnceForAllWhoHaveIt) {
  const query::Row row = order(1, "eu", "5", "t");
  // The first query's own condition is tried too, and so the query: it could not know what comes.
  EXPECT_LE(tries_of_a_miss(
                R"({"column":"title","op":"<>","value":"t"},{"column":"region","op":"<>","value":"#"})", row),
            3U);
  EXPECT_EQ(tries_of_a_miss(R"({"column":"title","op":"like","value":"%#"})", row), 1'000U);
}

TEST(PredicateIndex, Rule21ANumericOfManyDigitsBesideTheEndOfARangeIsInItOrNotAsItsDigitsSay) {
  const std::string above = "0.10000000000000000000000000000000001";
  const std::string below = "0.09999999999999999999999999999999999";
  const auto found_by = [](const std::string& op, const std::string& cell) {
    PredicateIndex index;
    index.add(QueryNumber(1),
              orders_query(R"({"where":[{"column":"total","op":")" + op + R"(","value":"0.1"}]})"));
    std::vector<Hit> hits;
    const query::Row row = order(1, "eu", cell);
    index.probe(7, nullptr, &row, hits);
    return hits.size() == 1;
  };
  EXPECT_TRUE(found_by(">", above));
  EXPECT_TRUE(found_by(">=", above));
  EXPECT_FALSE(found_by("<", above));
  EXPECT_FALSE(found_by("<=", above));
  EXPECT_FALSE(found_by(">", below));
  EXPECT_FALSE(found_by(">=", below));
  EXPECT_TRUE(found_by("<", below));
  EXPECT_TRUE(found_by("<=", below));
  EXPECT_FALSE(found_by(">", "0.10"));
  EXPECT_TRUE(found_by("<=", "0.10"));
}

TEST(PredicateIndex, AnotherTableCostsNothing) {
  PredicateIndex index;
  index.add(QueryNumber(1), orders_query("{}"));
  std::vector<Hit> hits;
  const query::Row row = order(1, "eu", "1");
  EXPECT_EQ(index.probe(8, nullptr, &row, hits), 0U);
  EXPECT_EQ(index.shape(7), orders());
  index.remove(7, QueryNumber(1));
  EXPECT_EQ(index.shape(7), nullptr);
  EXPECT_EQ(index.probe(7, nullptr, &row, hits), 0U);
}

}  // namespace
}  // namespace tidegate::matcher
