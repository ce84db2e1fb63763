#include <fmt/format.h>

#include <utility>

#include "base/encoding.h"
#include "protocol/json_reading.h"
#include "protocol/messages.h"

namespace tidegate::protocol {
namespace {

using Object = boost::json::object;

// A client's name for a query is kept for each subscription and repeated in every message.
constexpr std::size_t kHashIdBytesMax = 1'024;

std::string present(std::optional<std::string_view> text) {
  return std::string(text.value_or(""));
}

// A JSON integer, or a decimal string.
std::optional<Lsn> read_lsn(const boost::json::value& value) {
  const auto number = value.is_string() ? parse_u64(std::string_view(value.get_string())) : read_u64(value);
  if (!number) return std::nullopt;
  return Lsn(*number);
}

// ---- the seed's rules ----

Invalid unknown_message() {
  return Invalid{ErrorCode::bad_op, "unknown message", {}};
}

// What the seed's own `cursor` says; it never sent one back, so that anything else is passed over as it did.
std::optional<Lsn> seed_cursor(const Object& object) {
  const auto* cursor = object.if_contains("cursor");
  const auto* members = cursor == nullptr ? nullptr : cursor->if_object();
  const auto* lsn = members == nullptr ? nullptr : members->if_contains("lsn");
  return lsn == nullptr ? std::nullopt : read_lsn(*lsn);
}

ClientMessage seed_subscribe(const Object& object) {
  Subscribe out;
  out.table = present(string_member(object, "table"));
  out.hash_id = present(string_member(object, "hashId"));
  out.query_flatbuffer = present(string_member(object, "queryFbB64"));
  if (out.table.empty() || out.hash_id.empty() || out.query_flatbuffer->empty()) return unknown_message();
  if (const auto* resume = object.if_contains("resumeFromVersion")) {
    out.resume_from = read_lsn(*resume);
    if (!out.resume_from) return unknown_message();
  } else {
    out.resume_from = seed_cursor(object);
  }
  if (string_member(object, "frames") == "base64") out.frames = Encoding::base64;
  return out;
}

ClientMessage seed_message(const boost::json::value& message) {
  const auto* object = message.if_object();
  if (object == nullptr) return unknown_message();
  const std::string op = present(string_member(*object, "op"));
  if (op == "ping") return Ping{};
  if (op == "subscribe") return seed_subscribe(*object);
  if (op != "unsubscribe") return unknown_message();
  Unsubscribe out{present(string_member(*object, "table")), present(string_member(*object, "hashId"))};
  if (out.table.empty() || out.hash_id.empty()) return unknown_message();
  return out;
}

// ---- managed queries ----

// Reads one subscribe field by field; the first fault stays.
class SubscribeReader {
 public:
  SubscribeReader(const Object& object, std::string_view text) : object_(object), text_(text) {}

  ClientMessage read() {
    out_.hash_id = present(string_member(object_, "hashId"));
    if (out_.hash_id.empty()) fail("hashId: must be a string that is not empty");
    if (out_.hash_id.size() > kHashIdBytesMax) {
      out_.hash_id.clear();  // not repeated in the answer
      fail(fmt::format("hashId: longer than {} bytes", kHashIdBytesMax));
    }
    read_table();
    read_query();
    read_params();
    read_place();
    read_frames();
    read_deliver();
    if (fault_) return std::move(*fault_);
    return std::move(out_);
  }

 private:
  void fail(std::string message) {
    if (!fault_) fault_ = Invalid{ErrorCode::bad_query, std::move(message), out_.hash_id};
  }

  void read_table() {
    if (!object_.contains("table")) return;
    out_.table = present(string_member(object_, "table"));
    if (out_.table.empty()) fail("table: must be a string that is not empty");
  }

  void read_query() {
    const auto* flatbuffer = object_.if_contains("queryFbB64");
    const auto* json = object_.if_contains("query");
    const auto* sql = object_.if_contains("sql");
    if ((flatbuffer != nullptr) + (json != nullptr) + (sql != nullptr) != 1) {
      return fail("query: needs exactly one of query, queryFbB64 and sql");
    }
    if (json != nullptr) {
      if (!json->is_object()) return fail("query: must be an object");
      out_.query_json = std::string(*raw_member(text_, "query"));
    } else if (sql != nullptr) {
      out_.sql = present(string_member(object_, "sql"));
      if (out_.sql->empty()) fail("sql: must be a string that is not empty");
    } else {
      const auto text = string_member(object_, "queryFbB64");
      out_.query_flatbuffer = text ? base64_decode(*text) : std::nullopt;
      if (!out_.query_flatbuffer || out_.query_flatbuffer->empty())
        fail("queryFbB64: must be base64 of a query");
    }
  }

