#pragma once

#include <cstdint>
#include <string_view>

namespace tidegate::protocol {

/// The closed list of `error` codes (docs/PROTOCOL.md).
enum class ErrorCode : std::uint8_t {
  bad_json,
  bad_op,
  bad_query,
  unknown_table,
  unauthorized,
  forbidden,
  token_expired,
  too_many_subscriptions,
  rate_limited,
  overflow,
  snapshot_failed,
  schema_changed,
  unavailable,
};
inline constexpr int kErrorCodes = 13;

/// What a client is told of a code, from one table: its name, the sentence used where the place of the error
/// has none of its own, and whether the same message may succeed later.
struct ErrorText {
  std::string_view name;
  std::string_view sentence;
  bool retry;
};
const ErrorText& error_text(ErrorCode code);

/// Close codes that we send (RFC 6455 section 7.4 and one of ours).
enum class CloseCode : std::uint16_t {
  normal = 1000,  ///< idle for too long
  going_away = 1001,
  policy = 1008,  ///< it floods, or an operator ends it
  too_big = 1009,
  internal = 1011,
  restart = 1012,    ///< shutdown after a drain: reconnect, here or elsewhere
  try_again = 1013,  ///< the largest debtor under memory pressure
  token = 4001,      ///< the token is past its grace, or revoked
};

}  // namespace tidegate::protocol
