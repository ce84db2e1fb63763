#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace tidegate::matcher {

/// 64-bit keys to 32-bit values, in one array: open addressing with linear probing, erasing shifts what
/// follows back, so that there are no tombstones (Knuth, TAOCP 3, 6.4, algorithm R). A look-up touches one
/// cache line as a rule, which is what counts with a million entries. Between 1/2 and 3/4 full once it has
/// grown: a table of any size takes the hash's upper half by multiplication instead of a mask (Lemire, "Fast
/// random integer generation in an interval", 2019). Not thread safe.
class FlatMap {
 public:
  /// The value that no key may have: nothing was found.
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] std::uint32_t find(std::uint64_t key) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = home(key);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (slot.value == kNone || slot.holds(key)) return slot.value;
    }
  }

  /// Has the cache line fetched that `find` will look at.
  void prefetch(std::uint64_t key) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[home(key)]);
  }

  void set(std::uint64_t key, std::uint32_t value) {
    if (4 * (size_ + 1) > 3 * slots_.size()) grow();
    std::size_t at = home(key);
    while (slots_[at].value != kNone && !slots_[at].holds(key)) at = next(at);
    size_ += slots_[at].value == kNone ? 1 : 0;
    slots_[at] = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32), value};
  }

  void erase(std::uint64_t key) {
    if (slots_.empty()) return;
    std::size_t hole = home(key);
    while (slots_[hole].value != kNone && !slots_[hole].holds(key)) hole = next(hole);
    if (slots_[hole].value == kNone) return;
    for (std::size_t at = next(hole); slots_[at].value != kNone; at = next(at)) {
      // What lies between its home and the hole's right may stay; else it would not be found any more.
      if (steps(home(slots_[at].key()), at) < steps(hole, at)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole].value = kNone;
    --size_;
  }

 private:
  /// 12 bytes: with a key of 64 bits in one piece they would be 16.
  struct Slot {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::uint32_t value = kNone;

    [[nodiscard]] std::uint64_t key() const { return std::uint64_t{high} << 32 | low; }
    [[nodiscard]] bool holds(std::uint64_t wanted) const { return key() == wanted; }
  };

  [[nodiscard]] std::size_t home(std::uint64_t key) const {
    // Fibonacci hashing of the folded key: consecutive keys and such that differ in high bits alone spread.
    const std::uint64_t hash = ((key ^ key >> 32) * 0x9e3779b97f4a7c15U) >> 32;
    return hash * slots_.size() >> 32;
  }
  [[nodiscard]] std::size_t next(std::size_t at) const { return at + 1 == slots_.size() ? 0 : at + 1; }
  [[nodiscard]] std::size_t steps(std::size_t from, std::size_t to) const {
    return from <= to ? to - from : to + slots_.size() - from;
  }

  void grow() {
    std::vector<Slot> old = std::move(slots_);
    slots_ = std::vector<Slot>(old.empty() ? 8 : old.size() + old.size() / 2);
    size_ = 0;
    for (const Slot& slot : old) {
      if (slot.value != kNone) set(slot.key(), slot.value);
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace tidegate::matcher
