#include "feed/history_walk.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "feed/encoder.h"
#include "feed/numbering.h"
#include "feed/order.h"
#include "feed/values.h"

namespace tidegate::feed {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 50ms;  // of one read
constexpr int kIdleMax = 100;     // reads that give nothing: about 5 s
constexpr std::size_t kReadBytes = 1 << 20;

constexpr auto index_of(protocol::Encoding encoding) {
  return static_cast<std::size_t>(encoding);
}

}  // namespace

HistoryWalk::HistoryWalk(log::Log& log, Probe& probe, const Options& options, HeldBytes held,
                         const std::function<void(RereadResult)>& done, std::vector<RereadJob> jobs)
    : log_(log),
      probe_(probe),
      options_(options),
      held_(std::move(held)),
      done_(done),
      jobs_(std::move(jobs)) {
  for (const RereadJob& job : jobs_) spans_[job.key].jobs.push_back(&job);
  for (auto& [key, span] : spans_) {
    std::sort(span.jobs.begin(), span.jobs.end(), [](const auto* a, const auto* b) {
      return std::tie(a->lsn, a->offset) < std::tie(b->lsn, b->offset);
    });
  }
}

FeedSeq HistoryWalk::seq(const Span& span, Offset offset) {
  return FeedSeq(span.jobs.front()->zero.value() +
                 static_cast<std::uint64_t>(offset.value() + 1) * kSeqStride);
}

void HistoryWalk::run(const std::atomic<bool>& stopping) {
  std::size_t bytes = 0;
  int idle = 0;
  bool more = open();
  while (more && !spans_.empty() && !stopping && idle < kIdleMax) {
    const auto batch = reader_->read(kPatience, std::min(kReadBytes, options_.replay_bytes_max));
    if (!batch) {
      fail_all(batch.error().fault == Fault::lost ? Refusal::retention : Refusal::unavailable);
      break;
    }
    idle = batch->records.empty() ? idle + 1 : 0;
    bytes += batch->bytes;
    bytes_ += batch->bytes;
    read(*batch);
    if (batch->ends.empty() || !batch->records.empty()) continue;
    finish(true);
    fail_all(Refusal::gone);  // what was read live is not there any more: it is another log
  }
  fail_all(Refusal::unavailable);
  probe_.reread(bytes);
}

/// Begins at the lowest place that the log still has.
bool HistoryWalk::open() {
  const Partition partition = jobs_.front().partition;
  const auto range = log_.watermarks(partition);
  if (!range) return false;
  std::vector<std::string_view> keys;
  for (const auto& [key, span] : spans_) keys.push_back(key);
  for (const std::string_view key : keys) {
    Span& span = spans_.at(key);
    std::erase_if(span.jobs, [&](const RereadJob* job) {
      if (job->offset >= range->start && job->offset < range->end) return false;
      refuse(*job, job->offset < range->start ? Refusal::retention : Refusal::gone);
      return true;
    });
    if (span.jobs.empty()) {
      spans_.erase(key);
    } else {
      await(span);
    }
  }
  if (begins_.empty()) return false;
  auto reader = log_.open_reader({{partition, begins_.begin()->first}});
  if (!reader) return false;
  reader_ = std::move(*reader);
  return true;
}

/// The span begins at the place of the lowest LSN.
void HistoryWalk::await(Span& span) {
  span.begun = false;
  span.unfinished.reset();
  span.parts.clear();
  span.history.reset();
  begins_.emplace(span.jobs.front()->offset, span.jobs.front()->key);
}

void HistoryWalk::read(const log::Batch& batch) {
  if (batch.records.empty()) return;
  for (const log::Record& record : batch.records) look(record);
  read_ = batch.records.back().offset;
  std::size_t building = 0;
  for (const auto& [key, span] : spans_) building += span.begun ? span.history->batch.bytes.size() : 0;
  if (bytes_ > options_.replay_bytes_max || *held_ + building > options_.history_bytes_max) bound();
  finish(false);
}

void HistoryWalk::look(const log::Record& record) {
  while (!begins_.empty() && begins_.begin()->first <= record.offset) {
    const auto [offset, key] = *begins_.begin();
    begins_.erase(begins_.begin());
    const auto found = spans_.find(key);
    if (found == spans_.end() || found->second.begun) continue;
    if (offset == record.offset) {
      begin(found->second, record);
    } else {
      fail_before(found->second, record.offset, Refusal::gone);
    }
  }
  const RereadJob& any = jobs_.front();
  if (stranger(record, any.epoch, seen_, any.fences)) return;
  seen_ = std::max(seen_, *record.headers.generation);
  if (record.headers.kind == log::Kind::progress) return;
  const auto found = spans_.find(record.key);
  if (found == spans_.end() || !found->second.begun) return;
  if (record.offset > found->second.jobs.front()->offset) take(found->second, record);
}

