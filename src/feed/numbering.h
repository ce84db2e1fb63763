#pragma once

#include <cassert>
#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace tidegate::feed {

/// Seqs of records are so far apart, so that a diff's further texts have theirs in between (ADR 9).
inline constexpr std::uint64_t kSeqStride = 1024;

/// Gives the FeedSeqs (ADR 3 and 12). A managed channel lies in one partition, and there a seq is said by the
/// offset: a record that is read again from the log's history has the one that it had, or would have had,
/// when it was read live. In pass-through a channel's records may come from anywhere, and are counted. The
/// feed's thread only.
class Numbering {
 public:
  /// Managed: one order a partition. Pass-through: one for all, which is called partition 0.
  explicit Numbering(std::int32_t orders) : orders_(static_cast<std::size_t>(orders)) {}

  /// Of the last record that was read.
  [[nodiscard]] FeedSeq now(Partition partition) const { return order(partition).now; }

  // Managed.
  [[nodiscard]] FeedSeq of(Partition partition, Offset offset) const {
    return FeedSeq(order(partition).base.value() +
                   static_cast<std::uint64_t>(offset.value() + 1) * kSeqStride);
  }
  /// Of the record at the seq, or of the last one below.
  [[nodiscard]] Offset offset_at(Partition partition, FeedSeq seq) const {
    assert(seq >= order(partition).base);
    return Offset(static_cast<std::int64_t>((seq.value() - order(partition).base.value()) / kSeqStride) - 1);
  }
  void read(Partition partition, Offset offset) { order(partition).now = of(partition, offset); }
  /// The partition is read from `offset` on, which may lie below what was read: the topic was made anew. Seqs
  /// never fall, so its offsets count from here.
  void begin_again(Partition partition, Offset offset) {
    order(partition).base = order(partition).now;
    read(partition, Offset(offset.value() - 1));
  }

  // Pass-through.
  FeedSeq count() { return orders_[0].now = FeedSeq(orders_[0].now.value() + kSeqStride); }
  /// Leaves room for kReplayMax seqs behind now: for records that are read again later and belong here.
  void reserve() { orders_[0].now = FeedSeq(orders_[0].now.value() + kReplayMax); }
  static constexpr std::uint64_t kReplayMax = std::uint64_t{1} << 32;
  static_assert(kReplayMax % kSeqStride == 0);

 private:
  struct Order {
    FeedSeq base;
    FeedSeq now;
  };
  [[nodiscard]] const Order& order(Partition partition) const {
    return orders_[static_cast<std::size_t>(partition.value())];
  }
  [[nodiscard]] Order& order(Partition partition) {
    return orders_[static_cast<std::size_t>(partition.value())];
  }
  std::vector<Order> orders_;
};

}  // namespace tidegate::feed
