#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "session/connection.h"
#include "session/context.h"
#include "session/conversation.h"
#include "session/io.h"

namespace tidegate::session {

class Shard;

/// Everything that an upgraded connection takes over.
struct Upgrade {
  Stream stream;
  std::string answer;  ///< to the opening request, not sent yet
  std::string ahead;   ///< read behind the request
  bool deflate;        ///< messages may be compressed
  Caller caller;
  Seat seat;
};

/// A WebSocket (RFC 6455) of the hub's session. Nothing is waited for but that the socket can be read or
/// written: it costs no coroutine and, while it is idle, no buffer. Starts at once.
std::unique_ptr<Connection> serve_websocket(Shard& shard, std::uint64_t number, SessionId session,
                                            Upgrade upgrade);

}  // namespace tidegate::session
