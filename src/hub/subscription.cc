#include "hub/subscription.h"

#include <algorithm>

namespace tidegate::hub {

void Place::start_at_snapshot(FeedSeq after, std::optional<Fence> fence, Lsn floor) {
  seen_ = after_ = after;
  unfinished_ = false;
  filter_.reset();
  if (!pass_through_) floor_ = floor;
  if (!fence) return;
  filter_ = std::move(fence);
  if (!filter_->snapshot) end_filter();  // SQLite: the LSN alone decides
}

void Place::start_at_cursor(FeedSeq after, Lsn floor, std::optional<Fence> fence) {
  start_at_snapshot(after, std::move(fence));
  // Managed: everything up to `floor` is held, so not above it is contained. Pass-through delivers equal LSNs
  // that come later in the log, but those of the cursor itself are held.
  floor_ = std::max(floor_, pass_through_ ? floor.next() : floor);
}

Place::Verdict Place::offer(const feed::Frame& frame) {
  if (frame.seq <= seen_) return Verdict::seen;
  seen_ = frame.seq;
  // Frames come in LSN order, so one above H says that everything up to H has been offered.
  if (filter_ && frame.lsn > filter_->until) end_filter();
  const bool below = pass_through_ ? frame.lsn < floor_ : frame.lsn <= floor_;
  if (below || (filter_ && filter_->contains(frame.lsn, frame.xid))) {
    if (frame.last) {
      after_ = frame.seq;
      unfinished_ = false;
    }
    return Verdict::contained;
  }
  return Verdict::deliver;
}

void Place::delivered(const feed::Frame& frame) {
  unfinished_ = !frame.last;
  if (!frame.last) return;
  after_ = frame.seq;
  floor_ = std::max(floor_, frame.lsn);
}

void Place::advance(FeedSeq up_to) {
  seen_ = std::max(seen_, up_to);
  if (!unfinished_) after_ = std::max(after_, up_to);
}

void Place::passed(Lsn lsn) {
  if (filter_ && lsn >= filter_->until) end_filter();
}

void Place::end_filter() {
  floor_ = std::max(floor_, filter_->until);
  filter_.reset();
}

}  // namespace tidegate::hub
