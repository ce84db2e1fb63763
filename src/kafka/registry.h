#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "kafka/options.h"
#include "registry/registry.h"

namespace tidegate::kafka {

/// The control topic of a diff topic.
[[nodiscard]] std::string control_topic(const std::string& diff_topic);

/// The registry in Kafka: `<diff topic>.control`, one partition, compacted. After a record that ends its key
/// it writes a tombstone, so that compaction takes both away. Each following has a connection and a thread of
/// its own. Records that can't be read are passed over and counted.
class KafkaRegistry final : public registry::Registry {
 public:
  /// For the first of `options.topics`. `not_found` if its control topic isn't there (`setup` makes it),
  /// `unavailable`, naming the brokers, if none answers within `open_timeout`, `invalid` if it has more than
  /// one partition.
  static Result<std::unique_ptr<KafkaRegistry>> open(Options options);
  ~KafkaRegistry() override;

  /// `done` gets `fatal` once any delivery failed: the process must end.
  void append(registry::ControlRecord record, Appended done) override;
  Result<std::unique_ptr<registry::Following>> follow(OnEntry on_entry, OnCaughtUp on_caught_up) override;
  [[nodiscard]] bool leases() const override { return true; }

  /// Records that no follower of this registry could read. Any thread.
  [[nodiscard]] std::uint64_t unreadable() const;
  /// Set once any delivery failed.
  [[nodiscard]] std::optional<Error> failure() const;

 private:
  struct State;
  explicit KafkaRegistry(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace tidegate::kafka
