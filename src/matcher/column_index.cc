#include "matcher/column_index.h"

#include <cassert>

#include "query/compare.h"
#include "query/sort_key.h"

namespace tidegate::matcher {

namespace {

using query::Type;

bool is_whole(Type type) {
  return type == Type::int2 || type == Type::int4 || type == Type::int8;
}

/// Changes the set that lies under a key; what becomes empty goes.
template <class Map, class Key, class Change>
void change_at(Map& map, const Key& key, const Change& change) {
  const auto place = map.try_emplace(key, Postings::kNone).first;
  place->second = change(place->second);
  if (place->second == Postings::kNone) map.erase(place);
}

template <class Map, class Key>
Postings::Handle handle_at(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? Postings::kNone : found->second;
}

bool has_one_end(const Part& part) {
  return part.text.empty() && (part.low == 0 || part.high == Part::kMax);
}

}  // namespace

ColumnIndex::ColumnIndex(Type type) : type_(type), whole_(is_whole(type)) {}

std::optional<std::uint64_t> ColumnIndex::whole_number(std::string_view cell) {
  const std::string_view digits = cell.substr(cell.starts_with('-') ? 1 : 0);
  if (digits.starts_with('0') && cell.size() > 1) return std::nullopt;
  const auto key = query::sort_key(Type::int8, cell);
  return key ? std::optional(key->number) : std::nullopt;
}

Postings::Handle ColumnIndex::find_value(std::string_view cell) const {
  if (query::one_spelling(type_)) return handle_at(values_, cell);
  return handle_at(values_, query::index_value(type_, cell));
}

std::optional<query::SortKey> ColumnIndex::number_of(std::string_view cell) const {
  if (!query::ordered_by_bytes(type_)) return query::sort_key(type_, cell);
  return query::SortKey{query::leading_bytes(query::sort_bytes(type_, cell)), false};
}

ColumnIndex::Prefix& ColumnIndex::prefix(const std::string& text) {
  const auto [place, fresh] = prefixes_.try_emplace(text);
  if (fresh) ++lengths_[text.size()];
  return place->second;
}

void ColumnIndex::drop_empty(const std::string& text) {
  const auto place = prefixes_.find(text);
  const Prefix& found = place->second;
  if (found.posting != Postings::kNone || (found.behind && !found.behind->empty())) return;
  prefixes_.erase(place);
  const auto length = lengths_.find(text.size());
  if (--length->second == 0) lengths_.erase(length);
}

void ColumnIndex::change_range(const Part& part, std::uint32_t entry, Postings& postings, bool add) {
  Intervals* intervals = &intervals_;
  if (!part.text.empty()) {
    auto& behind = prefix(part.text).behind;
    if (!behind) behind = std::make_unique<Intervals>();
    intervals = behind.get();
  } else {
    ranges_ = add ? ranges_ + 1 : ranges_ - 1;
  }
  add ? intervals->add(part.low, part.high, entry, postings)
      : intervals->remove(part.low, part.high, entry, postings);
  if (!part.text.empty()) drop_empty(part.text);
}

void ColumnIndex::change(const Part& part, const Change& change) {
  switch (part.kind) {
    case Part::Kind::null:
      null_ = change(null_);
      return;
    case Part::Kind::prefix: {
      Prefix& found = prefix(part.text);
      found.posting = change(found.posting);
      return drop_empty(part.text);
    }
    case Part::Kind::range:
      return part.low == 0 ? change_at(up_to_, part.high, change) : change_at(from_, part.low, change);
    case Part::Kind::value:
      break;
  }
  if (!whole_) return change_at(values_, part.text, change);
  const auto number = whole_number(part.text);
  assert(number);
  const Postings::Handle handle = change(numbers_.find(*number));
  handle == Postings::kNone ? numbers_.erase(*number) : numbers_.set(*number, handle);
}

void ColumnIndex::add(const Part& part, std::uint32_t entry, Postings& postings) {
  if (part.kind == Part::Kind::range && !has_one_end(part)) return change_range(part, entry, postings, true);
  if (part.kind == Part::Kind::range) ++ranges_;
  change(part, [&](Postings::Handle handle) { return postings.add(handle, entry); });
}

void ColumnIndex::remove(const Part& part, std::uint32_t entry, Postings& postings) {
  if (part.kind == Part::Kind::range && !has_one_end(part)) return change_range(part, entry, postings, false);
  if (part.kind == Part::Kind::range) --ranges_;
  change(part, [&](Postings::Handle handle) { return postings.remove(handle, entry); });
}

std::size_t ColumnIndex::load(const Part& part, const Postings& postings) const {
  switch (part.kind) {
    case Part::Kind::null:
      return postings.size(null_);
    case Part::Kind::prefix: {
      const auto found = prefixes_.find(part.text);
      return found == prefixes_.end() ? 0 : postings.size(found->second.posting);
    }
    case Part::Kind::range: {
      if (has_one_end(part)) return from_.size() + up_to_.size();
      if (part.text.empty()) return intervals_.load(part.low, part.high, postings);
      const auto found = prefixes_.find(part.text);
      if (found == prefixes_.end() || !found->second.behind) return 0;
      return found->second.behind->load(part.low, part.high, postings);
    }
    case Part::Kind::value:
      break;
  }
  if (!whole_) return postings.size(handle_at(values_, part.text));
  const auto number = whole_number(part.text);
  return number ? postings.size(numbers_.find(*number)) : 0;
}

}  // namespace tidegate::matcher
