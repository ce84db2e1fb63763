#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fence.h"
#include "base/identity.h"
#include "query/query.h"
#include "source/source.h"

namespace tidegate::simulation {

/// Small choices within a step, all from the step's own numbers, so that a step does the same wherever it
/// stands.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t mixed = (state_ += 0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  bool one_in(std::uint64_t count) { return below(count) == 0; }

 private:
  std::uint64_t state_;
};

using Rows = std::map<int, query::Row>;
/// A query's result as clients hold it: key to row, both JSON.
using Held = std::map<std::string, std::string>;

Held result_of(const query::Query& query, const Rows& rows);

/// A committed transaction: what it made of which rows.
struct Commit {
  Lsn lsn;
  Xid xid;
  bool truncates = false;
  std::map<int, std::optional<query::Row>> rows;  ///< absent: deleted
  source::Transaction streamed;
};

/// A database of one table, by transactions: each begins (and takes its xid), is in the write-ahead log, and
/// is visible, in that order, but no two in the same. What has been written and is not visible yet is
/// doubtful, and holds its locks. A failover is another timeline: some of the newest commits never were.
class Database {
 public:
  Database();

  // ---- what happens to it ----

  /// A transaction takes its xid and locks some rows; it commits later, if at all.
  void begin(Dice dice);
  /// The oldest open one is in the log, doubtful or at once visible. False where there is none.
  bool commit_open(Dice dice, bool doubtful);
  void abort();
  bool commit(Dice dice, bool doubtful);
  /// False while somebody else holds a lock.
  bool truncate(Dice dice, bool doubtful);
  /// One doubtful commit, any, is visible. False where there is none.
  bool reveal(Dice dice);
  /// Something that is no transaction of the table's is written (another table, a WAL switch).
  void write_else(Dice dice) { wal_end_ += 1 + dice.below(4); }
  /// A standby takes over that lacks the newest `lost` commits.
  void fail_over(std::size_t lost);

  // ---- what is seen of it ----

  [[nodiscard]] Lsn wal_end() const { return Lsn(wal_end_); }
  [[nodiscard]] XidSnapshot snapshot() const;
  [[nodiscard]] bool locked_whole() const { return truncate_doubtful_ > 0; }
  [[nodiscard]] std::size_t doubtful() const { return doubtful_.size(); }
  [[nodiscard]] bool settled() const { return doubtful_.empty() && open_.empty(); }
  [[nodiscard]] std::uint32_t timeline() const { return timeline_; }
  [[nodiscard]] SourceIdentity identity() const { return {"system", timeline_, "shop"}; }
  [[nodiscard]] const std::vector<Commit>& commits() const { return commits_.at(timeline_); }
  [[nodiscard]] bool visible(const Commit& commit) const { return !doubtful_.contains(commit.xid); }
  /// The rows with exactly the transactions up to `lsn`, and those above it that `seen` holds.
  [[nodiscard]] Rows rows(std::uint32_t timeline, Lsn lsn, const XidSnapshot* seen) const;
  /// What a reader that takes its snapshot now reads.
  [[nodiscard]] Rows visible_rows() const;

 private:
  struct Open {
    Xid xid;
    std::set<int> ids;
  };
  Xid take_xid() { return Xid(next_xid_++); }
  bool lock(int id) const;
  void write(Open open, Dice dice, bool doubtful, bool truncates);

  std::uint64_t wal_end_ = 100;
  std::uint64_t next_xid_ = 0xfffffff0;  // a 32-bit counter wraps on the way
  std::uint32_t timeline_ = 1;
  std::map<std::uint32_t, std::vector<Commit>> commits_;  // of each timeline, in the order of their LSNs
  std::vector<Open> open_;
  std::map<Xid, Open> doubtful_;
  int truncate_doubtful_ = 0;
  Rows newest_;  // with everything that was written
};

}  // namespace tidegate::simulation
