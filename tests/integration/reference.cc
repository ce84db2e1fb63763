#include "integration/reference.h"

#include <algorithm>
#include <cassert>
#include <stdexcept>

namespace tidegate::test {
namespace {

std::uint64_t of_row(const std::string& key, const std::string& row) {
  return std::hash<std::string>{}(key + "\n" + row) | 1;
}

/// `id[integer]:1 note[text]:'it''s' total[numeric]:null`. A large value that an update left alone stands in
/// the old row only.
Reference::Cells parse_cells(std::string_view text, const Reference::Cells& old_row = {}) {
  Reference::Cells cells;
  while (!text.empty()) {
    const std::size_t bracket = text.find('[');
    const std::size_t colon = text.find("]:", bracket);
    if (bracket == std::string_view::npos || colon == std::string_view::npos) break;
    const std::string name(text.substr(0, bracket));
    text.remove_prefix(colon + 2);
    std::string value;
    bool quoted = text.starts_with('\'');
    if (quoted) {
      std::size_t at = 1;
      for (; at < text.size(); ++at) {
        if (text[at] != '\'') {
          value.push_back(text[at]);
        } else if (at + 1 < text.size() && text[at + 1] == '\'') {
          value.push_back(text[at++]);
        } else {
          break;
        }
      }
      text.remove_prefix(at + 1);
    } else {
      const std::size_t end = std::min(text.find(' '), text.size());
      value = text.substr(0, end);
      text.remove_prefix(end);
    }
    if (text.starts_with(' ')) text.remove_prefix(1);
    if (!quoted && value == "unchanged-toast-datum") {
      cells[name] = old_row.at(name);
    } else if (quoted || value != "null") {
      cells[name] = std::move(value);
    }
  }
  return cells;
}

Lsn parse_lsn(const std::string& text) {
  const std::size_t slash = text.find('/');
  return Lsn(std::stoull(text.substr(0, slash), nullptr, 16) << 32 |
             std::stoull(text.substr(slash + 1), nullptr, 16));
}

std::string key_of(const Reference::Cells& cells) {
  return "[" + cells.at("id").value() + "]";
}

}  // namespace

Reference::Reference(std::string url, std::string table, Render render)
    : url_(std::move(url)), table_(std::move(table)), render_(std::move(render)) {
  rig::Sql sql(url_);
  slot_ = "'reference_" + sql.value("select current_database()") + "'";
  sql.exec("select pg_create_logical_replication_slot(" + slot_ + ", 'test_decoding')");
}

Reference::~Reference() {
  try {
    rig::Sql(url_).exec("select pg_drop_replication_slot(" + slot_ + ")");
  } catch (const rig::SqlError&) {  // the server is gone: nothing to tidy
  }
}

void Reference::begin_with_rows() {
  constexpr Xid kFrozen(2);
  rig::Sql sql(url_);
  Transaction all{kFrozen, {}, {}};
  const auto columns = sql.exec("select attname from pg_attribute where attrelid = '" + table_ +
                                "'::regclass and attnum > 0 and not attisdropped order by attnum");
  for (const auto& row : sql.exec("select * from " + table_)) {
    Cells cells;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (row[i]) cells[columns[i][0].value()] = row[i];
    }
    add(all, key_of(cells), cells);
  }
  transactions_.push_back(std::move(all));
}

void Reference::read() {
  rig::Sql sql(url_);
  next_xid_ = std::stoull(sql.value("select pg_snapshot_xmax(pg_current_snapshot())"));
  for (const auto& row : sql.exec("select lsn::text, data from pg_logical_slot_get_changes(" + slot_ +
                                  ", null, null, "
                                  "'include-xids', 'true', 'skip-empty-xacts', 'true')")) {
    line(row[0].value(), row[1].value());
  }
}

