#include "postgres/assembly.h"

#include <algorithm>

#include "base/fence.h"

namespace tidegate::postgres {
namespace {

/// The prefix of our own logical messages.
constexpr std::string_view kOurs = "tidegate";

Error disorder(const std::string& what) {
  return {Fault::fatal, "the change stream " + what};
}

}  // namespace

Assembly::Open& Assembly::fresh(std::uint32_t xid, Xid full) {
  Open& open = open_[xid];
  open.assembled.xid = full;
  open.assembled.spill = std::make_unique<Spill>(room_);
  return open;
}

void Assembly::abandon() {
  open_.clear();
  current_ = nullptr;
  block_ = false;
  memory_ = 0;
  tell();
}

Result<bool> Assembly::take(std::string_view bytes, Xid reference) {
  if (block_ && names_transaction(bytes)) {
    auto streamed = decode_streamed(bytes);
    if (!streamed) return streamed.error();
    const Mark here{current_->messages, current_->assembled.spill->end(), current_->assembled.changes};
    current_->marks.try_emplace(streamed->xid, here);
    if (const Status added = add(streamed->message); !added) return added.error();
    ++current_->messages;
    return true;
  }
  if (current_ != nullptr && names_transaction(bytes)) {
    if (const Status added = add(bytes); !added) return added.error();
    ++current_->messages;
    return true;
  }
  const char kind = bytes.empty() ? '\0' : bytes.front();
  if (relation_of(bytes) != 0 || kind == 'T') return disorder("sent a change outside of a transaction");
  if (kind != 'B' && kind != 'S' && kind != 'E' && kind != 'A') return false;
  const auto message = decode_message(bytes);
  if (!message) return message.error();
  Status done;
  if (const auto* begun = std::get_if<Begin>(&*message)) {
    done = begin(*begun, reference);
  } else if (const auto* started = std::get_if<StreamStart>(&*message)) {
    done = start(*started, reference);
  } else if (const auto* aborted = std::get_if<StreamAbort>(&*message)) {
    done = abort(*aborted);
  } else if (!block_) {
    done = disorder("ended a block that it did not start");
  } else {
    block_ = false;
    current_ = nullptr;
  }
  if (!done) return done.error();
  return true;
}

Status Assembly::begin(const Begin& begin, Xid reference) {
  if (current_ != nullptr || open_.contains(begin.xid)) {
    return disorder("began a transaction inside another one");
  }
  current_ = &fresh(begin.xid, full_xid(begin.xid, reference));
  current_->begun_lsn = begin.final_lsn;
  return {};
}

Status Assembly::start(const StreamStart& start, Xid reference) {
  if (current_ != nullptr) return disorder("started a block inside another one");
  const auto known = open_.find(start.xid);
  if (start.first != (known == open_.end())) return disorder("sent a block without those before it");
  current_ = start.first ? &fresh(start.xid, full_xid(start.xid, reference)) : &known->second;
  block_ = true;
  return {};
}

Status Assembly::abort(const StreamAbort& abort) {
  const auto found = open_.find(abort.xid);
  if (current_ != nullptr) return disorder("ended a transaction inside of a block");
  if (found == open_.end()) return disorder("ended a transaction that it did not begin");
  Open& open = found->second;
  const std::size_t before = open.assembled.spill->memory();
  if (abort.subtransaction == abort.xid) {
    memory_ -= before;
    open_.erase(found);
    tell();
    return {};
  }
  const auto mark = open.marks.find(abort.subtransaction);
  if (mark == open.marks.end()) return {};  // nothing of it was streamed
  const Mark first = mark->second;
  const auto later = [&](const auto& each) { return each.number >= first.number; };
  std::erase_if(open.marks, [&](const auto& each) { return later(each.second); });
  std::erase_if(open.assembled.tables, later);
  std::erase_if(open.assembled.words, later);
  open.numbers.clear();
  for (std::uint32_t number = 0; number < open.assembled.tables.size(); ++number) {
    open.numbers[open.assembled.tables[number].relation] = number;
  }
  open.assembled.changes = first.changes;
  if (const Status cut = open.assembled.spill->cut(first.place); !cut) return cut;
  return weigh(open, before);
}

Status Assembly::add(std::string_view bytes) {
  Assembled& assembled = current_->assembled;
  if (const std::uint32_t relation = relation_of(bytes); relation != 0) return record(relation, bytes);
  const auto message = decode_message(bytes);
  if (!message) return message.error();
  if (const auto* relation = std::get_if<Relation>(&*message)) {
    current_->numbers[relation->id] = static_cast<std::uint32_t>(assembled.tables.size());
    assembled.tables.push_back({relation->id, std::string(bytes), current_->messages});
  } else if (const auto* truncate = std::get_if<Truncate>(&*message)) {
    for (const std::uint32_t relation : truncate->relations) {
      if (const Status done = record(relation, bytes); !done) return done;
    }
  } else if (const auto* word = std::get_if<LogicalMessage>(&*message)) {
    if (word->transactional && word->prefix == kOurs && !word->content.empty()) {
      assembled.words.push_back({std::string(word->content), current_->messages});
    }
  }
  return {};
}

std::uint32_t Assembly::number_of(std::uint32_t relation) {
  auto& tables = current_->assembled.tables;
  const auto [place, first] =
      current_->numbers.try_emplace(relation, static_cast<std::uint32_t>(tables.size()));
  if (first) tables.push_back({relation, "", current_->messages});
  return place->second;
}

Status Assembly::record(std::uint32_t relation, std::string_view message) {
  Spill& spill = *current_->assembled.spill;
  const std::size_t before = spill.memory();
  if (const Status kept = spill.append(number_of(relation), message); !kept) return kept;
  ++current_->assembled.changes;
  return weigh(*current_, before);
}

void Assembly::tell() {
  probe_.open_bytes(memory_);
  probe_.spill_bytes(room_.files->used());
}

Status Assembly::weigh(const Open& open, std::size_t before) {
  memory_ = memory_ - before + open.assembled.spill->memory();
  while (memory_ > memory_max_) {
    const auto largest = std::max_element(open_.begin(), open_.end(), [](const auto& a, const auto& b) {
      return a.second.assembled.spill->memory() < b.second.assembled.spill->memory();
    });
    Spill& spill = *largest->second.assembled.spill;
    memory_ -= spill.memory();
    if (!spill.in_file()) probe_.spilled();
    if (const Status moved = spill.go_on_in_file(); !moved) return moved;
    memory_ += spill.memory();
  }
  tell();
  return {};
}

Result<Assembled> Assembly::commit(const Commit& commit) {
  if (current_ == nullptr || block_ || current_->begun_lsn != commit.commit_lsn) {
    return disorder("committed a transaction that it did not begin");
  }
  const auto found =
      std::find_if(open_.begin(), open_.end(), [&](const auto& each) { return &each.second == current_; });
  current_ = nullptr;
  return end(found->first, commit);
}

Result<Assembled> Assembly::commit(const StreamCommit& commit) {
  if (current_ != nullptr) return disorder("ended a transaction inside of a block");
  return end(commit.xid, commit.commit);
}

Result<Assembled> Assembly::end(std::uint32_t xid, const Commit& commit) {
  const auto found = open_.find(xid);
  if (found == open_.end()) return disorder("committed a transaction that it did not begin");
  Assembled whole = std::move(found->second.assembled);
  open_.erase(found);
  memory_ -= whole.spill->memory();
  tell();
  whole.commit = commit;
  return whole;
}

}  // namespace tidegate::postgres
