#include "matcher/netting.h"

#include <algorithm>

namespace tidegate::matcher {

namespace {

/// A touched key's entries in list and map, and the change that a row lies in, beside the bytes of their
/// text.
constexpr std::size_t kTouchedBytes = 256;
constexpr std::size_t kRowBytes = 256;

/// Of a row that nobody else would keep.
std::size_t bytes_of(const Net::RowPtr& row) {
  if (row.use_count() == 0) return 0;
  std::size_t bytes = kRowBytes;
  for (const query::Cell& cell : *row) bytes += sizeof cell + (cell ? cell->size() : 0);
  return bytes;
}

}  // namespace

Net::Touched& Net::at(const query::Row& row) {
  std::string key;
  query_->append_key_json(key, row);
  auto [place, fresh] = places_.try_emplace(std::move(key), touched_.size());
  if (fresh) {
    touched_.emplace_back(place->first, Touched{});
    bytes_ += kTouchedBytes + 2 * place->first.size();
  }
  return touched_[place->second].second;
}

void Net::leaves(const RowPtr& row) {
  Touched& touched = at(*row);
  auto same = std::find_if(touched.now.rbegin(), touched.now.rend(),
                           [&](const RowPtr& each) { return *each == *row; });
  // An old row that is not told whole equals none: where keys are never shared it is the one that is there.
  if (same == touched.now.rend() && query_->table().key_immediate) same = touched.now.rbegin();
  if (same != touched.now.rend()) {
    bytes_ -= bytes_of(*same);
    touched.now.erase(std::next(same).base());
  } else if (!touched.before && !replaces_) {
    touched.before = row;
    bytes_ += bytes_of(row);
  } else if (!touched.now.empty()) {
    // Nothing else can have been there; an adapter that spells a value differently must not leave a ghost.
    bytes_ -= bytes_of(touched.now.back());
    touched.now.pop_back();
  }
}

void Net::enters(const RowPtr& row) {
  at(*row).now.push_back(row);
  bytes_ += bytes_of(row);
}

void Net::emptied() {
  replaces_ = true;
  places_.clear();
  touched_.clear();
  bytes_ = 0;
}

std::vector<protocol::RowChange> Net::changes() const {
  using protocol::ChangeKind;
  std::vector<protocol::RowChange> changes;
  const auto& columns = query_->columns();
  const bool told = std::all_of(columns.begin(), columns.end(), [&](int column) {
    return query_->table().columns[static_cast<std::size_t>(column)].old_told;
  });
  for (const auto& [key, touched] : touched_) {
    if (touched.now.empty()) {
      if (touched.before) changes.push_back({ChangeKind::remove, key, {}});
      continue;
    }
    std::string row;
    query_->append_row_json(row, *touched.now.back());
    if (touched.before && told) {
      std::string before;
      query_->append_row_json(before, *touched.before);
      if (before == row) continue;
    }
    changes.push_back({touched.before ? ChangeKind::update : ChangeKind::insert, key, std::move(row)});
  }
  return changes;
}

}  // namespace tidegate::matcher
