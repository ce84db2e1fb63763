#include "protocol/diff.h"

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <cstring>

#include "base/encoding.h"
#include "schemas/diff_generated.h"

namespace tidegate::protocol {
namespace {

// Table depth of the schema is 2; a table takes at least 4 bytes of the buffer, so that size bounds their
// number.
constexpr flatbuffers::uoffset_t kDepthMax = 8;

const fb::Diff* verified(std::string_view bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto tables_max = static_cast<flatbuffers::uoffset_t>(bytes.size() / 4 + 1);
  flatbuffers::Verifier verifier(data, bytes.size(), kDepthMax, tables_max);
  if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE || !fb::VerifyDiffBuffer(verifier)) return nullptr;
  return fb::GetDiff(data);
}

std::optional<RowChange> read_change(const fb::Change& change) {
  if (change.kind() > fb::ChangeKind::MAX) return std::nullopt;
  const bool removed = change.kind() == fb::ChangeKind::remove;
  if (!removed && change.row() == nullptr) return std::nullopt;
  RowChange out;
  out.kind = static_cast<ChangeKind>(change.kind());
  out.key = change.key()->str();
  if (!removed) out.row = change.row()->str();
  return out;
}

std::optional<Diff> read_diff(std::string_view buffer) {
  const fb::Diff* in = verified(buffer);
  if (in == nullptr) return std::nullopt;
  const auto hash = hex_decode(in->query()->string_view());
  Diff out;
  if (!hash || hash->size() != out.query.bytes.size()) return std::nullopt;
  std::copy(hash->begin(), hash->end(), out.query.bytes.begin());
  out.lsn = Lsn(in->lsn());
  if (in->xid() != 0) out.xid = Xid(in->xid());
  out.commit_time_us = in->commit_time_us();
  out.changes.reserve(in->changes()->size());
  for (const fb::Change* change : *in->changes()) {
    auto read = read_change(*change);
    if (!read) return std::nullopt;
    out.changes.push_back(std::move(*read));
  }
  return out;
}

/// FlatBuffers reads numbers in place and expects them aligned as the builder left them.
template <class Read>
auto aligned(std::string_view bytes, Read read) {
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  if (address % alignof(std::uint64_t) == 0) return read(bytes);
  std::vector<std::uint64_t> copy((bytes.size() + 7) / 8);
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  return read({reinterpret_cast<const char*>(copy.data()), bytes.size()});
}

}  // namespace

std::string encode_diff(const Diff& diff) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<fb::Change>> changes;
  changes.reserve(diff.changes.size());
  for (const RowChange& change : diff.changes) {
    const auto key = builder.CreateString(change.key);
    flatbuffers::Offset<flatbuffers::String> row;
    if (change.kind != ChangeKind::remove) row = builder.CreateString(change.row);
    changes.push_back(fb::CreateChange(builder, static_cast<fb::ChangeKind>(change.kind), key, row));
  }
  const auto query = builder.CreateString(diff.query.hex());
  const auto vector = builder.CreateVector(changes);
  const std::uint64_t xid = diff.xid ? diff.xid->value() : 0;
  fb::FinishDiffBuffer(builder,
                       fb::CreateDiff(builder, query, diff.lsn.value(), xid, diff.commit_time_us, vector));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

std::optional<Diff> decode_diff(std::string_view bytes) {
  return aligned(bytes, read_diff);
}

std::optional<std::int64_t> commit_time_of(std::string_view bytes) {
  return aligned(bytes, [](std::string_view buffer) -> std::optional<std::int64_t> {
    const fb::Diff* diff = verified(buffer);
    return diff == nullptr ? std::nullopt : std::optional(diff->commit_time_us());
  });
}

}  // namespace tidegate::protocol
