#include "feed/replay.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "feed/encoder.h"
#include "feed/numbering.h"
#include "protocol/deflate.h"

namespace tidegate::feed {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kFirstWindow = 256;  // records; each next one is four times as long
constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::size_t kHeadersMax = 64;  // of one record in one batch, all encodings together
constexpr std::size_t kCopies = 3;       // of a value at most, as it is and in one encoding
constexpr std::size_t kBatchMax = std::numeric_limits<std::uint32_t>::max();  // what a Slice can point into

struct ReplayedRecord {
  Partition partition;
  Offset offset;
  Lsn lsn;
  std::optional<Xid> xid;
  std::uint32_t part = 0;
  bool last = true;
  std::string value;
};

/// Shared by all searches for the key.
using Records = std::vector<std::shared_ptr<const ReplayedRecord>>;

/// One walk over the log for some jobs.
class Walk {
 public:
  Walk(log::Log& log, Clock& clock, const Options& options, const std::atomic<bool>& stopping, HeldBytes held,
       std::vector<ReplayJob> jobs)
      : log_(log), clock_(clock), options_(options), stopping_(stopping), held_(std::move(held)) {
    strips_.resize(static_cast<std::size_t>(log.partitions()));
    for (ReplayJob& job : jobs) {
      for (std::size_t p = 0; p < strips_.size(); ++p) strips_[p].low = std::max(strips_[p].low, job.ends[p]);
      searches_.push_back({std::move(job), std::vector<Sight>(strips_.size())});
    }
    for (Search& search : searches_) keys_[search.job.key].searches.push_back(&search);
  }

  void run(const std::function<void(ReplayResult)>& done) {
    for (std::size_t p = 0; p < strips_.size(); ++p) open(p);
    bool more = true;
    while (more && !stopping_) {
      more = false;
      for (std::size_t p = 0; p < strips_.size(); ++p) {
        if (!strips_[p].ended) scan(p);
        more |= !strips_[p].ended;
      }
      for (Search& search : searches_) {
        if (!search.answered && exact(search)) answer(search, true, done);
      }
      more &=
          std::any_of(searches_.begin(), searches_.end(), [](const Search& each) { return !each.answered; });
    }
    for (Search& search : searches_) {
      if (!search.answered) answer(search, false, done);
    }
  }

 private:
  /// What a partition has shown of a key.
  struct Sight {
    bool any = false;
    bool at_or_below = false;
  };
  struct Search {
    ReplayJob job;
    std::vector<Sight> sights;
    bool answered = false;
  };
  struct Key {
    std::vector<Search*> searches;
    Records records;
  };
  /// A partition, read from `low` on.
  struct Strip {
    Offset low{0};
    Offset start{0};
    std::int64_t window = kFirstWindow;
    std::size_t bytes = 0;
    bool ended = false;  // nothing more is to be had
    std::unique_ptr<log::Reader> reader;
    [[nodiscard]] bool whole() const { return low.value() == 0; }
  };

  void open(std::size_t p) {
    Strip& strip = strips_[p];
    const Partition partition(static_cast<std::int32_t>(p));
    const auto watermarks = log_.watermarks(partition);
    strip.start = watermarks ? watermarks->start : strip.low;
    strip.ended = strip.low <= strip.start;
    if (strip.ended) return;
    auto reader = log_.open_reader({{partition, strip.low}});
    strip.ended = !reader.ok();
    if (reader) strip.reader = std::move(*reader);
  }

  [[nodiscard]] bool late() const {
    return stopping_ || std::all_of(searches_.begin(), searches_.end(), [this](const Search& each) {
             return each.answered || clock_.steady() >= each.job.deadline;
           });
  }

  /// Reads the next window below.
  void scan(std::size_t p) {
    Strip& strip = strips_[p];
    const Offset from(std::max(strip.start.value(), strip.low.value() - strip.window));
    strip.window *= 4;
    const auto partition = Partition(static_cast<std::int32_t>(p));
    std::vector<std::pair<Key*, std::shared_ptr<const ReplayedRecord>>> found;
    strip.ended = true;  // unless the window is read to its end
    if (!strip.reader->seek({partition, from}).ok()) return;
    for (bool over = false; !over;) {
      const auto batch = strip.reader->read(50ms, kReadBytes);
      if (!batch.ok() || late()) return;
      strip.bytes += batch->bytes;
      for (const log::Record& record : batch->records) {
        over |= record.offset.value() >= strip.low.value() - 1;
        if (record.offset < strip.low) look(record, found);
      }
      // The last record below `low` need not be the one before it: a transaction's marker takes an offset.
      for (const log::Start& end : batch->ends) over |= end.offset >= strip.low;
      if (!over && strip.bytes > options_.replay_bytes_max) return;
    }
    for (auto& [key, record] : found) note(p, *key, std::move(record));
    strip.low = from;
    strip.ended = from <= strip.start || strip.bytes > options_.replay_bytes_max;
  }

