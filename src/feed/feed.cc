#include "feed/feed.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/fault_point.h"
#include "base/mailbox.h"
#include "base/owner_thread.h"
#include "feed/control.h"
#include "feed/inspection.h"
#include "feed/managed.h"
#include "feed/pass_through.h"
#include "feed/pressure.h"

namespace tidegate::feed {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kPatience = 100ms;      // one read waits so long; whatever comes wakes it
constexpr std::chrono::milliseconds kTick = 100ms;          // between two looks at what waits for time
constexpr std::chrono::milliseconds kCongestedWait = 5ms;   // shards drain without telling us
constexpr std::chrono::milliseconds kControlTimeout = 10s;  // to read the control topic whole
constexpr std::chrono::milliseconds kHeadTimeout = 2s;      // to read the log's last records
constexpr std::int64_t kHeadRecords = 64;                   // of each partition, to learn the head's LSN
/// Bounded by the pool's and the replay's own queues.
constexpr std::size_t kResultsMax = std::numeric_limits<std::size_t>::max();

std::size_t weight(const Command& command) {
  const auto* subscribe = std::get_if<SubscribeCommand>(&command);
  if (subscribe == nullptr) return sizeof(Command);
  std::size_t fence = 0;
  if (subscribe->cursor && subscribe->cursor->fence && subscribe->cursor->fence->snapshot)
    fence = subscribe->cursor->fence->snapshot->in_progress.size() * sizeof(Xid);
  return sizeof(Command) + subscribe->routing_key.size() + fence;
}

}  // namespace

class Feed::State {
 public:
  State(Parts parts, Options options)
      : parts_(std::move(parts)),
        options_(options),
        probe_(parts_.metrics),
        channels_(parts_.shards.size()),
        tail_(options_.tail_bytes_max, channels_, parts_.memory),
        delivery_(parts_.shards, tail_, probe_, parts_.clock, options_,
                  parts_.registry == nullptr ? 1 : parts_.log.partitions()),
        pressure_(parts_.memory, channels_, tail_, delivery_, probe_),
        commands_(options_.commands_bytes_max),
        snapshots_(kResultsMax),
        replays_(kResultsMax),
        rereads_(kResultsMax),
        ends_(kResultsMax) {
    assert((parts_.registry == nullptr) == (parts_.source == nullptr));
    assert(!parts_.shards.empty());
  }

  Status start();
  Status run();
  Status step(std::chrono::milliseconds wait);
  bool work() {
    return (reading_ && reading_->work()) || (pool_ && pool_->work()) || (reread_ && reread_->work()) ||
           (replay_ && replay_->work());
  }
  void stop() {
    stopping_ = true;
    wake();
  }
  bool post(Command command) {
    const std::size_t bytes = weight(command);
    if (started_ && commands_.post(std::move(command), bytes)) return true;
    probe_.command_refused();
    return false;
  }
  [[nodiscard]] Status ready() const;

 private:
  [[nodiscard]] bool managed() const { return parts_.registry != nullptr; }
  void wake() {
    if (started_) reader_->wake();
  }
  /// Whether only partitions that have channels are read.
  [[nodiscard]] bool on_demand() const {
    return managed() && parts_.registry->leases() && !options_.read_all_partitions;
  }
  [[nodiscard]] bool reads(Partition partition) const;
  Result<std::vector<log::Start>> starts();
  Status start_managed(const std::vector<log::Start>& ends);
  Status start_pass_through(const std::vector<log::Start>& starts);
  void read_head(const std::vector<log::Start>& ends);
  Status check_database();
  Status learn();
  void handle(const std::vector<Command>& commands);
  void handle_results();
  void handle_batch(const log::Batch& batch);
  Status handle_error(const Error& error, std::chrono::milliseconds wait);
  Status on_time();
  void watch_staleness(Steady now);

