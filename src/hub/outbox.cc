#include "hub/outbox.h"

#include <algorithm>
#include <cassert>

namespace tidegate::hub {
namespace {

// Written entries are moved out of the way when they are this many and more than half: amortised constant
// cost.
constexpr std::size_t kCompactAbove = 64;

}  // namespace

Outbox::~Outbox() {
  for (std::size_t i = first_; i < entries_.size(); ++i) drop(entries_[i]);
}

void Outbox::drop(Entry& entry) {
  if (entry.held != nullptr) entry.held->release();
  delete entry.own;
}

void Outbox::push(std::string bytes) {
  if (bytes.empty()) return;
  auto* own = new std::string(std::move(bytes));
  pushed_ += own->size();
  entries_.push_back({own->data(), own->size(), nullptr, own});
}

void Outbox::push_shared(Held& held, std::string_view bytes) {
  if (bytes.empty()) return;
  pushed_ += bytes.size();
  if (entries_.size() > first_) {
    Entry& last = entries_.back();
    if (last.held == &held && last.data + last.size == bytes.data()) {
      last.size += bytes.size();
      return;
    }
  }
  held.acquire();
  entries_.push_back({bytes.data(), bytes.size(), &held, nullptr});
}

std::size_t Outbox::gather(iovec* out, std::size_t max) const {
  const std::size_t count = std::min(max, entries_.size() - first_);
  for (std::size_t i = 0; i < count; ++i) {
    const Entry& entry = entries_[first_ + i];
    out[i] = {const_cast<char*>(entry.data), entry.size};
  }
  return count;
}

void Outbox::consume(std::size_t bytes) {
  assert(bytes <= this->bytes());
  written_ += bytes;
  while (bytes > 0) {
    Entry& entry = entries_[first_];
    if (bytes < entry.size) {
      entry.data += bytes;
      entry.size -= bytes;
      return;
    }
    bytes -= entry.size;
    drop(entry);
    ++first_;
  }
  if (first_ == entries_.size()) {
    entries_ = {};  // an idle session holds nothing
    first_ = 0;
  } else if (first_ > kCompactAbove && first_ * 2 > entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

}  // namespace tidegate::hub
