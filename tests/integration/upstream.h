#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "integration/seed_client.h"
#include "rig/kafka.h"
#include "rig/tidegate.h"

namespace tidegate::test {

/// The one broker of a test program; a gtest Environment owns it.
class Broker : public testing::Environment {
 public:
  void SetUp() override { broker_ = std::make_unique<rig::KafkaBroker>(); }
  void TearDown() override { broker_.reset(); }
  [[nodiscard]] rig::KafkaBroker& get() const { return *broker_; }

 private:
  std::unique_ptr<rig::KafkaBroker> broker_;
};

/// The 8 bytes of the header `lsn`.
std::string lsn_bytes(std::uint64_t lsn);

/// A topic of a test's own, and whoever fills it.
class Upstream {
 public:
  explicit Upstream(rig::KafkaBroker& broker, int partitions = 1);

  /// Acknowledged when it returns. A key's records are all in one partition.
  void produce(const std::string& key, std::uint64_t lsn, const std::string& value);
  /// `lsn` is the header's value; nothing: a record without the header.
  void produce_raw(std::optional<std::string> key, std::optional<std::string> lsn,
                   std::optional<std::string> value);
  /// As produce, without waiting for the acknowledgement.
  void queue(const std::string& key, std::uint64_t lsn, const std::string& value);
  void flush() { producer_.flush(); }
  [[nodiscard]] int partition_of(const std::string& key) const;

  [[nodiscard]] const std::string& topic() const { return topic_; }
  /// What the seed's gateway was given, but for its port.
  [[nodiscard]] std::vector<std::string> environment() const;
  /// The arguments and the environment of a gateway.
  [[nodiscard]] std::unique_ptr<rig::Tidegate> serve(const std::vector<std::string>& flags = {}) const;

 private:
  rig::KafkaBroker& broker_;
  int partitions_;
  std::string topic_;
  rig::KafkaProducer producer_;
};

/// Knows when a gateway has read what was produced: subscribes to a key of its own in every partition.
class Mark {
 public:
  Mark(client::Loop& loop, int port, Upstream& upstream, int partitions = 1);
  /// True once the gateway has read everything that was produced before, and `client` has got what it is
  /// due of it. Adds a pong to what `client` received.
  bool passed(SeedClient& client);
  bool passed();

 private:
  Upstream& upstream_;
  std::vector<std::string> keys_;
  SeedClient client_;
  std::size_t marks_ = 0;
};

}  // namespace tidegate::test
