#include "simulation/source.h"

#include <algorithm>
#include <utility>

#include "matcher/testing.h"

namespace tidegate::simulation {

// ---- the stream ----

Stream::~Stream() {
  if (slot_.holder == this) slot_.holder = nullptr;
}

Status Stream::start() {
  identity_ = database_.identity();
  slot_made_ = slot_.made;
  if (slot_.holder != nullptr) slot_.holder->cut();
  auto done = connect();
  start_ = slot_.confirmed;
  return done;
}

Status Stream::connect() {
  if (database_.identity() != identity_ || slot_.made != slot_made_) {
    return Error{Fault::lost, "the slot is another one"};
  }
  if (slot_.holder != nullptr) return Error{Fault::unavailable, "the slot is in use"};
  slot_.holder = this;
  sent_ = slot_.confirmed;
  connected_ = true;
  return {};
}

void Stream::cut() {
  connected_ = false;
  asked_ = false;
  if (slot_.holder == this) slot_.holder = nullptr;
}

void Stream::serve(std::size_t count) {
  if (!connected_ || database_.identity() != identity_ || slot_.made != slot_made_) return cut();
  slot_.confirmed = std::max(slot_.confirmed, confirmed_);
  const auto& commits = database_.commits();
  for (auto next = std::upper_bound(commits.begin(), commits.end(), sent_,
                                    [](Lsn lsn, const Commit& commit) { return lsn < commit.lsn; });
       next != commits.end() && count > 0; ++next, --count) {
    sent_events_.emplace_back(next->streamed);
    sent_ = next->lsn;
  }
  const bool all = commits.empty() || commits.back().lsn <= sent_;
  if (!all || count == 0 || standing_ || sent_ >= database_.wal_end()) return;
  sent_ = database_.wal_end();
  sent_events_.emplace_back(source::StreamPosition{sent_});
}

void Stream::look() {
  if (!std::exchange(asked_, false) || !connected_ || database_.identity() != identity_) return;
  answers_.push_back({database_.snapshot(), database_.wal_end()});
}

Result<source::StreamEvent> Stream::next(std::chrono::milliseconds) {
  const bool answer = !answers_.empty() && (!answers_last_ || sent_events_.empty());
  if (answer) {
    source::StreamEvent event = std::move(answers_.front());
    answers_.pop_front();
    return event;
  }
  if (!sent_events_.empty()) {
    source::StreamEvent event = std::move(sent_events_.front());
    sent_events_.pop_front();
    return event;
  }
  if (connected_) return source::StreamEvent(source::Idle{});
  if (auto done = connect(); !done) return done.error();
  return Error{Fault::unavailable, "the connection was lost"};
}

void Stream::nudge() {
  standing_ = false;
  if (connected_) database_.write_else(Dice(1));
}

// ---- snapshots and the catalogue ----

namespace {

class Reader final : public source::SnapshotReader {
 public:
  explicit Reader(Source& source) : source_(source) {}
  Status read(const query::Query& query, source::SnapshotSink& sink) override {
    Database& database = source_.database();
    if (source_.failures > 0) {
      --source_.failures;
      return Error{Fault::unavailable, "the database does not answer"};
    }
    if (database.locked_whole()) return Error{Fault::unavailable, "the table is locked"};
    ++source_.snapshots;
    const XidSnapshot seen = database.snapshot();
    const Rows rows = database.visible_rows();
    if (source_.before_h) source_.before_h();
    if (!sink.begin({Fence{database.wal_end(), seen}, source_.identity()})) return {};
    for (const auto& [id, row] : rows) {
      if (query.matches(row) && !sink.row(row)) break;
    }
    return {};
  }

 private:
  Source& source_;
};

}  // namespace

Result<std::unique_ptr<source::ChangeStream>> Source::open_stream() {
  return Error{Fault::unavailable, "the world makes streams itself"};
}

Result<std::unique_ptr<source::SnapshotReader>> Source::open_snapshot_reader() {
  return std::unique_ptr<source::SnapshotReader>(std::make_unique<Reader>(*this));
}

Result<std::unique_ptr<source::CatalogueReader>> Source::open_catalogue() {
  return std::unique_ptr<source::CatalogueReader>(std::make_unique<Tables>(*this));
}

Result<query::Catalogue> Tables::read() {
  static const query::Catalogue catalogue({matcher::orders()});
  return catalogue;
}

}  // namespace tidegate::simulation
