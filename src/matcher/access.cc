#include "matcher/access.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <tuple>
#include <utility>

#include "query/like.h"
#include "query/op.h"
#include "query/regex.h"
#include "query/sort_key.h"

namespace tidegate::matcher {

namespace {

using query::Condition;
using query::Op;
using query::TableSchema;
using query::Type;
using Found = std::optional<Access>;

Type type_of(const TableSchema& table, int column) {
  return table.columns[static_cast<std::size_t>(column)].type;
}

bool is_lower(Op op) {
  return op == Op::gt || op == Op::ge;
}

Part part_of(Part::Kind kind, int column) {
  Part part;
  part.kind = kind;
  part.column = column;
  return part;
}

Found values_of(const Condition& leaf) {
  Access access;
  for (const std::string& value : leaf.values) {
    Part part = part_of(Part::Kind::value, leaf.column);
    part.text = value;
    access.parts.push_back(std::move(part));
  }
  return access;
}

Found prefix_of(const Condition& leaf, Type type) {
  std::string_view pattern = leaf.values.front();
  Part part = part_of(Part::Kind::prefix, leaf.column);
  const bool whole = leaf.op == Op::starts_with;
  if (whole) {
    part.text = pattern;
  } else if (leaf.op == Op::match) {
    part.text = query::prefix_of_regex(pattern);
  } else {
    if (type == Type::bpchar) return {};  // its blanks count here, and the index knows it without
    for (std::size_t at = 0; at < pattern.size() && pattern[at] != '%' && pattern[at] != '_'; ++at) {
      if (pattern[at] == '\\' && ++at == pattern.size()) break;
      part.text += pattern[at];
    }
  }
  if (part.text.empty()) return {};
  Access access;
  access.exact = whole;
  access.parts.push_back(std::move(part));
  return access;
}

/// The range between two leaves' values; either may be missing.
Found numbers_between(Type type, const Condition* lower, const Condition* upper) {
  Part part = part_of(Part::Kind::range, (lower != nullptr ? lower : upper)->column);
  Access access;
  if (lower != nullptr) {
    const auto low = query::sort_key(type, lower->values.front());
    if (!low) return {};
    access.exact = low->exact;
    part.low = low->number;
  }
  if (upper != nullptr) {
    const auto high = query::sort_key(type, upper->values.front());
    if (!high) return {};
    access.exact = access.exact && high->exact;
    part.high = high->number;
  }
  const bool open_below = lower != nullptr && lower->op == Op::gt;
  const bool open_above = upper != nullptr && upper->op == Op::lt;
  if (type == Type::numeric || type == Type::interval) {
    // A cell beside the end may share its number, however exact that is: it must be found and evaluated.
    access.exact = access.exact && !open_below && !open_above;
  } else {
    if ((open_below && part.low == Part::kMax) || (open_above && part.high == 0)) return access;
    part.low += open_below ? 1 : 0;
    part.high -= open_above ? 1 : 0;
  }
  if (part.low <= part.high) access.parts.push_back(std::move(part));
  return access;
}

/// Whatever lies between two strings begins with what both begin with.
Found bytes_between(Type type, const Condition* lower, const Condition* upper) {
  Part part = part_of(Part::Kind::range, (lower != nullptr ? lower : upper)->column);
  std::string_view low;
  std::string_view high;
  if (lower != nullptr) low = query::sort_bytes(type, lower->values.front());
  if (upper != nullptr) high = query::sort_bytes(type, upper->values.front());
  if (lower != nullptr && upper != nullptr) {
    if (low > high) return Access{};
    const auto parts = std::mismatch(low.begin(), low.end(), high.begin(), high.end());
    const auto same = static_cast<std::size_t>(parts.first - low.begin());
    part.text = low.substr(0, same);
    low.remove_prefix(same);
    high.remove_prefix(same);
  }
  if (lower != nullptr) part.low = query::leading_bytes(low);
  if (upper != nullptr) part.high = query::leading_bytes(high);
  Access access;
  access.exact = false;
  access.parts.push_back(std::move(part));
  return access;
}

Found between(const TableSchema& table, const Condition* lower, const Condition* upper) {
  const Type type = type_of(table, (lower != nullptr ? lower : upper)->column);
  return query::ordered_by_bytes(type) ? bytes_between(type, lower, upper)
                                       : numbers_between(type, lower, upper);
}

/// A leaf about the column itself that is to be true.
bool is_plain(const Condition& leaf) {
  return !query::is_group(leaf.op) && leaf.truth == query::Truth::is_true && leaf.other < 0 &&
         leaf.path.empty() && !leaf.terms();
}

Found of_leaf(const TableSchema& table, const Condition& leaf) {
  if (!is_plain(leaf)) return {};
  const Type type = type_of(table, leaf.column);
  switch (leaf.op) {
    case Op::eq:
    case Op::in:
      return type == Type::jsonb ? Found() : values_of(leaf);
    case Op::lt:
    case Op::le:
      return between(table, nullptr, &leaf);
    case Op::gt:
    case Op::ge:
      return between(table, &leaf, nullptr);
    case Op::like:
    case Op::match:
    case Op::starts_with:
      return prefix_of(leaf, type);
    case Op::is_null: {
      Access access;
      access.parts.push_back(part_of(Part::Kind::null, leaf.column));
      return access;
    }
    default:
      return {};
  }
}

int rank(const TableSchema& table, const Part& part) {
  switch (part.kind) {
    case Part::Kind::value:
      if (table.key.size() == 1 && table.key.front() == part.column) return 0;
      return type_of(table, part.column) == Type::boolean ? 6 : 1;
    case Part::Kind::prefix:
      return 2;
    case Part::Kind::range:
      return part.low == 0 || part.high == Part::kMax ? 5 : 3;
    case Part::Kind::null:
      return 4;
  }
  return 6;
}

/// A place with few queries costs a change little that comes there, of whatever kind it is; of more, eight
/// times as many are a step.
std::size_t crowd(std::size_t load) {
  return std::bit_width(load) / 3;
}

/// Looks for the best access among conditions that must all hold.
class Chooser {
 public:
  Chooser(const TableSchema& table, const Load* load) : table_(table), load_(load) {}

