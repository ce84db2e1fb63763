#include "integration/reference.h"

#include <cassert>
#include <stdexcept>

namespace tidegate::test {
namespace {

std::uint64_t of_row(const std::string& key, const std::string& row) {
  return std::hash<std::string>{}(key + "\n" + row) | 1;
}

/// `id[integer]:1 note[text]:'it''s' total[numeric]:null`.
Reference::Cells parse_cells(std::string_view text) {
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
    if (quoted || value != "null") cells[name] = value;
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

Reference::Reference(const std::string& url, std::string table) : sql_(url), table_(std::move(table)) {
  slot_ = "'reference_" + sql_.value("select current_database()") + "'";
  sql_.exec("select pg_create_logical_replication_slot(" + slot_ + ", 'test_decoding')");
}

Reference::~Reference() {
  try {
    sql_.exec("select pg_drop_replication_slot(" + slot_ + ")");
  } catch (const rig::SqlError&) {  // the server is gone, or restarted: nothing to tidy
  }
}

void Reference::read() {
  for (const auto& row : sql_.exec("select lsn::text, data from pg_logical_slot_get_changes(" + slot_ +
                                   ", null, null, "
                                   "'include-xids', 'true', 'skip-empty-xacts', 'true')")) {
    line(row[0].value(), row[1].value());
  }
}

void Reference::line(const std::string& end_lsn, const std::string& text) {
  const std::string prefix = "table " + table_ + ": ";
  if (text.starts_with("BEGIN ")) {
    open_ = Transaction{Xid(std::stoull(text.substr(6))), {}, {}};
  } else if (text.starts_with("COMMIT")) {
    open_->end = parse_lsn(end_lsn);
    if (!open_->changes.empty()) transactions_.push_back(std::move(*open_));
    open_.reset();
  } else if (text.starts_with(prefix)) {
    const std::string_view rest = std::string_view(text).substr(prefix.size());
    if (rest.starts_with("INSERT: ")) {
      const Cells row = parse_cells(rest.substr(8));
      open_->changes.push_back({key_of(row), row});
    } else if (rest.starts_with("DELETE: ")) {
      open_->changes.push_back({key_of(parse_cells(rest.substr(8))), std::nullopt});
    } else if (rest.starts_with("UPDATE: old-key: ")) {
      const std::size_t split = rest.find(" new-tuple: ");
      const Cells old_row = parse_cells(rest.substr(17, split - 17));
      const Cells new_row = parse_cells(rest.substr(split + 12));
      if (key_of(old_row) != key_of(new_row)) open_->changes.push_back({key_of(old_row), std::nullopt});
      open_->changes.push_back({key_of(new_row), new_row});
    } else {
      throw std::runtime_error("the reference can't read: " + text);
    }
  }
}

std::size_t Reference::count_up_to(Lsn lsn) const {
  // end(i-1) <= begin of commit record i (the program's LSN) < end(i).
  std::size_t count = 0;
  while (count < transactions_.size() && transactions_[count].end <= lsn) ++count;
  return std::min(count + 1, transactions_.size());
}

bool ExpectedResult::apply(const Reference::Transaction& transaction) {
  const std::uint64_t before = fingerprint_;
  for (const auto& change : transaction.changes) {
    const auto held = rows_.find(change.key);
    if (held != rows_.end()) {
      fingerprint_ -= of_row(held->first, held->second);
      rows_.erase(held);
    }
    if (!change.row || !matches_(*change.row)) continue;
    const std::string text = render_(*change.row);
    fingerprint_ += of_row(change.key, text);
    rows_.emplace(change.key, text);
  }
  return fingerprint_ != before;
}

std::uint64_t fingerprint(const std::map<std::string, std::string>& rows) {
  std::uint64_t sum = 0;
  for (const auto& [key, row] : rows) sum += of_row(key, row);
  return sum;
}

}  // namespace tidegate::test
