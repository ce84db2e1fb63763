#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "protocol/cursor.h"
#include "protocol/diff.h"
#include "protocol/errors.h"
#include "protocol/frames.h"

namespace tidegate::protocol {

// ---- what clients send ----

struct Ping {};

/// A JSON scalar of `params`.
struct Scalar {
  enum class Kind : std::uint8_t { null, boolean, number, string } kind = Kind::null;
  std::string text;
};

struct Subscribe {
  std::string table;
  std::string hash_id;
  /// Exactly one is set. `query_flatbuffer` is decoded from base64; in pass-through it is opaque and not
  /// decoded.
  std::optional<std::string> query_flatbuffer;
  std::optional<std::string> query_json;
  std::optional<std::string> sql;
  std::vector<Scalar> params;
  std::optional<Cursor> cursor;  ///< absent also where malformed
  std::optional<Lsn> resume_from;
  std::optional<Encoding>
      frames;           ///< `json` or `base64` if asked for; absent: the connection's binary frames
  bool latest = false;  ///< `deliver`: what a lagging client missed may come as each row's last state
};

struct Unsubscribe {
  std::string table;
  std::string hash_id;
};

struct Auth {
  std::string token;
};

/// Not a message that we know: what to answer.
struct Invalid {
  ErrorCode code = ErrorCode::bad_op;
  std::string message;
  std::string hash_id;
};

using ClientMessage = std::variant<Ping, Subscribe, Unsubscribe, Auth, Invalid>;

/// Which rules a message is read by. `pass_through` is the seed's, to the letter: a subscribe needs non-empty
/// `table`, `hashId`, `queryFbB64` and, if present, a `resumeFromVersion` that is a non-negative integer (as
/// a number, or a decimal string); anything else is `bad_op`, "unknown message"; text that is no JSON is
/// `bad_json`, "invalid JSON". `managed` names the field at fault with `bad_query` (or `bad_op`), needs
/// exactly one form of query, and where `table` is absent takes the query's.
enum class Rules : std::uint8_t { pass_through, managed };
ClientMessage parse_client_message(std::string_view text, Rules rules);

/// A managed subscribe as a client would write it, without its place: what is parsed to the same again.
std::string subscribe_message(const Subscribe& subscribe);

// ---- what the server sends ----
// Each is a text message's payload. Those with a `hashId` begin `{"op":"…","hashId":"…"` and go on with a
// tail that does not depend on the subscriber, so that shared messages are shared bytes.

std::string pong_message();
std::string error_message(ErrorCode code, std::string_view message, std::string_view hash_id = {},
                          std::optional<std::int64_t> retry_ms = {});
/// Pass-through: `{"op":"ack","hashId":…}`.
std::string ack_message(std::string_view hash_id);
/// Managed. `channel` only in tidegate.v1; `same_as` instead of the rest where another name already has the
/// query. `reason`: why it comes unasked; may be empty.
std::string ack_message(std::string_view hash_id, const QueryHash& query, bool resumed,
                        std::optional<ChannelId> channel, std::string_view reason = {});
std::string ack_same_as_message(std::string_view hash_id, const QueryHash& query, std::string_view same_as,
                                std::string_view reason = {});
std::string unsubscribed_message(std::string_view hash_id);
std::string authed_message(std::int64_t expires_unix_s);
std::string expiring_message(std::int64_t expires_unix_s);
std::string status_waiting_message(std::string_view hash_id,
                                   std::string_view waiting);  ///< registration | visibility
std::string status_lagging_message(std::string_view hash_id);
std::string status_stale_message(std::int64_t stale_since_unix_ms);
struct PartitionPosition {
  Partition partition;
  Offset offset;
  Lsn lsn;
};
std::string progress_message(Epoch epoch, const std::vector<PartitionPosition>& positions);

/// `{"op":"<op>","hashId":"<hash_id>"`: what stands before a shared tail.
std::string message_head(std::string_view op, std::string_view hash_id);
/// The seed's empty snapshot, whole: version 0, `cursor {lsn}`, no rows.
std::string empty_snapshot_message(std::string_view hash_id, Lsn cursor);
/// Tail of a managed snapshot's part. `rows_json` is the inside of the array; `columns_json` stands in part 0
/// only.
std::string snapshot_tail(Lsn version, const Cursor& cursor, std::string_view columns_json,
                          std::string_view rows_json, std::uint32_t part, bool last);
/// Tail of a `diff` text message: `,"version":…,"cursor":{…},"changes":[…],"last":…}`. The cursor has no
/// fence; a subscription whose filter is on splices its own behind the first `"cursor":{`.
std::string diff_tail(const Diff& diff, std::size_t first_change, std::size_t change_count,
                      const Cursor& cursor, bool last);
/// Tail of a `diffB64`: `,"b64":"…"}`.
std::string diff_base64_tail(std::string_view value);
/// The tail with `fence` spliced into its cursor.
std::string splice_fence(std::string_view tail, const Fence& fence);

}  // namespace tidegate::protocol
