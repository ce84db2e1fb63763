#include "matcher/ledger.h"

#include <algorithm>

namespace tidegate::matcher {

void Ledger::reached(std::uint64_t number, Lsn lsn) {
  if (!lines_.empty() && lines_.back().number == number) {
    lines_.back().lsn = std::max(lines_.back().lsn, lsn);
  } else {
    lines_.push_back({number, lsn});
  }
}

Lsn Ledger::acknowledged(std::uint64_t number) {
  while (!lines_.empty() && lines_.front().number <= number) {
    acknowledged_ = std::max(acknowledged_, lines_.front().lsn);
    lines_.pop_front();
  }
  return acknowledged_;
}

void Checkpoints::noted(Partition partition, Lsn lsn) {
  auto& place = noted_[static_cast<std::size_t>(partition.value())];
  place = place ? std::max(*place, lsn) : lsn;
}

std::optional<Lsn> Checkpoints::lowest() const {
  std::optional<Lsn> lowest;
  for (const auto& each : noted_) {
    if (!each) return std::nullopt;
    lowest = lowest ? std::min(*lowest, *each) : *each;
  }
  return lowest;
}

}  // namespace tidegate::matcher
