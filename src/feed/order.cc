#include "feed/order.h"

namespace tidegate::feed {

std::optional<Drop> stranger(const log::Record& record, std::optional<Epoch> epoch, Generation seen,
                             const std::optional<registry::GenerationFence>& fence) {
  if (record.keyless) return Drop::keyless;
  if (record.tombstone) return Drop::tombstone;
  const log::Headers& headers = record.headers;
  if (headers.malformed || !headers.lsn || !headers.epoch || !headers.generation) return Drop::malformed;
  if (!epoch || *headers.epoch != *epoch) return Drop::other_epoch;
  if (*headers.generation < seen) return Drop::old_generation;
  if (fence && *headers.generation < fence->generation && record.offset >= fence->offset) {
    return Drop::old_generation;
  }
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
