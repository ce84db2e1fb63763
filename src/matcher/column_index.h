#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "matcher/access.h"
#include "matcher/flat_map.h"
#include "matcher/intervals.h"
#include "matcher/postings.h"
#include "query/sort_key.h"

namespace tidegate::matcher {

/// Which queries wait for a value of one column: by equality (hashed), by prefix (hashed, one look a length
/// that occurs), by range (`Intervals`; such with one end sorted by it) and for NULL. A cell is brought to
/// its normal form once, however many queries there are. Not thread safe.
class ColumnIndex {
 public:
  explicit ColumnIndex(query::Type type);

  /// The part is of this column. What is removed was added.
  void add(const Part& part, std::uint32_t entry, Postings& postings);
  void remove(const Part& part, std::uint32_t entry, Postings& postings);
  /// How many queries wait in this place.
  [[nodiscard]] std::size_t load(const Part& part, const Postings& postings) const;

  /// Calls `f` with each set of queries that the cell may concern, and whether that is as exact as their
  /// access is. A set may come twice, by two parts.
  template <class F>
  void each(const query::Cell& cell, const F& f) const {
    if (!cell) {
      if (null_ != Postings::kNone) f(null_, true);
      return;
    }
    const auto exactly = [&f](Postings::Handle posting) { f(posting, true); };
    each_equal(*cell, exactly);
    if (!prefixes_.empty()) each_prefix(query::sort_bytes(type_, *cell), exactly);
    if (ranges_ == 0) return;
    if (const auto key = number_of(*cell)) {
      const std::uint64_t number = key->number;
      intervals_.each(number, [&](Postings::Handle posting) { f(posting, key->exact); });
      for (auto at = from_.begin(); at != from_.end() && at->first <= number; ++at) f(at->second, key->exact);
      for (auto at = up_to_.rbegin(); at != up_to_.rend() && at->first >= number; ++at)
        f(at->second, key->exact);
    }
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  template <class Value>
  using ByText = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;
  /// What begins alike: who waits for just that, and ranges of what comes behind it.
  struct Prefix {
    Postings::Handle posting = Postings::kNone;
    std::unique_ptr<Intervals> behind;
  };

  template <class F>
  void each_equal(std::string_view cell, const F& f) const {
    Postings::Handle found = Postings::kNone;
    if (whole_) {
      if (const auto number = whole_number(cell)) found = numbers_.find(*number);
    } else if (!values_.empty()) {
      found = find_value(cell);
    }
    if (found != Postings::kNone) f(found);
  }
  template <class F>
  void each_prefix(std::string_view bytes, const F& f) const {
    for (const auto& [length, count] : lengths_) {
      if (length > bytes.size()) return;
      const auto found = prefixes_.find(bytes.substr(0, length));
      if (found == prefixes_.end()) continue;
      if (found->second.posting != Postings::kNone) f(found->second.posting);
      if (found->second.behind) found->second.behind->each(query::leading_bytes(bytes.substr(length)), f);
    }
  }
  /// Nothing where it is not spelled as a literal is, and so equal to none.
  static std::optional<std::uint64_t> whole_number(std::string_view cell);
  [[nodiscard]] Postings::Handle find_value(std::string_view cell) const;
  [[nodiscard]] std::optional<query::SortKey> number_of(std::string_view cell) const;

  using Change = std::function<Postings::Handle(Postings::Handle)>;
  void change(const Part& part, const Change& change);
  Prefix& prefix(const std::string& text);
  void drop_empty(const std::string& text);
  void change_range(const Part& part, std::uint32_t entry, Postings& postings, bool add);

  const query::Type type_;
  const bool whole_;  // integers, which are looked up as such
  FlatMap numbers_;
  ByText<Postings::Handle> values_;
  ByText<Prefix> prefixes_;
  std::map<std::size_t, std::size_t> lengths_;  // of prefixes, and how many have it
  Intervals intervals_;
  std::map<std::uint64_t, Postings::Handle> from_;
  std::map<std::uint64_t, Postings::Handle> up_to_;
  std::size_t ranges_ = 0;  // of `intervals_`, `from_` and `up_to_`: entries
  Postings::Handle null_ = Postings::kNone;
};

}  // namespace tidegate::matcher
