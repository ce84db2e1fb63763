// Rules 14, 15. Invariants: a key has one activation at a time; what nobody wants ends, after lingering and
// only with a lease clock that runs; an ended activation never comes back.

#include "matcher/activations.h"

#include <gtest/gtest.h>

namespace tidegate::matcher {
namespace {

using Step = Activations::Step;
using Task = Activations::Task;
using Tasks = std::vector<Task>;
using std::chrono::milliseconds;

const Activations::Limits kLimits{.leases = true, .lease = milliseconds(100), .linger = milliseconds(50)};

registry::Registration wants(std::uint64_t who, const std::string& key) {
  return {Incarnation(who), key, "canonical of " + key, false};
}
registry::Registration leaves(std::uint64_t who, const std::string& key) {
  return {Incarnation(who), key, "", true};
}

class ActivationsTest : public testing::Test {
 protected:
  void begin(const std::string& key, std::uint64_t id) {
    activations_.began(key, Activation(id));
    EXPECT_TRUE(activations_.active(key, Activation(id)));
  }
  Activations activations_{kLimits};
};

TEST_F(ActivationsTest, Rule14TheFirstRegistrationBeginsAndTheOthersAreAnswered) {
  activations_.reign(milliseconds(0));
  activations_.apply(wants(1, "a"), milliseconds(0));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::begin, "a"}}));
  activations_.apply(wants(2, "a"), milliseconds(1));
  EXPECT_EQ(activations_.take(), Tasks{}) << "answered once it is active";
  begin("a", 7);
  activations_.apply(wants(2, "a"), milliseconds(1));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::answer, "a"}}));
  EXPECT_EQ(activations_.activation("a"), Activation(7));
}

TEST_F(ActivationsTest, Rule14AQueryEndsWhenNobodyHasWantedItForAWhile) {
  activations_.reign(milliseconds(0));
  activations_.apply(wants(1, "a"), milliseconds(0));
  activations_.apply(wants(2, "a"), milliseconds(0));
  (void)activations_.take();
  begin("a", 7);
  activations_.apply(leaves(1, "a"), milliseconds(10));
  activations_.tick(milliseconds(99));
  EXPECT_EQ(activations_.take(), Tasks{});
  activations_.apply(registry::Lease{Incarnation(2), false}, milliseconds(99));
  activations_.apply(leaves(2, "a"), milliseconds(100));
  activations_.tick(milliseconds(149));
  EXPECT_EQ(activations_.take(), Tasks{});
  activations_.tick(milliseconds(150));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::end, "a"}}));
  EXPECT_TRUE(activations_.ended("a", Activation(7)));
  EXPECT_FALSE(activations_.wanted("a"));
}

TEST_F(ActivationsTest, Rule14OneThatIsWantedAgainWhileItLingersGoesOn) {
  activations_.reign(milliseconds(0));
  activations_.apply(wants(1, "a"), milliseconds(0));
  (void)activations_.take();
  begin("a", 7);
  activations_.apply(leaves(1, "a"), milliseconds(10));
  activations_.apply(wants(1, "a"), milliseconds(40));
  activations_.tick(milliseconds(90));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::answer, "a"}}));
}

TEST_F(ActivationsTest, Rule14ARegistrationDuringTheEndBeginsAnotherActivation) {
  activations_.reign(milliseconds(0));
  activations_.apply(wants(1, "a"), milliseconds(0));
  (void)activations_.take();
  begin("a", 7);
  activations_.apply(leaves(1, "a"), milliseconds(0));
  activations_.tick(milliseconds(60));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::end, "a"}}));
  activations_.apply(wants(1, "a"), milliseconds(61));
  EXPECT_EQ(activations_.take(), Tasks{});
  EXPECT_FALSE(activations_.ended("a", Activation(8))) << "not the one that is ending";
  EXPECT_TRUE(activations_.ended("a", Activation(7)));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::begin, "a"}}));
  activations_.began("a", Activation(9));
  EXPECT_FALSE(activations_.active("a", Activation(7))) << "an ended one never comes back";
  EXPECT_TRUE(activations_.active("a", Activation(9)));
}

