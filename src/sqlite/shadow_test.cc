#include "sqlite/shadow.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/testing.h"

namespace tidegate::sqlite {
namespace {

query::TableSchema two_keys() {
  query::TableSchema schema;
  schema.columns.resize(3);
  schema.key = {0, 2};
  return schema;
}

std::unique_ptr<Shadow> open() {
  auto shadow = Shadow::open();
  EXPECT_TRUE(shadow.ok());
  return std::move(*shadow);
}

TEST(Shadow, GivesBackWhatWasPutNullsAndNulBytesIncluded) {
  const auto shadow = open();
  const query::Row row{std::nullopt, std::string("a\0b", 3), "", std::string(70'000, 'x')};
  ASSERT_TRUE(shadow->put(1, "key", row, 1).ok());
  EXPECT_EQ(**shadow->find(1, "key"), row);
  EXPECT_FALSE(*shadow->find(2, "key")) << "another table's";
  EXPECT_FALSE(*shadow->find(1, "key2"));
  ASSERT_TRUE(shadow->put(1, "key", {"new"}, 1).ok());
  EXPECT_EQ(**shadow->find(1, "key"), query::Row{"new"});
}

TEST(Shadow, ARollbackGivesBackWhatWasThere) {
  const auto shadow = open();
  ASSERT_TRUE(shadow->put(1, "stays", {"old"}, 1).ok());
  ASSERT_TRUE(shadow->begin().ok());
  ASSERT_TRUE(shadow->put(1, "stays", {"new"}, 2).ok());
  ASSERT_TRUE(shadow->put(1, "goes", {"new"}, 2).ok());
  shadow->rollback();
  EXPECT_EQ(**shadow->find(1, "stays"), query::Row{"old"});
  EXPECT_FALSE(*shadow->find(1, "goes"));
  ASSERT_TRUE(shadow->begin().ok());
  ASSERT_TRUE(shadow->remove(1, "stays").ok());
  ASSERT_TRUE(shadow->commit().ok());
  shadow->rollback();  // nothing is open
  EXPECT_FALSE(*shadow->find(1, "stays"));
}

TEST(Shadow, ASweepTakesWhatWasNotSeenSinceAndNothingOfAnotherTable) {
  const auto shadow = open();
  ASSERT_TRUE(shadow->put(1, "seen", {"1"}, 1).ok());
  ASSERT_TRUE(shadow->put(1, "unseen", {"2"}, 1).ok());
  ASSERT_TRUE(shadow->put(2, "unseen", {"3"}, 1).ok());
  ASSERT_TRUE(shadow->put(1, "seen", {"1"}, 2).ok());
  EXPECT_EQ(*shadow->sweep(1, 2), std::vector<query::Row>{{"2"}});
  EXPECT_TRUE(shadow->sweep(1, 2)->empty());
  EXPECT_TRUE(*shadow->find(1, "seen"));
  EXPECT_TRUE(*shadow->find(2, "unseen"));
  ASSERT_TRUE(shadow->clear(1).ok());
  EXPECT_FALSE(*shadow->find(1, "seen"));
  ASSERT_TRUE(shadow->clear().ok());
  EXPECT_FALSE(*shadow->find(2, "unseen"));
}

TEST(Shadow, DifferentKeysHaveDifferentBytes) {
  const auto schema = two_keys();
  const auto bytes = [&](query::Cell first, query::Cell second) {
    return key_bytes(schema, {std::move(first), "no part of it", std::move(second)});
  };
  EXPECT_EQ(bytes("a", "b"), bytes("a", "b"));
  EXPECT_NE(bytes("ab", "c"), bytes("a", "bc")) << "they don't run together";
  EXPECT_NE(bytes("", std::nullopt), bytes(std::nullopt, ""));
  EXPECT_NE(bytes(std::string("a\0", 2), "b"), bytes("a", "b"));
  EXPECT_NE(bytes("1", "2"), bytes("2", "1"));
}

TEST(Shadow, HoldsWhatAMapHoldsUnderRandomChanges) {
  const unsigned seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto shadow = open();
  std::map<std::string, query::Row> model;
  for (int step = 0; step < 2'000; ++step) {
    const std::string key(1, static_cast<char>(random() % 40));
    if (random() % 3 == 0) {
      ASSERT_TRUE(shadow->remove(1, key).ok());
      model.erase(key);
    } else {
      query::Row row;
      for (unsigned cell = random() % 4; cell > 0; --cell) {
        row.push_back(random() % 5 == 0 ? query::Cell() : query::Cell(std::string(random() % 9, '\0')));
      }
      ASSERT_TRUE(shadow->put(1, key, row, 1).ok());
      model[key] = row;
    }
    const auto found = *shadow->find(1, key);
    ASSERT_EQ(found.has_value(), model.contains(key));
    ASSERT_EQ(found.value_or(query::Row()), model.contains(key) ? model[key] : query::Row());
  }
  EXPECT_EQ(shadow->sweep(1, 2)->size(), model.size());
}

}  // namespace
}  // namespace tidegate::sqlite
