#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "integration/reference.h"

namespace tidegate::test {

/// A table `orders` and writers that do to it what applications do: inserts, updates that move rows in and
/// out of results, key changes, deletes, NULLs, several statements a transaction, savepoints rolled back,
/// transactions that stay open for long. Random from a seed.
class Workload {
 public:
  static void create_table(const std::string& url);
  /// Some rows to begin with; after the reference's slot, so that it knows them.
  static void fill_table(const std::string& url);

  /// Starts `writers` threads of `transactions` each.
  Workload(std::string url, int writers, int transactions, std::uint32_t seed);
  ~Workload();
  /// Waits until so many transactions were committed, or all have been.
  void wait_committed(int count) const;
  void join();
  [[nodiscard]] int total() const { return writers_ * transactions_; }

 private:
  void write(std::uint32_t seed);
  const std::string url_;
  const int writers_;
  const int transactions_;
  mutable std::atomic<int> committed_{0};
  std::vector<std::thread> threads_;
};

/// A query over `orders` in SQL, and its meaning said once more, by the test.
struct RandomQuery {
  std::string sql;
  ExpectedResult::Matches matches;
};
RandomQuery random_query(std::uint32_t seed);
/// All columns of `orders` as the contract's JSON.
std::string render_order(const Reference::Cells& row);

}  // namespace tidegate::test
