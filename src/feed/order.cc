#include "feed/order.h"

#include <algorithm>

namespace tidegate::feed {

void Fences::add(const registry::GenerationFence& fence, Offset read) {
  fences_.push_back(fence);
  Generation highest(-1);
  for (const auto& each : fences_) {
    if (each.offset <= read.next()) highest = std::max(highest, each.generation);
  }
  std::erase_if(fences_, [&](const auto& each) { return each.generation < highest; });
}

bool Fences::bar(Generation generation, Offset offset) const {
  return std::any_of(fences_.begin(), fences_.end(), [&](const registry::GenerationFence& each) {
    return generation < each.generation && offset >= each.offset;
  });
}

std::optional<Drop> stranger(const log::Record& record, std::optional<Epoch> epoch, Generation seen,
                             const Fences& fences) {
  if (record.keyless) return Drop::keyless;
  if (record.tombstone) return Drop::tombstone;
  const log::Headers& headers = record.headers;
  if (headers.malformed || !headers.lsn || !headers.epoch || !headers.generation) return Drop::malformed;
  if (!epoch || *headers.epoch != *epoch) return Drop::other_epoch;
  if (*headers.generation < seen) return Drop::old_generation;
  if (fences.bar(*headers.generation, record.offset)) return Drop::old_generation;
  return std::nullopt;
}

Standing standing(const log::Headers& headers, Lsn last_complete,
                  const std::optional<Unfinished>& unfinished) {
  const Lsn lsn = *headers.lsn;
  if (lsn <= last_complete) return Standing::seen;
  const bool goes_on = unfinished && unfinished->generation == *headers.generation &&
                       unfinished->lsn == lsn && unfinished->next_part == headers.part;
  return headers.part == 0 || goes_on ? Standing::next : Standing::headless;
}

void move_on(const log::Headers& headers, Lsn& last_complete, std::optional<Unfinished>& unfinished) {
  if ((headers.flags & log::kFlagLastPart) != 0) {
    unfinished.reset();
    last_complete = *headers.lsn;
  } else {
    unfinished = Unfinished{*headers.generation, *headers.lsn, headers.part + 1};
  }
}

}  // namespace tidegate::feed
