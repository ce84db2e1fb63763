#include "kafka/headers.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/encoding.h"

namespace tidegate::kafka {
namespace {

constexpr std::array<std::pair<std::string_view, log::Kind>, 6> kKinds = {{{"active", log::Kind::active},
                                                                           {"closed", log::Kind::closed},
                                                                           {"progress", log::Kind::progress},
                                                                           {"schema", log::Kind::schema},
                                                                           {"reset", log::Kind::reset},
                                                                           {"state", log::Kind::state}}};

template <class T>
void add(rd_kafka_headers_t* to, std::string_view name, T value) {
  std::array<char, sizeof(T)> bytes{};
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
  }
  rd_kafka_header_add(to, name.data(), static_cast<ssize_t>(name.size()), bytes.data(), sizeof(T));
}

/// The names that mean something here; an index into what a record's last headers said.
constexpr std::array<std::string_view, 8> kNames = {"lsn",  "xid",   "epoch",  "gen",
                                                    "part", "flags", "format", "kind"};
enum Name : std::uint8_t { kLsn, kXid, kEpoch, kGen, kPart, kFlags, kFormatName, kKind };

using Last = std::array<std::optional<std::string_view>, kNames.size()>;

Last last_of_each(rd_kafka_headers_t* headers) {
  Last last;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    for (std::size_t known = 0; known < kNames.size(); ++known) {
      if (kNames[known] == name) last[known] = std::string_view(static_cast<const char*>(value), size);
    }
  }
  return last;
}

/// Sets `to` from a header that is there; false if its size is wrong.
template <class To, class Rep>
bool read(const std::optional<std::string_view>& bytes, To& to, Rep /*of the wire*/) {
  if (!bytes) return true;
  const auto value = read_big_endian<Rep>(*bytes);
  if (!value) return false;
  if constexpr (requires { typename To::value_type; }) {
    to = typename To::value_type(*value);
  } else {
    to = *value;
  }
  return true;
}

bool read_kind(const std::optional<std::string_view>& text, log::Kind& to) {
  if (!text) return true;
  for (const auto& [name, kind] : kKinds) {
    if (name != *text) continue;
    to = kind;
    return true;
  }
  return false;
}

}  // namespace

rd_kafka_headers_t* to_wire(const log::Headers& headers) {
  rd_kafka_headers_t* wire = rd_kafka_headers_new(kNames.size());
  if (headers.lsn) add(wire, "lsn", headers.lsn->value());
  if (headers.xid) add(wire, "xid", headers.xid->value());
  if (headers.epoch) add(wire, "epoch", headers.epoch->value());
  if (headers.generation) add(wire, "gen", headers.generation->value());
  add(wire, "part", headers.part);
  add(wire, "flags", headers.flags);
  add(wire, "format", headers.format);
  for (const auto& [name, kind] : kKinds) {
    if (kind != headers.kind) continue;
    rd_kafka_header_add(wire, "kind", -1, name.data(), static_cast<ssize_t>(name.size()));
  }
  return wire;
}

log::Headers from_wire(const rd_kafka_message_t& message) {
  log::Headers headers;
  rd_kafka_headers_t* wire = nullptr;
  const auto code = rd_kafka_message_headers(&message, &wire);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    headers.malformed = code != RD_KAFKA_RESP_ERR__NOENT;  // there are some, but librdkafka can't parse them
    return headers;
  }
  const Last last = last_of_each(wire);
  bool good = read(last[kLsn], headers.lsn, std::uint64_t{});
  good = read(last[kXid], headers.xid, std::uint64_t{}) && good;
  good = read(last[kEpoch], headers.epoch, std::uint64_t{}) && good;
  good = read(last[kGen], headers.generation, std::int64_t{}) && good;
  good = read(last[kPart], headers.part, std::uint32_t{}) && good;
  good = read(last[kFlags], headers.flags, std::uint32_t{}) && good;
  good = read(last[kFormatName], headers.format, std::uint16_t{}) && good;
  good = read_kind(last[kKind], headers.kind) && good;
  headers.malformed = !good;
  return headers;
}

}  // namespace tidegate::kafka
