#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// What the fuzz targets share. A target is one file with `LLVMFuzzerTestOneInput`: libFuzzer calls it where
// TIDEGATE_FUZZ is set, else `replay.cc` does, with the files of its corpus.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tidegate::fuzz {

/// Ends the process, with an input that breaks an invariant, also where assertions are off.
inline void require(bool holds, std::string_view invariant) {
  if (holds) return;
  std::fprintf(stderr, "broken: %.*s\n", static_cast<int>(invariant.size()), invariant.data());
  std::abort();
}

inline std::string_view bytes_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Choices that an input's bytes make one after the other; behind their end each is 0. Views point into the
/// bytes.
class Input {
 public:
  explicit Input(std::string_view bytes) : left_(bytes) {}

  [[nodiscard]] bool empty() const { return left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return byte;
  }
  /// 0 up to below `bound`, which is at most 256.
  std::size_t below(std::size_t bound) { return byte() % bound; }
  /// A length in one byte, and so much of what is left.
  std::string_view text() { return take(byte()); }
  std::string_view take(std::size_t length) {
    const std::string_view taken = left_.substr(0, length);
    left_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view left_;
};

}  // namespace tidegate::fuzz
