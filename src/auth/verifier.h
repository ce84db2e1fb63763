#pragma once

#include <memory>
#include <string_view>

#include "auth/auth.h"
#include "auth/key_ring.h"
#include "auth/probe.h"
#include "auth/revocations.h"
#include "base/clock.h"
#include "base/result.h"
#include "metrics/metrics.h"

namespace tidegate::auth {

/// Verifies tokens with what a ring holds now, and counts. Every call from any thread; never waits.
class Verifier {
 public:
  /// Without a ring every token is refused; without revocations none is for their sake.
  Verifier(Options options, std::shared_ptr<KeyRing> ring, std::shared_ptr<Revocations> revocations,
           const Clock& clock, metrics::Registry& metrics);

  [[nodiscard]] const Options& options() const { return options_; }
  /// `denied` says what is wrong (`auth::verify`); `unavailable`: it can't be known yet whether the token is
  /// revoked. Where the key that a token names is not known, and may be
  /// before long, it says so, and the ring is told.
  Result<Principal> verify(std::string_view token) const;

 private:
  const Options options_;
  const std::shared_ptr<KeyRing> ring_;
  const std::shared_ptr<Revocations> revocations_;
  const Clock& clock_;
  mutable Probe probe_;
};

}  // namespace tidegate::auth
