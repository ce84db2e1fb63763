#include "simulation/broker.h"

#include <algorithm>
#include <utility>

#include "log/bisect.h"

namespace tidegate::simulation {

// ---- what the broker does ----

bool Broker::store_one(InFlight& flight) {
  const auto number = static_cast<std::size_t>(flight.record.partition.value());
  if (number >= parts_.size()) return false;
  Part& part = parts_[number];
  if (gaps_ && part.end % 3 == 1) ++part.end;
  flight.stored = Offset(part.end++);
  part.records.push_back(std::make_shared<const Stored>(Stored{*flight.stored, flight.record}));
  return true;
}

void Broker::store(Producer& producer, std::size_t count) {
  for (auto& flights : producer.partitions) {
    std::size_t left = count;
    for (InFlight& flight : flights) {
      if (flight.stored) continue;
      if (left-- == 0 || !store_one(flight)) break;
    }
  }
}

void Broker::acknowledge(Producer& producer, std::size_t count) {
  for (auto& flights : producer.partitions) {
    for (std::size_t left = count; left > 0 && !flights.empty() && flights.front().stored; --left) {
      const InFlight flight = std::move(flights.front());
      flights.pop_front();
      if (flight.acknowledged) flight.acknowledged(*flight.stored);
      producer.unacknowledged.erase(flight.number);
    }
  }
}

void Broker::orphan(std::shared_ptr<Producer> producer) {
  for (auto& flights : producer->partitions) {
    std::erase_if(flights, [](const InFlight& flight) { return flight.stored.has_value(); });
    for (InFlight& flight : flights) flight.acknowledged = {};
  }
  const bool any = std::any_of(producer->partitions.begin(), producer->partitions.end(),
                               [](const auto& flights) { return !flights.empty(); });
  if (any) orphans_.push_back(std::move(producer));
}

void Broker::land_orphans(std::size_t count) {
  for (const auto& orphan : orphans_) {
    for (auto& flights : orphan->partitions) {
      for (std::size_t left = count; left > 0 && !flights.empty(); --left) {
        store_one(flights.front());
        flights.pop_front();
      }
    }
  }
  std::erase_if(orphans_, [](const auto& orphan) {
    return std::all_of(orphan->partitions.begin(), orphan->partitions.end(),
                       [](const auto& flights) { return flights.empty(); });
  });
}

void Broker::retain(std::size_t records) {
  for (Part& part : parts_) {
    while (part.records.size() > records) part.records.pop_front();
    part.start = part.records.empty() ? part.end : part.records.front()->offset.value();
  }
}

void Broker::lose_end(std::size_t records) {
  ++losses_;
  for (Part& part : parts_) {
    for (std::size_t left = records; left > 0 && !part.records.empty(); --left) {
      part.end = part.records.back()->offset.value();
      part.records.pop_back();
    }
    part.start = std::min(part.start, part.end);
    part.lost = losses_;
    part.lost_at = part.end;
  }
}

void Broker::recreate(std::int32_t partitions) {
  parts_.assign(static_cast<std::size_t>(partitions), {});
}

// ---- one process's view ----

BrokerView::BrokerView(Broker& broker, std::function<void()> sent)
    : broker_(broker),
      sent_(std::move(sent)),
      partitions_(static_cast<std::int32_t>(broker.parts().size())),
      producer_(std::make_shared<Producer>()) {
  producer_->partitions.resize(broker.parts().size());
}

BrokerView::~BrokerView() {
  broker_.orphan(producer_);
}

Status BrokerView::check() const {
  if (broker_.parts().size() == static_cast<std::size_t>(partitions_)) return {};
  return Error{Fault::fatal, "the partition count changed"};
}

Result<log::Watermarks> BrokerView::watermarks(Partition partition) {
  if (auto fine = check(); !fine) return fine.error();
  const Broker::Part& part = broker_.parts()[static_cast<std::size_t>(partition.value())];
  return log::Watermarks{Offset(part.start), Offset(part.end)};
}

Result<Offset> BrokerView::seek(Partition partition, Generation generation, Lsn lsn) {
  const auto range = watermarks(partition);
  if (!range) return range.error();
  const Broker::Part& part = broker_.parts()[static_cast<std::size_t>(partition.value())];
  return log::bisect(*range, generation, lsn, [&part](Offset offset) -> Result<std::optional<log::Place>> {
    const auto found = std::lower_bound(part.records.begin(), part.records.end(), offset,
                                        [](const auto& stored, Offset at) { return stored->offset < at; });
    if (found == part.records.end()) return std::optional<log::Place>{};
    const log::Headers& headers = (*found)->record.headers;
    return std::optional(log::Place{(*found)->offset, *headers.generation, *headers.lsn});
  });
}

class BrokerView::Reader final : public log::Reader {
 public:
  Reader(BrokerView& view, std::vector<log::Start> positions)
      : view_(view), positions_(std::move(positions)) {
    losses_ = view_.broker_.losses();
  }

