#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "kafka/options.h"

namespace tidegate::kafka {

/// What `tidegate setup --kafka` wants of the topics.
struct SetupOptions {
  std::int32_t partitions = 8;  ///< of the diff topic, where it is made
  /// Of each topic, where it is made; 0: the broker's default. From 3 on `min.insync.replicas` is made 2.
  std::int32_t replicas = 0;
  bool check_only = false;  ///< look, make nothing
};

/// Makes or checks, for the first of `options.topics`, the diff topic (deleted by age, never compacted: rule
/// 9), its control topic and the one of revocations (one partition, compacted). `say` gets a line for what
/// was done, and for what is allowed but unwise (short retention, a single replica, fewer replicas
/// than wanted), beginning with "warning:
/// ". What must not be is an error that says what to type: `invalid` for a topic that is there but wrong,
/// `not_found` for one that only a check looked for.
Status setup(const Options& options, const SetupOptions& wanted,
             const std::function<void(const std::string&)>& say);

}  // namespace tidegate::kafka
