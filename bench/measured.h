// What the programs of bench/ share: the clock, giving up with a reason, and a line of percentiles.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tidegate::bench {

using Clock = std::chrono::steady_clock;

inline double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

[[noreturn]] inline void end(const std::string& why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result.ok()) end(result.error().message);
  return std::move(*result);
}

/// Median, 99th percentile and maximum of milliseconds.
inline void print(const std::string& name, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  fmt::print("{:58} p50 {:8.2f}  p99 {:8.2f}  max {:8.2f}  ({})\n", name, at(0.5), at(0.99), values.back(),
             values.size());
}

}  // namespace tidegate::bench
