#pragma once

#include <array>

#include "auth/auth.h"
#include "metrics/metrics.h"

namespace tidegate::auth {

/// Tokens' and keys' events as metrics. Any thread.
class Probe {
 public:
  explicit Probe(metrics::Registry& registry);
  void accepted() { accepted_.add(); }
  void refused(Refusal reason) { refused_.at(static_cast<std::size_t>(reason))->add(); }
  void loaded() { loaded_.add(); }
  void load_failed() { load_failed_.add(); }
  void keys(std::size_t count) { keys_.set(static_cast<std::int64_t>(count)); }

 private:
  metrics::Counter& accepted_;
  metrics::Counter& loaded_;
  metrics::Counter& load_failed_;
  metrics::Gauge& keys_;
  std::array<metrics::Counter*, kRefusals> refused_{};
};

}  // namespace tidegate::auth
