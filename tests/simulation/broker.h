#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log/log.h"

namespace tidegate::simulation {

/// A record that somebody has sent and the broker has not stored, or has stored and not acknowledged.
struct InFlight {
  log::Append record;
  std::function<void(Offset)> acknowledged;
  std::uint64_t number = 0;
  std::optional<Offset> stored;
};

/// What one process has under way to the broker. Outlives the process: what it had sent may be stored late.
struct Producer {
  std::vector<std::deque<InFlight>> partitions;
  std::uint64_t appended = 0;
  std::set<std::uint64_t> unacknowledged;
  std::optional<Error> failure;
};

/// The diff topic: partitions of records, with gaps between their offsets (rule 9), an end that may be lost
/// and a start that moves; and all that is on its way to it.
class Broker {
 public:
  Broker(std::int32_t partitions, bool gaps) : gaps_(gaps) { recreate(partitions); }

  /// Stores at most `count` of the records that are under way from the producer to each partition.
  void store(Producer& producer, std::size_t count);
  /// Tells the producer of at most so many of the stored ones of each partition.
  static void acknowledge(Producer& producer, std::size_t count);
  /// A process has died: what it had sent may yet arrive.
  void orphan(std::shared_ptr<Producer> producer);
  /// Records of dead processes arrive; or never will.
  void land_orphans(std::size_t count);
  void forget_orphans() { orphans_.clear(); }

  /// Retention: the oldest records of every partition go.
  void retain(std::size_t records);
  /// The newest records of every partition are lost with a disk; producers and readers are told.
  void lose_end(std::size_t records);
  /// The topic is deleted and made anew.
  void recreate(std::int32_t partitions);
  void add_partition() { parts_.emplace_back(); }

  struct Stored {
    Offset offset;
    log::Append record;
  };
  struct Part {
    std::deque<std::shared_ptr<const Stored>> records;
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::int64_t lost_at =
        INT64_MAX;  ///< an end was lost from here on, in the version of the topic that ends now
    int lost = 0;
  };
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }
  [[nodiscard]] int losses() const { return losses_; }
  [[nodiscard]] std::size_t orphans() const { return orphans_.size(); }

 private:
  bool store_one(InFlight& flight);

  const bool gaps_;
  std::vector<Part> parts_;
  int losses_ = 0;
  std::vector<std::shared_ptr<Producer>> orphans_;
};

/// The log as one process sees it.
class BrokerView final : public log::Log {
 public:
  /// `sent` is called when the process has appended, from within the append: in `express` everything is
  /// acknowledged before it returns, as a process that waits for it sees it.
  BrokerView(Broker& broker, std::function<void()> sent);
  ~BrokerView() override;

  [[nodiscard]] std::int32_t partitions() const override { return partitions_; }
  Result<log::Watermarks> watermarks(Partition partition) override;
  Result<std::unique_ptr<log::Reader>> open_reader(const std::vector<log::Start>& starts) override;
  Result<std::unique_ptr<log::Appender>> open_appender() override;
  Result<Offset> seek(Partition partition, Generation generation, Lsn lsn) override;
  Status reachable() override { return {}; }

  void store(std::size_t count) { broker_.store(*producer_, count); }
  void acknowledge(std::size_t count) { Broker::acknowledge(*producer_, count); }
  void fail(std::string what) { producer_->failure = Error{Fault::unavailable, std::move(what)}; }
  /// The next reads give at most so many records.
  void set_read_max(std::size_t records) { read_max_ = records; }
  void set_express(bool express) { express_ = express; }

 private:
  class Reader;
  class Appender;
  [[nodiscard]] Status check() const;

  Broker& broker_;
  const std::function<void()> sent_;
  const std::int32_t partitions_;
  std::shared_ptr<Producer> producer_;
  std::size_t read_max_ = 1'000;
  bool express_ = false;
};

}  // namespace tidegate::simulation