void Reference::line(const std::string& end_lsn, const std::string& text) {
  const std::string prefix = "table " + table_ + ": ";
  if (text.starts_with("BEGIN ")) {
    open_ = Transaction{full_xid(std::stoull(text.substr(6))), {}, {}};
  } else if (text.starts_with("COMMIT")) {
    open_->end = parse_lsn(end_lsn);
    // After a crash the server may give again what was read before it.
    const bool again = !transactions_.empty() && open_->end <= transactions_.back().end;
    if (!open_->changes.empty() && !again) transactions_.push_back(std::move(*open_));
    open_.reset();
  } else if (text.starts_with(prefix)) {
    const std::string_view rest = std::string_view(text).substr(prefix.size());
    if (rest.starts_with("INSERT: ")) {
      const Cells row = parse_cells(rest.substr(8));
      add(*open_, key_of(row), row);
    } else if (rest.starts_with("DELETE: ")) {
      add(*open_, key_of(parse_cells(rest.substr(8))), std::nullopt);
    } else if (rest.starts_with("TRUNCATE:")) {
      add(*open_, "", std::nullopt);
    } else if (rest.starts_with("UPDATE: old-key: ")) {
      const std::size_t split = rest.find(" new-tuple: ");
      const Cells old_row = parse_cells(rest.substr(17, split - 17));
      const Cells new_row = parse_cells(rest.substr(split + 12), old_row);
      if (key_of(old_row) != key_of(new_row)) add(*open_, key_of(old_row), std::nullopt);
      add(*open_, key_of(new_row), new_row);
    } else {
      throw std::runtime_error("the reference can't read: " + text);
    }
  }
}

void Reference::add(Transaction& transaction, std::string key, std::optional<Cells> row) {
  Change change{std::move(key), std::move(row)};
  change.truncate = change.key.empty();
  change.number = changes_++;
  if (!change.truncate) change.key_number = keys_.try_emplace(change.key, keys_.size()).first->second;
  if (change.row) change.mark = of_row(change.key, render_(*change.row));
  transaction.changes.push_back(std::move(change));
}

/// The decoder prints 32 bits; all that it has seen is below the next one, and not 2^32 below it.
Xid Reference::full_xid(std::uint64_t low) const {
  constexpr std::uint64_t kWrap = 1ULL << 32;
  const std::uint64_t full = next_xid_ / kWrap * kWrap + low;
  return Xid(full < next_xid_ ? full : full - kWrap);
}

std::size_t Reference::count_up_to(Lsn lsn) const {
  // end(i-1) <= begin of commit record i (the program's LSN) < end(i).
  const auto above = std::upper_bound(transactions_.begin(), transactions_.end(), lsn,
                                      [](Lsn wanted, const Transaction& each) { return wanted < each.end; });
  const auto count = static_cast<std::size_t>(above - transactions_.begin());
  return std::min(count + 1, transactions_.size());
}

ExpectedResult::ExpectedResult(const Reference& reference, const Matches& matches)
    : belongs_(reference.changes()), marks_(reference.keys()) {
  for (const auto& transaction : reference.transactions()) {
    for (const auto& change : transaction.changes)
      belongs_[change.number] = change.row && matches(*change.row);
  }
}

void ExpectedResult::rewind() {
  marks_.assign(marks_.size(), 0);
  fingerprint_ = 0;
}

bool ExpectedResult::apply(const Reference::Transaction& transaction) {
  const std::uint64_t before = fingerprint_;
  for (const auto& change : transaction.changes) {
    if (change.truncate) {
      rewind();
      continue;
    }
    std::uint64_t& mark = marks_[change.key_number];
    fingerprint_ -= mark;
    mark = belongs_[change.number] ? change.mark : 0;
    fingerprint_ += mark;
  }
  return fingerprint_ != before;
}

std::uint64_t fingerprint(const std::map<std::string, std::string>& rows) {
  std::uint64_t sum = 0;
  for (const auto& [key, row] : rows) sum += of_row(key, row);
  return sum;
}

}  // namespace tidegate::test
