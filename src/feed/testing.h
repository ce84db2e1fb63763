#pragma once

// What the feed's tests share: a clock and a snapshot reader that the test moves by hand, a matcher's
// records, a shard that collects events, and followers that do what a hub does with them.

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "feed/encoder.h"
#include "feed/feed.h"
#include "log/memory_log.h"
#include "protocol/diff.h"
#include "query/testing.h"
#include "registry/direct_registry.h"

namespace tidegate::feed {

inline constexpr std::chrono::seconds kTestPatience{10};

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Steady steady() const override { return Steady(std::chrono::milliseconds(now_ms_)); }
  [[nodiscard]] Wall wall() const override { return Wall(std::chrono::milliseconds(now_ms_)); }
  void advance(std::chrono::milliseconds by) { now_ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_ms_{1'000'000};
};

/// Events in the order in which they were posted.
class TestShard {
 public:
  ShardPort port() {
    return {[this](Event event, std::size_t) {
              {
                std::lock_guard lock(mutex_);
                events_.push_back(std::move(event));
              }
              changed_.notify_all();
            },
            [this] { return backlog_.load(); }};
  }
  void set_backlog(std::size_t bytes) { backlog_ = bytes; }
  /// The next event; a failure of the test where none comes.
  Event next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kTestPatience, [this] { return !events_.empty(); })) {
      ADD_FAILURE() << "no event came";
      return Waiting{};
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  bool empty() {
    std::lock_guard lock(mutex_);
    return events_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  std::atomic<std::size_t> backlog_{0};
};

/// A database whose snapshots begin when the feed asks and end when the test says so.
class ScriptedSource final : public source::Source {
 public:
  struct Answer {
    Fence fence;
    std::vector<query::Row> rows;
    Status status;
    SourceIdentity identity{"system", 1, "shop"};
  };

  Result<std::unique_ptr<source::ChangeStream>> open_stream() override {
    return Error{Fault::unavailable, "the test has none"};
  }
  Result<std::unique_ptr<source::SnapshotReader>> open_snapshot_reader() override {
    return std::unique_ptr<source::SnapshotReader>(std::make_unique<Reader>(*this));
  }
  Result<std::unique_ptr<source::CatalogueReader>> open_catalogue() override {
    return std::unique_ptr<source::CatalogueReader>(std::make_unique<Tables>(*this));
  }

  SourceIdentity identity{"system", 1, "shop"};

  /// Waits until so many snapshots have begun.
  void wait_begun(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kTestPatience, [&] { return begun_ >= count; }))
        << "snapshot " << count;
  }
  int begun() {
    std::lock_guard lock(mutex_);
    return begun_;
  }
  void release(Answer answer) {
    std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    changed_.notify_all();
  }

 private:
  class Reader final : public source::SnapshotReader {
   public:
    explicit Reader(ScriptedSource& source) : source_(source) {}
    Status read(const query::Query&, source::SnapshotSink& sink) override {
      std::unique_lock lock(source_.mutex_);
      ++source_.begun_;
      source_.changed_.notify_all();
      if (!source_.changed_.wait_for(lock, kTestPatience, [&] { return !source_.answers_.empty(); })) {
        return Error{Fault::unavailable, "the test did not release it"};
      }
      const Answer answer = std::move(source_.answers_.front());
      source_.answers_.pop_front();
      lock.unlock();
      if (!answer.status.ok()) return answer.status;
      if (!sink.begin({answer.fence, answer.identity})) return {};
      for (const query::Row& row : answer.rows) {
        if (!sink.row(row)) break;
      }
      return {};
    }

   private:
    ScriptedSource& source_;
  };
  class Tables final : public source::CatalogueReader {
   public:
    explicit Tables(ScriptedSource& source) : source_(source) {}
    Result<query::Catalogue> read() override { return query::Catalogue(); }
    Result<SourceIdentity> identity() override { return source_.identity; }
    Status reachable() override { return {}; }

   private:
    ScriptedSource& source_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  int begun_ = 0;
  std::deque<Answer> answers_;
};

/// What a follower was given, and in which way.
struct Got {
  Lsn lsn;
  std::string payload;
  std::uint32_t part = 0;
  bool operator==(const Got&) const = default;
};

