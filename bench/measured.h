// What the programs of bench/ share: the clock, giving up with a reason, and a line of percentiles.
#pragma once

#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <type_traits>
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
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Sets what `--name NUMBER` names, to 1 at least; gives back the words that are none of these.
inline std::vector<std::string> read_numbers(const std::vector<std::string>& words,
                                             const std::map<std::string, int*>& numbers) {
  std::vector<std::string> others;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto found = numbers.find(words[i]);
    if (found == numbers.end()) {
      others.push_back(words[i]);
      continue;
    }
    const int value = i + 1 < words.size() ? std::atoi(words[++i].c_str()) : 0;
    if (value < 1) end(found->first + " wants a number from 1 up");
    *found->second = value;
  }
  return others;
}

/// The same where there are no others.
inline void read_only_numbers(const std::vector<std::string>& words,
                              const std::map<std::string, int*>& numbers) {
  const std::vector<std::string> others = read_numbers(words, numbers);
  if (!others.empty()) end("there is no " + others.front());
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
/// The sum by the process's own clock, in nanoseconds; what of it is the user's by /proc/<process>/stat, in
/// ticks: field 14, counted behind the name, which may hold spaces (proc(5)).
inline Cpu cpu_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double ticks = 0;
  fields >> ticks;
  clockid_t clock{};
  timespec spent{};
  if (::clock_getcpuclockid(process, &clock) == 0) ::clock_gettime(clock, &spent);
  const double user = ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  const double all = static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
  return {user, std::max(0.0, all - user)};
}

}  // namespace tidegate::bench
