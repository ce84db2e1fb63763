#include "postgres/rows.h"

namespace tidegate::postgres {
namespace {

Error broken(const TablePtr& table, const std::string& what) {
  return {Fault::fatal, "the change stream has a row of " + table->qualified() + " " + what};
}

/// `old_row` gives what a new row leaves out as unchanged.
Result<query::Row> row_of(const TablePtr& table, const Tuple& tuple, const query::Row* old_row) {
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
        if (old_row == nullptr) return broken(table, "without the value of " + table->columns[i].name);
        row.push_back((*old_row)[i]);
    }
  }
  return row;
}

Result<source::Change> updated(const TablePtr& table, const Update& update) {
  if (update.old_kind != OldKind::whole) return broken(table, "that was updated, without its old values");
  auto old_row = row_of(table, update.old_row, nullptr);
  if (!old_row) return old_row.error();
  auto new_row = row_of(table, update.new_row, &*old_row);
  if (!new_row) return new_row.error();
  return source::Change{table, source::ChangeKind::update, std::move(*old_row), std::move(*new_row)};
}

}  // namespace

Result<source::Change> change_of(const TablePtr& table, std::string_view bytes) {
  const auto message = decode_message(bytes);
  if (!message) return message.error();
  if (const auto* update = std::get_if<Update>(&*message)) return updated(table, *update);
  if (const auto* insert = std::get_if<Insert>(&*message)) {
    auto row = row_of(table, insert->row, nullptr);
    if (!row) return row.error();
    return source::Change{table, source::ChangeKind::insert, std::nullopt, std::move(*row)};
  }
  if (const auto* removed = std::get_if<Delete>(&*message)) {
    if (removed->old_kind != OldKind::whole) return broken(table, "that was deleted, without its old values");
    auto row = row_of(table, removed->old_row, nullptr);
    if (!row) return row.error();
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
