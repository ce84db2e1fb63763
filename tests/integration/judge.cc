#include "integration/judge.h"

#include <gtest/gtest.h>

#include <deque>
#include <iostream>

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;

/// Writers run ahead of the clients by so many transactions at most, else the last clients come into a calm.
constexpr int kAhead = 50;

/// One span against the reference, step by step.
void judge_span(const Watcher::Span& span, const RandomQuery& query, const Reference& reference,
                ExpectedResult& expected, Verdict& verdict) {
  ++verdict.snapshots;
  expected.rewind();
  const auto& all = reference.transactions();
  // Above H the number may be another transaction's: after a crash those are given out again that left no
  // trace.
  const auto seen = [&](const Reference::Transaction& one) {
    return one.end <= span.fence->until.next() && span.fence->contains(one.end, one.xid);
  };
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

Watched watch_random(client::Loop& loop, int port, std::mt19937& random, int receive_buffer_bytes) {
  RandomQuery query = random_query(static_cast<std::uint32_t>(random()));
  const std::string text = R"("sql":")" + query.sql + R"(")";
  const std::string frames = random() % 2 == 0 ? "json" : "";
  return {query, std::make_unique<Watcher>(loop, port, text, frames, receive_buffer_bytes)};
}

void judge_end(const Watched& watched, const Reference& reference, Verdict& verdict) {
  ExpectedResult end(reference, watched.query.matches);
  for (const auto& transaction : reference.transactions()) end.apply(transaction);
  if (!watched.watcher->wait_for(end.fingerprint()))
    verdict.fault("the end of " + watched.query.sql + ": " + watched.watcher->standing());
}

void judge(const Watched& watched, const Reference& reference, Verdict& verdict) {
  judge_end(watched, reference, verdict);
  judge_history(watched, reference, verdict);
}

void judge_history(const Watched& watched, const Reference& reference, Verdict& verdict,
                   std::optional<Epoch> epoch) {
  const auto counts = watched.watcher->counts();
  if (counts.contradictions + counts.disorders + counts.unreadable != 0)
    verdict.fault("contradictions in " + watched.query.sql);
  ExpectedResult expected(reference, watched.query.matches);
  for (const auto& span : watched.watcher->spans()) {
    if (epoch && span.epoch != epoch) continue;
    if (!span.fence) {
      verdict.fault("no fence in the cursor of " + watched.query.sql);
      continue;
    }
    judge_span(span, watched.query, reference, expected, verdict);
  }
}

namespace {

/// The clients of one load, as they come and go.
class Clients {
 public:
  Clients(const std::vector<int>& ports, const Load& load, std::mt19937& random)
      : ports_(ports), load_(load), random_(random) {}

  void next() {
    const std::size_t number = all_.size();
    const bool slow = load_.slow_readers && number % 10 == 0;
    all_.push_back(watch_random(loop_, ports_[number % ports_.size()], random_, slow ? 65536 : 0));
    if (slow) {
      if (slow_) slow_->resume();
      slow_ = all_.back().watcher.get();
      slow_->pause();
    }
    live_.push_back(number);
    if (live_.size() > static_cast<std::size_t>(load_.clients_max)) leave();
  }

  void judge(const Reference& reference, Verdict& verdict) {
    if (slow_) slow_->resume();
    for (const std::size_t number : live_) test::judge(all_[number], reference, verdict);
    for (const std::size_t number : left_) judge_history(all_[number], reference, verdict);
  }

 private:
  /// The one that came first, once it has seen something.
  void leave() {
    const std::size_t number = live_.front();
    live_.pop_front();
    Watcher& watcher = *all_[number].watcher;
    if (&watcher == slow_) {
      slow_->resume();
      slow_ = nullptr;
    }
    EXPECT_TRUE(watcher.wait_whole()) << watcher.standing();
    watcher.close();
    left_.push_back(number);
  }

  client::Loop loop_;
  const std::vector<int>& ports_;
  const Load& load_;
  std::mt19937& random_;
  std::vector<Watched> all_;
  std::deque<std::size_t> live_;
  std::vector<std::size_t> left_;
  Watcher* slow_ = nullptr;
};

}  // namespace

Verdict judge_under_load(const std::string& url, const std::vector<int>& ports, const Load& load) {
  const std::uint32_t seed = new_seed();
  std::mt19937 random(seed);
  Reference reference(url, "public.orders", render_order);
  Workload::fill_table(url);
  Clients clients(ports, load, random);
  Workload workload(url, load.writers, load.transactions, seed, load.hardships);
  for (int i = 0; i < load.subscriptions; ++i) {
    const int done = i * workload.total() / load.subscriptions;
    workload.allow(done + kAhead);
    workload.wait_committed(done + static_cast<int>(random() % 12));
    clients.next();
  }
  workload.join();
  reference.read();
  Verdict verdict;
  clients.judge(reference, verdict);
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