/// Does what a hub does for one subscription.
struct Follower {
  SubscriptionId id;
  protocol::Encoding encoding = protocol::Encoding::raw;
  bool pass_through = false;
  ChannelId channel;
  std::optional<Accepted> accepted;
  std::optional<Refused> refused;
  std::vector<SnapshotReady> snapshots;
  std::vector<Got> got;  ///< since the last snapshot
  FeedSeq place;
  FeedSeq whole;  ///< where whole transactions end
  Lsn floor;      ///< everything up to it is held
  bool lagging = false;
  bool live = false;
  int unsolicited = 0;
  bool latest = false;  ///< wants the last states alone
  bool stalls = false;  ///< does not ask by itself for what comes after its snapshot
  int waiting = 0;
  int chunks = 0;
  int conflated = 0;
};

/// A feed on its own thread, with all that surrounds it.
class Stage {
 public:
  explicit Stage(bool managed, Options options = {}, std::int32_t partitions = 2,
                 std::size_t log_bytes = std::size_t{64} << 20)
      : managed_(managed), log(partitions, log_bytes), options_(options) {
    if (managed) registry.append(bound(), [](const Result<Offset>&) {});
    following_ = *registry.follow(
        [this](const registry::Entry& entry) {
          const auto* registration = std::get_if<registry::Registration>(&entry.record);
          if (registration == nullptr) return;
          std::lock_guard lock(registered_mutex_);
          registered_.insert(registration->routing_key);
          registered_changed_.notify_all();
        },
        [] {});
    auto opened = log.open_appender();
    appender_ = std::move(*opened);
  }
  ~Stage() { stop(); }

  registry::EpochBound bound() const { return {epoch, {"system", 1, "shop"}, "slot", log.partitions()}; }

  void start() {
    Parts parts{
        log,   managed_ ? &registry : nullptr, managed_ ? &source : nullptr, clock, metrics, {shard.port()},
        memory};
    parts.warn = [this](const std::string& line) { warned.push_back(line); };
    feed = std::make_unique<Feed>(std::move(parts), options_);
    ASSERT_TRUE(feed->start().ok());
    thread_ = std::thread([this] { EXPECT_TRUE(feed->run().ok()); });
  }
  void stop() {
    if (feed) feed->stop();
    if (thread_.joinable()) thread_.join();
  }

  // ---- a matcher's records ----

