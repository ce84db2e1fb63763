#include "auth/probe.h"

#include <string>
#include <string_view>

namespace tidegate::auth {
namespace {

// In the order of Refusal.
constexpr std::array<std::string_view, kRefusals> kReasons{
    "malformed",     "algorithm", "unknown_key", "signature", "expired",
    "not_yet_valid", "claim",     "no_keys",     "revoked",   "revocations_unread"};
constexpr std::string_view kLoads = "tidegate_auth_key_loads_total";
constexpr std::string_view kLoadsHelp = "Times that keys were read from a file or a URL";

}  // namespace

Probe::Probe(metrics::Registry& registry)
    : accepted_(registry.counter("tidegate_auth_tokens_accepted_total", "Tokens accepted")),
      loaded_(registry.counter(kLoads, kLoadsHelp, {{"result", "ok"}})),
      load_failed_(registry.counter(kLoads, kLoadsHelp, {{"result", "failed"}})),
      keys_(registry.gauge("tidegate_auth_keys", "Keys that tokens are verified with")) {
  for (std::size_t i = 0; i < kRefusals; ++i) {
    refused_.at(i) = &registry.counter("tidegate_auth_tokens_refused_total", "Tokens refused, by reason",
                                       {{"reason", std::string(kReasons.at(i))}});
  }
}

}  // namespace tidegate::auth
