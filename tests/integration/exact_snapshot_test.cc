// C1, C2, C3, C4: after its snapshot and after every diff each client holds what the reference holds at that
// point: the transactions that the snapshot saw, and those up to the diff's LSN. Every change of a result is
// one diff, no diff is without one. (Final states alone would hide the faults: later writes overwrite them.)
#include <gtest/gtest.h>

#include <random>

#include "integration/reference.h"
#include "integration/watcher.h"
#include "integration/workload.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

constexpr int kWriters = 4;
constexpr int kTransactions = 500;  // each
constexpr int kSubscriptions = 200;

struct Watched {
  RandomQuery query;
  std::unique_ptr<Watcher> watcher;
};

struct Verdict {
  std::size_t snapshots = 0;
  std::size_t diffs = 0;
  std::size_t faults = 0;
  std::string first;
  void fault(const std::string& what) {
    if (faults++ == 0) first = what;
  }
};

/// One span against the reference, step by step.
void judge(const Watcher::Span& span, const RandomQuery& query, const Reference& reference,
           Verdict& verdict) {
  ++verdict.snapshots;
  ExpectedResult expected(query.matches, render_order);
  const auto& all = reference.transactions();
  const auto seen = [&](const Reference::Transaction& one) { return span.fence->contains({}, one.xid); };
  for (const auto& transaction : all) {
    if (seen(transaction)) expected.apply(transaction);
  }
  if (expected.fingerprint() != span.fingerprint) verdict.fault("snapshot of " + query.sql);
  std::size_t next = 0;
  for (const Watcher::Step& step : span.diffs) {
    ++verdict.diffs;
    std::size_t changes = 0;
    for (const std::size_t end = reference.count_up_to(step.lsn); next < end; ++next) {
      if (!seen(all[next]) && expected.apply(all[next])) ++changes;
    }
    if (changes != 1) verdict.fault(std::to_string(changes) + " changes behind one diff of " + query.sql);
    if (expected.fingerprint() != step.fingerprint) verdict.fault("a diff of " + query.sql);
  }
}

class ExactSnapshot : public ::testing::Test {
 protected:
  ExactSnapshot() : url(server.create_database("shop")) {
    Workload::create_table(url);
    rig::Tidegate setup({"setup", "--database", url}, {}, false);
    EXPECT_EQ(setup.process().wait(60s), 0) << setup.output();
  }

  /// Subscribes at random moments while the writers write, on the ports in turn; then judges every client.
  Verdict run(const std::vector<int>& ports) {
    const std::uint32_t seed = std::random_device{}();
    std::cout << "seed " << seed << std::endl;
    std::mt19937 random(seed);
    Reference reference(url, "public.orders");
    Workload::fill_table(url);
    client::Loop loop;
    std::vector<Watched> watched;
    Workload workload(url, kWriters, kTransactions, seed);
    for (int i = 0; i < kSubscriptions; ++i) {
      workload.wait_committed(static_cast<int>(random() % 12) + i * workload.total() / kSubscriptions);
      RandomQuery query = random_query(static_cast<std::uint32_t>(random()));
      const std::string text = R"("sql":")" + query.sql + R"(")";
      watched.push_back(
          {query, std::make_unique<Watcher>(loop, ports[static_cast<std::size_t>(i) % ports.size()], text,
                                            random() % 2 == 0 ? "json" : "")});
    }
    workload.join();
    reference.read();
    Verdict verdict;
    for (const Watched& one : watched) conclude(one, reference, verdict);
    std::cout << verdict.snapshots << " snapshots, " << verdict.diffs << " diffs, " << verdict.faults
              << " faults\n";
    return verdict;
  }

  void conclude(const Watched& one, const Reference& reference, Verdict& verdict) {
    ExpectedResult end(one.query.matches, render_order);
    for (const auto& transaction : reference.transactions()) end.apply(transaction);
    if (!one.watcher->wait_for(end.fingerprint(), 20s))
      verdict.fault("the end of " + one.query.sql + " " + one.watcher->fault());
    const auto counts = one.watcher->counts();
    if (counts.contradictions + counts.disorders + counts.unreadable != 0)
      verdict.fault("contradictions in " + one.query.sql);
    for (const auto& span : one.watcher->spans()) {
      if (!span.fence) {
        verdict.fault("no fence in the cursor of " + one.query.sql);
        continue;
      }
      judge(span, one.query, reference, verdict);
    }
  }

  rig::PostgresServer server;
  std::string url;
};

TEST_F(ExactSnapshot, c1_every_client_holds_the_reference_s_rows_after_every_diff) {
  rig::Tidegate gateway({"serve", "--database", url, "--auth", "none"});
  gateway.wait_ready();
  const Verdict verdict = run({gateway.port()});
  EXPECT_EQ(verdict.faults, 0u) << verdict.first;
  EXPECT_GE(verdict.snapshots, static_cast<std::size_t>(kSubscriptions));
  EXPECT_GT(verdict.diffs, 10'000u) << "the load was too thin to show anything";
}

TEST_F(ExactSnapshot, a_fence_by_lsn_alone_loses_changes) {
  rig::Tidegate gateway({"serve", "--database", url, "--auth", "none"}, {"TIDEGATE_UNSAFE_LSN_FENCE=true"});
  gateway.wait_ready();
  const Verdict verdict = run({gateway.port()});
  EXPECT_GT(verdict.faults, 0u) << "this test can't see the fault that the xid fence closes";
}

}  // namespace
}  // namespace tidegate::test
