// What the programs of bench/ share: the clock, giving up with a reason, and a line of percentiles.
#pragma once

#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
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
  if (values.empty()) {
    fmt::print("{:58} none\n", name);
    return;
  }
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  fmt::print("{:58} p50 {:8.2f}  p99 {:8.2f}  max {:8.2f}  ({})\n", name, at(0.5), at(0.99), values.back(),
             values.size());
}

/// Of /proc/<process>/status, in kB: `VmRSS`, `VmHWM` …; 0 where there is none.
inline double memory_of(pid_t process, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1));
  }
  return 0;
}

struct Cpu {
  double user = 0, system = 0;  // seconds
};
/// Of /proc/<process>/stat: fields 14 and 15, counted behind the name, which may hold spaces (proc(5)).
inline Cpu cpu_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  Cpu cpu;
  fields >> cpu.user >> cpu.system;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return {cpu.user / ticks, cpu.system / ticks};
}

}  // namespace tidegate::bench
