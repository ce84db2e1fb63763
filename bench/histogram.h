// Counts of durations in buckets that are at most 1/32 wide, as an HDR histogram has them.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace tidegate::bench {

/// Nanoseconds. One thread.
class Histogram {
 public:
  void add(std::uint64_t value) { ++counts_[place(value)]; }
  void clear() { counts_.assign(kBuckets, 0); }
  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts_) sum += count;
    return sum;
  }
  /// The upper bound of the bucket where `share` (0 to 1) of all values have been passed, in milliseconds.
  [[nodiscard]] double milliseconds(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total()));
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      sum += counts_[i];
      if (sum > 0 && sum >= wanted) return static_cast<double>(upper(i)) / 1e6;
    }
    return 0;
  }

 private:
  static constexpr std::uint64_t kFine = 32;  // buckets a power of two
  static constexpr std::size_t kBuckets = 64 * kFine;
  static std::size_t place(std::uint64_t value) {
    if (value < kFine) return value;
    const auto exponent = static_cast<unsigned>(std::bit_width(value)) - 6;  // value >> exponent: 32 to 63
    return (exponent + 1) * kFine + (value >> exponent) - kFine;
  }
  static std::uint64_t upper(std::size_t bucket) {
    if (bucket < kFine) return bucket;
    const std::uint64_t exponent = bucket / kFine - 1;
    return ((bucket % kFine + kFine + 1) << exponent) - 1;
  }
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(kBuckets);
};

}  // namespace tidegate::bench
