#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "feed/events.h"
#include "protocol/diff.h"

namespace tidegate::feed {

/// A frame, and what holds it.
struct HeldFrame {
  std::shared_ptr<const FrameBatch> batch;
  std::uint32_t index = 0;
  [[nodiscard]] const Frame& frame() const { return batch->frames[index]; }
};
/// A channel's frames by index, in the order of their seqs: its tail's or a history's.
using FrameAt = std::function<HeldFrame(std::size_t)>;

/// Several transactions' diffs of one query as one (`"deliver":"latest"`): each row's last state, said as it
/// differs from what a client holds that has everything before the first of them.
class Conflation {
 public:
  /// On top of all before it.
  void add(protocol::Diff diff);
  /// LSN, transaction and time are the last one's. No changes where all of them cancel out.
  [[nodiscard]] protocol::Diff take() &&;

 private:
  void add(protocol::RowChange change);

  protocol::Diff last_;
  std::map<std::string, protocol::RowChange> changes_;  // by key
};

/// Whole transactions that lie one behind another, put together.
struct Stretch {
  Frame first;  ///< of the first transaction
  Frame last;   ///< of the last one
  std::size_t transactions = 0;
  std::size_t bytes = 0;  ///< read for it
  protocol::Diff diff;
};

/// Whether a transaction begins at this frame, so that nothing of it was given before.
bool begins_transaction(const FrameAt& at, std::size_t index);

/// What the transactions from `index` on come to, up to `end`: as many as are together within `bytes_max`.
/// Nothing where that is less than two: they are given as they are. A transaction is never cut.
std::optional<Stretch> conflate(const FrameAt& at, std::size_t index, std::size_t end, std::size_t bytes_max);

}  // namespace tidegate::feed
