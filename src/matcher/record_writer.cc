#include "matcher/record_writer.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/fault_point.h"
#include "matcher/options.h"
#include "protocol/diff.h"

namespace tidegate::matcher {

namespace {

static_assert(Options().part_bytes == protocol::kPartBytesMax);

std::string activation_hex(Activation activation) {
  std::string bytes;
  append_big_endian(bytes, activation.value());
  return hex_encode(bytes);
}

void append_member(std::string& json, std::string_view name, std::string_view value) {
  json += json.empty() ? '{' : ',';
  append_json_string(json, name);
  json += ':';
  append_json_string(json, value);
}

}  // namespace

Partition RecordWriter::partition(std::string_view key) const {
  return Partition(
      static_cast<std::int32_t>(murmur2_positive(key) % static_cast<std::uint32_t>(partitions_)));
}

log::Headers RecordWriter::headers(log::Kind kind, Lsn lsn, std::optional<Xid> xid) const {
  log::Headers headers;
  headers.lsn = lsn;
  headers.xid = xid;
  headers.epoch = reign_.epoch;
  headers.generation = reign_.generation;
  headers.kind = kind;
  return headers;
}

Status RecordWriter::append(log::Append record, std::function<void(Offset)> acknowledged) {
  auto number = appender_->append(std::move(record), std::move(acknowledged));
  if (!number) return number.error();
  last_ = *number;
  return {};
}

Result<RecordWriter::Written> RecordWriter::effect(const source::Transaction& transaction,
                                                   const Effect& effect,
                                                   std::function<void(Offset)> acknowledged) {
  const auto reset_for = [&](std::string_view reason) -> Result<Written> {
    auto done = reset(*effect.matched, transaction.lsn, transaction.xid, reason, std::move(acknowledged));
    if (!done) return done.error();
    return Written{.parts = 1, .reset = true};
  };
  if (!effect.reset.empty()) return reset_for(effect.reset);
  protocol::Diff diff{.query = effect.matched->query->hash(),
                      .lsn = transaction.lsn,
                      .xid = transaction.xid,
                      .commit_time_us = transaction.commit_time_us,
                      .changes = effect.net.changes()};
  if (diff.changes.empty() && !effect.net.replaces()) return Written{};
  // Before it is encoded: a FlatBuffer has a limit of its own.
  std::size_t bytes = 0;
  for (const auto& change : diff.changes) bytes += change.key.size() + change.row.size();
  if (bytes > diff_bytes_max_) return reset_for("the diff is above the limit");
  return cut(transaction, effect, protocol::encode_diff(diff), std::move(acknowledged));
}

Result<RecordWriter::Written> RecordWriter::cut(const source::Transaction& transaction, const Effect& effect,
                                                std::string bytes, std::function<void(Offset)> acknowledged) {
  const auto kind = effect.net.replaces() ? log::Kind::state : log::Kind::diff;
  const std::size_t slice_max = part_bytes_;
  const std::size_t parts = std::max<std::size_t>(1, (bytes.size() + slice_max - 1) / slice_max);
  for (std::size_t part = 0; part < parts; ++part) {
    if (part > 0) fault_point("matcher.between_parts");
    log::Append record{.partition = effect.matched->partition,
                       .key = effect.matched->key,
                       .value = parts == 1 ? std::move(bytes) : bytes.substr(part * slice_max, slice_max),
                       .headers = headers(kind, transaction.lsn, transaction.xid)};
    record.headers.part = static_cast<std::uint32_t>(part);
    const bool last = part + 1 == parts;
    record.headers.flags = last ? log::kFlagLastPart : 0;
    auto done = append(std::move(record), last ? std::move(acknowledged) : nullptr);
    if (!done) return done.error();
  }
  return Written{.parts = static_cast<std::uint32_t>(parts)};
}

Status RecordWriter::active(const Matched& query, Lsn matched) {
  std::string json;
  append_member(json, "activation", activation_hex(query.activation));
  append_member(json, "r", std::to_string(matched.value()));
  append_member(json, "query", query.query->hash().hex());
  json += '}';
  return append({query.partition, query.key, std::move(json), headers(log::Kind::active, matched)});
}

Status RecordWriter::closed(std::string_view key, Activation activation, Lsn matched) {
  std::string json;
  append_member(json, "activation", activation_hex(activation));
  json += '}';
  return append({partition(key), std::string(key), std::move(json), headers(log::Kind::closed, matched)});
}

Status RecordWriter::schema(std::string_view key, Lsn matched, std::string_view code,
                            std::string_view message) {
  std::string json;
  append_member(json, "code", code);
  append_member(json, "message", message);
  json += '}';
  return append({partition(key), std::string(key), std::move(json), headers(log::Kind::schema, matched)});
}

Status RecordWriter::reset(const Matched& query, Lsn lsn, std::optional<Xid> xid, std::string_view reason,
                           std::function<void(Offset)> acknowledged) {
  std::string json;
  append_member(json, "reason", reason);
  json += '}';
  return append({query.partition, query.key, std::move(json), headers(log::Kind::reset, lsn, xid)},
                std::move(acknowledged));
}

Status RecordWriter::progress(Partition partition, Lsn position, Lsn visible, std::int64_t time_us,
                              std::function<void(Offset)> acknowledged) {
  std::string json;
  append_member(json, "position", std::to_string(position.value()));
  append_member(json, "visible", std::to_string(visible.value()));
  json += ",\"time_us\":" + std::to_string(time_us) + '}';
  return append({partition, "progress", std::move(json), headers(log::Kind::progress, position)},
                std::move(acknowledged));
}

}  // namespace tidegate::matcher
