#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "query/schema.h"

namespace tidegate::source {

enum class ChangeKind : std::uint8_t { insert, update, remove, truncate };

/// One row's change, as the table's schema of that moment has it. `old_row` of update and remove has the
/// columns whose `old_told` is set, the others are NULL in it; unchanged TOAST is filled in by the adapter.
/// An update or remove without `old_row` is one of which the source did not tell what it should have.
struct Change {
  std::shared_ptr<const query::TableSchema> table;
  ChangeKind kind = ChangeKind::insert;
  std::optional<query::Row> old_row;
  std::optional<query::Row> new_row;
  /// Columns of `new_row` that are as they were and whose value the source did not tell; NULL in it.
  std::vector<int> left_out = {};
};

/// Is given each change in order. What it keeps of a change it keeps by this pointer.
using VisitChange = std::function<void(const std::shared_ptr<const Change>&)>;

/// The changes of a transaction that is too large to be held as rows: an adapter's file.
class StoredChanges {
 public:
  virtual ~StoredChanges() = default;
  /// How many there are; those of refused tables may be counted and are never given.
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// Reads them from first to last, one in memory at a time. An Error (`fatal`) where they can't be read
  /// back.
  virtual Status each(const VisitChange& visit) const = 0;
};

/// A transaction's changes: a vector of them, or an adapter's store where they are too many. Whoever must
/// work with both walks by `each`; the vector's own operations are for those who know that it is one.
class Changes {
 public:
  Changes() = default;
  Changes(std::vector<Change> held) : held_(std::move(held)) {}  // NOLINT: a vector is one
  explicit Changes(std::shared_ptr<const StoredChanges> stored) : stored_(std::move(stored)) {}

  [[nodiscard]] std::size_t size() const { return stored_ ? stored_->size() : held_.size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] bool stored() const { return stored_ != nullptr; }

  /// In order. Held changes are given by pointers that own nothing: they live as long as this object.
  Status each(const VisitChange& visit) const {
    if (stored_) return stored_->each(visit);
    for (const Change& change : held_) {
      visit(std::shared_ptr<const Change>(std::shared_ptr<const Change>(), &change));
    }
    return {};
  }

  [[nodiscard]] const std::vector<Change>& held() const {
    assert(!stored_);
    return held_;
  }
  [[nodiscard]] auto begin() const { return held().begin(); }
  [[nodiscard]] auto end() const { return held().end(); }
  const Change& operator[](std::size_t index) const { return held()[index]; }
  [[nodiscard]] const Change& at(std::size_t index) const { return held().at(index); }
  [[nodiscard]] const Change& front() const { return held().front(); }
  [[nodiscard]] const Change& back() const { return held().back(); }

 private:
  std::vector<Change> held_;
  std::shared_ptr<const StoredChanges> stored_;
};

}  // namespace tidegate::source
