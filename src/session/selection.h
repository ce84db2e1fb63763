#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"

namespace tidegate::session {

/// Names a WebSocket connection while the process lives.
struct ConnectionId {
  std::uint16_t shard = 0;
  SessionId session;
  bool operator==(const ConnectionId&) const = default;
};

/// Which connections an operator means: those that all given members fit.
struct Selection {
  std::optional<std::string> subject;
  std::optional<std::string> tenant;
  std::optional<ConnectionId> id;
};

/// A WebSocket connection, as an operator sees it.
struct ConnectionView {
  ConnectionId id;
  std::string address;  ///< of its other end
  std::string subject;  ///< empty where nobody is verified, as is the next
  std::string tenant;
  std::int64_t since_unix_s = 0;
  std::size_t subscriptions = 0;
  std::size_t queued_bytes = 0;  ///< not taken by its socket yet
  std::size_t held_bytes = 0;    ///< of these, what is in memory for it alone
};

}  // namespace tidegate::session
