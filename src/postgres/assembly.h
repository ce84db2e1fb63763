#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "postgres/decoder.h"
#include "source/source.h"

namespace tidegate::postgres {

/// Puts one transaction together from its messages, in memory. Pure; errors are `fatal` and say what the
/// stream did.
class Assembly {
 public:
  Status begin(const Begin& begin, Xid xid);
  /// The table is the one that the message names, as the stream has it now. Changes of refused tables are
  /// dropped: nobody may subscribe, and their old rows may not be whole.
  Status insert(const std::shared_ptr<const query::TableSchema>& table, const Tuple& row);
  /// Takes unchanged TOAST of the new row from the old one.
  Status update(const std::shared_ptr<const query::TableSchema>& table, const Update& update);
  Status remove(const std::shared_ptr<const query::TableSchema>& table, const Delete& removed);
  Status truncate(const std::shared_ptr<const query::TableSchema>& table);
  /// The whole transaction; with no changes where it touched nothing of ours.
  Result<source::Transaction> commit(const Commit& commit);

  /// Forgets what was begun: the connection broke, and it will come again.
  void abandon() { transaction_.reset(); }
  [[nodiscard]] bool open() const { return transaction_.has_value(); }
  /// Changes dropped because their table is refused, since the start.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  /// False, and counted, where the change is to be dropped.
  Result<bool> takes(const std::shared_ptr<const query::TableSchema>& table);
  void add(source::Change change);

  std::optional<source::Transaction> transaction_;
  std::vector<source::Change> changes_;
  std::uint64_t refused_ = 0;
};

}  // namespace tidegate::postgres
