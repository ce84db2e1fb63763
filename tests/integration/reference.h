#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fence.h"
#include "rig/postgres.h"

namespace tidegate::test {

/// What the contract's oracle knows: every transaction of one table, in the order of its commits, decoded by
/// Postgres's own `test_decoding` from a slot of its own. It shares no code with the program under test.
class Reference {
 public:
  using Cells = std::map<std::string, std::optional<std::string>>;  // column to text; absent: NULL
  using Render = std::function<std::string(const Cells&)>;
  struct Change {
    std::string key;           // the JSON array that the program should name it by; of TRUNCATE: empty
    std::optional<Cells> row;  // absent: deleted
    std::uint64_t mark = 0;    // of key and row, for fingerprints; not 0
    bool truncate = false;     // all rows went
    std::size_t number = 0;    // of all changes
    std::size_t key_number = 0;
  };
  struct Transaction {
    Xid xid;
    Lsn end;  // Postgres's end of the commit record: above the program's LSN of it, not above the next one's
    std::vector<Change> changes;
  };

  /// Makes the slot, which goes with the object; changes from now on are seen. The table has an integer
  /// primary key `id` and REPLICA IDENTITY FULL. `render` gives a row as the program should show it.
  Reference(std::string url, std::string table, Render render);
  ~Reference();
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;

  /// Takes the rows that are there as the first transaction, one that every snapshot sees. While nobody
  /// writes; before `read`.
  void begin_with_rows();
  /// Reads everything that was committed until now.
  void read();
  [[nodiscard]] const std::vector<Transaction>& transactions() const { return transactions_; }
  /// How many transactions are at or below an LSN of the program's.
  [[nodiscard]] std::size_t count_up_to(Lsn lsn) const;
  [[nodiscard]] std::size_t changes() const { return changes_; }
  [[nodiscard]] std::size_t keys() const { return keys_.size(); }

 private:
  void line(const std::string& end_lsn, const std::string& text);
  void add(Transaction& transaction, std::string key, std::optional<Cells> row);
  Xid full_xid(std::uint64_t low) const;
  const std::string url_;  // a connection each time: the server may restart in between
  const std::string table_;
  const Render render_;
  std::uint64_t next_xid_ = 0;  // with its epoch, as of the last `read`
  std::string slot_;            // quoted
  std::vector<Transaction> transactions_;
  std::size_t changes_ = 0;
  std::unordered_map<std::string, std::size_t> keys_;
  std::optional<Transaction> open_;
};

/// A query's meaning: whether a row belongs to it.
using Matches = std::function<bool(const Reference::Cells&)>;

/// One query's result as the reference has it, moved on transaction by transaction; and a fingerprint of it
/// that a client's state can be compared with. Asks the query once about every row that ever was.
class ExpectedResult {
 public:
  ExpectedResult(const Reference& reference, const Matches& matches);
  /// Back to before the first transaction.
  void rewind();
  /// Whether the result is another one afterwards.
  bool apply(const Reference::Transaction& transaction);
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  std::vector<bool> belongs_;         // by Change::number
  std::vector<std::uint64_t> marks_;  // by Change::key_number; 0: not there
  std::uint64_t fingerprint_ = 0;
};

/// Of a whole state: the same for the same rows in any order.
std::uint64_t fingerprint(const std::map<std::string, std::string>& rows);

}  // namespace tidegate::test
