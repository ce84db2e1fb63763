#include "postgres/assembly.h"

namespace tidegate::postgres {
namespace {

using TablePtr = std::shared_ptr<const query::TableSchema>;

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

std::size_t size_of(const std::optional<query::Row>& row) {
  std::size_t bytes = 0;
  if (row) {
    for (const query::Cell& cell : *row) bytes += sizeof cell + (cell ? cell->size() : 0);
  }
  return bytes;
}

}  // namespace

Status Assembly::begin(const Begin& begin, Xid xid) {
  if (transaction_) return Error{Fault::fatal, "the change stream began a transaction inside another one"};
  changes_.clear();
  transaction_.emplace();
  transaction_->lsn = Lsn(begin.final_lsn);
  transaction_->xid = xid;
  transaction_->commit_time_us = begin.commit_time_us;
  transaction_->bytes = sizeof(source::Transaction);
  return {};
}

Result<bool> Assembly::takes(const TablePtr& table) {
  if (!transaction_) return Error{Fault::fatal, "the change stream sent a change outside of a transaction"};
  if (table->refusal.empty()) return true;
  ++refused_;
  return false;
}

void Assembly::add(source::Change change) {
  transaction_->bytes += sizeof change + size_of(change.old_row) + size_of(change.new_row);
  changes_.push_back(std::move(change));
}

Status Assembly::insert(const TablePtr& table, const Tuple& tuple) {
  const auto take = takes(table);
  if (!take) return take.error();
  if (!*take) return {};
  auto row = row_of(table, tuple, nullptr);
  if (!row) return row.error();
  add({table, source::ChangeKind::insert, std::nullopt, std::move(*row)});
  return {};
}

Status Assembly::update(const TablePtr& table, const Update& update) {
  const auto take = takes(table);
  if (!take) return take.error();
  if (!*take) return {};
  if (update.old_kind != OldKind::whole) return broken(table, "that was updated, without its old values");
  auto old_row = row_of(table, update.old_row, nullptr);
  if (!old_row) return old_row.error();
  auto new_row = row_of(table, update.new_row, &*old_row);
  if (!new_row) return new_row.error();
  add({table, source::ChangeKind::update, std::move(*old_row), std::move(*new_row)});
  return {};
}

Status Assembly::remove(const TablePtr& table, const Delete& removed) {
  const auto take = takes(table);
  if (!take) return take.error();
  if (!*take) return {};
  if (removed.old_kind != OldKind::whole) return broken(table, "that was deleted, without its old values");
  auto row = row_of(table, removed.old_row, nullptr);
  if (!row) return row.error();
  add({table, source::ChangeKind::remove, std::move(*row), std::nullopt});
  return {};
}

Status Assembly::truncate(const TablePtr& table) {
  const auto take = takes(table);
  if (!take) return take.error();
  if (*take) add({table, source::ChangeKind::truncate, std::nullopt, std::nullopt});
  return {};
}

Result<source::Transaction> Assembly::commit(const Commit& commit) {
  if (!transaction_ || transaction_->lsn.value() != commit.commit_lsn) {
    return Error{Fault::fatal, "the change stream committed a transaction that it did not begin"};
  }
  source::Transaction whole = std::move(*transaction_);
  whole.changes = std::exchange(changes_, {});
  transaction_.reset();
  return whole;
}

}  // namespace tidegate::postgres
