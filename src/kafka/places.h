#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace tidegate::kafka {

/// The numbering of partitions over several topics.
struct Places {
  struct Topic {
    std::string name;
    std::int32_t first = 0;  ///< number of its partition 0
    std::int32_t count = 0;
  };
  std::vector<Topic> topics;

  void add(std::string name, std::int32_t count) { topics.push_back({std::move(name), total(), count}); }
  [[nodiscard]] std::int32_t total() const {
    return topics.empty() ? 0 : topics.back().first + topics.back().count;
  }
  [[nodiscard]] std::optional<std::pair<std::string, std::int32_t>> named(Partition number) const {
    for (const Topic& topic : topics) {
      const std::int32_t partition = number.value() - topic.first;
      if (partition >= 0 && partition < topic.count) return std::pair(topic.name, partition);
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<Partition> number(const std::string& name, std::int32_t partition) const {
    const auto topic =
        std::find_if(topics.begin(), topics.end(), [&](const Topic& of) { return of.name == name; });
    if (topic == topics.end() || partition < 0 || partition >= topic->count) return std::nullopt;
    return Partition(topic->first + partition);
  }
};

}  // namespace tidegate::kafka
