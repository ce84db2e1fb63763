#pragma once

#include <array>
#include <cstdint>

#include "metrics/metrics.h"
#include "transport/channel.h"

namespace tidegate::transport {

/// A listener's TLS as metrics. Any thread.
class Probe {
 public:
  explicit Probe(metrics::Registry& registry);
  void shook_hands(bool resumed) { (resumed ? resumed_ : full_).add(); }
  void refused(Refusal why) { refused_[static_cast<std::size_t>(why)]->add(); }
  void loaded(std::int64_t expires_unix_s) {
    loaded_.add();
    expires_.set(expires_unix_s);
  }
  void load_failed() { load_failed_.add(); }

 private:
  metrics::Counter& full_;
  metrics::Counter& resumed_;
  metrics::Counter& loaded_;
  metrics::Counter& load_failed_;
  metrics::Gauge& expires_;
  std::array<metrics::Counter*, kRefusals> refused_{};
};

}  // namespace tidegate::transport
