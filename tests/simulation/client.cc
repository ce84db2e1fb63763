#include "simulation/client.h"

#include <fmt/format.h>
#include <sys/uio.h>

#include <utility>

namespace tidegate::simulation {
namespace {

std::string listed(const Held& held) {
  std::string text;
  for (const auto& [key, row] : held) text += "\n      " + row.substr(0, 100);
  return text.empty() ? "\n      nothing" : text;
}

}  // namespace

// ---- the model ----

Held Watched::expected(Lsn lsn) const {
  return result_of(*asked_->query,
                   database_->rows(timeline_, lsn, snapshot_ ? &*snapshot_->snapshot : nullptr));
}

std::string Watched::compare(const Held& held, const Held& wanted, std::string_view what, Lsn lsn) const {
  if (held == wanted) return {};
  return fmt::format("{} of {}: {} at {}, the client holds{}\n    but the result is{}", name_,
                     asked_->query->canonical(), what, lsn.value(), listed(held), listed(wanted));
}

std::string Watched::take(bool text, std::string_view message) {
  const client::Replica before = replica;
  const bool mine = text ? replica.on_text(message) : replica.on_binary(message);
  return mine ? judge(before) : std::string();
}

std::string Watched::judge(const client::Replica& before) {
  const auto& was = before.counts();
  const auto& now = replica.counts();
  if (now.contradictions + now.disorders + now.unreadable > 0) {
    return fmt::format("{}: {} contradictions, {} disorders, {} unreadable (C3, C4)", name_,
                       now.contradictions, now.disorders, now.unreadable);
  }
  if (!replica.error_code().empty() && before.error_code().empty()) {
    ++errors;
    over = replica.error_code() != "overflow";
  }
  if (replica.acknowledged() && !before.acknowledged() && replica.resumed() && asked_with_wrong_cursor) {
    return name_ + ": a cursor that is not this query's was taken for one (rule 14)";
  }
  if (now.snapshots > was.snapshots) {
    const auto& cursor = replica.cursor();
    if (!cursor || !cursor->fence) return name_ + ": a snapshot without a cursor that carries its fence";
    const auto timeline = (*timeline_of_)(cursor->epoch);
    if (!timeline) return name_ + ": a snapshot of an epoch that never was";
    snapshot_ = cursor->fence;
    timeline_ = *timeline;
    return compare(replica.rows(), expected(Lsn(0)), "after a snapshot of H", snapshot_->until);
  }
  if (now.diffs > was.diffs) {
    const Lsn lsn = *replica.last_diff();
    if (!latest) {
      auto wrong = compare(before.rows(), expected(Lsn(lsn.value() - 1)), "just before the diff (C2)", lsn);
      if (!wrong.empty()) return wrong;
    }
    return compare(replica.rows(), expected(lsn), "after the diff (C1, C4)", lsn);
  }
  if (replica.cursor() && before.cursor() && replica.cursor()->lsn != before.cursor()->lsn) {
    return compare(replica.rows(), expected(replica.cursor()->lsn), "after a progress that moved the cursor",
                   replica.cursor()->lsn);
  }
  return {};
}

bool Watched::up_to_date() const {
  if (!replica.whole() || timeline_ != database_->timeline()) return false;
  return replica.rows() == result_of(*asked_->query, database_->rows(timeline_, Lsn(UINT64_MAX), nullptr));
}

std::string Watched::standing() const {
  return fmt::format("{}, {}, {} snapshots, {} diffs, at {} of {}, {} rows",
                     replica.acknowledged() ? "acknowledged" : "no ack",
                     replica.whole() ? "whole" : "not whole", replica.counts().snapshots,
                     replica.counts().diffs, replica.version().value(), database_->wal_end().value(),
                     replica.rows().size());
}

// ---- the connection ----

void Client::remember() {
  remembered_ = std::vector<Watched>(watched_);
}

void Client::connect(GatewayProcess& gateway, std::uint16_t shard, With with, Dice dice) {
  gateway_ = gateway.number;
  shard_ = shard;
  session_ = gateway.hub(shard).open({.v1 = dialect_ != Dialect::raw});
  written_ = 0;
  received_.clear();
  if (with == With::older && !remembered_.empty()) watched_ = std::vector<Watched>(remembered_);
  for (Watched& watched : watched_) {
    std::optional<protocol::Cursor> cursor = watched.replica.cursor();
    watched.asked_with_wrong_cursor = with == With::foreign || with == With::malformed;
    if (with == With::nothing) cursor.reset();
    if (watched.asked_with_wrong_cursor) cursor = wrong(watched, with, dice);
    if (!cursor) watched.asked_with_wrong_cursor = false;
    subscribe(gateway, watched, std::move(cursor));
  }
}

/// A cursor that must not be taken for a place in this query.
std::optional<protocol::Cursor> Client::wrong(const Watched& watched, With with, Dice& dice) const {
  std::optional<protocol::Cursor> cursor = watched.replica.cursor();
  if (with == With::foreign) {
    for (const Watched& other : watched_) {
      if (other.asked().routing_key != watched.asked().routing_key && other.replica.cursor())
        return other.replica.cursor();
    }
  }
  if (!cursor) return std::nullopt;
  switch (dice.below(4)) {
    case 0:
      cursor->epoch = Epoch(cursor->epoch.value() + 1);
      break;
    case 1:
      cursor->activation = Activation(cursor->activation.value() + 1);
      break;
    case 2:
      cursor->query.bytes[3] ^= 1;
      break;
    default:
      cursor->partition = Partition(cursor->partition.value() + 1);
      break;
  }
  return cursor;
}

void Client::subscribe(GatewayProcess& gateway, Watched& watched, std::optional<protocol::Cursor> cursor) {
  watched.replica.resubscribed();
  watched.over = false;
  std::optional<protocol::Encoding> frames;
  if (dialect_ == Dialect::v1_json) frames = protocol::Encoding::json;
  if (dialect_ == Dialect::v1_base64) frames = protocol::Encoding::base64;
  const Asked& asked = watched.asked();
  gateway.hub(shard_).subscribe(session_, {.hash_id = watched.name(),
                                           .routing_key = asked.routing_key,
                                           .query = asked.query,
                                           .query_hash = asked.query->hash(),
                                           .frames = frames,
                                           .cursor = std::move(cursor),
                                           .latest = watched.latest});
}

void Client::leave(GatewayProcess* gateway) {
  if (gateway != nullptr) gateway->hub(shard_).close(session_);
  gateway_ = 0;
}

void Client::mend(GatewayProcess& gateway) {
  for (Watched& watched : watched_) {
    if (!watched.over) continue;
    watched.asked_with_wrong_cursor = false;
    subscribe(gateway, watched, watched.replica.cursor());
  }
}

std::string Client::read(GatewayProcess& gateway, std::size_t bytes) {
  hub::Outbox& outbox = gateway.hub(shard_).outbox(session_);
  bytes = std::min(bytes, outbox.bytes());
  for (std::size_t left = bytes; left > 0;) {
    iovec piece{};
    if (outbox.gather(&piece, 1) == 0) break;
    const std::size_t size = std::min(left, piece.iov_len);
    received_.append(static_cast<const char*>(piece.iov_base), size);
    outbox.consume(size);
    left -= size;
  }
  // What was dropped counts as written when all before it is.
  if (outbox.written() != written_) {
    written_ = outbox.written();
    gateway.hub(shard_).written(session_);
  }
  std::size_t at = 0;
  std::string wrong;
  while (wrong.empty() && received_.size() - at >= 2) {
    const auto byte = [&](std::size_t index) { return static_cast<std::uint8_t>(received_[at + index]); };
    std::size_t head = 2;
    std::uint64_t size = byte(1);
    if (size >= 126) {
      head = size == 126 ? 4 : 10;
      if (received_.size() - at < head) break;
      size = 0;
      for (std::size_t i = 2; i < head; ++i) size = size << 8 | byte(i);
    }
    if (received_.size() - at < head + size) break;
    wrong = take(std::string_view(received_).substr(at + head, size), (byte(0) & 15) == 1);
    at += head + size;
  }
  received_.erase(0, at);
  return wrong;
}

std::string Client::take(std::string_view payload, bool text) {
  if (text && payload.find("\"stale_since\"") != std::string_view::npos) ++told_stale_;
  for (Watched& watched : watched_) {
    auto wrong = watched.take(text, payload);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace tidegate::simulation
