#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "auth/auth.h"
#include "policy/policy.h"
#include "session/edge.h"
#include "session/options.h"
#include "session/probe.h"

namespace tidegate::session {

/// What all shards of an edge share. Read-only but for the counts; any thread.
struct Context {
  Context(Parts given, Options settings, auth::Options tokens, policy::Options rules)
      : parts(std::move(given)),
        options(std::move(settings)),
        auth(std::move(tokens)),
        policy(std::move(rules)),
        probe(parts.metrics) {}

  [[nodiscard]] bool verifies() const {
    return !options.pass_through && auth.mode == tidegate::auth::Options::Mode::jwt;
  }

  Parts parts;
  const Options options;
  const tidegate::auth::Options auth;
  const tidegate::policy::Options policy;
  Probe probe;
  std::atomic<std::size_t> sockets{0};     ///< open, of every kind
  std::atomic<std::size_t> websockets{0};  ///< those of Options::connections_max
};

}  // namespace tidegate::session
