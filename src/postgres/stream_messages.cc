// What the frames of the stream mean: the second half of Stream.
#include <algorithm>

#include "base/fault_point.h"
#include "base/fence.h"
#include "postgres/stream.h"

namespace tidegate::postgres {
namespace {

constexpr int kFramesAtOnce = 256;  // between two looks at the second connection and at `wake`

}  // namespace

Result<bool> Stream::read_some() {
  for (int left = kFramesAtOnce; left > 0; --left) {
    std::optional<std::string> frame;
    if (held_) {
      if (clock_.steady() < retry_at_) return false;
      frame.swap(held_);
    } else {
      auto received = link_->receive();
      if (!received) return broken(received.error());
      if (!*received) return false;
      frame = std::move(*received);
      probe_.frame(frame->size());
    }
    if (const Status handled = handle_frame(*frame); !handled) {
      if (handled.error().fault != Fault::unavailable) return ended(handled.error());
      held_ = std::move(frame);
      retry_at_ = clock_.steady() + options_.reconnect_min;
      return handled.error();
    }
    if (!events_.empty()) return true;
  }
  return true;
}

Status Stream::handle_frame(const std::string& bytes) {
  const auto frame = decode_frame(bytes);
  if (!frame) return frame.error();
  if (const auto* keepalive = std::get_if<KeepaliveFrame>(&*frame)) {
    link_->received(keepalive->end);
    if (keepalive->reply_requested) link_->reply_now();
    if (!assembly_.open()) reached(inclusive(keepalive->end));
    return {};
  }
  const auto& data = std::get<DataFrame>(*frame);
  link_->received(std::max(data.start, data.end));
  const auto message = decode_message(data.message);
  if (!message) return message.error();
  return handle(*message);
}

void Stream::reached(Lsn position) {
  if (position <= position_) return;
  position_ = position;
  events_.emplace_back(source::StreamPosition{position});
}

Status Stream::handle(const Message& message) {
  if (const auto* begin = std::get_if<Begin>(&message)) {
    const Xid xid = full_xid(begin->xid, reference_);
    reference_ = std::max(reference_, xid);
    return assembly_.begin(*begin, xid);
  }
  if (const auto* end = std::get_if<Commit>(&message)) return commit(*end);
  if (const auto* relation = std::get_if<Relation>(&message)) return learn(*relation);
  if (const auto* logical = std::get_if<LogicalMessage>(&message)) {
    if (!assembly_.open()) reached(inclusive(logical->lsn));
    return {};
  }
  if (std::holds_alternative<Origin>(message) || std::holds_alternative<TypeDeclared>(message)) return {};
  return handle_change(message);
}

Status Stream::handle_change(const Message& message) {
  fault_point("stream.received");
  if (const auto* truncate = std::get_if<Truncate>(&message)) {
    for (const std::uint32_t relation : truncate->relations) {
      const auto table = table_of(relation);
      if (!table) return table.error();
      if (const Status done = assembly_.truncate(*table); !done) return done;
    }
    return {};
  }
  const auto* insert = std::get_if<Insert>(&message);
  const auto* update = std::get_if<Update>(&message);
  const auto* removed = std::get_if<Delete>(&message);
  const auto table = table_of(insert != nullptr   ? insert->relation
                              : update != nullptr ? update->relation
                                                  : removed->relation);
  if (!table) return table.error();
  if (insert != nullptr) return assembly_.insert(*table, insert->row);
  if (update != nullptr) return assembly_.update(*table, *update);
  return assembly_.remove(*table, *removed);
}

Result<std::shared_ptr<const query::TableSchema>> Stream::table_of(std::uint32_t relation) const {
  auto table = relations_.find(relation);
  if (table) return table;
  return Error{Fault::fatal, "the change stream has a change of relation " + std::to_string(relation) +
                                 ", which it did not describe"};
}

Status Stream::learn(const Relation& relation) {
  const auto changed = relations_.learn(relation);
  if (!changed) return changed.error();
  if (*changed) events_.emplace_back(source::SchemaChanged{relations_.find(relation.id)});
  return {};
}

Status Stream::commit(const Commit& commit) {
  auto transaction = assembly_.commit(commit);
  if (!transaction) return transaction.error();
  probe_.refused(assembly_.refused() - std::exchange(refused_told_, assembly_.refused()));
  if (transaction->changes.empty()) {
    reached(inclusive(commit.end_lsn));
    return {};
  }
  probe_.transaction(transaction->changes.size());
  position_ = std::max(position_, transaction->lsn);
  events_.emplace_back(std::move(*transaction));
  fault_point("stream.whole");
  return {};
}

}  // namespace tidegate::postgres
