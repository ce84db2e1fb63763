#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "protocol/errors.h"

namespace tidegate::feed {

/// The values of a matcher's records that are no diffs (docs/PROTOCOL.md). Parsing gives nothing where a
/// field is missing or malformed; further fields are ignored, so that a newer matcher may add some.
struct ProgressValue {
  Lsn position;
  Lsn visible;
  std::int64_t time_us = 0;
};
std::optional<ProgressValue> parse_progress(std::string_view json);

struct ActiveValue {
  Activation activation;
  Lsn registered;  ///< R
  std::string query;
};
std::optional<ActiveValue> parse_active(std::string_view json);

std::optional<Activation> parse_closed(std::string_view json);

/// Why a query ended: `bad_query` or `schema_changed` for its subscribers, and the reason for operators
/// alone, since it may name a column that a policy hides. Empty where the record has none.
struct SchemaValue {
  protocol::ErrorCode code = protocol::ErrorCode::schema_changed;
  std::string reason;
};
SchemaValue parse_schema(std::string_view json);

}  // namespace tidegate::feed
