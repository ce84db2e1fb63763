#include "matcher/table_index.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tidegate::matcher {

TableIndex::TableIndex(std::shared_ptr<const query::TableSchema> shape)
    : shape_(shape), conditions_(std::move(shape)), residuals_(1) {}

ColumnIndex& TableIndex::column(int number) {
  return columns_.try_emplace(number, shape_->columns[static_cast<std::size_t>(number)].type).first->second;
}

void TableIndex::add(QueryNumber number, std::shared_ptr<const query::Query> query) {
  assert(by_number_.find(number.value()) == FlatMap::kNone);
  Id id = static_cast<Id>(entries_.size());
  if (free_.empty()) {
    entries_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  entries_[id] = {.number = number, .query = std::move(query)};
  by_number_.set(number.value(), id);
  place(id);
}

void TableIndex::remove(QueryNumber number) {
  const Id id = by_number_.find(number.value());
  if (id == FlatMap::kNone) return;
  unplace(id);
  entries_[id] = {};
  free_.push_back(id);
  by_number_.erase(number.value());
}

void TableIndex::place(Id id) {
  Entry& entry = entries_[id];
  const query::Query& query = *entry.query;
  entry.choice = choose_access(query, [this](const Part& part) {
    const auto found = columns_.find(part.column);
    return found == columns_.end() ? 0 : found->second.load(part, postings_);
  });
  if (!entry.choice.indexed) {
    query.where().empty() ? void(always_ = postings_.add(always_, id)) : hang(entry, id);
    return;
  }
  const Access access = access_of(query, entry.choice);
  for (const Part& part : access.parts) column(part.column).add(part, id, postings_);
  entry.residual = acquire_residual(query, entry.choice, access.exact);
}

std::uint32_t TableIndex::acquire_residual(const query::Query& query, const Choice& choice, bool exact) {
  std::vector<Conditions::Id> residual;
  for (std::size_t i = 0; i < query.where().size(); ++i) {
    if (exact && (i == choice.first || i == choice.second)) continue;
    residual.push_back(conditions_.acquire(query.where()[i]));
  }
  if (residual.empty()) return 0;
  std::uint32_t number = static_cast<std::uint32_t>(residuals_.size());
  if (free_residuals_.empty()) {
    residuals_.emplace_back();
  } else {
    number = free_residuals_.back();
    free_residuals_.pop_back();
  }
  residual.shrink_to_fit();
  residuals_[number] = std::move(residual);
  return number;
}

void TableIndex::unplace(Id id) {
  const Entry& entry = entries_[id];
  if (entry.choice.indexed) {
    for (const Part& part : access_of(*entry.query, entry.choice).parts)
      column(part.column).remove(part, id, postings_);
  } else if (entry.query->where().empty()) {
    always_ = postings_.remove(always_, id);
  } else {
    unhang(entry, id);
  }
  if (entry.residual == 0) return;
  for (const Conditions::Id condition : residuals_[entry.residual]) conditions_.release(condition);
  residuals_[entry.residual] = {};
  free_residuals_.push_back(entry.residual);
}

void TableIndex::hang(Entry& entry, Id id) {
  // On the condition that most others have too.
  const auto& where = entry.query->where();
  const auto widest =
      std::max_element(where.begin(), where.end(), [this](const auto& left, const auto& right) {
        return conditions_.uses(left) < conditions_.uses(right);
      });
  entry.choice.first = static_cast<std::uint8_t>(widest - where.begin());
  const Conditions::Id condition = conditions_.acquire(*widest);
  std::uint32_t place = scanned_at_.find(condition);
  if (place == FlatMap::kNone) {
    place = static_cast<std::uint32_t>(scanned_.size());
    scanned_.push_back({condition, Postings::kNone});
    scanned_at_.set(condition, place);
  }
  scanned_[place].posting = postings_.add(scanned_[place].posting, id);
  entry.residual = acquire_residual(*entry.query, entry.choice, true);
}

void TableIndex::unhang(const Entry& entry, Id id) {
  const Conditions::Id condition = conditions_.find(entry.query->where()[entry.choice.first]);
  const std::uint32_t place = scanned_at_.find(condition);
  assert(place != FlatMap::kNone);
  scanned_[place].posting = postings_.remove(scanned_[place].posting, id);
  if (scanned_[place].posting == Postings::kNone) {
    scanned_[place] = scanned_.back();
    scanned_at_.set(scanned_[place].condition, place);
    scanned_at_.erase(condition);
    scanned_.pop_back();
  }
  conditions_.release(condition);
}

std::vector<QueryNumber> TableIndex::all() const {
  std::vector<QueryNumber> numbers;
  numbers.reserve(size());
  for (const Entry& entry : entries_) {
    if (entry.query) numbers.push_back(entry.number);
  }
  return numbers;
}

bool TableIndex::holds(const Entry& entry, bool exact, const query::Row& row) {
  if (!exact) return entry.query->matches(row);
  const auto& residual = residuals_[entry.residual];
  return std::all_of(residual.begin(), residual.end(),
                     [this](Conditions::Id condition) { return conditions_.holds(condition); });
}

void TableIndex::try_one(Entry& entry, bool exact, const Look& look) {
  if (entry.row == rows_) return;  // found by another part already
  const bool old_in = look.is_new && old_looked_at_ && entry.row + 1 == rows_ && entry.hit != kNoHit;
  const std::uint32_t place = entry.hit;
  entry.row = rows_;
  entry.hit = kNoHit;
  ++evaluations_;
  if (!holds(entry, exact, look.row)) return;
  if (old_in) {
    look.hits[place].new_in = true;
    return;
  }
  entry.hit = static_cast<std::uint32_t>(look.hits.size());
  look.hits.push_back({entry.number, !look.is_new, look.is_new});
}

void TableIndex::try_all(Postings::Handle posting, bool exact, const Look& look) {
  postings_.each(posting, [&](Id id) { try_one(entries_[id], exact, look); });
}

void TableIndex::look(const Look& look) {
  ++rows_;
  conditions_.begin(look.row);
  const auto found = [&](Postings::Handle posting, bool exact) { try_all(posting, exact, look); };
  for (const auto& [column, index] : columns_) index.each(look.row[static_cast<std::size_t>(column)], found);
  if (always_ != Postings::kNone) found(always_, true);
  for (const Scanned& scanned : scanned_) {
    ++evaluations_;
    if (conditions_.holds(scanned.condition)) found(scanned.posting, true);
  }
}

std::size_t TableIndex::probe(const query::Row* old_row, const query::Row* new_row, std::vector<Hit>& hits) {
  evaluations_ = 0;
  old_looked_at_ = old_row != nullptr;
  if (old_row != nullptr) look({*old_row, false, hits});
  if (new_row != nullptr) look({*new_row, true, hits});
  return evaluations_;
}

}  // namespace tidegate::matcher
