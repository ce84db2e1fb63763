// What the frames of the stream mean: the second half of Stream.
#include <algorithm>

#include "base/fault_point.h"
#include "base/fence.h"
#include "postgres/ddl.h"
#include "postgres/rows.h"
#include "postgres/stream.h"

namespace tidegate::postgres {
namespace {

constexpr int kFramesAtOnce = 256;  // between two looks at the second connection and at `wake`
/// Of messages: a transaction up to here is given as rows, a larger one is decoded while it is walked.
constexpr std::size_t kHeldBytesMax = std::size_t{1} << 20;

}  // namespace

Result<bool> Stream::read_some() {
  if (committed_) {
    if (clock_.steady() < retry_at_) return false;
    if (const Status given = give(); !given) return hold(given.error());
  }
  for (int left = kFramesAtOnce; left > 0 && events_.empty(); --left) {
    const auto frame = link_->receive();
    if (!frame) return broken(frame.error());
    if (!*frame) {
      listen();
      return false;
    }
    heard();
    probe_.frame((*frame)->size());
    if (const Status handled = handle_frame(**frame); !handled) return hold(handled.error());
  }
  return true;
}

Error Stream::hold(const Error& error) {
  if (error.fault != Fault::unavailable || !committed_) return ended(error);
  retry_at_ = clock_.steady() + options_.reconnect_min;
  return error;
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
  const auto taken = assembly_.take(data.message, reference_);
  if (!taken) return taken.error();
  if (*taken) {
    if (relation_of(data.message) != 0) fault_point("stream.received");
    return {};
  }
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
  if (const auto* end = std::get_if<Commit>(&message)) return commit(assembly_.commit(*end));
  if (const auto* end = std::get_if<StreamCommit>(&message)) return commit(assembly_.commit(*end));
  if (const auto* logical = std::get_if<LogicalMessage>(&message)) reached(inclusive(logical->lsn));
  return {};  // origins and types
}

Status Stream::commit(Result<Assembled> assembled) {
  if (!assembled) return assembled.error();
  reference_ = std::max(reference_, assembled->xid);
  committed_.emplace(std::move(*assembled));
  tables_.clear();
  return give();
}

Status Stream::resolve() {
  const auto& tables = committed_->tables;
  while (tables_.size() < tables.size()) {
    const Assembled::Table& next = tables[tables_.size()];
    if (!next.described.empty()) {
      const auto message = decode_message(next.described);
      if (!message) return message.error();
      const auto changed = relations_.learn(std::get<Relation>(*message));
      if (!changed) return changed.error();
      if (*changed) {
        events_.emplace_back(source::SchemaChanged{*changed});
        // A partition, described behind its root: changes come as the root's from here on.
        const auto root = std::find_if(tables_.rbegin(), tables_.rend(), [&](const auto& table) {
          return table->relation == (*changed)->relation;
        });
        if ((*changed)->relation != next.relation && root != tables_.rend()) *root = *changed;
      }
    }
    auto table = relations_.find(next.relation);
    if (!table) {
      return Error{Fault::fatal, "the change stream has a change of relation " +
                                     std::to_string(next.relation) + ", which it did not describe"};
    }
    tables_.push_back(std::move(table));
  }
  return {};
}

Result<source::Changes> Stream::changes_of(Assembled& assembled) {
  const bool small = !assembled.spill->in_file() && assembled.spill->end() <= kHeldBytesMax;
  const std::size_t count = assembled.changes;
  source::Changes stored(
      std::make_shared<SpilledChanges>(std::move(assembled.spill), std::move(tables_), count));
  if (!small) return stored;
  std::vector<source::Change> held;
  held.reserve(count);
  const Status read = stored.each([&](const auto& change) { held.push_back(*change); });
  if (!read) return read.error();
  probe_.refused(count - held.size());
  return source::Changes(std::move(held));
}

Status Stream::give() {
  if (const Status resolved = resolve(); !resolved) return resolved;
  source::Transaction transaction;
  transaction.lsn = Lsn(committed_->commit.commit_lsn);
  transaction.xid = committed_->xid;
  transaction.commit_time_us = committed_->commit.commit_time_us;
  transaction.bytes = sizeof transaction + committed_->spill->end();
  const Lsn end = inclusive(committed_->commit.end_lsn);
  for (const auto& word : committed_->words) {
    if (auto altered = altered_of(word.content)) transaction.altered.push_back(std::move(*altered));
  }
  auto changes = changes_of(*committed_);
  committed_.reset();
  if (!changes) return changes.error();
  transaction.changes = std::move(*changes);
  if (transaction.changes.empty() && transaction.altered.empty()) {
    reached(end);
    return {};
  }
  probe_.transaction(transaction.changes.size());
  position_ = std::max(position_, transaction.lsn);
  events_.emplace_back(std::move(transaction));
  fault_point("stream.whole");
  return {};
}

}  // namespace tidegate::postgres
