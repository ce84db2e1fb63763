#include "feed/pressure.h"

namespace tidegate::feed {

void Pressure::round() {
  const std::size_t excess = memory_ ? memory_->excess() : 0;
  if (excess == 0) {
    next_ = Relief::places;
    return;
  }
  // The tails first, in every round: they grow again while the rest is dealt with.
  const std::size_t gone = tail_.relieve(excess);
  if (gone > 0) {
    probe_.relieved(Relief::tails);
    delivery_.post_evicted();
  }
  if (gone >= excess) return;
  switch (next_) {
    case Relief::tails:
    case Relief::places:
      delivery_.post_to_all(Relieve{});
      next_ = Relief::spools;
      return probe_.relieved(Relief::places);
    case Relief::spools:
      // Those that nobody reads any more. A new one goes into its file whole, since memory has no room.
      channels_.for_each([](Channel& channel) { channel.taken.reset(); });
      next_ = Relief::refused;
      return probe_.relieved(Relief::spools);
    case Relief::refused:
      next_ = Relief::debtors;  // from now on; counted where it happens
      return;
    case Relief::debtors:
      delivery_.post_to_all(Relieve{.cut = true});
      return probe_.relieved(Relief::debtors);
  }
}

}  // namespace tidegate::feed