  void look(const std::vector<Condition>& all) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      offer(of(all[i]), i, Choice::kNone);
      if (!is_plain(all[i]) || !is_lower(all[i].op)) continue;
      const auto upper = std::find_if(all.begin(), all.end(), [&](const Condition& other) {
        return is_plain(other) && (other.op == Op::lt || other.op == Op::le) && other.column == all[i].column;
      });
      if (upper == all.end()) continue;
      offer(between(table_, &all[i], &*upper), i, static_cast<std::size_t>(upper - all.begin()));
    }
  }
  [[nodiscard]] const Choice& choice() const { return choice_; }
  Found take() { return std::move(best_); }

  /// Of one condition, by itself. Recurses as deep as the tree, which binding bounds.
  [[nodiscard]] Found of(const Condition& condition) const {
    if (condition.op != Op::any_of) return of_leaf(table_, condition);
    Access united;
    for (const Condition& child : condition.children) {
      Found found;
      if (child.op == Op::all_of) {
        Chooser inside(table_, nullptr);  // the same one each time
        inside.look(child.children);
        const bool both = child.children.size() == 2 && inside.choice_.second != Choice::kNone;
        found = inside.take();
        if (found) found->exact = found->exact && both;
      } else {
        found = of(child);
      }
      if (!found) return {};
      united.exact = united.exact && found->exact;
      std::move(found->parts.begin(), found->parts.end(), std::back_inserter(united.parts));
    }
    return united;
  }

 private:
  using Cost = std::tuple<std::size_t, int, std::size_t, std::size_t>;
  [[nodiscard]] Cost cost(const Access& access) const {
    int worst = 0;
    std::size_t load = 0;
    for (const Part& part : access.parts) {
      worst = std::max(worst, rank(table_, part));
      if (load_ != nullptr) load += (*load_)(part);
    }
    return {crowd(load), worst, access.parts.size(), load};
  }
  void offer(Found found, std::size_t first, std::size_t second) {
    if (!found) return;
    Cost cost = this->cost(*found);
    if (best_ && cost_ <= cost) return;
    best_ = std::move(found);
    cost_ = std::move(cost);
    choice_ = {static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(second), true};
  }

  const TableSchema& table_;
  const Load* load_;
  Found best_;
  Cost cost_;
  Choice choice_;
};

}  // namespace

Choice choose_access(const query::Query& query, const Load& load) {
  assert(query.where().size() < Choice::kNone);
  Chooser chooser(query.table(), &load);
  chooser.look(query.where());
  return chooser.choice();
}

Access access_of(const query::Query& query, const Choice& choice) {
  assert(choice.indexed);
  const Condition& first = query.where()[choice.first];
  Found found;
  if (choice.second != Choice::kNone) {
    found = between(query.table(), &first, &query.where()[choice.second]);
  } else {
    found = Chooser(query.table(), nullptr).of(first);
  }
  assert(found);
  return std::move(*found);
}

}  // namespace tidegate::matcher