  void read_params() {
    const auto* params = object_.if_contains("params");
    if (params == nullptr) return;
    if (!params->is_array()) return fail("params: must be an array");
    if (!out_.sql) return fail("params: belong to sql");
    const auto& array = params->get_array();
    const auto raw = raw_elements(*raw_member(text_, "params"));
    for (std::size_t i = 0; i < array.size(); ++i) {
      if (array[i].is_structured()) return fail(fmt::format("params: ${} must be a scalar", i + 1));
      out_.params.push_back(scalar(array[i], raw[i]));
    }
  }

  static Scalar scalar(const boost::json::value& value, std::string_view raw) {
    if (value.is_string()) return {Scalar::Kind::string, std::string(value.get_string())};
    if (value.is_number()) return {Scalar::Kind::number, std::string(raw)};
    if (value.is_bool()) return {Scalar::Kind::boolean, std::string(raw)};
    return {};
  }

  void read_place() {
    if (const auto* cursor = object_.if_contains("cursor")) out_.cursor = read_cursor(*cursor);
    const auto* resume = object_.if_contains("resumeFromVersion");
    if (resume == nullptr) return;
    out_.resume_from = read_lsn(*resume);
    if (!out_.resume_from)
      fail("resumeFromVersion: must be an integer from 0 to 2^64-1, or one as a decimal string");
  }

  void read_frames() {
    if (!object_.contains("frames")) return;
    const std::string frames = present(string_member(object_, "frames"));
    if (frames == "json") {
      out_.frames = Encoding::json;
    } else if (frames == "base64") {
      out_.frames = Encoding::base64;
    } else if (frames != "binary") {
      fail("frames: must be binary, json or base64");
    }
  }

  void read_deliver() {
    if (!object_.contains("deliver")) return;
    const std::string deliver = present(string_member(object_, "deliver"));
    out_.latest = deliver == "latest";
    if (!out_.latest && deliver != "all") fail("deliver: must be all or latest");
  }

  const Object& object_;
  std::string_view text_;
  Subscribe out_;
  std::optional<Invalid> fault_;
};

ClientMessage managed_message(const boost::json::value& message, std::string_view text) {
  const auto* object = message.if_object();
  if (object == nullptr) return Invalid{ErrorCode::bad_op, "a message must be a JSON object", {}};
  const auto op = string_member(*object, "op");
  if (op == "ping") return Ping{};
  if (op == "subscribe") return SubscribeReader(*object, text).read();
  if (op == "unsubscribe") {
    Unsubscribe out{present(string_member(*object, "table")), present(string_member(*object, "hashId"))};
    if (!out.hash_id.empty()) return out;
    return Invalid{ErrorCode::bad_op, "hashId: must be a string that is not empty", {}};
  }
  if (op == "auth") {
    Auth out{present(string_member(*object, "token"))};
    if (!out.token.empty()) return out;
    return Invalid{ErrorCode::bad_op, "token: must be a string that is not empty", {}};
  }
  return Invalid{ErrorCode::bad_op, "op: must be ping, subscribe, unsubscribe or auth", {}};
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format(R"(,"{}":)", name);
  append_json_string(out, text);
}

void append_params(std::string& out, const std::vector<Scalar>& params) {
  char separator = '[';
  out += R"(,"params":)";
  for (const Scalar& param : params) {
    out += std::exchange(separator, ',');
    if (param.kind == Scalar::Kind::string) {
      append_json_string(out, param.text);
    } else {
      out += param.kind == Scalar::Kind::null ? "null" : param.text;
    }
  }
  out += ']';
}

}  // namespace

std::string subscribe_message(const Subscribe& subscribe) {
  std::string out = message_head("subscribe", subscribe.hash_id);
  if (!subscribe.table.empty()) append_member(out, "table", subscribe.table);
  if (subscribe.sql) append_member(out, "sql", *subscribe.sql);
  if (!subscribe.params.empty()) append_params(out, subscribe.params);
  if (subscribe.query_json) out += R"(,"query":)" + *subscribe.query_json;
  if (subscribe.query_flatbuffer)
    append_member(out, "queryFbB64", base64_encode(*subscribe.query_flatbuffer));
  if (subscribe.frames) append_member(out, "frames", subscribe.frames == Encoding::json ? "json" : "base64");
  if (subscribe.latest) append_member(out, "deliver", "latest");
  return out + "}";
}

ClientMessage parse_client_message(std::string_view text, Rules rules) {
  const auto message = parse_json(text);
  if (!message) return Invalid{ErrorCode::bad_json, "invalid JSON", {}};
  return rules == Rules::pass_through ? seed_message(*message) : managed_message(*message, text);
}

}  // namespace tidegate::protocol
