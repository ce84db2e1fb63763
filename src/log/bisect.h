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
/// Bisects over (generation, LSN) down to a window of `window_max` offsets, which is read one after the
/// other, as a log gives neighbours cheaply. Where a generation ends at or below `lsn`, the later ones stream
/// the same transactions again and are searched one by one. A writer that was fenced off but did not know it
/// yet leaves records of a lower generation among those of a higher one (readers drop them, rule 4);
/// bisection can mistake such a record for the past, so reading begins `kZombies` offsets before the window.
Result<Offset> bisect(Watermarks range, Generation generation, Lsn lsn, const PlaceAt& place_at,
                      std::int64_t window_max = 256);

inline constexpr std::int64_t kZombies = 256;

}  // namespace tidegate::log
