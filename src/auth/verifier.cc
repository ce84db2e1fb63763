#include "auth/verifier.h"

#include <utility>

namespace tidegate::auth {

Verifier::Verifier(Options options, std::shared_ptr<KeyRing> ring, std::shared_ptr<Revocations> revocations,
                   const Clock& clock, metrics::Registry& metrics)
    : options_(std::move(options)),
      ring_(std::move(ring)),
      revocations_(std::move(revocations)),
      clock_(clock),
      probe_(metrics) {}

Result<Principal> Verifier::verify(std::string_view token) const {
  static const KeySet none;
  const auto keys = ring_ ? ring_->keys() : nullptr;
  Verdict verdict = auth::verify(token, keys ? *keys : none, options_, clock_);
  if (verdict.principal) {
    if (revocations_) {
      if (Status known = revocations_->ready(); !known) {
        probe_.refused(Refusal::revocations_unread);
        return known.error();
      }
      if (revocations_->concern(*verdict.principal)) {
        probe_.refused(Refusal::revoked);
        return Error{Fault::denied, "token: is revoked"};
      }
    }
    probe_.accepted();
    return std::move(*verdict.principal);
  }
  probe_.refused(verdict.refused.reason);
  const bool may_come =
      verdict.refused.reason == Refusal::unknown_key || verdict.refused.reason == Refusal::no_keys;
  if (may_come && ring_ && ring_->follows()) {
    ring_->want();
    verdict.refused.message += "; the keys are being read again: try again in some seconds";
  }
  return Error{Fault::denied, std::move(verdict.refused.message)};
}

}  // namespace tidegate::auth
