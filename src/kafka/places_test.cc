#include "kafka/places.h"

#include <gtest/gtest.h>

namespace tidegate::kafka {
namespace {

TEST(KafkaPlaces, CountsPartitionsOverTheTopicsInTheirOrder) {
  Places places;
  EXPECT_EQ(places.total(), 0);
  EXPECT_FALSE(places.named(Partition(0)).has_value());
  places.add("b", 2);
  places.add("a", 3);
  EXPECT_EQ(places.total(), 5);
  EXPECT_EQ(places.named(Partition(1)), std::pair(std::string("b"), 1));
  EXPECT_EQ(places.named(Partition(2)), std::pair(std::string("a"), 0));
  EXPECT_EQ(places.named(Partition(4)), std::pair(std::string("a"), 2));
}

TEST(KafkaPlaces, EveryNumberNamesOnePlaceAndThePlaceTheNumber) {
  Places places;
  places.add("one", 3);
  places.add("none", 0);
  places.add("two", 2);
  for (int i = 0; i < places.total(); ++i) {
    const auto named = places.named(Partition(i));
    ASSERT_TRUE(named.has_value());
    EXPECT_EQ(places.number(named->first, named->second), Partition(i));
  }
}

TEST(KafkaPlaces, WhatDoesNotExistHasNoNumberAndNoName) {
  Places places;
  places.add("one", 3);
  for (const int number : {-1, 3, 2'000'000'000}) EXPECT_FALSE(places.named(Partition(number)).has_value());
  EXPECT_FALSE(places.number("one", 3).has_value());
  EXPECT_FALSE(places.number("one", -1).has_value());
  EXPECT_FALSE(places.number("other", 0).has_value());
}

}  // namespace
}  // namespace tidegate::kafka
