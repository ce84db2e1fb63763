#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "postgres/decoder.h"
#include "postgres/options.h"
#include "postgres/probe.h"
#include "postgres/spill.h"

namespace tidegate::postgres {

/// A committed transaction as its messages: what it changed is in `spill`, each record an insert, update,
/// delete or truncate tagged with the number of its table in `tables`.
struct Assembled {
  /// A table as the transaction had it at some time. Without `described` it is as the stream described it
  /// before the transaction.
  struct Table {
    std::uint32_t relation = 0;
    std::string described;     ///< a Relation message
    std::uint64_t number = 0;  ///< of the transaction's messages
  };
  /// A logical message of ours: what an event trigger said.
  struct Word {
    std::string content;
    std::uint64_t number = 0;
  };
  Commit commit;
  Xid xid;
  std::vector<Table> tables;
  std::vector<Word> words;
  std::unique_ptr<Spill> spill;
  std::size_t changes = 0;
};

/// Puts transactions together from their messages (rule 6): one that has committed and comes whole, and any
/// number that are still open and come in blocks. Nothing is decoded but what must be, so that what is held
/// is bytes of messages; where those of all open transactions are more than Options::transaction_memory_bytes
/// the largest goes on in a file. Errors are `fatal` and say what the stream did, or why the file could not
/// be written. Asks no catalogue. One thread.
class Assembly {
 public:
  Assembly(const Options& options, Probe& probe)
      : memory_max_(options.transaction_memory_bytes),
        probe_(probe),
        room_{options.spill_directory, std::make_shared<Budget>(options.spill_bytes_max)} {}

  /// Begin, what lies between, and the blocks of streamed transactions; not the two that end one. `reference`
  /// is the xmax of a recent snapshot. Outside of a transaction and of a block `false`: not ours to take.
  Result<bool> take(std::string_view message, Xid reference);
  Result<Assembled> commit(const Commit& commit);
  Result<Assembled> commit(const StreamCommit& commit);

  /// Forgets what was begun: the connection broke, and it will come again.
  void abandon();
  /// Inside of a transaction that comes whole, or of a block.
  [[nodiscard]] bool open() const { return current_ != nullptr; }
  /// Transactions that are begun and not ended.
  [[nodiscard]] std::size_t begun() const { return open_.size(); }
  [[nodiscard]] std::size_t memory() const { return memory_; }

 private:
  /// A subtransaction's first message. What follows it until it aborts is its own or its
  /// children's: a parent writes nothing while a child is open.
  struct Mark {
    std::uint64_t number = 0;
    std::uint64_t place = 0;  // of the spill
    std::size_t changes = 0;
  };
  struct Open {
    Assembled assembled;
    std::uint64_t messages = 0;
    std::uint64_t begun_lsn = 0;                     // that its commit must name; 0 where it is streamed
    std::map<std::uint32_t, std::uint32_t> numbers;  // relation -> the latest of its tables
    std::map<std::uint32_t, Mark> marks;
  };

  Status begin(const Begin& begin, Xid reference);
  Status start(const StreamStart& start, Xid reference);
  Status abort(const StreamAbort& abort);
  Status add(std::string_view message);
  Status record(std::uint32_t relation, std::string_view message);
  std::uint32_t number_of(std::uint32_t relation);
  Result<Assembled> end(std::uint32_t xid, const Commit& commit);
  /// Counts what changed of `open`, and moves the largest out while memory holds too much.
  Status weigh(const Open& open, std::size_t before);
  void tell();
  Open& fresh(std::uint32_t xid, Xid full);

  const std::size_t memory_max_;
  Probe& probe_;
  const SpillRoom room_;
  std::map<std::uint32_t, Open> open_;  // by the 32-bit id of the topmost transaction
  Open* current_ = nullptr;
  bool block_ = false;
  std::size_t memory_ = 0;
};

}  // namespace tidegate::postgres
