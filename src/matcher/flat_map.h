#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace tidegate::matcher {

/// 64-bit keys to 32-bit values, in one array: open addressing with linear probing, erasing shifts what
/// follows back, so that there are no tombstones (Knuth, TAOCP 3, 6.4, algorithm R). A look-up touches one
/// cache line as a rule, which is what counts with a million entries. At most 3/4 full. Not thread safe.
class FlatMap {
 public:
  /// The value that no key may have: nothing was found.
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] std::uint32_t find(std::uint64_t key) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = home(key);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (slot.value == kNone || slot.key == key) return slot.value;
    }
  }

  /// Has the cache line fetched that `find` will look at.
  void prefetch(std::uint64_t key) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[home(key)]);
  }

  void set(std::uint64_t key, std::uint32_t value) {
    if (4 * (size_ + 1) > 3 * slots_.size()) grow();
    std::size_t at = home(key);
    while (slots_[at].value != kNone && slots_[at].key != key) at = next(at);
    size_ += slots_[at].value == kNone ? 1 : 0;
    slots_[at] = {key, value};
  }

  void erase(std::uint64_t key) {
    if (slots_.empty()) return;
    std::size_t hole = home(key);
    while (slots_[hole].value != kNone && slots_[hole].key != key) hole = next(hole);
    if (slots_[hole].value == kNone) return;
    for (std::size_t at = next(hole); slots_[at].value != kNone; at = next(at)) {
      // What lies between its home and the hole's right may stay; else it would not be found any more.
      const std::size_t from_home = (at - home(slots_[at].key)) & (slots_.size() - 1);
      const std::size_t from_hole = (at - hole) & (slots_.size() - 1);
      if (from_home < from_hole) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole].value = kNone;
    --size_;
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t value = kNone;
  };

  [[nodiscard]] std::size_t home(std::uint64_t key) const {
    // Fibonacci hashing of the folded key: consecutive keys and such that differ in high bits alone spread.
    return ((key ^ key >> 32) * 0x9e3779b97f4a7c15U) >> shift_;
  }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }

  void grow() {
    std::vector<Slot> old = std::move(slots_);
    slots_ = std::vector<Slot>(old.empty() ? 8 : 2 * old.size());
    shift_ = 64 - std::countr_zero(slots_.size());
    size_ = 0;
    for (const Slot& slot : old) {
      if (slot.value != kNone) set(slot.key, slot.value);
    }
  }

  std::vector<Slot> slots_;
  int shift_ = 0;
  std::size_t size_ = 0;
};

}  // namespace tidegate::matcher
