#pragma once

#include <deque>
#include <optional>

#include "base/fence.h"
#include "base/ids.h"

namespace tidegate::matcher {

/// V, the visible watermark (rule 1). A commit is streamed before others can see it, without bound while it
/// waits for a synchronous standby; from being streamed until some snapshot saw it, a transaction is
/// doubtful. V is the last position below the first doubtful one: a snapshot taken when V has been reached
/// holds everything up to V. Pure; one thread. Positions are inclusive.
class VisibleWatermark {
 public:
  /// Everything up to `start` was confirmed before, hence visible, or precedes the slot.
  explicit VisibleWatermark(Lsn start) : position_(start) {}

  /// In the stream's order. Without xid the source says that what is streamed is visible.
  void streamed(Lsn lsn, std::optional<Xid> xid);
  /// Nothing is in flight up to here.
  void reached(Lsn lsn);
  /// Clears what the snapshot sees: at any place of the list, since visibility has no order.
  void seen(const XidSnapshot& snapshot);

  /// The last position up to which everything has been matched.
  [[nodiscard]] Lsn position() const { return position_; }
  [[nodiscard]] Lsn visible() const;
  [[nodiscard]] std::size_t doubtful() const { return doubtful_.size(); }

 private:
  struct Doubtful {
    Lsn lsn;
    Xid xid;
  };
  Lsn position_;
  std::deque<Doubtful> doubtful_;  // by LSN
};

}  // namespace tidegate::matcher
