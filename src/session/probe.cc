#include "session/probe.h"

#include <string>
#include <string_view>

namespace tidegate::session {
namespace {

constexpr std::string_view kRejectionNames[kRejections] = {"unauthorized", "forbidden_origin", "full",
                                                           "sockets",      "bad_request",      "handshake"};
constexpr std::string_view kOperationNames[kOperations] = {"ping", "subscribe", "unsubscribe",
                                                           "auth", "invalid",   "binary"};

}  // namespace

Probe::Probe(metrics::Registry& registry)
    : registry_(registry),
      accepted_(registry.counter("tidegate_connections_accepted_total", "Sockets accepted")),
      open_(registry.gauge("tidegate_connections", "Open WebSocket connections")),
      requests_(registry.counter("tidegate_http_requests_total", "Plain HTTP requests answered")),
      sends_(registry.counter("tidegate_sends_total", "Sends to WebSocket connections")),
      bytes_(registry.counter("tidegate_sent_bytes_total", "Bytes written to WebSocket connections")),
      batches_(registry.counter("tidegate_send_batches_total",
                                "System calls that did many sends together (io_uring)")),
      batched_(registry.counter("tidegate_sends_batched_total",
                                "Sends among them; each other one is a system call of its own")),
      blocked_(registry.counter("tidegate_sends_blocked_total", "Writes that found the socket full")) {
  for (int i = 0; i < kRejections; ++i) {
    rejected_[i] = &registry.counter("tidegate_connections_rejected_total", "Clients turned away",
                                     {{"reason", std::string(kRejectionNames[i])}});
  }
  for (int i = 0; i < kOperations; ++i) {
    received_[i] = &registry.counter("tidegate_messages_received_total", "Messages of clients",
                                     {{"op", std::string(kOperationNames[i])}});
  }
}

void Probe::closed(std::uint16_t code) {
  // A peer may choose any code: those that are not in RFC 6455 or ours share one series, so that no client
  // can make the registry grow.
  const bool known = (code >= 1000 && code <= 1015) || code == 4001;
  registry_
      .counter("tidegate_connections_closed_total", "WebSocket connections ended, by close code",
               {{"code", known ? std::to_string(code) : "other"}})
      .add();
}

}  // namespace tidegate::session