TEST_F(ActivationsTest, Rule15ALeaseThatIsNotRenewedEndsWhatItsIncarnationWanted) {
  activations_.reign(milliseconds(0));
  activations_.apply(registry::Lease{Incarnation(1), false}, milliseconds(0));
  activations_.apply(wants(1, "a"), milliseconds(5));
  (void)activations_.take();
  begin("a", 7);
  activations_.apply(registry::Lease{Incarnation(1), false}, milliseconds(90));
  activations_.tick(milliseconds(190));
  EXPECT_TRUE(activations_.wanted("a")) << "renewed once for all";
  activations_.tick(milliseconds(191));
  EXPECT_FALSE(activations_.wanted("a"));
  activations_.tick(milliseconds(241));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::end, "a"}}));
}

TEST_F(ActivationsTest, Rule15AGatewayThatLeavesInOrderWantsNothingAtOnce) {
  activations_.reign(milliseconds(0));
  activations_.apply(wants(1, "a"), milliseconds(5));
  activations_.apply(registry::Lease{Incarnation(1), true}, milliseconds(6));
  EXPECT_FALSE(activations_.wanted("a"));
}

TEST_F(ActivationsTest, Rule28WithoutLeasesNothingExpires) {
  Activations direct({.leases = false, .lease = milliseconds(100), .linger = milliseconds(50)});
  direct.reign(milliseconds(0));
  direct.apply(wants(1, "a"), milliseconds(0));
  direct.tick(milliseconds(100'000));
  EXPECT_TRUE(direct.wanted("a"));
}

TEST_F(ActivationsTest, Rule15ANewGenerationKeepsWhatIsOpenAndWantedAndGrantsOneLease) {
  activations_.apply(wants(1, "kept"), milliseconds(0));
  activations_.apply(registry::ActivationRecord{"kept", Activation(7), false});
  activations_.apply(registry::ActivationRecord{"abandoned", Activation(8), false});
  activations_.apply(wants(1, "ended"), milliseconds(0));
  activations_.apply(registry::ActivationRecord{"ended", Activation(9), true});
  const auto inherited = activations_.reign(milliseconds(1'000));
  EXPECT_EQ(inherited.kept, (std::vector<std::string>{"kept"}));
  EXPECT_EQ(inherited.abandoned, (std::vector<std::string>{"abandoned"}));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::begin, "ended"}}));
  EXPECT_EQ(activations_.activation("kept"), Activation(7));
  EXPECT_TRUE(activations_.ended("abandoned", Activation(8)));
  activations_.tick(milliseconds(1'100));
  EXPECT_TRUE(activations_.wanted("kept")) << "the lease is granted at the start, however old its record";
}

TEST_F(ActivationsTest, ARefusedKeyIsForgottenUntilItIsRegisteredAgain) {
  activations_.reign(milliseconds(0));
  activations_.apply(wants(1, "a"), milliseconds(0));
  (void)activations_.take();
  activations_.refused("a");
  activations_.apply(leaves(1, "a"), milliseconds(1));
  activations_.tick(milliseconds(1'000));
  EXPECT_EQ(activations_.take(), Tasks{});
  activations_.apply(wants(1, "a"), milliseconds(2));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::begin, "a"}}));
}

TEST_F(ActivationsTest, Rule14OneThatNobodyWantsAnyMoreBeforeItBeganIsEndedAfterwards) {
  activations_.reign(milliseconds(0));
  activations_.apply(wants(1, "a"), milliseconds(0));
  (void)activations_.take();
  activations_.began("a", Activation(7));
  activations_.apply(leaves(1, "a"), milliseconds(1));
  activations_.tick(milliseconds(100));
  EXPECT_EQ(activations_.take(), Tasks{});
  EXPECT_TRUE(activations_.active("a", Activation(7)));
  activations_.tick(milliseconds(101));
  EXPECT_EQ(activations_.take(), (Tasks{{Step::end, "a"}}));
}

}  // namespace
}  // namespace tidegate::matcher
