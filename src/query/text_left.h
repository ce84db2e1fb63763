#pragma once

#include <cstddef>
#include <string_view>

#include "query/query.h"

namespace tidegate::query {

inline constexpr std::string_view kTooMuchText = "the query's texts are together larger than 400 KiB";
static_assert(kQueryTextMax == 400 * 1024);

/// How much text a query may still have while it is read: a text counts whenever it is named, since a
/// parameter may stand in many places, and a FlatBuffer's offsets may share one. One thread.
class TextLeft {
 public:
  /// Each text costs what holds it, too. False, and from then on always, where there is none left.
  [[nodiscard]] bool take(std::size_t bytes) {
    const std::size_t cost = bytes + 4;
    left_ = cost <= left_ ? left_ - cost : 0;
    return left_ > 0;
  }

 private:
  std::size_t left_ = kQueryTextMax;
};

}  // namespace tidegate::query
