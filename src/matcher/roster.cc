#include "matcher/roster.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <string_view>

namespace tidegate::matcher {

namespace {

using Table = std::shared_ptr<const query::TableSchema>;

/// What matters to a bound query: everything that its indices and its comparisons rest on.
bool same_shape(const query::TableSchema& a, const query::TableSchema& b) {
  if (a.schema != b.schema || a.name != b.name || a.key != b.key || a.key_immediate != b.key_immediate) {
    return false;
  }
  return std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                    [](const query::ColumnSchema& left, const query::ColumnSchema& right) {
                      return left.name == right.name && left.type == right.type &&
                             left.element == right.element && left.old_told == right.old_told &&
                             left.number == right.number &&
                             // What arithmetic needs to know: how many digits there may be.
                             (left.type != query::Type::numeric || left.declared == right.declared);
                    });
}

bool names(const query::Condition& condition, int column) {
  return query::names_column(condition, column) ||
         std::any_of(condition.children.begin(), condition.children.end(),
                     [&](const query::Condition& each) { return names(each, column); });
}

bool names(const query::Query& query, int column) {
  const auto& shown = query.columns();
  return std::find(shown.begin(), shown.end(), column) != shown.end() ||
         std::any_of(query.where().begin(), query.where().end(),
                     [&](const query::Condition& each) { return names(each, column); });
}

std::vector<std::string> key_columns(const query::TableSchema& table) {
  std::vector<std::string> names;
  for (int index : table.key) names.push_back(table.columns[static_cast<std::size_t>(index)].name);
  return names;
}

/// Of the columns that the query names: by name.
std::map<std::string_view, std::uint32_t> numbers_named(const query::Query& query) {
  std::map<std::string_view, std::uint32_t> numbers;
  for (int column = 0; column < static_cast<int>(query.table().columns.size()); ++column) {
    const query::ColumnSchema& schema = query.table().columns[static_cast<std::size_t>(column)];
    if (names(query, column)) numbers.emplace(schema.name, schema.number);
  }
  return numbers;
}

}  // namespace

Result<std::shared_ptr<const query::Query>> Roster::bind(const std::string& canonical,
                                                         const query::Catalogue& catalogue) {
  auto bound = query::Query::from_canonical(canonical, catalogue, &projections_);
  if (!bound) return bound;
  const Table shape = index_.shape((*bound)->table().relation);
  if (!shape || same_shape(*shape, (*bound)->table())) return bound;
  auto as_held = query::Query::from_canonical(canonical, query::Catalogue({shape}), &projections_);
  if (as_held) return as_held;
  return Error{Fault::unavailable, "the table is just being altered: " + as_held.error().message};
}

const Matched& Roster::add(Matched matched) {
  const QueryNumber number(++last_number_);
  fitting_.erase(matched.query->table().relation);
  index_.add(number, matched.query);
  const Matched& added = matched_.emplace(number, std::move(matched)).first->second;
  [[maybe_unused]] const bool fresh = by_key_.emplace(added.key, number).second;
  assert(fresh);
  return added;
}

void Roster::remove(const std::string& key) {
  auto place = by_key_.find(key);
  if (place == by_key_.end()) return;
  const auto matched = matched_.find(place->second);
  index_.remove(matched->second.query->table().relation, place->second);
  by_key_.erase(place);
  matched_.erase(matched);
}

const Matched* Roster::find(const std::string& key) const {
  auto place = by_key_.find(key);
  return place == by_key_.end() ? nullptr : &matched_.at(place->second);
}

std::vector<std::string> Roster::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, number] : by_key_) keys.emplace_back(key);
  return keys;
}

std::vector<const Matched*> Roster::naming(std::uint32_t relation,
                                           const std::vector<std::string>& columns) const {
  std::vector<const Matched*> naming;
  for (QueryNumber number : index_.all(relation)) {
    const Matched& matched = matched_.at(number);
    const query::Query& query = *matched.query;
    const auto named = [&](const std::string& column) {
      const int index = query.table().find(column);
      return index >= 0 && names(query, index);  // else it came with the change
    };
    if (columns.empty() || std::any_of(columns.begin(), columns.end(), named)) naming.push_back(&matched);
  }
  return naming;
}

bool Roster::fits(const Table& table) {
  Table& fitting = fitting_[table->relation];
  if (fitting == table) return true;
  const Table shape = index_.shape(table->relation);
  if (shape && !same_shape(*shape, *table)) return false;
  fitting = table;
  return true;
}

Reshaped Roster::reshape(const Table& table) {
  Reshaped reshaped;
  const query::Catalogue catalogue({table});
  // All leave the index before the first comes back: it must not hold two shapes of a table.
  const auto numbers = index_.all(table->relation);
  for (QueryNumber number : numbers) index_.remove(table->relation, number);
  fitting_.erase(table->relation);
  for (QueryNumber number : numbers) {
    Matched& matched = matched_.at(number);
    auto bound = query::Query::from_canonical(matched.query->canonical(), catalogue, &projections_);
    if (!bound) {
      reshaped.unbound.push_back({matched.key, matched.activation, bound.error().message});
      by_key_.erase(matched.key);
      matched_.erase(number);
      continue;
    }
    const bool replaced = key_columns(matched.query->table()) != key_columns(*table) ||
                          numbers_named(*matched.query) != numbers_named(**bound);
    matched.query = std::move(*bound);
    index_.add(number, matched.query);
    if (replaced) reshaped.replaced.push_back(matched);
  }
  return reshaped;
}