  Parts parts_;
  const Options options_;
  Probe probe_;
  Channels channels_;
  Tail tail_;
  Delivery delivery_;
  Pressure pressure_;
  Mailbox<Command> commands_;
  Mailbox<SnapshotResult> snapshots_;
  Mailbox<ReplayResult> replays_;
  Mailbox<RereadResult> rereads_;
  Mailbox<EndResult> ends_;
  std::unique_ptr<log::Reader> reader_;
  std::atomic<bool> started_{false};  // reader_ is set
  std::atomic<bool> stopping_{false};
  std::atomic<bool> heard_lately_{false};
  OwnerThread owner_;
  Steady ticked_{};
  Steady heard_{};  // from upstream
  Wall heard_wall_{};
  bool stale_ = false;
  // Below what their threads' callbacks use.
  std::unique_ptr<Control> control_;
  std::unique_ptr<SnapshotPool> pool_;
  std::unique_ptr<Reread> reread_;
  std::unique_ptr<Reading> reading_;
  std::unique_ptr<Managed> managed_;
  std::unique_ptr<Replay> replay_;
  std::unique_ptr<PassThrough> pass_through_;
};

// ---- start ----

/// At first one is enough, whose `progress` tells that the matcher is there; not the same in all gateways.
bool Feed::State::reads(Partition partition) const {
  if (!on_demand()) return true;
  if (reading_) return reading_->reads(partition);
  const auto partitions = static_cast<std::uint64_t>(parts_.log.partitions());
  return static_cast<std::uint64_t>(partition.value()) == control_->incarnation().value() % partitions;
}

/// The end of each partition that is read: rule 17 wants it noted before the first registration there.
Result<std::vector<log::Start>> Feed::State::starts() {
  std::vector<log::Start> starts;
  for (std::int32_t p = 0; p < parts_.log.partitions(); ++p) {
    if (!reads(Partition(p))) continue;
    const auto watermarks = parts_.log.watermarks(Partition(p));
    if (!watermarks) return watermarks.error();
    starts.push_back({Partition(p), watermarks->end});
  }
  return starts;
}

Status Feed::State::start() {
  assert(!started_);
  if (managed()) {
    // First: of what is read from the log then, no generation is unknown that was overthrown before (rule 4).
    control_ = std::make_unique<Control>(*parts_.registry, parts_.clock, options_, [this] { wake(); });
    if (auto status = control_->start(kControlTimeout); !status) return status;
  }
  const auto ends = starts();
  if (!ends) return ends.error();
  auto reader = parts_.log.open_reader(*ends);
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  heard_ = parts_.clock.steady();
  heard_wall_ = parts_.clock.wall();
  const Status status = managed() ? start_managed(*ends) : start_pass_through(*ends);
  if (!status) return status;
  commands_.set_on_post([this] { reader_->wake(); });
  snapshots_.set_on_post([this] { reader_->wake(); });
  replays_.set_on_post([this] { reader_->wake(); });
  rereads_.set_on_post([this] { reader_->wake(); });
  ends_.set_on_post([this] { reader_->wake(); });
  started_ = true;
  return {};
}

Status Feed::State::start_managed(const std::vector<log::Start>& ends) {
  for (const log::Start& end : ends) delivery_.numbering().begin_again(end.partition, end.offset);
  if (Status writable = Spool::check(options_.spool_directory); !writable) return writable;
  pool_ = std::make_unique<SnapshotPool>(
      *parts_.source, options_, parts_.memory, parts_.clock, [this](SnapshotResult result) {
        [[maybe_unused]] const bool posted = snapshots_.post(std::move(result));
      });
  reread_ = std::make_unique<Reread>(parts_.log, probe_, options_, [this](RereadResult result) {
    [[maybe_unused]] const bool posted = rereads_.post(std::move(result));
  });
  if (on_demand()) {
    auto reading = std::make_unique<Reading>(parts_.log, *reader_, options_, [this](EndResult result) {
      [[maybe_unused]] const bool posted = ends_.post(std::move(result));
    });
    for (const log::Start& end : ends) reading->begin(end.partition);
    reading_ = std::move(reading);
  }
  probe_.partitions_read(static_cast<std::int64_t>(ends.size()));
  managed_ = std::make_unique<Managed>(
      Managed::Parts{channels_, tail_, delivery_, *control_, *pool_, *reread_, probe_, parts_.clock, options_,
                     parts_.log.partitions(), pressure_, *reader_, reading_.get(), parts_.warn});
  return check_database();
}

