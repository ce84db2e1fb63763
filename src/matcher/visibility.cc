#include "matcher/visibility.h"

#include <algorithm>

namespace tidegate::matcher {

void VisibleWatermark::streamed(Lsn lsn, std::optional<Xid> xid) {
  if (xid) doubtful_.push_back({lsn, *xid});
  reached(lsn);
}

void VisibleWatermark::reached(Lsn lsn) {
  position_ = std::max(position_, lsn);
}

void VisibleWatermark::seen(const XidSnapshot& snapshot) {
  std::erase_if(doubtful_, [&](const Doubtful& each) { return snapshot.visible(each.xid); });
}

Lsn VisibleWatermark::visible() const {
  return doubtful_.empty() ? position_ : Lsn(doubtful_.front().lsn.value() - 1);
}

}  // namespace tidegate::matcher
