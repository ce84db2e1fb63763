#pragma once

#include <sstream>
#include <string>
#include <vector>

namespace tidegate::test {

/// What `setup` said to type: what stands behind the last colon of each `NOT READY`.
inline std::vector<std::string> statements_of(const std::string& said) {
  std::vector<std::string> found;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("NOT READY: ")) found.push_back(line.substr(line.rfind(": ") + 2));
  }
  return found;
}

}  // namespace tidegate::test
