#include "log/bisect.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <utility>

namespace tidegate::log {
namespace {

using Target = std::pair<Generation, Lsn>;

struct Window {
  std::int64_t low = 0;  // everything with a place below it is at or below the target
  std::int64_t high =
      0;  // nothing with a place lies in [the window's end, high), and high is `above` or the end
  std::optional<Place> above;  // the place at high
};

/// Halves [low, end) until what is left is small enough to be read.
Result<Window> narrow(std::int64_t low, Offset end, Target target, const PlaceAt& place_at,
                      std::int64_t window_max) {
  Window window{low, end.value(), {}};
  while (window.high - window.low > window_max) {
    const std::int64_t middle = window.low + (window.high - window.low) / 2;
    auto place = place_at(Offset(middle));
    if (!place.ok()) return place.error();
    if (!*place || (*place)->offset.value() >= window.high) {
      window.high = middle;  // nothing with a place in [middle, high)
    } else if (Target((*place)->generation, (*place)->lsn) > target) {
      window.above = **place;
      window.high = middle;
    } else {
      window.low = (*place)->offset.value() + 1;
    }
  }
  return window;
}

/// The first place in [from, end) of that generation or a later one above that LSN, by reading one after the
/// other.
Result<std::optional<Place>> scan(std::int64_t from, std::int64_t end, Target wanted,
                                  const PlaceAt& place_at) {
  while (from < end) {
    auto place = place_at(Offset(from));
    if (!place.ok()) return place.error();
    if (!*place || (*place)->offset.value() >= end) break;
    if ((*place)->generation >= wanted.first && (*place)->lsn > wanted.second) return *place;
    from = (*place)->offset.value() + 1;
  }
  return std::optional<Place>{};
}

}  // namespace

Result<Offset> bisect(Watermarks range, Generation generation, Lsn lsn, const PlaceAt& place_at,
                      std::int64_t window_max) {
  const Target wanted(generation, lsn);
  if (range.start > Offset(0)) {
    auto first = place_at(range.start);
    if (!first.ok()) return first.error();
    if (!*first || Target((*first)->generation, (*first)->lsn) > wanted) {
      return Error{Fault::lost,
                   fmt::format("records above lsn {} may have left the log, which begins at offset {}",
                               lsn.value(), range.start.value())};
    }
  }
  Target target = wanted;
  std::int64_t low = range.start.value();
  for (;;) {
    auto window = narrow(low, range.end, target, place_at, window_max);
    if (!window.ok()) return window.error();
    const std::int64_t until = window->above ? window->above->offset.value() + 1 : window->high;
    auto found = scan(std::max(range.start.value(), window->low - kZombies), until, wanted, place_at);
    if (!found.ok()) return found.error();
    if (*found) return (*found)->offset;
    if (!window->above) return range.end;
    target.first = window->above->generation;  // it streams the same again
    low = until;
  }
}

}  // namespace tidegate::log
