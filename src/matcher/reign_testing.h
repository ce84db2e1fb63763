#pragma once

// A world for one or more reigns: the memory log and the direct registry as they are, and doubles of the
// seams that a test must time by itself: the clock, the change stream, acknowledgements of the log and of the
// control topic.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "log/memory_log.h"
#include "matcher/reign.h"
#include "matcher/testing.h"
#include "metrics/metrics.h"
#include "registry/direct_registry.h"

namespace tidegate::matcher {

class ScriptedClock final : public Clock {
 public:
  [[nodiscard]] Steady steady() const override { return now_; }
  [[nodiscard]] Wall wall() const override { return Wall(std::chrono::seconds(2)); }
  void advance(int ms) { now_ += std::chrono::milliseconds(ms); }

 private:
  Steady now_{std::chrono::hours(1)};
};

/// Gives the events of its script; afterwards waits to be woken.
class ScriptedStream final : public source::ChangeStream {
 public:
  Status start() override { return {}; }
  [[nodiscard]] const SourceIdentity& identity() const override { return identity_; }
  [[nodiscard]] std::string slot() const override { return slot_; }
  [[nodiscard]] Lsn start_position() const override { return start_position_; }
  Result<source::StreamEvent> next(std::chrono::milliseconds wait) override {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait, [this] { return woken_ || !script_.empty(); });
    woken_ = false;
    if (script_.empty()) return source::StreamEvent(source::Idle{});
    auto event = std::move(script_.front());
    script_.pop_front();
    return event;
  }
  void request_visibility() override { ++asked_; }
  void nudge() override { ++nudged_; }
  void confirm(Lsn lsn) override { confirmed_ = lsn; }
  void wake() override {
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }
  void stop() override { stopped_ = true; }

  void give(Result<source::StreamEvent> event) {
    std::lock_guard lock(mutex_);
    script_.push_back(std::move(event));
    changed_.notify_all();
  }

  SourceIdentity identity_{"system", 1, "shop"};
  std::string slot_ = "tidegate";
  Lsn start_position_{100};
  int asked_ = 0;
  int nudged_ = 0;
  Lsn confirmed_;
  std::atomic<bool> stopped_{false};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  std::deque<Result<source::StreamEvent>> script_;
};

class FixedCatalogue final : public source::CatalogueReader {
 public:
  Result<query::Catalogue> read() override {
    ++reads_;
    return query::Catalogue(tables_);
  }
  Result<SourceIdentity> identity() override { return SourceIdentity{"system", 1, "shop"}; }
  Status reachable() override { return {}; }

  std::vector<std::shared_ptr<const query::TableSchema>> tables_{orders()};
  int reads_ = 0;
};

/// The memory log, whose acknowledgements a test can hold back and whose deliveries it can break.
class HeldLog final : public log::Log {
 public:
  explicit HeldLog(std::int32_t partitions) : log_(partitions, 64 << 20) {}
  [[nodiscard]] std::int32_t partitions() const override { return log_.partitions(); }
  Result<log::Watermarks> watermarks(Partition partition) override {
    if (away) return Error{Fault::unavailable, "no broker answers"};
    return log_.watermarks(partition);
  }
  Result<std::unique_ptr<log::Reader>> open_reader(const std::vector<log::Start>& starts) override {
    return log_.open_reader(starts);
  }
  Result<std::unique_ptr<log::Appender>> open_appender() override {
    auto opened = log_.open_appender();
    return std::unique_ptr<log::Appender>(std::make_unique<HeldAppender>(*this, std::move(*opened)));
  }
  Result<Offset> seek(Partition partition, Generation generation, Lsn lsn) override {
    return log_.seek(partition, generation, lsn);
  }
  Status reachable() override { return {}; }

  std::optional<std::uint64_t> acknowledged_max;
  std::optional<Error> broken;
  bool away = false;

