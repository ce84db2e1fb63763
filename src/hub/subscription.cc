#include "hub/subscription.h"

#include <algorithm>

namespace tidegate::hub {

void Place::start_at_snapshot(FeedSeq after, std::optional<Fence> fence, Lsn floor) {
  seen_ = after_ = start_ = after;
  unfinished_ = false;
  begun_ = {};
  forgotten_ = {};
  fence_ = std::move(fence);
  filtering_ = fence_.has_value();
  if (!pass_through_) floor_ = floor;
  if (fence_ && !fence_->snapshot) end_filter();  // SQLite: the LSN alone decides
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
  if (filtering_ && frame.lsn > fence_->until) end_filter();
  const bool below = pass_through_ ? frame.lsn < floor_ : frame.lsn <= floor_;
  if (!below && !(filtering_ && fence_->contains(frame.lsn, frame.xid))) return Verdict::deliver;
  if (frame.last) {
    whole_at(frame.seq);
    // Else its place would say less than it holds, and a stretch that begins there would lack what another's
    // lacks.
    if (!pass_through_) floor_ = std::max(floor_, frame.lsn);
  }
  return Verdict::contained;
}

void Place::delivered(const feed::Frame& frame) {
  if (frame.last) {
    whole_at(frame.seq);
    floor_ = std::max(floor_, frame.lsn);
    return;
  }
  unfinished_ = true;
  if (!begun_.empty() && begun_.back().lsn == frame.lsn) return;
  if (begun_.size() == kBegunMax) {
    forgotten_ = begun_.front().lsn;
    begun_.erase(begun_.begin());
  }
  begun_.push_back({frame.lsn, after_});
}

bool Place::needs_all(const feed::Frame& first) const {
  if (filtering_ || first.seq <= seen_) return false;
  return pass_through_ ? first.lsn >= floor_ : first.lsn > floor_;
}

void Place::delivered_all(const feed::Frame& last) {
  seen_ = last.seq;
  delivered(last);
}

void Place::whole_at(FeedSeq seq) {
  after_ = seq;
  unfinished_ = false;
}

void Place::advance(FeedSeq up_to) {
  seen_ = std::max(seen_, up_to);
  if (!unfinished_) after_ = std::max(after_, up_to);
}

void Place::go_back(const feed::Frame& frame) {
  seen_ = FeedSeq(frame.seq.value() - 1);
  // What was delivered before it is below it, or has (in pass-through) its LSN.
  floor_ = std::min(floor_, pass_through_ ? frame.lsn : Lsn(frame.lsn.value() - 1));
  filtering_ = filtering_ || (fence_ && frame.lsn <= fence_->until);
  const bool forgot = frame.lsn <= forgotten_;
  while (!begun_.empty() && begun_.back().lsn > frame.lsn) begun_.pop_back();
  unfinished_ = forgot || (!begun_.empty() && begun_.back().lsn == frame.lsn);
  if (forgot) {
    after_ = start_;
  } else {
    after_ = unfinished_ ? begun_.back().after : seen_;
  }
}

void Place::passed(Lsn lsn) {
  if (filtering_ && lsn >= fence_->until) end_filter();
}

void Place::conflated(Lsn lsn) {
  floor_ = std::max(floor_, lsn);
}

void Place::written() {
  if (!filtering_) fence_.reset();
}

void Place::end_filter() {
  floor_ = std::max(floor_, fence_->until);
  filtering_ = false;
}

}  // namespace tidegate::hub
