#include "client/replica.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "client/json_slice.h"
#include "protocol/frames.h"

namespace tidegate::client {
namespace {

std::string text_member(std::string_view message, std::string_view name) {
  const auto value = json_member(message, name);
  return value ? json_text(*value) : std::string();
}

/// A number, or a decimal string.
std::optional<std::uint64_t> number_member(std::string_view message, std::string_view name) {
  auto value = json_member(message, name);
  if (!value) return std::nullopt;
  if (value->size() >= 2 && value->front() == '"') value = value->substr(1, value->size() - 2);
  return parse_u64(*value);
}

bool true_member(std::string_view message, std::string_view name) {
  return json_member(message, name) == "true";
}

std::optional<protocol::ChangeKind> kind_of(std::string_view name) {
  if (name == "insert") return protocol::ChangeKind::insert;
  if (name == "update") return protocol::ChangeKind::update;
  if (name == "delete") return protocol::ChangeKind::remove;
  return std::nullopt;
}

}  // namespace

void Replica::resubscribed() {
  acknowledged_ = resumed_ = whole_ = false;
  snapshot_.reset();
  parts_.clear();
  next_part_ = 0;
  first_of_diff_ = true;
}

bool Replica::on_text(std::string_view message) {
  const auto op = text_member(message, "op");
  if (op == "progress") {
    on_progress(message);
    return true;
  }
  if (text_member(message, "hashId") != hash_id_) return false;
  if (op == "ack") {
    on_ack(message);
  } else if (op == "error") {
    on_error(message);
  } else if (!acknowledged_) {
    // What is left of an earlier use of the name.
  } else if (op == "snapshot") {
    on_snapshot(message);
  } else if (op == "diff") {
    on_diff(message);
  } else if (op == "diffB64") {
    const auto value = base64_decode(text_member(message, "b64"));
    on_value(value.value_or(std::string()));
  } else if (op == "status" && true_member(message, "lagging")) {
    lagging_ = true;
  } else if (op == "unsubscribed") {
    acknowledged_ = false;
  }
  return true;
}

bool Replica::on_binary(std::string_view frame) {
  if (!acknowledged_) return false;
  if (!v1_) {
    const auto diff = protocol::decode_diff(frame);
    if (diff && diff->query.hex() != query_) return false;
    on_value(frame);
    return true;
  }
  protocol::DataHeader header;
  if (!protocol::read_data_header(frame, header) || header.channel.value() != channel_) return false;
  if ((header.flags & protocol::kDataFlagsCritical) != 0) {
    ++counts_.unreadable;
    return true;
  }
  if (header.part == 0) {
    parts_.clear();
    next_part_ = 0;
  }
  if (header.part != next_part_) {
    ++counts_.disorders;
    return true;
  }
  ++next_part_;
  parts_ += frame.substr(protocol::kDataHeaderSize);
  if ((header.flags & protocol::kDataFlagLast) == 0) return true;
  next_part_ = 0;
  on_value(std::exchange(parts_, {}));
  moved_to(header.lsn, header.position);
  return true;
}

void Replica::on_ack(std::string_view message) {
  acknowledged_ = true;
  resumed_ = true_member(message, "resumed");
  whole_ = resumed_;
  lagging_ = false;
  same_as_ = text_member(message, "same_as");
  query_ = text_member(message, "query");
  channel_ = static_cast<std::uint32_t>(number_member(message, "channel").value_or(0));
  error_code_.clear();
  snapshot_.reset();
  parts_.clear();
  next_part_ = 0;
  first_of_diff_ = true;
}

void Replica::on_error(std::string_view message) {
  error_code_ = text_member(message, "code");
  // What was queued is lost: a snapshot follows by itself.
  if (error_code_ == "overflow") whole_ = false;
}

void Replica::on_snapshot(std::string_view message) {
  const auto part = number_member(message, "part").value_or(0);
  if (part == 0) {
    snapshot_ = Snapshot{};
    parts_.clear();
    next_part_ = 0;
    if (const auto columns = json_member(message, "columns")) {
      key_columns_.clear();
      for (const auto column : json_elements(*columns)) {
        if (true_member(column, "key")) key_columns_.push_back(text_member(column, "name"));
      }
    }
  }
  if (!snapshot_ || part != snapshot_->next_part) {
    ++counts_.disorders;
    return;
  }
  ++snapshot_->next_part;
  for (const auto row : json_elements(json_member(message, "rows").value_or("[]"))) {
    if (!snapshot_->rows.emplace(key_of(row), row).second) ++counts_.contradictions;
  }
  if (json_member(message, "last") && !true_member(message, "last")) return;
  rows_ = std::move(snapshot_->rows);
  snapshot_.reset();
  cursor_ = protocol::parse_cursor(json_member(message, "cursor").value_or(""));
  version_ = Lsn(number_member(message, "version").value_or(0));
  last_diff_.reset();
  whole_ = true;
  lagging_ = false;
  ++counts_.snapshots;
}

/// The key as the encoder writes it: the values of the key's columns, in the order of `columns`.
std::string Replica::key_of(std::string_view row) const {
  std::string key = "[";
  for (const auto& column : key_columns_) {
    if (key.size() > 1) key += ',';
    key += json_member(row, column).value_or("null");
  }
  return key + "]";
}

bool Replica::in_order(Lsn lsn) {
  if (!whole_) return false;
  if (last_diff_ && lsn <= *last_diff_) {
    ++counts_.disorders;
    return false;
  }
  return true;
}

void Replica::on_value(std::string_view value) {
  const auto diff = protocol::decode_diff(value);
  if (!diff) {
    ++counts_.unreadable;
    return;
  }
  if (!in_order(diff->lsn)) return;
  for (const auto& change : diff->changes) apply(change);
  ++counts_.diffs;
  moved_to(diff->lsn, std::nullopt);
}

void Replica::on_diff(std::string_view message) {
  const auto version = number_member(message, "version");
  const auto changes = json_member(message, "changes");
  if (!version || !changes) {
    ++counts_.unreadable;
    return;
  }
  if (first_of_diff_ && !in_order(Lsn(*version))) return;
  for (const auto element : json_elements(*changes)) {
    const auto kind = kind_of(text_member(element, "kind"));
    if (!kind) {
      ++counts_.unreadable;
      continue;
    }
    apply({*kind, std::string(json_member(element, "key").value_or("")),
           std::string(json_member(element, "row").value_or(""))});
  }
  first_of_diff_ = !json_member(message, "last") || true_member(message, "last");
  if (!first_of_diff_) return;
  ++counts_.diffs;
  if (auto cursor = protocol::parse_cursor(json_member(message, "cursor").value_or("")))
    cursor_ = std::move(cursor);
  moved_to(Lsn(*version), std::nullopt);
}

void Replica::apply(const protocol::RowChange& change) {
  ++counts_.changes;
  if (change.kind == protocol::ChangeKind::remove) {
    if (rows_.erase(change.key) == 0) ++counts_.contradictions;
    return;
  }
  const auto [place, added] = rows_.insert_or_assign(change.key, change.row);
  if (added != (change.kind == protocol::ChangeKind::insert)) ++counts_.contradictions;
}

/// The cursor's overlay (docs/PROTOCOL.md, "The cursor").
void Replica::moved_to(Lsn lsn, std::optional<Offset> offset) {
  if (!whole_) return;
  last_diff_ = lsn;
  // A snapshot may be of a later LSN than the diffs that its fence still lets through.
  version_ = std::max(version_, lsn);
  lagging_ = false;
  if (!cursor_) return;
  cursor_->lsn = lsn;
  if (offset) cursor_->offset = *offset;
}

void Replica::on_progress(std::string_view message) {
  if (!whole() || lagging_ || !acknowledged_ || !cursor_ || !first_of_diff_) return;
  const auto epoch = hex_decode(text_member(message, "epoch"));
  if (!epoch || read_big_endian<std::uint64_t>(*epoch) != cursor_->epoch.value()) return;
  for (const auto position : json_elements(json_member(message, "positions").value_or("[]"))) {
    const auto partition = number_member(position, "partition");
    const auto offset = number_member(position, "offset");
    const auto lsn = number_member(position, "lsn");
    if (!partition || !offset || !lsn) continue;
    if (Partition(static_cast<std::int32_t>(*partition)) != cursor_->partition || Lsn(*lsn) < cursor_->lsn)
      continue;
    cursor_->lsn = Lsn(*lsn);
    cursor_->offset = Offset(static_cast<std::int64_t>(*offset));
  }
}

std::string Replica::cursor_json() const {
  if (!cursor_) return {};
  std::string json;
  protocol::append_cursor(json, *cursor_);
  return json;
}

}  // namespace tidegate::client
