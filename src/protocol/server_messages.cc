#include <fmt/format.h>

#include "base/encoding.h"
#include "protocol/messages.h"

namespace tidegate::protocol {
namespace {

std::string_view kind_name(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::insert:
      return "insert";
    case ChangeKind::update:
      return "update";
    case ChangeKind::remove:
      break;
  }
  return "delete";
}

void append_change(std::string& out, const RowChange& change) {
  out += R"({"kind":")";
  out += kind_name(change.kind);
  out += R"(","key":)";
  out += change.key;
  if (change.kind != ChangeKind::remove) {
    out += R"(,"row":)";
    out += change.row;
  }
  out.push_back('}');
}

// `,"version":…,"cursor":{…}`
void append_place(std::string& out, Lsn version, const Cursor& cursor) {
  out += fmt::format(R"(,"version":{},"cursor":)", version.value());
  append_cursor(out, cursor);
}

std::string_view boolean(bool value) {
  return value ? "true" : "false";
}

}  // namespace

std::string message_head(std::string_view op, std::string_view hash_id) {
  std::string out = fmt::format(R"({{"op":"{}","hashId":)", op);
  append_json_string(out, hash_id);
  return out;
}

std::string pong_message() {
  return R"({"op":"pong"})";
}

std::string error_message(ErrorCode code, std::string_view message, std::string_view hash_id,
                          std::optional<std::int64_t> retry_ms) {
  const ErrorText& text = error_text(code);
  std::string out = hash_id.empty() ? R"({"op":"error")" : message_head("error", hash_id);
  out += fmt::format(R"(,"code":"{}","message":)", text.name);
  append_json_string(out, message.empty() ? text.sentence : message);
  if (retry_ms) out += fmt::format(R"(,"retry_ms":{})", *retry_ms);
  return out + "}";
}

namespace {

void append_reason(std::string& out, std::string_view reason) {
  if (reason.empty()) return;
  out += R"(,"reason":)";
  append_json_string(out, reason);
}

}  // namespace

std::string ack_message(std::string_view hash_id) {
  return message_head("ack", hash_id) + "}";
}

std::string ack_message(std::string_view hash_id, const QueryHash& query, bool resumed,
                        std::optional<ChannelId> channel, std::string_view reason) {
  std::string out = message_head("ack", hash_id);
  out += fmt::format(R"(,"query":"{}","resumed":{})", query.hex(), boolean(resumed));
  if (channel) out += fmt::format(R"(,"channel":{})", channel->value());
  append_reason(out, reason);
  return out + "}";
}

std::string ack_same_as_message(std::string_view hash_id, const QueryHash& query, std::string_view same_as,
                                std::string_view reason) {
  std::string out = message_head("ack", hash_id);
  out += fmt::format(R"(,"query":"{}","same_as":)", query.hex());
  append_json_string(out, same_as);
  append_reason(out, reason);
  return out + "}";
}

std::string unsubscribed_message(std::string_view hash_id) {
  return message_head("unsubscribed", hash_id) + "}";
}

std::string authed_message(std::int64_t expires_unix_s) {
  return fmt::format(R"({{"op":"authed","expires":{}}})", expires_unix_s);
}

std::string expiring_message(std::int64_t expires_unix_s) {
  return fmt::format(R"({{"op":"expiring","expires":{}}})", expires_unix_s);
}

std::string status_waiting_message(std::string_view hash_id, std::string_view waiting) {
  std::string out = message_head("status", hash_id) + R"(,"waiting":)";
  append_json_string(out, waiting);
  return out + "}";
}

std::string status_lagging_message(std::string_view hash_id) {
  return message_head("status", hash_id) + R"(,"lagging":true})";
}

std::string status_stale_message(std::int64_t stale_since_unix_ms) {
  return fmt::format(R"({{"op":"status","stale_since":{}}})", stale_since_unix_ms);
}

std::string progress_message(Epoch epoch, const std::vector<PartitionPosition>& positions) {
  std::string out = fmt::format(R"({{"op":"progress","epoch":"{:016x}","positions":[)", epoch.value());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    out += fmt::format(R"({}{{"partition":{},"offset":{},"lsn":"{}"}})", i == 0 ? "" : ",",
                       positions[i].partition.value(), positions[i].offset.value(), positions[i].lsn.value());
  }
  return out + "]}";
}

std::string empty_snapshot_message(std::string_view hash_id, Lsn cursor) {
  return message_head("snapshot", hash_id) +
         fmt::format(R"(,"version":0,"cursor":{{"lsn":"{}"}},"rows":[]}})", cursor.value());
}

std::string snapshot_tail(Lsn version, const Cursor& cursor, std::string_view columns_json,
                          std::string_view rows_json, std::uint32_t part, bool last) {
  std::string out;
  out.reserve(rows_json.size() + columns_json.size() + 256);
  append_place(out, version, cursor);
  if (part == 0) {
    out += R"(,"columns":)";
    out += columns_json;
  }
  out += R"(,"rows":[)";
  out += rows_json;
  out += fmt::format(R"(],"part":{},"last":{}}})", part, boolean(last));
  return out;
}

std::string diff_tail(const Diff& diff, std::size_t first_change, std::size_t change_count,
                      const Cursor& cursor, bool last) {
  std::string out;
  append_place(out, diff.lsn, cursor);
  out += R"(,"changes":[)";
  for (std::size_t i = 0; i < change_count; ++i) {
    if (i != 0) out.push_back(',');
    append_change(out, diff.changes.at(first_change + i));
  }
  out += fmt::format(R"(],"last":{}}})", boolean(last));
  return out;
}

std::string diff_base64_tail(std::string_view value) {
  return fmt::format(R"(,"b64":"{}"}})", base64_encode(value));
}

std::string splice_fence(std::string_view tail, const Fence& fence) {
  constexpr std::string_view kCursor = R"("cursor":{)";
  const std::size_t found = tail.find(kCursor);
  if (found == std::string_view::npos) return std::string(tail);
  const std::size_t at = found + kCursor.size();
  std::string out(tail.substr(0, at));
  append_cursor_fence(out, fence);
  out += tail.substr(at);
  return out;
}

}  // namespace tidegate::protocol
