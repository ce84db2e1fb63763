#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace tidegate {

/// What `pg_current_snapshot()` says, with 64-bit ids.
struct XidSnapshot {
  Xid xmin;
  Xid xmax;
  std::vector<Xid> in_progress;  ///< sorted

  /// Below xmin, or below xmax and not in progress. (The `>= xmax` arm matters: in_progress may be empty.)
  [[nodiscard]] bool visible(Xid xid) const {
    if (xid < xmin) return true;
    if (xid >= xmax) return false;
    return !std::binary_search(in_progress.begin(), in_progress.end(), xid);
  }
  /// Postgres's own text form, `xmin:xmax:a,b,c`.
  [[nodiscard]] std::string text() const;
  static std::optional<XidSnapshot> parse(std::string_view text);
  bool operator==(const XidSnapshot&) const = default;
};

/// Decides which diffs a snapshot already contains (rules 18, 30). Up to `until` (H, inclusive) a diff is new
/// if and only if its xid is invisible in `snapshot`; above it everything is. Without `snapshot` (SQLite)
/// everything up to `until` is contained.
struct Fence {
  Lsn until;
  std::optional<XidSnapshot> snapshot;
  /// Whether the snapshot already holds this transaction's effect, as long as the stream has not passed
  /// `until`.
  [[nodiscard]] bool contains(Lsn lsn, std::optional<Xid> xid) const {
    if (!snapshot) return lsn <= until;
    return xid ? snapshot->visible(*xid) : lsn <= until;
  }
  bool operator==(const Fence&) const = default;
};

/// A 32-bit xid of the stream as a 64-bit one, `reference` being the xmax of a recent snapshot: right across
/// a wrap of the 32-bit counter as long as the two are within 2^31 of each other.
inline Xid full_xid(std::uint32_t xid, Xid reference) {
  const auto low = static_cast<std::uint32_t>(reference.value());
  return Xid(reference.value() +
             static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(xid - low))));
}

}  // namespace tidegate
