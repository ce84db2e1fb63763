#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "query/query.h"

namespace tidegate::matcher {

// How an index finds a query: by which of its conditions, and where that leaves it.
//
// Of the conditions that must all hold one is enough (two where they are the ends of a range): a row that
// lacks it can't be in the result. Best is one whose place in the index holds few queries already (`status =
// 'open'` is an equality, but everybody's); of such an equality with a unique key, then any other equality or
// IN, a prefix, a range with two ends, IS NULL, a range with one end, an equality with a boolean. Of two of a
// kind it is the one with fewer values, then the emptier one. An OR counts as
// the worst of its parts, and has all of them; one that can't be indexed spoils it. Where nothing can be, the
// query hangs on one of its conditions, which is evaluated for every row, once for all who hang on it.

/// A place in the index.
struct Part {
  enum class Kind : std::uint8_t { value, prefix, range, null } kind = Kind::value;
  int column = 0;
  /// Of a value: as `query::index_value` gives it. Of a prefix: itself. Of a range of byte strings: what all
  /// of it begin with.
  std::string text;
  /// Of a range, inclusive: `query::sort_key`, or `query::leading_bytes` behind `text`. 0 and `kMax` are
  /// none.
  std::uint64_t low = 0;
  std::uint64_t high = kMax;
  static constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
};

struct Access {
  std::vector<Part> parts;  ///< none: no row can match
  /// Which rows are found says all that the conditions say that it was made of, as far as a cell's own number
  /// is exact (`query::SortKey`). Else it finds rows too many.
  bool exact = true;
};

/// Which of a query's conditions (`Query::where`) are used.
struct Choice {
  static constexpr std::uint8_t kNone = 255;
  std::uint8_t first = kNone;
  std::uint8_t second = kNone;  ///< a range's other end
  bool indexed = false;         ///< else `first` is evaluated for every row
};

/// How many queries lie in a part's place already.
using Load = std::function<std::size_t(const Part&)>;

/// The best choice, not `indexed` where there is none. `load` breaks ties.
Choice choose_access(const query::Query& query, const Load& load);
/// The parts of an indexed choice: the same each time.
Access access_of(const query::Query& query, const Choice& choice);

}  // namespace tidegate::matcher