  Partition partition_of(std::string_view key) const {
    return Partition(
        static_cast<std::int32_t>(murmur2_positive(key) % static_cast<std::uint32_t>(log.partitions())));
  }
  void append(log::Kind kind, Partition partition, std::string key, std::string value, std::uint64_t lsn,
              std::optional<Xid> xid = {}, std::uint32_t part = 0, bool last = true) {
    log::Append record{partition, std::move(key), std::move(value), {}};
    record.headers.kind = kind;
    record.headers.lsn = Lsn(lsn);
    record.headers.xid = xid;
    if (managed_) record.headers.epoch = epoch;
    if (managed_) record.headers.generation = generation;
    record.headers.part = part;
    record.headers.flags = last ? log::kFlagLastPart : 0;
    EXPECT_TRUE(appender_->append(std::move(record)).ok());
  }
  void append_raw(log::Append record) { EXPECT_TRUE(appender_->append(std::move(record)).ok()); }
  void progress(std::uint64_t position, std::uint64_t visible) {
    for (std::int32_t p = 0; p < log.partitions(); ++p) {
      append(log::Kind::progress, Partition(p), "progress",
             R"({"position":")" + std::to_string(position) + R"(","visible":")" + std::to_string(visible) +
                 R"(","time_us":1})",
             position);
    }
  }
  /// Answers a registration: waits for it.
  void active(const std::string& key, const query::Query& query, std::uint64_t activation, std::uint64_t r) {
    {
      std::unique_lock lock(registered_mutex_);
      EXPECT_TRUE(
          registered_changed_.wait_for(lock, kTestPatience, [&] { return registered_.contains(key); }));
    }
    append(log::Kind::active, partition_of(key), key,
           R"({"activation":")" + hex(activation) + R"(","r":")" + std::to_string(r) + R"(","query":")" +
               query.hash().hex() + R"("})",
           r);
  }
  void closed(const std::string& key, std::uint64_t activation, std::uint64_t lsn) {
    append(log::Kind::closed, partition_of(key), key, R"({"activation":")" + hex(activation) + R"("})", lsn);
  }
  void diff(const std::string& key, std::uint64_t lsn, std::string value) {
    append(log::Kind::diff, partition_of(key), key, std::move(value), lsn, Xid(lsn));
  }
  static std::string hex(std::uint64_t value) {
    std::string bytes;
    append_big_endian(bytes, value);
    return hex_encode(bytes);
  }

  // ---- followers ----

  Follower& subscribe(const std::string& key, std::shared_ptr<const query::Query> query,
                      std::optional<protocol::Cursor> cursor = {}, std::optional<Lsn> resume_from = {},
                      std::optional<protocol::Encoding> wanted = {}) {
    const protocol::Encoding encoding =
        wanted.value_or(managed_ ? protocol::Encoding::v1 : protocol::Encoding::raw);
    const SubscriptionId id = subscription_id(0, ++last_id_);
    Follower& added = followers_[id];
    added.id = id;
    added.encoding = encoding;
    added.pass_through = !managed_;
    EXPECT_TRUE(feed->post(
        SubscribeCommand{id, key, std::move(query), encoding, std::move(cursor), resume_from, account}));
    return added;
  }
  void unsubscribe(Follower& follower) { EXPECT_TRUE(feed->post(UnsubscribeCommand{follower.id})); }
  void catch_up(Follower& follower) {
    follower.lagging = true;
    follower.live = false;
    std::optional<Lsn> latest_above;
    if (follower.latest) latest_above = follower.floor;
    EXPECT_TRUE(feed->post(
        CatchUpCommand{follower.id, follower.place, follower.whole, follower.floor, latest_above}));
  }

  void handle_one() {
    std::visit([this](const auto& event) { on(event); }, shard.next());
  }
  /// Handles events until the condition holds.
  template <class Condition>
  void until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kTestPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline || testing::Test::HasFailure()) {
        ADD_FAILURE() << "what was waited for did not come";
        return;
      }
      std::visit([this](const auto& event) { this->on(event); }, shard.next());
    }
  }
  void until_live(Follower& follower) {
    until([&] { return follower.live; });
  }
  /// Everything that was appended so far has been read and delivered. (Managed: a progress of this position.)
  void settle(std::uint64_t position, std::uint64_t visible) {
    progress(position, visible);
    until([&] {
      return std::all_of(passed_.begin(), passed_.end(),
                         [&](const auto& each) { return each.second >= Lsn(position); }) &&
             passed_.size() == static_cast<std::size_t>(log.partitions());
    });
  }
  [[nodiscard]] Lsn passed(Partition partition) const {
    auto found = passed_.find(partition);
    return found == passed_.end() ? Lsn() : found->second;
  }
  [[nodiscard]] bool has_metric(const std::string& line) const {
    return metrics.text().find(line) != std::string::npos;
  }

  bool managed_;
  log::MemoryLog log;
  registry::DirectRegistry registry;
  ScriptedSource source;
  std::shared_ptr<Budget> memory;  ///< set before the start
  ManualClock clock;
  metrics::Registry metrics;
  TestShard shard;
  std::unique_ptr<Feed> feed;
  Epoch epoch{77};
  Generation generation{1};
  std::vector<Stale> stale;
  std::vector<std::string> warned;  ///< on the feed's thread, before what it posts next
  std::vector<Evicted> evicted;
  std::vector<Relieve> relieved;
  std::vector<Follower*> last_snapshot;  ///< whom the last SnapshotReady was for
  int delivers = 0;
  std::shared_ptr<Account> account;  ///< of who subscribes
  bool hold = false;                 ///< what is delivered is kept, as in an outbox
  std::vector<FrameRun> held;

 private:
  /// The log's value; one that was put together has no raw frame.
  static std::string value_of(const FrameBatch& batch, const Frame& frame) {
    const Slice v1 = frame.slices[static_cast<std::size_t>(protocol::Encoding::v1)];
    if (frame.slices[static_cast<std::size_t>(protocol::Encoding::raw)].size > 0 || v1.size == 0) {
      return std::string(payload_of(batch, frame));
    }
    const std::size_t head = static_cast<std::uint8_t>(batch.bytes[v1.offset + 1]) < 126 ? 2 : 4;
    return batch.bytes.substr(v1.offset, v1.size).substr(head + protocol::kDataHeaderSize);
  }
  void take(Follower& follower, const FrameRun& run) {
    for (std::uint32_t index : run.frames) {
      const Frame& frame = run.batch->frames[index];
      if (frame.channel != follower.channel) continue;
      EXPECT_GT(frame.seq, follower.place);
      follower.place = frame.seq;
      if (frame.last) {
        follower.whole = frame.seq;
        follower.floor = std::max(follower.floor, frame.lsn);
      }
      const Slice slice = frame.slices[static_cast<std::size_t>(follower.encoding)];
      if (slice.size == 0) continue;
      const bool piece = managed_ && (frame.part != 0 || !frame.last);
      if (piece && !protocol::takes_parts(follower.encoding)) continue;
      const bool whole = managed_ && protocol::plain(follower.encoding) != protocol::Encoding::json;
      follower.got.push_back({frame.lsn,
                              whole || follower.encoding == protocol::Encoding::raw
                                  ? value_of(*run.batch, frame)
                                  : run.batch->bytes.substr(slice.offset, slice.size),
                              frame.part});
    }
  }
  void on(const Accepted& event) {
    Follower& follower = followers_.at(event.subscription);
    follower.channel = event.channel;
    if (event.unsolicited) {
      ++follower.unsolicited;
      follower.live = follower.lagging = false;
      return;
    }
    EXPECT_FALSE(follower.accepted) << "the ack is sent once";
    follower.accepted = event;
    if (!event.resumed || follower.pass_through) return;
    follower.place = follower.whole = event.after;
    follower.floor = event.floor;
    catch_up(follower);
  }
  void on(const SnapshotReady& event) {
    last_snapshot.clear();
    for (SubscriptionId id : event.subscriptions) {
      Follower& follower = followers_.at(id);
      last_snapshot.push_back(&follower);
      follower.snapshots.push_back(event);
      follower.got.clear();
      follower.place = follower.whole = event.after;
      follower.floor = event.floor;
      if (!follower.stalls) catch_up(follower);
    }
  }
  void on(const CaughtUp& event) {
    Follower& follower = followers_.at(event.subscription);
    if (!follower.lagging || event.after != follower.place) return;
    ++follower.chunks;
    if (hold) held.insert(held.end(), event.runs.begin(), event.runs.end());
    for (const FrameRun& run : event.runs) take(follower, run);
    if (event.conflated) follower.floor = std::max(follower.floor, event.conflated->lsn);
    follower.conflated += event.conflated.has_value() ? 1 : 0;
    EXPECT_GE(event.up_to, follower.place);
    follower.place = event.up_to;
    follower.live = event.live;
    follower.lagging = !event.live;
    if (!event.live) catch_up(follower);
  }
  void on(const Deliver& event) {
    ++delivers;
    if (hold) held.push_back(event.run);
    for (auto& [id, follower] : followers_) {
      if (follower.live) take(follower, event.run);
    }
  }
  void on(const Passed& event) { passed_[event.partition] = event.lsn; }
  void on(const Unread& event) { passed_.erase(event.partition); }
  void on(const Refused& event) { followers_.at(event.subscription).refused = event; }
  void on(const Waiting& event) {
    if (event.subscription != SubscriptionId()) ++followers_.at(event.subscription).waiting;
  }
  void on(const Evicted& event) { evicted.push_back(event); }
  void on(const Relieve& event) { relieved.push_back(event); }
  void on(const Stale& event) { stale.push_back(event); }

  Options options_;
  std::unique_ptr<log::Appender> appender_;
  std::uint64_t last_id_ = 0;
  std::map<SubscriptionId, Follower> followers_;
  std::map<Partition, Lsn> passed_;
  std::mutex registered_mutex_;
  std::condition_variable registered_changed_;
  std::set<std::string> registered_;
  std::unique_ptr<registry::Following> following_;
  std::thread thread_;
};

/// A query over `things`, a different one for each value.
inline std::shared_ptr<const query::Query> query_for(int value) {
  query::ParsedQuery parsed;
  parsed.table = "things";
  parsed.columns = {"id", "title"};
  parsed.where = {query::compare("count", query::Op::eq, {query::number(std::to_string(value))})};
  auto bound = query::bind_things(parsed);
  EXPECT_TRUE(bound.ok());
  return *bound;
}

inline query::Row thing(int id, std::string title) {
  query::Row row(query::things().columns.size());
  row[0] = std::to_string(id);
  row[3] = std::move(title);
  return row;
}

}  // namespace tidegate::feed