 private:
  class HeldAppender final : public log::Appender {
   public:
    HeldAppender(HeldLog& held, std::unique_ptr<log::Appender> under)
        : held_(held), under_(std::move(under)) {}
    Result<std::uint64_t> append(log::Append record, std::function<void(Offset)> acknowledged) override {
      return under_->append(std::move(record), std::move(acknowledged));
    }
    [[nodiscard]] std::uint64_t acknowledged() const override {
      return std::min(under_->acknowledged(), held_.acknowledged_max.value_or(UINT64_MAX));
    }
    [[nodiscard]] std::optional<Error> failure() const override { return held_.broken; }
    void set_on_acknowledged(std::function<void()> wake) override {
      under_->set_on_acknowledged(std::move(wake));
    }
    Status flush(std::chrono::milliseconds timeout) override { return under_->flush(timeout); }

   private:
    HeldLog& held_;
    std::unique_ptr<log::Appender> under_;
  };
  log::MemoryLog log_;
};

/// The direct registry, with leases, and with `done` held back while a test wants it so.
class HeldRegistry final : public registry::Registry {
 public:
  void append(registry::ControlRecord record, Appended done) override {
    registry_.append(std::move(record), [this, done = std::move(done)](Result<Offset> stored) {
      if (hold) {
        held_.emplace_back(done, std::move(stored));
      } else if (done) {
        done(std::move(stored));
      }
    });
  }
  Result<std::unique_ptr<registry::Following>> follow(OnEntry on_entry, OnCaughtUp on_caught_up) override {
    return registry_.follow(std::move(on_entry), std::move(on_caught_up));
  }
  [[nodiscard]] bool leases() const override { return true; }
  void release() {
    hold = false;
    for (auto& [done, stored] : std::exchange(held_, {})) {
      if (done) done(std::move(stored));
    }
  }
  bool hold = false;

 private:
  registry::DirectRegistry registry_;
  std::vector<std::pair<Appended, Result<Offset>>> held_;
};

/// A record of the log, copied.
struct Logged {
  Offset offset;
  std::string key;
  std::string value;
  log::Headers headers;
};

struct World {
  explicit World(std::int32_t partitions = 1) : log(partitions) {}

  [[nodiscard]] Parts parts() { return {stream, catalogue, log, registry, clock, metrics}; }

  std::vector<Logged> logged(Partition partition) {
    std::vector<Logged> all;
    const auto marks = log.watermarks(partition);
    auto reader = log.open_reader({{partition, marks->start}});
    while (all.empty() ? marks->start < marks->end : all.back().offset.next() < marks->end) {
      auto batch = (*reader)->read(std::chrono::milliseconds(100), 1 << 20);
      if (!batch) break;
      for (const auto& each : batch->records) {
        all.push_back({each.offset, std::string(each.key), std::string(each.value), each.headers});
      }
    }
    return all;
  }
  /// Of all partitions, without `progress`, or only that.
  std::vector<Logged> logged(bool progress = false) {
    std::vector<Logged> some;
    for (std::int32_t partition = 0; partition < log.partitions(); ++partition) {
      for (auto& each : logged(Partition(partition))) {
        if ((each.headers.kind == log::Kind::progress) == progress) some.push_back(std::move(each));
      }
    }
    return some;
  }
  std::vector<log::Kind> kinds() {
    std::vector<log::Kind> kinds;
    for (const auto& each : logged()) kinds.push_back(each.headers.kind);
    return kinds;
  }

  void wants(std::uint64_t who, const std::string& key, const std::string& canonical) {
    registry.append(registry::Registration{Incarnation(who), key, canonical, false}, {});
  }
  void leaves(std::uint64_t who, const std::string& key) {
    registry.append(registry::Registration{Incarnation(who), key, "", true}, {});
  }

  ScriptedClock clock;
  ScriptedStream stream;
  FixedCatalogue catalogue;
  HeldLog log;
  HeldRegistry registry;
  metrics::Registry metrics;
};

inline std::uint64_t metric(World& world, std::string_view name) {
  return world.metrics.counter(name, "").value();
}

}  // namespace tidegate::matcher