/// One transaction's walk over the roster.
class Roster::Matching {
 public:
  Matching(Roster& roster, Tally& tally, std::vector<Reshaped>& reshaped)
      : roster_(roster), tally_(tally), reshaped_(reshaped) {}

  void change(const std::shared_ptr<const source::Change>& pointer) {
    const source::Change& change = *pointer;
    const std::uint32_t relation = change.table->relation;
    if (!roster_.index_.shape(relation)) return;
    if (!roster_.fits(change.table)) reshape(change.table);
    ++tally_.changes;
    if (change.kind == source::ChangeKind::truncate) {
      for (QueryNumber number : roster_.index_.all(relation)) {
        Effect& emptied = effect(number);
        held_ -= emptied.net.bytes();
        emptied.net.emptied();
      }
      return;
    }
    if (!whole(change)) {
      for (QueryNumber number : roster_.index_.all(relation))
        give_up(effect(number), "the change came without its old row");
      return;
    }
    if (!change.left_out.empty()) lacking(change);
    tally_.evaluations += roster_.index_.probe(relation, change.old_row ? &*change.old_row : nullptr,
                                               change.new_row ? &*change.new_row : nullptr, hits_);
    for (const Hit& hit : hits_) net(pointer, hit);
    if (held_ > roster_.netting_bytes_max_) relieve();
  }

  std::vector<Effect> effects() {
    std::erase_if(effects_, [](const Effect& each) { return !each.matched; });
    return std::move(effects_);
  }

 private:
  static bool whole(const source::Change& change) {
    using source::ChangeKind;
    const std::size_t width = change.table->columns.size();
    const bool has_old = change.old_row && change.old_row->size() == width;
    const bool has_new = change.new_row && change.new_row->size() == width;
    return (has_old || change.kind == ChangeKind::insert) && (has_new || change.kind == ChangeKind::remove);
  }

  void net(const std::shared_ptr<const source::Change>& change, const Hit& hit) {
    Effect& touched = effect(hit.number);
    if (!touched.reset.empty()) return;
    held_ -= touched.net.bytes();
    if (hit.old_in) touched.net.leaves({change, &*change->old_row});
    if (hit.new_in) touched.net.enters({change, &*change->new_row});
    held_ += touched.net.bytes();
    tally_.netting_bytes = std::max(tally_.netting_bytes, held_);
  }

  /// A value that binding held to be told always: its column's storage was altered meanwhile.
  void lacking(const source::Change& change) {
    for (QueryNumber number : roster_.index_.all(change.table->relation)) {
      const query::Query& query = *roster_.matched_.at(number).query;
      const bool named = std::any_of(change.left_out.begin(), change.left_out.end(),
                                     [&](int column) { return names(query, column); });
      if (named) give_up(effect(number), "the change came without a value that it left as it was");
    }
  }

  void give_up(Effect& effect, std::string_view reason) {
    held_ -= effect.net.bytes();
    effect.net = Net(effect.matched->query);
    effect.reset = reason;
  }

  /// Down to half of the bound, so that sorting is paid for by what comes before the next time.
  void relieve() {
    std::vector<Effect*> largest;
    for (Effect& each : effects_) {
      if (each.matched && each.net.bytes() > 0) largest.push_back(&each);
    }
    std::sort(largest.begin(), largest.end(),
              [](const Effect* a, const Effect* b) { return a->net.bytes() > b->net.bytes(); });
    for (Effect* each : largest) {
      if (held_ <= roster_.netting_bytes_max_ / 2) return;
      give_up(*each, "the transaction's changes of the query are too many to be netted");
      ++tally_.given_up;
    }
  }

  Effect& effect(QueryNumber number) {
    auto [place, fresh] = places_.try_emplace(number, effects_.size());
    if (fresh) {
      const Matched& matched = roster_.matched_.at(number);
      effects_.push_back({&matched, Net(matched.query), {}});
    }
    return effects_[place->second];
  }

  /// Rows of two shapes can't be netted: what this transaction has touched already is reset.
  void reshape(const Table& table) {
    const auto before = roster_.index_.all(table->relation);
    reshaped_.push_back(roster_.reshape(table));
    for (QueryNumber number : before) {
      auto place = places_.find(number);
      if (place == places_.end()) continue;
      Effect& touched = effects_[place->second];
      if (roster_.matched_.contains(number)) {
        give_up(touched, "the table's shape changed inside a transaction");
      } else {
        held_ -= touched.net.bytes();
        touched.net = Net(nullptr);
        touched.matched = nullptr;
        places_.erase(place);
      }
    }
  }

  Roster& roster_;
  Tally& tally_;
  std::vector<Reshaped>& reshaped_;
  std::vector<Hit> hits_;
  std::unordered_map<QueryNumber, std::size_t> places_;
  std::vector<Effect> effects_;
  std::size_t held_ = 0;  // bytes, of all nets
};

Result<std::vector<Effect>> Roster::match(const source::Transaction& transaction, Tally& tally,
                                          std::vector<Reshaped>& reshaped) {
  Matching matching(*this, tally, reshaped);
  if (auto read = transaction.changes.each([&](const auto& change) { matching.change(change); }); !read) {
    return read.error();
  }
  return matching.effects();
}

}  // namespace tidegate::matcher
