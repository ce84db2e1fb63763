#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "registry/registry.h"

namespace tidegate::simulation {

/// The control topic: records in order, of which compaction leaves each key's last; and what is on its way to
/// it.
class ControlTopic {
 public:
  struct Sent {
    registry::ControlRecord record;
    registry::Registry::Appended done;
    std::optional<Offset> stored;
  };
  using Sending = std::deque<Sent>;

  void store(Sending& sending, std::size_t count);
  static void acknowledge(Sending& sending, std::size_t count);
  void orphan(Sending sending);
  void land_orphans(std::size_t count);
  void forget_orphans() { orphans_.clear(); }
  [[nodiscard]] std::size_t orphans() const { return orphans_.size(); }
  /// Leaves the last record of each key, and none of a key that is over.
  void compact();

  [[nodiscard]] const std::vector<registry::Entry>& entries() const { return entries_; }
  [[nodiscard]] Offset end() const { return end_; }
  /// Every epoch that ever was, with what it was bound to.
  [[nodiscard]] const std::map<Epoch, registry::EpochBound>& epochs() const { return epochs_; }

 private:
  void append(const registry::ControlRecord& record);

  std::vector<registry::Entry> entries_;
  Offset end_{0};
  std::map<Epoch, registry::EpochBound> epochs_;
  std::vector<Sending> orphans_;
};

/// The control topic as one process sees it: what it appends is under way for a while, what others append it
/// is given later.
class ControlView final : public registry::Registry {
 public:
  ControlView(ControlTopic& topic, std::function<void()> sent) : topic_(topic), sent_(std::move(sent)) {}
  ~ControlView() override;

  void append(registry::ControlRecord record, Appended done) override;
  Result<std::unique_ptr<registry::Following>> follow(OnEntry on_entry, OnCaughtUp on_caught_up) override;
  [[nodiscard]] bool leases() const override { return true; }

  void store(std::size_t count) { topic_.store(sending_, count); }
  void acknowledge(std::size_t count) { ControlTopic::acknowledge(sending_, count); }
  /// Gives the process at most so many of the records that it has not been given.
  void deliver(std::size_t count);
  /// What is under way fails, but may be stored all the same.
  void fail();
  void set_express(bool express) { express_ = express; }
  /// Out of reach: whatever is appended fails.
  void set_broken(bool broken) { broken_ = broken; }

 private:
  struct Follower {
    OnEntry on_entry;
    Offset next{0};
    bool at_end = true;
  };
  class Handle;

  ControlTopic& topic_;
  const std::function<void()> sent_;
  ControlTopic::Sending sending_;
  std::vector<std::shared_ptr<Follower>> followers_;
  bool express_ = false;
  bool broken_ = false;
};

}  // namespace tidegate::simulation