/// Rule 29. Where no matcher has been there yet, each snapshot is checked anyway.
Status Feed::State::check_database() {
  const Control::News news = control_->take();
  managed_->on_news(news);
  auto catalogue = parts_.source->open_catalogue();
  if (!catalogue) return catalogue.error();
  const auto identity = (*catalogue)->identity();
  if (!identity) return identity.error();
  if (!news.epoch || news.epoch->source == *identity) return {};
  if (news.epoch->source.system == identity->system && news.epoch->source.database == identity->database) {
    // Promoted or restored; the matcher that follows it there will begin a new epoch.
    return Error{Fault::unavailable,
                 "the database is on another timeline than the matcher's epoch: start "
                 "the matcher there, after tidegate setup"};
  }
  return Error{Fault::invalid, "this gateway's database is not the matcher's: here it is " +
                                   identity->database + " of system " + identity->system + ", there " +
                                   news.epoch->source.database + " of system " + news.epoch->source.system};
}

Status Feed::State::start_pass_through(const std::vector<log::Start>& ends) {
  std::vector<Offset> offsets;
  for (const log::Start& end : ends) offsets.push_back(end.offset);
  replay_ = std::make_unique<Replay>(parts_.log, parts_.clock, options_, [this](ReplayResult result) {
    [[maybe_unused]] const bool posted = replays_.post(std::move(result));
  });
  pass_through_ = std::make_unique<PassThrough>(
      PassThrough::Parts{channels_, tail_, delivery_, *replay_, probe_, parts_.clock, options_},
      std::move(offsets));
  read_head(ends);
  return {};
}

/// Reads each partition's last records again, before there is any channel: for the LSN of the log's head. As
/// far as it goes: where it can't be had in time, the head is 0 until something is read.
void Feed::State::read_head(const std::vector<log::Start>& ends) {
  for (const log::Start& end : ends) {
    const auto watermarks = parts_.log.watermarks(end.partition);
    if (!watermarks || watermarks->start >= end.offset) continue;
    const Offset from(std::max(watermarks->start.value(), end.offset.value() - kHeadRecords));
    auto reader = parts_.log.open_reader({{end.partition, from}});
    if (!reader) continue;
    const auto deadline = std::chrono::steady_clock::now() + kHeadTimeout;
    for (bool over = false; !over && std::chrono::steady_clock::now() < deadline;) {
      const auto batch = (*reader)->read(50ms, options_.read_bytes);
      if (!batch) break;
      for (const log::Record& record : batch->records) {
        over |= record.offset.value() >= end.offset.value() - 1;
        if (record.offset < end.offset) pass_through_->on_record(record);
      }
      for (const log::Start& at : batch->ends) over |= at.offset >= end.offset;
    }
  }
}

// ---- the loop ----

Status Feed::State::run() {
  assert(started_);
  owner_.check();
  Status status;
  while (!stopping_ && status.ok()) status = step(kPatience);
  if (control_) control_->leave();
  return status;
}

Status Feed::State::step(std::chrono::milliseconds wait) {
  owner_.check();
  handle(commands_.take());
  handle_results();
  if (auto status = learn(); !status) return status;
  if (Status timely = on_time(); !timely) return timely;
  if (managed_ && managed_->on_turn()) wait = 0ms;
  if (delivery_.congested()) {
    probe_.reading_paused();
    handle(commands_.wait(std::min(wait, kCongestedWait)));
    return {};
  }
  const auto batch = reader_->read(wait, options_.read_bytes);
  if (!batch) return handle_error(batch.error(), wait);
  // The control topic may have said meanwhile what decides about these records.
  if (auto status = learn(); !status) return status;
  handle_batch(*batch);
  return {};
}

/// What the control topic says, before the records that were read after it.
Status Feed::State::learn() {
  if (!managed_) return {};
  const Control::News news = control_->take();
  if (news.flooded) return Error{Fault::lost, "the control topic brings more than the gateway can take in"};
  managed_->on_news(news);
  return {};
}

void Feed::State::handle(const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    std::visit(
        [this](const auto& each) {
          if constexpr (std::is_same_v<std::decay_t<decltype(each)>, InspectCommand>) {
            return each.answer(inspect(channels_, tail_, each.query));
          } else {
            if (managed_) return managed_->on_command(each);
            pass_through_->on_command(each);
          }
        },
        command);
  }
}

