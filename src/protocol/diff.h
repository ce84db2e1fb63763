#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace tidegate::protocol {

enum class ChangeKind : std::uint8_t { insert, update, remove };

/// One row's change in a query's result.
struct RowChange {
  ChangeKind kind = ChangeKind::insert;
  std::string key;  ///< JSON array
  std::string row;  ///< JSON object; empty on remove
};

/// A transaction's effect on one query, netted per key (rule 25).
struct Diff {
  QueryHash query;
  Lsn lsn;
  std::optional<Xid> xid;
  std::int64_t commit_time_us = 0;
  std::vector<RowChange> changes;
};

/// `schemas/diff.fbs`. decode verifies first; nothing where the bytes are no Diff.
std::string encode_diff(const Diff& diff);
std::optional<Diff> decode_diff(std::string_view bytes);
/// When the transaction committed, microseconds since 1970-01-01 UTC, without making the rest.
std::optional<std::int64_t> commit_time_of(std::string_view bytes);

/// Diffs above this are cut into parts (rule 5).
inline constexpr std::size_t kPartBytesMax = 900'000;

}  // namespace tidegate::protocol
