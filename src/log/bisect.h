#pragma once

#include <functional>
#include <optional>

#include "log/log.h"

namespace tidegate::log {

/// A record's place in the order of a managed topic: (generation, LSN).
struct Place {
  Offset offset;
  Generation generation;
  Lsn lsn;
};

/// The first record at or behind an offset that has a generation and an LSN; nothing if none follows.
using PlaceAt = std::function<Result<std::optional<Place>>(Offset)>;

/// `Log::seek` for any log that can read a single record (rule 12): the first offset within `range` of a
/// record of `generation` or a later one whose LSN is above `lsn`, `range.end` if there is none. `lost` if
/// such a record may lie below `range.start`: something has left the log, and nothing at or below the wanted
/// place is left to prove that the place itself has not. Offsets may have gaps; records without a place are
/// passed over.
///
/// Bisects over (generation, LSN). Where a generation ends at or below `lsn`, the next ones stream the same
/// transactions again and are bisected one by one. A writer that was fenced off but did not know it yet
/// leaves records of a lower generation among those of a higher one (readers drop them, rule 4). Bisection
/// can mistake such a record for the past, so a found offset is checked against the `kZombies` offsets before
/// it.
Result<Offset> bisect(Watermarks range, Generation generation, Lsn lsn, const PlaceAt& place_at);

/// How many offsets before a found one are looked at again.
inline constexpr std::int64_t kZombies = 256;

}  // namespace tidegate::log
