#pragma once

#include <array>
#include <cstdint>

#include "metrics/metrics.h"

namespace tidegate::session {

/// Why a client was turned away.
enum class Rejection : std::uint8_t { unauthorized, forbidden_origin, full, sockets, bad_request, handshake };
inline constexpr int kRejections = 6;

/// What a client asked for.
enum class Operation : std::uint8_t { ping, subscribe, unsubscribe, auth, invalid, binary };
inline constexpr int kOperations = 6;

/// The network edge's events as metrics. One a shard; the same registry adds them up. (Frames, errors and
/// debtors are counted by the hub, which makes them.)
class Probe {
 public:
  explicit Probe(metrics::Registry& registry);
  void accepted() { accepted_.add(); }
  void opened() { open_.add(1); }
  void ended() { open_.add(-1); }
  void rejected(Rejection why) { rejected_[static_cast<std::size_t>(why)]->add(); }
  void received(Operation operation) { received_[static_cast<std::size_t>(operation)]->add(); }
  void request() { requests_.add(); }
  void sent(std::size_t sends, std::size_t bytes) {
    sends_.add(sends);
    bytes_.add(bytes);
  }
  void batched(std::size_t sends) {
    batches_.add();
    batched_.add(sends);
  }
  void blocked(std::size_t count) { blocked_.add(count); }
  /// A connection ended with this code; 1006 where no Close was exchanged.
  void closed(std::uint16_t code);

 private:
  metrics::Registry& registry_;
  metrics::Counter& accepted_;
  metrics::Gauge& open_;
  metrics::Counter& requests_;
  metrics::Counter& sends_;
  metrics::Counter& bytes_;
  metrics::Counter& batches_;
  metrics::Counter& batched_;
  metrics::Counter& blocked_;
  std::array<metrics::Counter*, kRejections> rejected_{};
  std::array<metrics::Counter*, kOperations> received_{};
};

}  // namespace tidegate::session
