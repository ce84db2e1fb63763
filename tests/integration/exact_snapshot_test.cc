// C1, C2, C3, C4: after its snapshot and after every diff each client holds what the reference holds at that
// point: the transactions that the snapshot saw, and those up to the diff's LSN. Every change of a result is
// one diff, no diff is without one. (Final states alone would hide the faults: later writes overwrite them.)
#include <gtest/gtest.h>

#include "integration/judge.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

constexpr Load kLoad;

class ExactSnapshot : public ::testing::Test {
 protected:
  ExactSnapshot() : url(server.create_database("shop")) {
    Workload::create_table(url);
    rig::Tidegate setup({"setup", "--database", url}, {}, false);
    EXPECT_EQ(setup.process().wait(), 0) << setup.output();
  }

  rig::PostgresServer server;
  std::string url;
};

TEST_F(ExactSnapshot, c1_every_client_holds_the_reference_s_rows_after_every_diff) {
  rig::Tidegate gateway({"serve", "--database", url, "--auth", "none"});
  gateway.wait_ready();
  const Verdict verdict = judge_under_load(url, {gateway.port()}, kLoad);
  EXPECT_EQ(verdict.faults, 0u) << verdict.first;
  EXPECT_GE(verdict.snapshots, static_cast<std::size_t>(kLoad.subscriptions));
  EXPECT_GT(verdict.diffs, 10'000u) << "the load was too thin to show anything";
}

}  // namespace
}  // namespace tidegate::test
