#include "registry/direct_registry.h"

#include "registry/conformance.h"

namespace tidegate::registry {
namespace {

struct DirectWorld {
  Registry& open() { return registry; }
  Registry& again() { return registry; }
  DirectRegistry registry;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Direct, RegistryConformance, DirectWorld);

TEST(DirectRegistry, NeedsNoLeases) {
  EXPECT_FALSE(DirectRegistry().leases());
}

TEST(DirectRegistry, EntriesComeBeforeTheAnswerAndTheAnswerBeforeAppendReturns) {
  DirectRegistry registry;
  std::string order;
  auto following = registry.follow([&](const Entry&) { order += "entry "; }, [&] { order += "caught up "; });
  registry.append(MatcherStart{1}, [&](const Result<Offset>&) { order += "done "; });
  order += "returned";
  EXPECT_EQ(order, "caught up entry done returned");
}

TEST(DirectRegistry, WhatACallbackAppendsComesAfterTheEntryThatItWasCalledFor) {
  DirectRegistry registry;
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> second;
  auto one = registry.follow(
      [&](const Entry& entry) {
        first.push_back(entry.offset.value());
        if (entry.offset < Offset(3)) registry.append(checkpoint(0, 1), {});
      },
      {});
  auto other = registry.follow([&](const Entry& entry) { second.push_back(entry.offset.value()); }, {});
  registry.append(checkpoint(0, 0), {});
  EXPECT_EQ(first, (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(second, first);
}

TEST(DirectRegistry, AFollowerMayEndItselfInItsOwnCallback) {
  DirectRegistry registry;
  int calls = 0;
  std::unique_ptr<Following> following;
  auto opened = registry.follow(
      [&](const Entry&) {
        ++calls;
        following.reset();
      },
      {});
  following = std::move(*opened);
  registry.append(MatcherStart{1}, {});
  registry.append(MatcherStart{2}, {});
  EXPECT_EQ(calls, 1);
}

TEST(DirectRegistry, KeepsOneRecordAKeyAndNoneOfWhatIsOver) {
  DirectRegistry registry;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Incarnation incarnation(i);
    registry.append(Lease{incarnation, false}, {});
    registry.append(Registration{incarnation, "a/b/c", "q", false}, {});
    registry.append(Registration{incarnation, "a/b/c", "", true}, {});
    registry.append(Lease{incarnation, true}, {});
    registry.append(checkpoint(0, i), {});
  }
  EXPECT_EQ(registry.size(), 1U);
}

TEST(DirectRegistry, IsAtTheEndOnlyWhenAllWasGiven) {
  DirectRegistry registry;
  std::unique_ptr<Following> following;
  bool at_end_within = true;
  auto opened = registry.follow(
      [&](const Entry&) {
        registry.append(MatcherStart{2}, {});
        if (following) at_end_within = following->at_end();
      },
      {});
  following = std::move(*opened);
  EXPECT_TRUE(following->at_end());
  Collected collected;
  auto other = registry.follow(collected.on_entry(), {});
  opened = Error{};
  following.reset();
  EXPECT_TRUE((*other)->at_end());
}

}  // namespace
}  // namespace tidegate::registry
