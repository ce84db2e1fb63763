#include "integration/judge.h"

#include <iostream>

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

/// One span against the reference, step by step.
void judge_span(const Watcher::Span& span, const RandomQuery& query, const Reference& reference,
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
    std::string changes;
    std::size_t count = 0;
    for (const std::size_t end = reference.count_up_to(step.lsn); next < end; ++next) {
      if (seen(all[next]) || !expected.apply(all[next])) continue;
      ++count;
      changes +=
          " " + std::to_string(all[next].xid.value()) + " ending at " + std::to_string(all[next].end.value());
    }
    if (count != 1) {
      verdict.fault(std::to_string(count) + " changes behind diff " +
                    std::to_string(&step - span.diffs.data()) + " at " + std::to_string(step.lsn.value()) +
                    " after a snapshot " + "until " + std::to_string(span.fence->until.value()) + " of " +
                    query.sql + ":" + changes);
    }
    if (expected.fingerprint() != step.fingerprint) verdict.fault("a diff of " + query.sql);
  }
}

}  // namespace

Watched watch_random(client::Loop& loop, int port, std::mt19937& random) {
  RandomQuery query = random_query(static_cast<std::uint32_t>(random()));
  const std::string text = R"("sql":")" + query.sql + R"(")";
  const std::string frames = random() % 2 == 0 ? "json" : "";
  return {query, std::make_unique<Watcher>(loop, port, text, frames)};
}

void judge(const Watched& watched, const Reference& reference, Verdict& verdict) {
  ExpectedResult end(watched.query.matches, render_order);
  for (const auto& transaction : reference.transactions()) end.apply(transaction);
  if (!watched.watcher->wait_for(end.fingerprint(), 20s))
    verdict.fault("the end of " + watched.query.sql + " " + watched.watcher->fault());
  const auto counts = watched.watcher->counts();
  if (counts.contradictions + counts.disorders + counts.unreadable != 0)
    verdict.fault("contradictions in " + watched.query.sql);
  for (const auto& span : watched.watcher->spans()) {
    if (!span.fence) {
      verdict.fault("no fence in the cursor of " + watched.query.sql);
      continue;
    }
    judge_span(span, watched.query, reference, verdict);
  }
}

Verdict judge_under_load(const std::string& url, const std::vector<int>& ports, const Load& load) {
  const std::uint32_t seed = new_seed();
  std::mt19937 random(seed);
  Reference reference(url, "public.orders");
  Workload::fill_table(url);
  client::Loop loop;
  std::vector<Watched> watched;
  Workload workload(url, load.writers, load.transactions, seed);
  for (int i = 0; i < load.subscriptions; ++i) {
    workload.wait_committed(static_cast<int>(random() % 12) + i * workload.total() / load.subscriptions);
    watched.push_back(watch_random(loop, ports[static_cast<std::size_t>(i) % ports.size()], random));
  }
  workload.join();
  reference.read();
  Verdict verdict;
  for (const Watched& one : watched) judge(one, reference, verdict);
  std::cout << verdict.snapshots << " snapshots, " << verdict.diffs << " diffs, " << verdict.faults
            << " faults\n";
  return verdict;
}

std::uint32_t new_seed() {
  const std::uint32_t seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  return seed;
}

}  // namespace tidegate::test
