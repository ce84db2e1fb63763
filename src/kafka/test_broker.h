#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kafka/options.h"
#include "rig/kafka.h"

namespace tidegate::kafka {

/// The broker that this program's tests share, started by the first that wants it; each uses topics of its
/// own. It dies with the process.
inline rig::KafkaBroker& broker() {
  static rig::KafkaBroker shared;
  return shared;
}

inline std::string new_topic() {
  static std::atomic<int> count = 0;
  return "topic-" + std::to_string(++count);
}

inline Options options_for(std::vector<std::string> topics) {
  Options options;
  options.brokers = broker().brokers();
  options.topics = std::move(topics);
  return options;
}

}  // namespace tidegate::kafka
