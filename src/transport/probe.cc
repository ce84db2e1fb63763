#include "transport/probe.h"

#include <string>
#include <string_view>

namespace tidegate::transport {
namespace {

constexpr std::string_view kRefusalNames[kRefusals] = {"plain_http", "version", "certificate",
                                                       "protocol",   "gone",    "timeout"};

metrics::Counter& handshakes(metrics::Registry& registry, std::string_view kind) {
  return registry.counter("tidegate_tls_handshakes_total", "TLS handshakes that succeeded",
                          {{"kind", std::string(kind)}});
}
metrics::Counter& loads(metrics::Registry& registry, std::string_view result) {
  return registry.counter("tidegate_tls_certificate_loads_total",
                          "Certificates read, at the start and on SIGHUP", {{"result", std::string(result)}});
}

}  // namespace

Probe::Probe(metrics::Registry& registry)
    : full_(handshakes(registry, "full")),
      resumed_(handshakes(registry, "resumed")),
      loaded_(loads(registry, "loaded")),
      load_failed_(loads(registry, "failed")),
      expires_(registry.gauge("tidegate_tls_certificate_expires_seconds",
                              "Unix time at which the certificate that is shown expires")) {
  for (int i = 0; i < kRefusals; ++i) {
    refused_[i] = &registry.counter("tidegate_tls_refused_total", "Connections without a TLS handshake",
                                    {{"reason", std::string(kRefusalNames[i])}});
  }
}

}  // namespace tidegate::transport
