#include "matcher/postings.h"

#include <algorithm>
#include <cassert>

namespace tidegate::matcher {

Postings::Handle Postings::add(Handle handle, std::uint32_t entry) {
  assert(entry < kList);
  if (handle == kNone) return entry;
  if ((handle & kList) == 0) {
    std::uint32_t number = static_cast<std::uint32_t>(lists_.size());
    if (free_.empty()) {
      lists_.emplace_back();
    } else {
      number = free_.back();
      free_.pop_back();
    }
    lists_[number].entries = {handle};
    handle = number | kList;
  }
  List& list = lists_[handle & ~kList];
  list.entries.push_back(entry);
  if (list.places.size() > 0) {
    list.places.set(entry, static_cast<std::uint32_t>(list.entries.size() - 1));
  } else if (list.entries.size() > kSearched) {
    for (std::size_t i = 0; i < list.entries.size(); ++i)
      list.places.set(list.entries[i], static_cast<std::uint32_t>(i));
  }
  return handle;
}

void Postings::drop(List& list, std::uint32_t entry) {
  std::vector<std::uint32_t>& entries = list.entries;
  std::size_t place = 0;
  if (list.places.size() > 0) {
    place = list.places.find(entry);
    list.places.set(entries.back(), static_cast<std::uint32_t>(place));
    list.places.erase(entry);
  } else {
    place = static_cast<std::size_t>(std::find(entries.begin(), entries.end(), entry) - entries.begin());
  }
  assert(place < entries.size());
  entries[place] = entries.back();
  entries.pop_back();
}

Postings::Handle Postings::remove(Handle handle, std::uint32_t entry) {
  if ((handle & kList) == 0) {
    assert(handle == entry);
    return kNone;
  }
  const std::uint32_t number = handle & ~kList;
  List& list = lists_[number];
  drop(list, entry);
  if (list.entries.size() > 1) return handle;
  const Handle last = list.entries.front();
  list = {};
  free_.push_back(number);
  return last;
}

std::size_t Postings::size(Handle handle) const {
  if (handle == kNone) return 0;
  return (handle & kList) == 0 ? 1 : lists_[handle & ~kList].entries.size();
}

}  // namespace tidegate::matcher
