#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

#include "auth/verifier.h"
#include "session/edge.h"
#include "session/limits.h"
#include "session/options.h"
#include "session/probe.h"

namespace tidegate::session {

/// What all shards of an edge share. Read-only but for the counts; any thread.
struct Context {
  Context(Parts given, Options settings, auth::Options tokens)
      : parts(std::move(given)),
        options(std::move(settings)),
        verifier(std::move(tokens), parts.keys, parts.revocations, parts.clock, parts.metrics),
        probe(parts.metrics),
        limits(options.limits, parts.metrics) {}

  [[nodiscard]] bool verifies() const {
    return !options.pass_through && verifier.options().mode == auth::Options::Mode::jwt;
  }

  Parts parts;
  const Options options;
  const auth::Verifier verifier;
  Probe probe;
  mutable Limits limits;
  std::atomic<std::size_t> sockets{0};     ///< open, of every kind
  std::atomic<std::size_t> websockets{0};  ///< those of Options::connections_max
};

/// One of `connections_max`.
class Seat {
 public:
  static std::optional<Seat> take(Context& context) {
    Seat seat(context);
    if (context.websockets.fetch_add(1) >= context.options.connections_max) return std::nullopt;
    return seat;
  }
  Seat(Seat&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
  Seat& operator=(Seat&&) = delete;
  ~Seat() {
    if (context_) context_->websockets.fetch_sub(1);
  }

 private:
  explicit Seat(Context& context) : context_(&context) {}
  Context* context_;
};

}  // namespace tidegate::session
