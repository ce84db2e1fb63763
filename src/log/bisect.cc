#include "log/bisect.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <utility>

namespace tidegate::log {
namespace {

using Target = std::pair<Generation, Lsn>;

/// The first place above `target` in [from, end), if the order holds.
Result<std::optional<Place>> first_above(Offset from, Offset end, Target target, const PlaceAt& place_at) {
  std::optional<Place> found;
  std::int64_t low = from.value();
  std::int64_t high = end.value();
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    auto place = place_at(Offset(middle));
    if (!place.ok()) return place.error();
    if (!*place || (*place)->offset.value() >= high) {
      high = middle;  // nothing with a place in [middle, high)
    } else if (Target((*place)->generation, (*place)->lsn) > target) {
      found = **place;
      high = middle;
    } else {
      low = (*place)->offset.value() + 1;
    }
  }
  return found;
}

/// The first place in [from, end) that satisfies the seek, by reading one after the other.
Result<std::optional<Place>> scan(std::int64_t from, Offset end, Target target, const PlaceAt& place_at) {
  while (from < end.value()) {
    auto place = place_at(Offset(from));
    if (!place.ok()) return place.error();
    if (!*place || (*place)->offset >= end) break;
    if ((*place)->generation >= target.first && (*place)->lsn > target.second) return *place;
    from = (*place)->offset.value() + 1;
  }
  return std::optional<Place>{};
}

}  // namespace

Result<Offset> bisect(Watermarks range, Generation generation, Lsn lsn, const PlaceAt& place_at) {
  const Error lost{Fault::lost,
                   fmt::format("records above lsn {} may have left the log, which begins at offset {}",
                               lsn.value(), range.start.value())};
  Target target(generation, lsn);
  auto found = first_above(range.start, range.end, target, place_at);
  if (!found.ok()) return found.error();
  if (range.start > Offset(0)) {
    auto first = place_at(range.start);
    if (!first.ok()) return first.error();
    if (!*first || Target((*first)->generation, (*first)->lsn) > target) return lost;
  }
  while (*found && (*found)->lsn <= lsn) {  // a later generation that streams the same again
    target.first = (*found)->generation;
    found = first_above((*found)->offset, range.end, target, place_at);
    if (!found.ok()) return found.error();
  }
  const Offset end = *found ? (*found)->offset : range.end;
  auto earlier =
      scan(std::max(range.start.value(), end.value() - kZombies), end, Target(generation, lsn), place_at);
  if (!earlier.ok()) return earlier.error();
  return *earlier ? (*earlier)->offset : end;
}

}  // namespace tidegate::log
