#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "postgres/decoder.h"
#include "postgres/spill.h"
#include "source/changes.h"

namespace tidegate::postgres {

using TablePtr = std::shared_ptr<const query::TableSchema>;

/// The change that a message tells of a table. Unchanged TOAST of the new row is taken from the old one, and
/// an old key that is not told from the new one, since it did not change. `fatal` where the message can't be
/// read or is no change.
Result<source::Change> change_of(const TablePtr& table, std::string_view message);

/// The changes in a spill, whose records are tagged with the number of their table. Those of refused tables
/// are left out: nobody may subscribe.
class SpilledChanges final : public source::StoredChanges {
 public:
  SpilledChanges(std::unique_ptr<Spill> spill, std::vector<TablePtr> tables, std::size_t count)
      : spill_(std::move(spill)), tables_(std::move(tables)), count_(count) {}
  [[nodiscard]] std::size_t size() const override { return count_; }
  Status each(const source::VisitChange& visit) const override;

 private:
  std::unique_ptr<Spill> spill_;
  std::vector<TablePtr> tables_;
  std::size_t count_;
};

}  // namespace tidegate::postgres