  Result<log::Batch> read(std::chrono::milliseconds, std::size_t) override {
    if (auto fine = view_.check(); !fine) return fine.error();
    for (const log::Start& at : positions_) {
      const Broker::Part& part = part_of(at);
      const bool lost = part.lost > losses_ && at.offset.value() > part.lost_at;
      if (lost || at.offset.value() < part.start || at.offset.value() > part.end) {
        return Error{Fault::lost, "the position is not in the log"};
      }
    }
    losses_ = view_.broker_.losses();
    log::Batch batch;
    auto held = std::make_shared<std::vector<std::shared_ptr<const Broker::Stored>>>();
    for (std::size_t i = 0; i < positions_.size(); ++i)
      take(positions_[(first_ + i) % positions_.size()], batch, *held);
    if (!positions_.empty()) first_ = (first_ + 1) % positions_.size();
    batch.storage = std::move(held);
    return batch;
  }

  Status seek(log::Start start) override {
    if (auto fine = view_.check(); !fine) return fine;
    const auto found = std::find_if(positions_.begin(), positions_.end(),
                                    [&](const log::Start& at) { return at.partition == start.partition; });
    if (found == positions_.end()) {
      positions_.push_back(start);
    } else {
      found->offset = start.offset;
    }
    losses_ = view_.broker_.losses();
    return {};
  }
  void pause(Partition partition) override {
    std::erase_if(positions_, [partition](const log::Start& at) { return at.partition == partition; });
  }
  void wake() override {}

 private:
  [[nodiscard]] const Broker::Part& part_of(const log::Start& at) const {
    return view_.broker_.parts()[static_cast<std::size_t>(at.partition.value())];
  }
  void take(log::Start& at, log::Batch& batch,
            std::vector<std::shared_ptr<const Broker::Stored>>& held) const {
    const auto& records = part_of(at).records;
    auto next = std::lower_bound(records.begin(), records.end(), at.offset,
                                 [](const auto& stored, Offset offset) { return stored->offset < offset; });
    for (; next != records.end() && batch.records.size() < view_.read_max_; ++next) {
      const Broker::Stored& stored = **next;
      batch.records.push_back({.partition = at.partition,
                               .offset = stored.offset,
                               .key = stored.record.key,
                               .value = stored.record.value,
                               .headers = stored.record.headers});
      batch.bytes += stored.record.key.size() + stored.record.value.size();
      held.push_back(*next);
      at.offset = stored.offset.next();
    }
    if (next == records.end()) batch.ends.push_back({at.partition, Offset(part_of(at).end)});
  }

  BrokerView& view_;
  std::vector<log::Start> positions_;
  std::size_t first_ = 0;
  int losses_ = 0;
};

class BrokerView::Appender final : public log::Appender {
 public:
  explicit Appender(BrokerView& view) : view_(view), producer_(*view.producer_) {}

  Result<std::uint64_t> append(log::Append record, std::function<void(Offset)> acknowledged) override {
    if (auto fine = view_.check(); !fine) return fine.error();
    const std::uint64_t number = ++producer_.appended;
    producer_.unacknowledged.insert(number);
    auto& flights = producer_.partitions.at(static_cast<std::size_t>(record.partition.value()));
    flights.push_back({std::move(record), std::move(acknowledged), number, {}});
    if (view_.sent_) view_.sent_();
    if (producer_.failure) return *producer_.failure;
    if (view_.express_) flush_all();
    return number;
  }
  [[nodiscard]] std::uint64_t acknowledged() const override {
    return producer_.unacknowledged.empty() ? producer_.appended : *producer_.unacknowledged.begin() - 1;
  }
  [[nodiscard]] std::optional<Error> failure() const override { return producer_.failure; }
  void set_on_acknowledged(std::function<void()>) override {}
  Status flush(std::chrono::milliseconds) override {
    if (producer_.failure) return *producer_.failure;
    flush_all();
    return {};
  }

 private:
  void flush_all() {
    view_.broker_.store(producer_, SIZE_MAX);
    Broker::acknowledge(producer_, SIZE_MAX);
  }
  BrokerView& view_;
  Producer& producer_;
};

Result<std::unique_ptr<log::Reader>> BrokerView::open_reader(const std::vector<log::Start>& starts) {
  if (auto fine = check(); !fine) return fine.error();
  return std::unique_ptr<log::Reader>(std::make_unique<Reader>(*this, starts));
}

Result<std::unique_ptr<log::Appender>> BrokerView::open_appender() {
  return std::unique_ptr<log::Appender>(std::make_unique<Appender>(*this));
}

}  // namespace tidegate::simulation
