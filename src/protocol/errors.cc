#include "protocol/errors.h"

#include <array>
#include <cassert>
#include <cstddef>

namespace tidegate::protocol {
namespace {

// In the order of ErrorCode.
constexpr std::array<ErrorText, kErrorCodes> kTexts{{
    {"bad_json", "invalid JSON", false},
    {"bad_op", "unknown message", false},
    {"bad_query", "the query is not understood", false},
    {"unknown_table", "unknown table", false},
    {"unauthorized", "a valid token is needed", false},
    {"forbidden", "this token does not allow it", false},
    {"token_expired",
     "the token has expired, its subscriptions are over: send an `auth` with a new one, then subscribe again",
     false},
    {"too_many_subscriptions", "too many subscriptions on this connection", false},
    {"rate_limited", "too many messages", true},
    {"overflow", "reset-to-snapshot", true},
    {"snapshot_failed", "the snapshot could not be taken", true},
    {"schema_changed", "the table's columns have changed: subscribe anew", false},
    {"unavailable", "not available just now", true},
}};

}  // namespace

const ErrorText& error_text(ErrorCode code) {
  const auto index = static_cast<std::size_t>(code);
  assert(index < kTexts.size());
  return kTexts[index];
}

}  // namespace tidegate::protocol
