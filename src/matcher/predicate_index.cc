#include "matcher/predicate_index.h"

#include <utility>

namespace tidegate::matcher {

void PredicateIndex::add(QueryNumber number, std::shared_ptr<const query::Query> query) {
  const auto place = tables_.try_emplace(query->table().relation, query->table_ptr()).first;
  place->second.add(number, std::move(query));
}

void PredicateIndex::remove(std::uint32_t relation, QueryNumber number) {
  const auto place = tables_.find(relation);
  if (place == tables_.end()) return;
  place->second.remove(number);
  if (place->second.size() == 0) tables_.erase(place);
}

std::shared_ptr<const query::TableSchema> PredicateIndex::shape(std::uint32_t relation) const {
  const auto place = tables_.find(relation);
  return place == tables_.end() ? nullptr : place->second.shape();
}

std::vector<std::uint32_t> PredicateIndex::relations() const {
  std::vector<std::uint32_t> relations;
  for (const auto& [relation, index] : tables_) {
    if (index.shape()) relations.push_back(relation);
  }
  return relations;
}

std::vector<QueryNumber> PredicateIndex::all(std::uint32_t relation) const {
  const auto place = tables_.find(relation);
  return place == tables_.end() ? std::vector<QueryNumber>() : place->second.all();
}

std::size_t PredicateIndex::probe(std::uint32_t relation, const query::Row* old_row,
                                  const query::Row* new_row, std::vector<Hit>& hits) {
  hits.clear();
  const auto place = tables_.find(relation);
  return place == tables_.end() ? 0 : place->second.probe(old_row, new_row, hits);
}

}  // namespace tidegate::matcher
