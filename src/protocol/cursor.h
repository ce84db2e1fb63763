#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/fence.h"
#include "base/ids.h"

namespace tidegate::protocol {

/// A managed query's place, as a client keeps it and hands it back (docs/PROTOCOL.md, "The cursor"). JSON:
/// `{"epoch":"<16 hex>","query":"<32 hex>","activation":"<16
/// hex>","partition":N,"offset":N,"lsn":"<decimal>"}` and, while the fence's filter may be on, first of all
/// `"snapshot":"xmin:xmax:…","until":"<decimal>"` (SQLite: none).
struct Cursor {
  Epoch epoch;
  QueryHash query;
  Activation activation;
  Partition partition;
  Offset offset;  ///< of the last record that is contained; -1: none yet
  Lsn lsn;        ///< up to and including this one everything is contained that the fence does not decide
  std::optional<Fence> fence;
  bool operator==(const Cursor&) const = default;
};

/// Appends the JSON object.
void append_cursor(std::string& out, const Cursor& cursor);
/// The members that carry the fence, with a comma behind them: what is spliced behind the `{` of a shared
/// cursor.
void append_cursor_fence(std::string& out, const Fence& fence);
/// From JSON text. Nothing where it is malformed or incomplete: such a client gets a fresh snapshot, never an
/// error.
std::optional<Cursor> parse_cursor(std::string_view json);

}  // namespace tidegate::protocol
