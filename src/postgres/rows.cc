#include "postgres/rows.h"

#include <algorithm>

namespace tidegate::postgres {
namespace {

Error broken(const TablePtr& table, const std::string& what) {
  return {Fault::fatal, "the change stream has a row of " + table->qualified() + " " + what};
}

/// What an update says of the row before, and which columns of the new one it says nothing of.
struct Unchanged {
  const query::Row* old_row = nullptr;  // null: nothing is known of it
  std::vector<int>* left_out = nullptr;
};

Result<query::Row> row_of(const TablePtr& table, const Tuple& tuple, const Unchanged& unchanged) {
  if (tuple.size() != table->columns.size()) {
    return broken(table, "with " + std::to_string(tuple.size()) + " cells for " +
                             std::to_string(table->columns.size()) + " columns");
  }
  query::Row row;
  row.reserve(tuple.size());
  for (std::size_t i = 0; i < tuple.size(); ++i) {
    switch (tuple[i].kind) {
      case CellKind::null:
        row.emplace_back();
        break;
      case CellKind::text:
        row.emplace_back(tuple[i].text);
        break;
      case CellKind::unchanged:
        if (unchanged.left_out == nullptr) {
          return broken(table, "without the value of " + table->columns[i].name);
        }
        if (unchanged.old_row != nullptr && table->columns[i].old_told) {
          row.push_back((*unchanged.old_row)[i]);
        } else {
          row.emplace_back();
          unchanged.left_out->push_back(static_cast<int>(i));
        }
    }
  }
  return row;
}

bool all_told(const query::TableSchema& table) {
  return std::all_of(table.columns.begin(), table.columns.end(),
                     [](const query::ColumnSchema& column) { return column.old_told; });
}

/// Takes out what is not told for sure: of a partitioned table one partition may tell more than another.
void keep_told(const query::TableSchema& table, query::Row& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!table.columns[i].old_told) row[i].reset();
  }
}

/// The old row of an update as it was told: a key that did not change is not said again.
Result<std::optional<query::Row>> old_row_of(const TablePtr& table, const Update& update) {
  if (update.old_kind == OldKind::none) return std::optional<query::Row>();
  auto told = row_of(table, update.old_row, {});
  if (!told) return told.error();
  keep_told(*table, *told);
  return std::optional<query::Row>(std::move(*told));
}

Result<source::Change> updated(const TablePtr& table, const Update& update) {
  auto told = old_row_of(table, update);
  if (!told) return told.error();
  source::Change change{table, source::ChangeKind::update, std::move(*told), std::nullopt};
  auto new_row =
      row_of(table, update.new_row, {change.old_row ? &*change.old_row : nullptr, &change.left_out});
  if (!new_row) return new_row.error();
  const bool key_told = std::none_of(change.left_out.begin(), change.left_out.end(),
                                     [&](int column) { return table->columns[column].old_told; });
  if (!change.old_row && !all_told(*table) && key_told) {
    change.old_row = *new_row;
    keep_told(*table, *change.old_row);
  }
  change.new_row = std::move(*new_row);
  return change;
}

}  // namespace

Result<source::Change> change_of(const TablePtr& table, std::string_view bytes) {
  const auto message = decode_message(bytes);
  if (!message) return message.error();
  if (const auto* update = std::get_if<Update>(&*message)) return updated(table, *update);
  if (const auto* insert = std::get_if<Insert>(&*message)) {
    auto row = row_of(table, insert->row, {});
    if (!row) return row.error();
    return source::Change{table, source::ChangeKind::insert, std::nullopt, std::move(*row)};
  }
  if (const auto* removed = std::get_if<Delete>(&*message)) {
    auto row = row_of(table, removed->old_row, {});
    if (!row) return row.error();
    keep_told(*table, *row);
    return source::Change{table, source::ChangeKind::remove, std::move(*row), std::nullopt};
  }
  if (std::holds_alternative<Truncate>(*message)) {
    return source::Change{table, source::ChangeKind::truncate, std::nullopt, std::nullopt};
  }
  return Error{Fault::fatal, "the change stream has a message that is no change of " + table->qualified()};
}

Status SpilledChanges::each(const source::VisitChange& visit) const {
  return spill_->each([&](std::uint32_t number, std::string_view message) -> Status {
    const TablePtr& table = tables_.at(number);
    if (!table->refusal.empty()) return {};
    auto change = change_of(table, message);
    if (!change) return change.error();
    visit(std::make_shared<const source::Change>(std::move(*change)));
    return {};
  });
}

}  // namespace tidegate::postgres
