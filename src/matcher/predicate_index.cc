#include "matcher/predicate_index.h"

#include <algorithm>
#include <cassert>

namespace tidegate::matcher {

namespace {

template <class Bucket, class Entry>
void drop(Bucket& bucket, const Entry* entry) {
  auto place = std::find(bucket.begin(), bucket.end(), entry);
  if (place == bucket.end()) return;
  *place = bucket.back();
  bucket.pop_back();
}

}  // namespace

void PredicateIndex::add(QueryNumber number, std::shared_ptr<const query::Query> query) {
  auto entry = std::make_unique<Entry>(Entry{.number = number, .query = std::move(query)});
  Table& table = tables_[entry->query->table().relation];
  ++table.queries;
  if (const auto* equality = entry->query->indexable()) {
    auto& buckets = table.by_column[equality->column];
    for (const auto& value : equality->values) buckets[value].push_back(entry.get());
  } else {
    table.scanned.push_back(entry.get());
  }
  [[maybe_unused]] const bool fresh = entries_.emplace(number, std::move(entry)).second;
  assert(fresh);
}

void PredicateIndex::remove(QueryNumber number) {
  auto found = entries_.find(number);
  if (found == entries_.end()) return;
  const Entry* entry = found->second.get();
  auto place = tables_.find(entry->query->table().relation);
  assert(place != tables_.end());
  Table& table = place->second;
  if (const auto* equality = entry->query->indexable()) {
    auto& buckets = table.by_column[equality->column];
    for (const auto& value : equality->values) {
      auto bucket = buckets.find(value);
      if (bucket == buckets.end()) continue;
      drop(bucket->second, entry);
      if (bucket->second.empty()) buckets.erase(bucket);
    }
    if (buckets.empty()) table.by_column.erase(equality->column);
  } else {
    drop(table.scanned, entry);
  }
  if (--table.queries == 0) tables_.erase(place);
  entries_.erase(found);
}

std::shared_ptr<const query::TableSchema> PredicateIndex::shape(std::uint32_t relation) const {
  auto place = tables_.find(relation);
  if (place == tables_.end()) return nullptr;
  const Table& table = place->second;
  if (!table.scanned.empty()) return table.scanned.front()->query->table_ptr();
  return table.by_column.begin()->second.begin()->second.front()->query->table_ptr();
}

std::vector<QueryNumber> PredicateIndex::all(std::uint32_t relation) const {
  std::vector<QueryNumber> numbers;
  auto place = tables_.find(relation);
  if (place == tables_.end()) return numbers;
  for (const Entry* entry : place->second.scanned) numbers.push_back(entry->number);
  for (const auto& [column, buckets] : place->second.by_column) {
    for (const auto& [value, bucket] : buckets) {
      for (const Entry* entry : bucket) numbers.push_back(entry->number);
    }
  }
  // An IN lies in several buckets.
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

void PredicateIndex::candidate(Entry& entry, bool is_new) {
  if (entry.probe != probes_) {
    entry.probe = probes_;
    entry.try_old = entry.try_new = false;
    candidates_.push_back(&entry);
  }
  (is_new ? entry.try_new : entry.try_old) = true;
}

void PredicateIndex::collect(const Table& table, const query::Row& row, bool is_new) {
  for (Entry* entry : table.scanned) candidate(*entry, is_new);
  for (const auto& [column, buckets] : table.by_column) {
    const query::Cell& cell = row[static_cast<std::size_t>(column)];
    if (!cell) continue;  // NULL equals nothing
    const auto& schema = buckets.begin()->second.front()->query->table();
    auto bucket =
        buckets.find(query::index_value(schema.columns[static_cast<std::size_t>(column)].type, *cell));
    if (bucket == buckets.end()) continue;
    for (Entry* entry : bucket->second) candidate(*entry, is_new);
  }
}

std::size_t PredicateIndex::probe(std::uint32_t relation, const query::Row* old_row,
                                  const query::Row* new_row, std::vector<Hit>& hits) {
  hits.clear();
  auto place = tables_.find(relation);
  if (place == tables_.end()) return 0;
  ++probes_;
  candidates_.clear();
  if (old_row) collect(place->second, *old_row, false);
  if (new_row) collect(place->second, *new_row, true);
  std::size_t evaluations = 0;
  for (Entry* entry : candidates_) {
    // A row whose probe did not find the query can't be in its result: it lacks the demanded value.
    Hit hit{.number = entry->number};
    if (entry->try_old) hit.old_in = entry->query->matches(*old_row);
    if (entry->try_new) hit.new_in = entry->query->matches(*new_row);
    evaluations += static_cast<std::size_t>(entry->try_old) + static_cast<std::size_t>(entry->try_new);
    if (hit.old_in || hit.new_in) hits.push_back(hit);
  }
  return evaluations;
}

}  // namespace tidegate::matcher
