#include "simulation/database.h"

#include <algorithm>
#include <utility>

#include "matcher/testing.h"

namespace tidegate::simulation {
namespace {

constexpr int kIds = 8;

query::Row random_row(Dice& dice, int id) {
  static const std::vector<query::Cell> regions{"eu", "us", std::nullopt};
  static const std::vector<query::Cell> totals{"1", "1.0", "5.50", "10", std::nullopt};
  // Some are long enough for a diff of several parts.
  const std::string title = dice.one_in(4) ? std::string(100 + dice.below(300), 'x') : "t";
  return matcher::order(id, regions[dice.below(3)], totals[dice.below(5)],
                        title + std::to_string(dice.below(100)));
}

void apply(Rows& rows, const Commit& commit) {
  if (commit.truncates) rows.clear();
  for (const auto& [id, row] : commit.rows) {
    if (row) {
      rows[id] = *row;
    } else {
      rows.erase(id);
    }
  }
}

}  // namespace

Held result_of(const query::Query& query, const Rows& rows) {
  Held held;
  for (const auto& [id, row] : rows) {
    if (!query.matches(row)) continue;
    std::string key, json;
    query.append_key_json(key, row);
    query.append_row_json(json, row);
    held.emplace(std::move(key), std::move(json));
  }
  return held;
}

Database::Database() {
  commits_[timeline_];
}

bool Database::lock(int id) const {
  const auto holds = [id](const Open& each) { return each.ids.contains(id); };
  return std::none_of(open_.begin(), open_.end(), holds) &&
         std::none_of(doubtful_.begin(), doubtful_.end(),
                      [&](const auto& each) { return holds(each.second); });
}

void Database::begin(Dice dice) {
  if (open_.size() >= 3 || truncate_doubtful_ > 0) return;
  Open open{take_xid(), {}};
  for (auto count = 1 + dice.below(3); count > 0; --count) {
    const int id = static_cast<int>(dice.below(kIds));
    if (lock(id)) open.ids.insert(id);
  }
  if (!open.ids.empty()) open_.push_back(std::move(open));
}

bool Database::commit_open(Dice dice, bool doubtful) {
  if (open_.empty()) return false;
  const auto which = static_cast<std::ptrdiff_t>(dice.below(open_.size()));
  Open open = std::move(open_[static_cast<std::size_t>(which)]);
  open_.erase(open_.begin() + which);
  write(std::move(open), dice, doubtful, false);
  return true;
}

void Database::abort() {
  if (!open_.empty()) open_.erase(open_.begin());
}

bool Database::commit(Dice dice, bool doubtful) {
  if (truncate_doubtful_ > 0) return false;
  Open open{take_xid(), {}};
  for (auto count = 1 + dice.below(4); count > 0; --count) {
    const int id = static_cast<int>(dice.below(kIds));
    if (lock(id)) open.ids.insert(id);
  }
  if (open.ids.empty()) return false;
  write(std::move(open), dice, doubtful, false);
  return true;
}

bool Database::truncate(Dice dice, bool doubtful) {
  if (!settled()) return false;
  write({take_xid(), {}}, dice, doubtful, true);
  return true;
}

void Database::write(Open open, Dice dice, bool doubtful, bool truncates) {
  wal_end_ += 1 + dice.below(3);
  Commit commit{.lsn = Lsn(wal_end_), .xid = open.xid, .truncates = truncates};
  std::vector<source::Change> changes;
  if (truncates) {
    changes.push_back(matcher::truncated());
    newest_.clear();
  }
  for (int id : open.ids) {
    const auto before = newest_.find(id);
    if (before != newest_.end() && dice.one_in(3)) {
      changes.push_back(matcher::removed(before->second));
      commit.rows[id] = std::nullopt;
      newest_.erase(before);
      continue;
    }
    query::Row row = random_row(dice, id);
    changes.push_back(before == newest_.end() ? matcher::inserted(row)
                                              : matcher::updated(before->second, row));
    commit.rows[id] = row;
    newest_[id] = std::move(row);
  }
  commit.streamed = matcher::transaction(wal_end_, commit.xid.value(), std::move(changes));
  commits_[timeline_].push_back(std::move(commit));
  if (!doubtful) return;
  truncate_doubtful_ += truncates ? 1 : 0;
  const Xid xid = open.xid;
  doubtful_.emplace(xid, std::move(open));
}

bool Database::reveal(Dice dice) {
  if (doubtful_.empty()) return false;
  const auto which = std::next(doubtful_.begin(), static_cast<std::ptrdiff_t>(dice.below(doubtful_.size())));
  if (truncate_doubtful_ > 0) truncate_doubtful_ = 0;  // it was alone
  doubtful_.erase(which);
  return true;
}

void Database::fail_over(std::size_t lost) {
  std::vector<Commit> kept = commits();
  kept.resize(kept.size() - std::min(lost, kept.size()));
  commits_[++timeline_] = std::move(kept);
  open_.clear();
  doubtful_.clear();
  truncate_doubtful_ = 0;
  newest_ = rows(timeline_, Lsn(UINT64_MAX), nullptr);
  wal_end_ = (commits().empty() ? 100 : commits().back().lsn.value()) + 1;
}

XidSnapshot Database::snapshot() const {
  XidSnapshot seen{Xid(next_xid_), Xid(next_xid_), {}};
  for (const Open& each : open_) seen.in_progress.push_back(each.xid);
  for (const auto& [xid, open] : doubtful_) seen.in_progress.push_back(xid);
  std::sort(seen.in_progress.begin(), seen.in_progress.end());
  if (!seen.in_progress.empty()) seen.xmin = seen.in_progress.front();
  return seen;
}

Rows Database::rows(std::uint32_t timeline, Lsn lsn, const XidSnapshot* seen) const {
  Rows rows;
  for (const Commit& commit : commits_.at(timeline)) {
    if (commit.lsn <= lsn || (seen != nullptr && seen->visible(commit.xid))) apply(rows, commit);
  }
  return rows;
}

Rows Database::visible_rows() const {
  const XidSnapshot now = snapshot();
  return rows(timeline_, Lsn(0), &now);
}

}  // namespace tidegate::simulation