  void look(const log::Record& record,
            std::vector<std::pair<Key*, std::shared_ptr<const ReplayedRecord>>>& found) {
    if (record.keyless || record.tombstone || record.headers.malformed || !record.headers.lsn) return;
    const auto key = keys_.find(record.key);
    if (key == keys_.end()) return;
    const log::Headers& headers = record.headers;
    found.emplace_back(&key->second,
                       std::make_shared<const ReplayedRecord>(ReplayedRecord{
                           record.partition, record.offset, *headers.lsn, headers.xid, headers.part,
                           (headers.flags & log::kFlagLastPart) != 0, std::string(record.value)}));
  }

  static void note(std::size_t p, Key& key, std::shared_ptr<const ReplayedRecord> record) {
    for (Search* search : key.searches) {
      if (record->offset >= search->job.ends[p]) continue;
      search->sights[p].any = true;
      search->sights[p].at_or_below |= record->lsn <= search->job.from;
    }
    key.records.push_back(std::move(record));
  }

  [[nodiscard]] bool exact(const Search& search) const {
    bool anywhere = false;
    bool everywhere = true;
    for (std::size_t p = 0; p < strips_.size(); ++p) {
      const Sight& sight = search.sights[p];
      anywhere |= sight.at_or_below;
      if (sight.any && !sight.at_or_below && !strips_[p].whole()) return false;
      everywhere &= strips_[p].whole();
    }
    return anywhere || everywhere;
  }

  void answer(Search& search, bool exact, const std::function<void(ReplayResult)>& done) {
    search.answered = true;
    ReplayResult result{.ticket = search.job.ticket};
    if (exact) result.history = encoded(search.job, records_of(search.job));
    result.bound = exact && !result.history;
    done(std::move(result));
  }

  [[nodiscard]] Records records_of(const ReplayJob& job) const {
    Records records;
    for (const auto& record : keys_.find(std::string_view(job.key))->second.records) {
      const Offset end = job.ends[static_cast<std::size_t>(record->partition.value())];
      if (record->lsn > job.from && record->offset < end) records.push_back(record);
    }
    std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
      return std::tie(a->lsn, a->partition, a->offset) < std::tie(b->lsn, b->partition, b->offset);
    });
    return records;
  }

  /// Null where there is no room. Where there is none for each value twice, it is encoded for each who wants
  /// it as that one goes on.
  std::shared_ptr<History> encoded(const ReplayJob& job, const Records& records) {
    std::size_t bytes = 0;
    for (const auto& record : records) bytes += kHeadersMax + record->value.size();
    const std::size_t bytes_max = std::min(options_.history_bytes_max, kBatchMax);
    if (*held_ + bytes > bytes_max || records.size() >= Numbering::kReplayMax) return nullptr;
    Wanted wanted{};
    wanted[static_cast<std::size_t>(job.encoding)] = *held_ + kCopies * bytes <= bytes_max;
    auto history = std::make_shared<History>();
    FeedSeq seq = job.after;
    for (const auto& record : records) {
      seq = seq.next();
      const Frame frame{.channel = job.channel,
                        .seq = seq,
                        .partition = record->partition,
                        .offset = record->offset,
                        .lsn = record->lsn,
                        .xid = record->xid,
                        .part = record->part,
                        .last = record->last};
      encode(history->batch, frame, record->value, wanted, nullptr, deflater_);
    }
    history->up_to = FeedSeq(job.after.value() + Numbering::kReplayMax);
    history->held = held_;
    *held_ += history->batch.bytes.size();
    return history;
  }

  log::Log& log_;
  Clock& clock_;
  const Options& options_;
  const std::atomic<bool>& stopping_;
  const HeldBytes held_;
  protocol::Deflater deflater_;
  std::vector<Strip> strips_;
  std::vector<Search> searches_;
  std::unordered_map<std::string_view, Key> keys_;  // views of the jobs' own keys
};

}  // namespace

Replay::Replay(log::Log& log, Clock& clock, const Options& options, std::function<void(ReplayResult)> done)
    : done_(std::move(done)),
      worker_(kJobsMax, options.snapshot_threads > 0,
              [this, &log, &clock, &options](std::vector<ReplayJob> jobs, const std::atomic<bool>& stopping) {
                Walk(log, clock, options, stopping, held_, std::move(jobs)).run(done_);
              }) {}

}  // namespace tidegate::feed
