#include "hub/probe.h"

namespace tidegate::hub {

Probe::Probe(metrics::Registry& registry)
    : subscriptions_(registry.gauge("tidegate_subscriptions", "Subscriptions that are open.")),
      outbox_bytes_(registry.gauge("tidegate_outbox_bytes", "Bytes that wait to be written to connections.")),
      delivered_(registry.counter("tidegate_frames_delivered_total", "Data frames put into outboxes.")),
      contained_(registry.counter("tidegate_frames_contained_total",
                                  "Data frames that a subscription's snapshot or cursor already held.")),
      lagged_(
          registry.counter("tidegate_lagging_total", "Times that a full outbox made a subscription lag.")),
      given_back_(
          registry.counter("tidegate_given_back_total",
                           "Times that a subscription's queued frames were dropped, to be fetched again.")),
      caught_up_(registry.counter("tidegate_caught_up_total", "Times that a subscription became live.")),
      snapshots_(
          registry.counter("tidegate_snapshots_delivered_total", "Snapshots begun for a subscription.")),
      resets_(registry.counter("tidegate_resets_total", "Snapshots that a client did not ask for.")),
      debtors_(registry.counter("tidegate_debtors_total", "Connections whose outbox passed the hard limit.")),
      probed_(
          registry.counter("tidegate_subscriptions_probed_total", "Subscriptions looked at for deliveries.")),
      stages_(registry) {
  for (int code = 0; code < protocol::kErrorCodes; ++code) {
    const auto& text = protocol::error_text(static_cast<protocol::ErrorCode>(code));
    errors_[static_cast<std::size_t>(code)] = &registry.counter(
        "tidegate_errors_total", "Error messages sent, by code.", {{"code", std::string(text.name)}});
  }
}

}  // namespace tidegate::hub
