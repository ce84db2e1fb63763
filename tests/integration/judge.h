#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "integration/reference.h"
#include "integration/watcher.h"
#include "integration/workload.h"

namespace tidegate::test {

/// What the reference says of the clients' histories. One fault is one too many.
struct Verdict {
  std::size_t snapshots = 0;
  std::size_t diffs = 0;
  std::size_t faults = 0;
  std::string first;  // faults, in words
  void fault(const std::string& what) {
    if (faults++ < 10) first += what + "\n";
  }
};

/// A client and what its query means.
struct Watched {
  RandomQuery query;
  std::unique_ptr<Watcher> watcher;
};

/// A client of a random query, with frames of either kind.
Watched watch_random(client::Loop& loop, int port, std::mt19937& random, int receive_buffer_bytes = 0);

/// Holds the client's whole history against the reference: each snapshot and the state after each diff, that
/// each change of the result was one diff, and that no span goes on across a TRUNCATE that changed it.
/// Of one epoch alone, where one is given.
void judge_history(const Watched& watched, const Reference& reference, Verdict& verdict,
                   std::optional<Epoch> epoch = std::nullopt);
/// Waits until the client holds what the reference ends with.
void judge_end(const Watched& watched, const Reference& reference, Verdict& verdict);
/// Waits until the client holds what the reference ends with, then judges its history.
void judge(const Watched& watched, const Reference& reference, Verdict& verdict);

/// How much is written, and how many clients come meanwhile.
struct Load {
  int writers = 4;
  int transactions = 500;  // each
  int subscriptions = 200;
  Hardships hardships = {};
  /// At the same time; whoever is more lets an earlier one leave, whose history counts up to there.
  int clients_max = 10'000;
  /// Every tenth client stops reading for the time until the next ten have come.
  bool slow_readers = false;
};
/// Subscribes at random moments while the writers write, on the ports in turn; then judges every client. The
/// table is there, and empty; the reference's slot must not be. Prints what it saw.
Verdict judge_under_load(const std::string& url, const std::vector<int>& ports, const Load& load);

/// A new seed, printed.
std::uint32_t new_seed();

}  // namespace tidegate::test
