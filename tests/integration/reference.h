#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fence.h"
#include "rig/postgres.h"

namespace tidegate::test {

/// What the contract's oracle knows: every transaction of one table, in the order of its commits, decoded by
/// Postgres's own `test_decoding` from a slot of its own. It shares no code with the program under test.
class Reference {
 public:
  using Cells = std::map<std::string, std::optional<std::string>>;  // column to text; absent: NULL
  struct Change {
    std::string key;           // the JSON array that the program should name it by
    std::optional<Cells> row;  // absent: deleted
  };
  struct Transaction {
    Xid xid;
    Lsn end;  // Postgres's end of the commit record: above the program's LSN of it, not above the next one's
    std::vector<Change> changes;
  };

  /// Makes the slot, which goes with the object; changes from now on are seen. The table has an integer
  /// primary key `id` and REPLICA IDENTITY FULL.
  Reference(const std::string& url, std::string table);
  ~Reference();
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;

  /// Reads everything that was committed until now.
  void read();
  [[nodiscard]] const std::vector<Transaction>& transactions() const { return transactions_; }
  /// How many transactions are at or below an LSN of the program's.
  [[nodiscard]] std::size_t count_up_to(Lsn lsn) const;

 private:
  void line(const std::string& end_lsn, const std::string& text);
  rig::Sql sql_;
  const std::string table_;
  std::string slot_;  // quoted
  std::vector<Transaction> transactions_;
  std::optional<Transaction> open_;
};

/// One query's result as the reference has it, moved on transaction by transaction; and a fingerprint of it
/// that a client's state can be compared with.
class ExpectedResult {
 public:
  using Matches = std::function<bool(const Reference::Cells&)>;
  using Render = std::function<std::string(const Reference::Cells&)>;
  ExpectedResult(Matches matches, Render render) : matches_(std::move(matches)), render_(std::move(render)) {}
  /// Whether the result is another one afterwards.
  bool apply(const Reference::Transaction& transaction);
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }
  [[nodiscard]] const std::map<std::string, std::string>& rows() const { return rows_; }

 private:
  Matches matches_;
  Render render_;
  std::map<std::string, std::string> rows_;
  std::uint64_t fingerprint_ = 0;
};

/// Of a whole state: the same for the same rows in any order.
std::uint64_t fingerprint(const std::map<std::string, std::string>& rows);

}  // namespace tidegate::test
