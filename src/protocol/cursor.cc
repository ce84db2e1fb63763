#include "protocol/cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/encoding.h"
#include "protocol/json_reading.h"

namespace tidegate::protocol {
namespace {

/// Of a fence's transactions in progress, some ten thousand: a server has no more connections. It is kept as
/// long as its query, and is the client's word.
constexpr std::size_t kSnapshotBytesMax = 128 * 1024;

std::optional<std::uint64_t> hex_u64(std::optional<std::string_view> text) {
  if (!text || text->size() != 16) return std::nullopt;
  const auto bytes = hex_decode(*text);
  return bytes ? read_big_endian<std::uint64_t>(*bytes) : std::nullopt;
}

std::optional<QueryHash> query_hash(std::optional<std::string_view> text) {
  QueryHash hash;
  const auto bytes = text ? hex_decode(*text) : std::nullopt;
  if (!bytes || bytes->size() != hash.bytes.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), hash.bytes.begin());
  return hash;
}

std::optional<Lsn> lsn_member(const boost::json::object& object, std::string_view name) {
  const auto text = string_member(object, name);
  const auto number = text ? parse_u64(*text) : std::nullopt;
  if (!number) return std::nullopt;
  return Lsn(*number);
}

// -1 or more.
std::optional<std::int64_t> place_member(const boost::json::object& object, std::string_view name,
                                         std::int64_t max) {
  const auto* value = object.if_contains(name);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = value->if_int64(); number != nullptr && *number == -1) return -1;
  const auto number = read_u64(*value);
  if (!number || *number > static_cast<std::uint64_t>(max)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

// False where there is a fence that can't be read.
bool read_fence(const boost::json::object& object, std::optional<Fence>& fence) {
  if (!object.contains("until")) return !object.contains("snapshot");
  const auto until = lsn_member(object, "until");
  if (!until) return false;
  fence = Fence{.until = *until, .snapshot = {}};
  if (!object.contains("snapshot")) return true;
  const auto text = string_member(object, "snapshot");
  if (!text || text->size() > kSnapshotBytesMax) return false;
  fence->snapshot = XidSnapshot::parse(*text);
  return fence->snapshot.has_value();
}

}  // namespace

void append_cursor_fence(std::string& out, const Fence& fence) {
  if (fence.snapshot) out += fmt::format(R"("snapshot":"{}",)", fence.snapshot->text());
  out += fmt::format(R"("until":"{}",)", fence.until.value());
}

void append_cursor(std::string& out, const Cursor& cursor) {
  out.push_back('{');
  if (cursor.fence) append_cursor_fence(out, *cursor.fence);
  out += fmt::format(
      R"("epoch":"{:016x}","query":"{}","activation":"{:016x}","partition":{},"offset":{},"lsn":"{}"}})",
      cursor.epoch.value(), cursor.query.hex(), cursor.activation.value(), cursor.partition.value(),
      cursor.offset.value(), cursor.lsn.value());
}

std::optional<Cursor> read_cursor(const boost::json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto epoch = hex_u64(string_member(*object, "epoch"));
  const auto query = query_hash(string_member(*object, "query"));
  const auto activation = hex_u64(string_member(*object, "activation"));
  const auto partition = place_member(*object, "partition", std::numeric_limits<std::int32_t>::max());
  const auto offset = place_member(*object, "offset", std::numeric_limits<std::int64_t>::max());
  const auto lsn = lsn_member(*object, "lsn");
  if (!epoch || !query || !activation || !partition || *partition < 0 || !offset || !lsn) return std::nullopt;
  Cursor cursor{.epoch = Epoch(*epoch),
                .query = *query,
                .activation = Activation(*activation),
                .partition = Partition(static_cast<std::int32_t>(*partition)),
                .offset = Offset(*offset),
                .lsn = *lsn,
                .fence = {}};
  if (!read_fence(*object, cursor.fence)) return std::nullopt;
  return cursor;
}

std::optional<Cursor> parse_cursor(std::string_view json) {
  const auto value = parse_json(json);
  return value ? read_cursor(*value) : std::nullopt;
}

}  // namespace tidegate::protocol