void Feed::State::handle_results() {
  for (SnapshotResult& result : snapshots_.take()) managed_->on_snapshot(std::move(result));
  for (ReplayResult& result : replays_.take()) pass_through_->on_replay(std::move(result));
  for (RereadResult& result : rereads_.take()) managed_->on_reread(std::move(result));
  for (const EndResult& result : ends_.take()) managed_->on_end(result);
}

void Feed::State::handle_batch(const log::Batch& batch) {
  if (batch.records.empty()) return;
  fault_point("gateway.batch_read");
  probe_.records_read(batch.records.size(), batch.bytes);
  delivery_.batch_read();
  for (const log::Record& record : batch.records) {
    if (managed_) {
      managed_->on_record(record);
    } else {
      delivery_.numbering().count();
      pass_through_->on_record(record);
    }
  }
  delivery_.flush();
  if (managed_) managed_->on_batch_end();
}

Status Feed::State::handle_error(const Error& error, std::chrono::milliseconds wait) {
  switch (error.fault) {
    case Fault::fatal:
    case Fault::denied:  // a person must grant the right, and finds the reason where the process ended
      return error;
    case Fault::lost: {
      const auto ends = starts();
      if (!ends) {  // a topic that is gone is lost each time that it is read
        if (ends.error().fault != Fault::fatal) handle(commands_.wait(wait));
        return ends.error().fault == Fault::fatal ? Status(ends.error()) : Status();
      }
      std::vector<Offset> offsets;
      for (const log::Start& end : *ends) {
        if (auto sought = reader_->seek(end); !sought && sought.error().fault == Fault::fatal) return sought;
        offsets.push_back(end.offset);
      }
      if (managed_) {
        for (const log::Start& end : *ends) delivery_.numbering().begin_again(end.partition, end.offset);
        managed_->on_lost();
      } else {
        pass_through_->on_lost(std::move(offsets));
      }
      return {};
    }
    default:
      handle(commands_.wait(wait));  // the reader goes on trying by itself
      return {};
  }
}

// ---- time ----

Status Feed::State::on_time() {
  const Steady now = parts_.clock.steady();
  if (now - ticked_ < kTick) return {};
  ticked_ = now;
  pressure_.round();
  if (parts_.memory) probe_.memory_bytes(parts_.memory->used());
  if (managed_) {
    managed_->on_time();
  } else {
    pass_through_->on_time();
  }
  probe_.channels(channels_.size());
  watch_staleness(now);
  const auto failure = control_ ? control_->failure() : std::nullopt;
  return failure ? Status(*failure) : Status();
}

void Feed::State::watch_staleness(Steady now) {
  if (managed_) {
    if (managed_->heard() && *managed_->heard() > heard_) {
      heard_ = *managed_->heard();
      heard_wall_ = parts_.clock.wall();
    }
  } else if (parts_.log.reachable().ok()) {
    heard_ = now;
    heard_wall_ = parts_.clock.wall();
  }
  const bool stale = now - heard_ >= options_.stale_after;
  heard_lately_ = !stale && (!managed_ || managed_->heard());
  if (stale == stale_) return;
  stale_ = stale;
  probe_.stale(stale);
  Stale event;
  if (stale) event.since_unix_ms = unix_us(heard_wall_) / 1'000;
  delivery_.post_to_all(event);
}

Status Feed::State::ready() const {
  if (!started_) return Error{Fault::unavailable, "the feed has not started"};
  if (auto reachable = parts_.log.reachable(); !reachable) return reachable;
  if (!managed()) return {};
  if (!control_->caught_up()) return Error{Fault::unavailable, "the control topic is not read to its end"};
  if (!heard_lately_) return Error{Fault::unavailable, "nothing has come from the matcher lately"};
  return {};
}

Feed::Feed(Parts parts, Options options) : state_(std::make_unique<State>(std::move(parts), options)) {}
Feed::~Feed() = default;
Status Feed::start() {
  return state_->start();
}
Status Feed::run() {
  return state_->run();
}
Status Feed::step(std::chrono::milliseconds wait) {
  return state_->step(wait);
}
bool Feed::work() {
  return state_->work();
}
void Feed::stop() {
  state_->stop();
}
bool Feed::post(Command command) {
  return state_->post(std::move(command));
}
Status Feed::ready() const {
  return state_->ready();
}

}  // namespace tidegate::feed
