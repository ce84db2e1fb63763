#include "base/budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tidegate {
namespace {

TEST(Budget, gives_no_more_than_it_has_and_takes_back_what_its_holders_leave) {
  auto budget = std::make_shared<Budget>(100);
  Charge first(budget);
  EXPECT_TRUE(first.add(60));
  {
    Charge second(budget);
    EXPECT_TRUE(second.add(40));
    EXPECT_FALSE(second.add(1));
    EXPECT_EQ(second.bytes(), 40u);
    EXPECT_EQ(budget->used(), 100u);
  }
  EXPECT_EQ(budget->used(), 60u);
  first.set(10);
  EXPECT_EQ(budget->used(), 10u);
}

TEST(Budget, what_exists_is_counted_beyond_the_bound) {
  auto budget = std::make_shared<Budget>(100);
  Charge charge(budget);
  charge.set(150);
  EXPECT_EQ(budget->excess(), 50u);
  Charge other(budget);
  EXPECT_FALSE(other.add(1));
  EXPECT_TRUE(other.add(0)) << "who wants nothing is refused nothing";
  charge.set(100);
  EXPECT_EQ(budget->excess(), 0u);
}

TEST(Budget, a_moved_charge_is_given_back_once) {
  auto budget = std::make_shared<Budget>(100);
  Charge charge(budget);
  charge.set(50);
  {
    Charge moved(std::move(charge));
    Charge assigned;
    assigned = std::move(moved);
    EXPECT_EQ(budget->used(), 50u);
  }
  EXPECT_EQ(budget->used(), 0u);
}

TEST(Budget, threads_never_hold_more_than_there_is) {
  auto budget = std::make_shared<Budget>(1'000);
  std::atomic<bool> above{false};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 10'000; ++turn) {
        Charge charge(budget);
        static_cast<void>(charge.add(300));
        if (budget->used() > 1'000) above = true;
      }
    });
  }
  threads.clear();
  EXPECT_FALSE(above);
  EXPECT_EQ(budget->used(), 0u);
}

}  // namespace
}  // namespace tidegate
