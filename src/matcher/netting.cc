#include "matcher/netting.h"

#include <algorithm>

namespace tidegate::matcher {

Net::Touched& Net::at(const query::Row& row) {
  std::string key;
  query_->append_key_json(key, row);
  auto [place, fresh] = places_.try_emplace(std::move(key), touched_.size());
  if (fresh) touched_.emplace_back(place->first, Touched{});
  return touched_[place->second].second;
}

void Net::leaves(const query::Row& row) {
  Touched& touched = at(row);
  auto same = std::find_if(touched.now.rbegin(), touched.now.rend(),
                           [&](const query::Row* each) { return *each == row; });
  if (same != touched.now.rend()) {
    touched.now.erase(std::next(same).base());
  } else if (!touched.before && !replaces_) {
    touched.before = &row;
  } else if (!touched.now.empty()) {
    // Nothing else can have been there; an adapter that spells a value differently must not leave a ghost.
    touched.now.pop_back();
  }
}

void Net::enters(const query::Row& row) {
  at(row).now.push_back(&row);
}

void Net::emptied() {
  replaces_ = true;
  places_.clear();
  touched_.clear();
}

std::vector<protocol::RowChange> Net::changes() const {
  using protocol::ChangeKind;
  std::vector<protocol::RowChange> changes;
  for (const auto& [key, touched] : touched_) {
    if (touched.now.empty()) {
      if (touched.before) changes.push_back({ChangeKind::remove, key, {}});
      continue;
    }
    std::string row;
    query_->append_row_json(row, *touched.now.back());
    if (touched.before) {
      std::string before;
      query_->append_row_json(before, *touched.before);
      if (before == row) continue;
    }
    changes.push_back({touched.before ? ChangeKind::update : ChangeKind::insert, key, std::move(row)});
  }
  return changes;
}

}  // namespace tidegate::matcher
