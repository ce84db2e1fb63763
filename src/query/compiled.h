#pragma once

#include <string>
#include <vector>

namespace tidegate::query {

/// What a Query works out once from its meaning. Shared by its copies, immutable.
struct Compiled {
  std::vector<std::string> members;  ///< `"name":` of each projected column, escaped
};

}  // namespace tidegate::query
