#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "matcher/flat_map.h"

namespace tidegate::matcher {

/// The queries that wait for one value, range or prefix, as numbers below 2^31. Most such sets have one
/// member, which then is the handle itself and needs no memory; a larger one is a list, and its number with
/// the highest bit the handle. Adding and removing take constant time. Not thread safe.
class Postings {
 public:
  using Handle = std::uint32_t;
  static constexpr Handle kNone = FlatMap::kNone;

  /// The set with one more or one less; the old handle is void then. `entry` is not in it, or is.
  [[nodiscard]] Handle add(Handle handle, std::uint32_t entry);
  [[nodiscard]] Handle remove(Handle handle, std::uint32_t entry);
  [[nodiscard]] std::size_t size(Handle handle) const;

  template <class F>
  void each(Handle handle, const F& f) const {
    if (handle == kNone) return;
    if ((handle & kList) == 0) return f(handle);
    for (const std::uint32_t entry : lists_[handle & ~kList].entries) f(entry);
  }

 private:
  static constexpr Handle kList = std::uint32_t{1} << 31;
  /// Up to here a list is searched, beyond it knows its entries' places.
  static constexpr std::size_t kSearched = 32;
  struct List {
    std::vector<std::uint32_t> entries;
    FlatMap places;
  };
  static void drop(List& list, std::uint32_t entry);

  std::vector<List> lists_;
  std::vector<std::uint32_t> free_;
};

}  // namespace tidegate::matcher
