// What a cluster of two can do: partitions that move, leaders that change.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>

#include "rig/kafka.h"
#include "rig/postgres.h"

namespace tidegate::rig {
namespace {

using namespace std::chrono_literals;

/// What a cluster's brokers say of it, each time anew.
class Metadata {
 public:
  explicit Metadata(const std::string& brokers) {
    std::array<char, 512> error{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : KafkaBroker::Settings{
             {"bootstrap.servers", brokers}, {"log_level", "0"}, {"allow.auto.create.topics", "false"}}) {
      rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size());
    }
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error.data(), error.size());
    if (client_ == nullptr) throw std::runtime_error(error.data());
  }
  ~Metadata() { rd_kafka_destroy(client_); }
  Metadata(const Metadata&) = delete;
  Metadata& operator=(const Metadata&) = delete;

  /// Whether the topic has partitions and `fits` holds of each, or of the whole answer; false where nobody
  /// answers.
  template <class Fits>
  bool each_partition(const std::string& topic, Fits fits) {
    return whole([&](const rd_kafka_metadata_t& all) {
      for (int i = 0; i < all.topic_cnt; ++i) {
        const rd_kafka_metadata_topic_t& found = all.topics[i];
        if (found.topic != topic || found.partition_cnt == 0) continue;
        return std::all_of(found.partitions, found.partitions + found.partition_cnt, fits);
      }
      return false;
    });
  }
  template <class Fits>
  bool whole(Fits fits) {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(client_, 1, nullptr, &metadata, 1'000) != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
    const bool fit = fits(*metadata);
    rd_kafka_metadata_destroy(metadata);
    return fit;
  }

 private:
  rd_kafka_t* client_ = nullptr;
};

void wait(const std::string& what, const std::function<bool()>& condition) {
  if (!eventually(condition)) throw std::runtime_error("the cluster does not come to it: " + what);
}

}  // namespace

std::unique_ptr<KafkaBroker> KafkaBroker::beside(const KafkaBroker& first, int node,
                                                 const Settings& settings) {
  std::unique_ptr<KafkaBroker> further(new KafkaBroker(first, node, settings));
  Metadata metadata(first.brokers());
  wait("one more broker", [&] {
    return metadata.whole([&](const rd_kafka_metadata_t& all) { return all.broker_cnt == node; });
  });
  return further;
}

std::string KafkaBroker::tool(const std::string& main, const std::vector<std::string>& arguments) const {
  std::vector<std::string> command{
      "java", "-Xmx128m",           "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", lib_ + "/*",
      main,   "--bootstrap-server", brokers()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(std::move(command));
}

void KafkaBroker::move(const Topics& topics, const std::vector<int>& nodes) {
  Metadata metadata(brokers());
  std::ostringstream list;
  for (const int node : nodes) list << (list.tellp() > 0 ? "," : "") << node;
  std::ostringstream plan;
  for (const std::string& topic : topics) {
    metadata.each_partition(topic, [&](const rd_kafka_metadata_partition_t& partition) {
      plan << (plan.tellp() > 0 ? "," : "") << R"({"topic":")" << topic << R"(","partition":)" << partition.id
           << R"(,"replicas":[)" << list.str() << "]}";
      return true;
    });
  }
  const std::string file = directory_.path() + "/plan.json";
  std::ofstream(file) << R"({"version":1,"partitions":[)" << plan.str() << "]}";
  tool("org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
       {"--execute", "--reassignment-json-file", file});
  for (const std::string& topic : topics) {
    wait("brokers " + list.str() + " have " + topic, [&] {
      return metadata.each_partition(topic, [&](const rd_kafka_metadata_partition_t& partition) {
        return std::equal(partition.replicas, partition.replicas + partition.replica_cnt, nodes.begin(),
                          nodes.end()) &&
               std::find(nodes.begin(), nodes.end(), partition.leader) != nodes.end();
      });
    });
  }
}

void KafkaBroker::elect_preferred(const Topics& topics) {
  tool("org.apache.kafka.tools.LeaderElectionCommand",
       {"--election-type", "preferred", "--all-topic-partitions"});
  Metadata metadata(brokers());
  for (const std::string& topic : topics) {
    wait("its first broker leads " + topic, [&] {
      return metadata.each_partition(topic, [](const rd_kafka_metadata_partition_t& partition) {
        return partition.replica_cnt > 0 && partition.leader == partition.replicas[0];
      });
    });
  }
}

void KafkaBroker::wait_led(const Topics& topics, int leader, int in_sync) {
  Metadata metadata(brokers());
  for (const std::string& topic : topics) {
    wait("broker " + std::to_string(leader) + " leads " + topic, [&] {
      return metadata.each_partition(topic, [&](const rd_kafka_metadata_partition_t& partition) {
        return partition.leader == leader && partition.isr_cnt == in_sync;
      });
    });
  }
}

}  // namespace tidegate::rig
