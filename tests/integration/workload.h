#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "integration/reference.h"

namespace tidegate::test {

/// What makes snapshots hard; each is added to the writers' transactions.
struct Hardships {
  bool prepared = false;  ///< PREPARE TRANSACTION, something else, then COMMIT PREPARED or ROLLBACK PREPARED
  bool truncate = false;  ///< TRUNCATE alone, between other changes, and rolled back
  bool rewrites = false;  ///< VACUUM FULL, CLUSTER, and ALTERs that write the table anew with the same values
  bool standby = false;   ///< commits that wait for a synchronous standby, which is away now and then
  bool large = false;     ///< diffs of more than one part, with values outside of the row
  static Hardships all() { return {true, true, true, true, true}; }
};

/// Makes commits wait now and then: a synchronous standby that is not there is named for some tens of
/// milliseconds, again and again. Only a session with `synchronous_commit = on` waits. Its end lets go of
/// all.
class StandbyOutages {
 public:
  StandbyOutages(const std::string& url, std::uint32_t seed);
  ~StandbyOutages();
  StandbyOutages(const StandbyOutages&) = delete;
  StandbyOutages& operator=(const StandbyOutages&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};
/// Names a standby that is not there, or lets go of whoever waits for it.
void name_absent_standby(rig::Sql& sql, bool absent);

/// A table `orders` and writers that do to it what applications do: inserts, updates that move rows in and
/// out of results, key changes, deletes, NULLs, several statements a transaction, savepoints rolled back,
/// transactions that stay open for long. Random from a seed.
class Workload {
 public:
  static void create_table(const std::string& url);
  /// Some rows to begin with; after the reference's slot, so that it knows them.
  static void fill_table(const std::string& url);

  /// Starts `writers` threads of `transactions` each.
  Workload(std::string url, int writers, int transactions, std::uint32_t seed, Hardships hardships = {});
  ~Workload();
  /// Lets the writers go on until so many were committed; at first as far as they like.
  void allow(int count);
  /// Waits until so many transactions were committed, or all have been.
  void wait_committed(int count) const;
  void join();
  [[nodiscard]] int total() const { return writers_ * transactions_; }

 private:
  void write(std::uint32_t seed);
  void write_one(rig::Sql& sql, std::mt19937& random, const std::string& name, bool middle) const;
  const std::string url_;
  const int writers_;
  const int transactions_;
  const Hardships hardships_;
  std::unique_ptr<StandbyOutages> outages_;
  mutable std::atomic<int> committed_{0};
  std::atomic<int> allowed_{std::numeric_limits<int>::max()};
  std::vector<std::thread> threads_;
};

/// The same writers, without end and at a pace, through restarts of the server: for as long as it lives. Now
/// and then a row whose diffs are cut into parts.
class Traffic {
 public:
  Traffic(std::string url, int writers, std::uint32_t seed);
  ~Traffic();

 private:
  void write(std::uint32_t seed, bool large);
  const std::string url_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

/// A query over `orders` in SQL, and its meaning said once more, by the test.
struct RandomQuery {
  std::string sql;
  Matches matches;
};
RandomQuery random_query(std::uint32_t seed);
/// All columns of `orders` as the contract's JSON.
std::string render_order(const Reference::Cells& row);

}  // namespace tidegate::test
