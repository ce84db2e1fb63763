#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rig/process.h"

struct rd_kafka_s;

namespace tidegate::rig {

/// A real Apache Kafka of a test's own: one node in KRaft mode from the jars that tools/kafka/fetch got (the
/// directory in TIDEGATE_KAFKA_LIB, else build/kafka/lib of the source tree), on free ports of loopback, with
/// its data in a temporary directory. First start about 5 s, restart 3 s. It is gone with the object, and
/// with the test's process. Errors are std::runtime_error with the broker's log.
class KafkaBroker {
 public:
  /// Lines of server.properties, which win over the rig's.
  using Settings = std::vector<std::pair<std::string, std::string>>;
  enum class Jvm : std::uint8_t {
    quick,       ///< to start: little memory, and code that is compiled once
    as_shipped,  ///< as Kafka's own script has it, for who measures
  };
  explicit KafkaBroker(Settings settings = {}, Jvm jvm = Jvm::quick);
  /// A door that demands TLS and SCRAM-SHA-512 of whoever comes in, beside the rig's own, which stays open to
  /// everybody. Files of PEM; names and passwords.
  struct Guard {
    std::string certificate_file;
    std::string key_file;
    Settings users;
  };
  KafkaBroker(Guard guard, Settings settings, Jvm jvm = Jvm::quick);
  /// One more broker of the cluster whose node 1 is `first`, without a controller of its own: `first` is to
  /// be there before it and longer. Waits until the cluster has `node` brokers.
  static std::unique_ptr<KafkaBroker> beside(const KafkaBroker& first, int node,
                                             const Settings& settings = {});
  ~KafkaBroker();
  KafkaBroker(const KafkaBroker&) = delete;
  KafkaBroker& operator=(const KafkaBroker&) = delete;

  /// `127.0.0.1:PORT`.
  [[nodiscard]] std::string brokers() const;
  /// The guarded door, `localhost:PORT`.
  [[nodiscard]] std::string guarded_brokers() const;
  [[nodiscard]] std::string log() const;

  /// Lets a user of the guarded door do this (`Read`, `Write`, …) with a topic; or no more. For a broker with
  /// an authorizer.
  void allow(const std::string& user, const std::string& operation, const std::string& topic);
  void disallow(const std::string& user, const std::string& operation, const std::string& topic);

  /// Waits until it answers; the same port and data as before.
  void start();
  /// SIGTERM, in order.
  void stop();
  /// SIGKILL.
  void kill();
  void restart();
  /// Of one that was stopped or killed: everything that it stored. It starts as a new one.
  void lose_disk();
  /// Starts without waiting; for a test that wants to see a client wait.
  void launch();
  void wait_until_it_answers();

  using Topics = std::vector<std::string>;
  /// In a cluster: all partitions of these topics lie on these nodes from now on, the first of which is to
  /// lead. Waits until they do, and one of them leads.
  void move(const Topics& topics, const std::vector<int>& nodes);
  /// Each partition of the cluster is led by the first of its nodes again. Waits until these topics are.
  void elect_preferred(const Topics& topics);
  /// Waits until these topics are led by this node and so many have all of them.
  void wait_led(const Topics& topics, int leader, int in_sync);

  void create_topic(const std::string& name, int partitions = 1, const Settings& config = {});
  void delete_topic(const std::string& name);
  /// More partitions than it had.
  void add_partitions(const std::string& name, int total);
  /// What is below `offset` leaves the log, as retention would have it.
  void delete_records_below(const std::string& topic, int partition, std::int64_t offset);

 private:
  KafkaBroker(const KafkaBroker& first, int node, const Settings& settings);
  void format();
  /// One of Kafka's command line tools, with this broker to ask.
  std::string tool(const std::string& main, const std::vector<std::string>& arguments) const;
  TemporaryDirectory directory_;
  std::string lib_;
  Port port_;
  Port controller_port_;
  Port guarded_port_;
  Guard guard_;
  Jvm jvm_ = Jvm::quick;
  std::unique_ptr<Process> process_;
};

/// A record as a foreign program may write it.
struct KafkaRecord {
  std::string topic;
  int partition = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>>
      headers;  ///< any bytes; nothing is a null value
};

/// Writes records with any headers, and transactions, whose markers leave gaps between offsets. One thread.
class KafkaProducer {
 public:
  /// A transactional one if `transactional_id` is not empty.
  explicit KafkaProducer(const std::string& brokers, const std::string& transactional_id = {});
  ~KafkaProducer();
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;

  void produce(const KafkaRecord& record);
  /// Waits until all is acknowledged.
  void flush();
  void begin();
  void commit();
  void abort();

 private:
  rd_kafka_s* producer_ = nullptr;
};

}  // namespace tidegate::rig
