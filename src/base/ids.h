#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/strong.h"

namespace tidegate {

/// A place in the source's order of commits. Postgres: the LSN at which the commit record begins; SQLite: the
/// journal's id; pass-through: whatever the `lsn` header says. Positions made of it are *inclusive*:
/// "position L" means that every transaction with an LSN up to and including L is meant. (Postgres's own
/// positions name the next byte; its adapter subtracts one. Else a commit record that begins exactly at a
/// snapshot's insert LSN would be dropped.)
using Lsn = Strong<struct LsnTag, std::uint64_t>;

/// A 64-bit transaction id (Postgres's xid8).
using Xid = Strong<struct XidTag, std::uint64_t>;

/// Random; changes whenever positions of before say nothing about positions of now (exactness.md rule 10).
using Epoch = Strong<struct EpochTag, std::uint64_t>;

/// One matcher's reign: the offset of its start record in the control topic (rule 4).
using Generation = Strong<struct GenerationTag, std::int64_t>;

/// One unbroken span of matching a query; random (rule 14).
using Activation = Strong<struct ActivationTag, std::uint64_t>;

/// One gateway process's life under one lease; random (rule 15).
using Incarnation = Strong<struct IncarnationTag, std::uint64_t>;

/// A partition of the log, counted over all topics that the log was opened with, from 0.
using Partition = Strong<struct PartitionTag, std::int32_t>;

/// A record's place in its partition, from 0; gaps are normal (rule 9).
using Offset = Strong<struct OffsetTag, std::int64_t>;

/// A gateway process's number for a query; never reused while the process lives. 0 is none.
using ChannelId = Strong<struct ChannelIdTag, std::uint32_t>;

/// A subscription, unique in the process: the shard's number in the upper 16 bits, a counter below.
using SubscriptionId = Strong<struct SubscriptionIdTag, std::uint64_t>;

/// A connection, unique within its shard.
using SessionId = Strong<struct SessionIdTag, std::uint64_t>;

/// The number that a gateway's feed gives to every record that it reads: one order over all partitions, from
/// 1, in this process only.
using FeedSeq = Strong<struct FeedSeqTag, std::uint64_t>;

/// The first 128 bits of the SHA-256 of a canonical narrowed query (rule 24).
struct QueryHash {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const QueryHash&) const = default;
  /// 32 lower-case hexadecimal digits.
  [[nodiscard]] std::string hex() const;
};

}  // namespace tidegate

template <>
struct std::hash<tidegate::QueryHash> {
  std::size_t operator()(const tidegate::QueryHash& hash) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, hash.bytes.data(), sizeof value);
    return value;
  }
};