/// The place's own record must be what the place says, else this is another log than the one it is of.
void HistoryWalk::begin(Span& span, const log::Record& record) {
  const RereadJob& job = *span.jobs.front();
  const log::Headers& headers = record.headers;
  if (headers.epoch != job.epoch || !headers.lsn || *headers.lsn > job.record_lsn_max) {
    return fail_before(span, record.offset.next(), Refusal::gone);
  }
  span.begun = true;
  span.bytes_before = bytes_;
  span.last_complete = job.lsn;
  span.history = std::make_shared<History>();
}

void HistoryWalk::take(Span& span, const log::Record& record) {
  const RereadJob& job = *span.jobs.front();
  switch (record.headers.kind) {
    case log::Kind::diff:
      return diff(span, record);
    case log::Kind::active: {
      const auto active = parse_active(record.value);
      if (active && active->activation != job.activation) fail_before(span, record.offset, Refusal::broken);
      return;
    }
    case log::Kind::closed:
      if (parse_closed(record.value) == job.activation) fail_before(span, record.offset, Refusal::broken);
      return;
    case log::Kind::state:
      if (*record.headers.lsn <= span.last_complete) return;
      [[fallthrough]];
    case log::Kind::reset:
    case log::Kind::schema:
      return fail_before(span, record.offset, Refusal::broken);
    case log::Kind::progress:
      return;
  }
}

void HistoryWalk::diff(Span& span, const log::Record& record) {
  const RereadJob& job = *span.jobs.front();
  const log::Headers& headers = record.headers;
  switch (standing(headers, span.last_complete, span.unfinished)) {
    case Standing::seen:
      return;
    case Standing::headless:
      return fail_before(span, record.offset, Refusal::broken);
    case Standing::next:
      break;
  }
  const Frame frame{.channel = job.channel,
                    .seq = seq(span, record.offset),
                    .partition = record.partition,
                    .offset = record.offset,
                    .lsn = *headers.lsn,
                    .xid = headers.xid,
                    .part = headers.part,
                    .last = (headers.flags & log::kFlagLastPart) != 0};
  move_on(headers, span.last_complete, span.unfinished);
  Wanted wanted{};
  for (const RereadJob* each : span.jobs) wanted[index_of(each->encoding)] = true;
  std::optional<TextTails> texts;
  if (wants_text(wanted)) {
    if (frame.part == 0) span.parts.clear();
    span.parts += record.value;
    if (frame.last) {
      texts = render_text(span.parts, {job.epoch, job.query, job.activation, frame.partition, frame.offset,
                                       frame.lsn, std::nullopt});
      if (!texts) return fail_before(span, record.offset, Refusal::broken);
    }
  }
  encode(span.history->batch, frame, record.value, wanted, texts ? &*texts : nullptr, deflater_);
}

/// Answers those whose tails begin at or before what was read; at the log's end also in the middle of parts.
void HistoryWalk::finish(bool at_end) {
  for (auto each = spans_.begin(); each != spans_.end();) {
    Span& span = each->second;
    const bool there = span.begun && (!span.unfinished || at_end) &&
                       std::all_of(span.jobs.begin(), span.jobs.end(),
                                   [this](const RereadJob* job) { return job->to <= read_; });
    if (!there) {
      ++each;
      continue;
    }
    span.history->up_to = seq(span, read_);
    span.history->held = held_;
    *held_ += span.history->batch.bytes.size();
    for (const RereadJob* job : span.jobs) {
      done_({.subscription = job->subscription,
             .ticket = job->ticket,
             .history = span.history,
             .bytes = bytes_ - span.bytes_before});
    }
    each = spans_.erase(each);
  }
}

void HistoryWalk::refuse(const RereadJob& job, Refusal reason) {
  done_({.subscription = job.subscription, .ticket = job.ticket, .refusal = reason});
}

void HistoryWalk::fail_before(Span& span, Offset at, Refusal reason) {
  const std::string_view key = span.jobs.front()->key;
  std::erase_if(span.jobs, [&](const RereadJob* job) {
    if (job->offset >= at) return false;
    refuse(*job, reason);
    return true;
  });
  if (span.jobs.empty()) {
    spans_.erase(key);
  } else {
    await(span);
  }
}

void HistoryWalk::fail_all(Refusal reason) {
  for (auto& [key, span] : spans_) {
    for (const RereadJob* job : span.jobs) refuse(*job, reason);
  }
  spans_.clear();
  begins_.clear();
}

/// What began early has cost too much; what begins later may still be cheap.
void HistoryWalk::bound() {
  std::vector<std::string_view> begun;
  for (const auto& [key, span] : spans_) {
    if (span.begun) begun.push_back(key);
  }
  for (const std::string_view key : begun) fail_before(spans_.at(key), read_.next(), Refusal::bound);
  bytes_ = 0;
}

}  // namespace tidegate::feed
