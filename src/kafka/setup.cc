#include "kafka/setup.h"

#include <fmt/format.h>

#include <utility>

#include "base/encoding.h"
#include "kafka/bulletin.h"
#include "kafka/client.h"
#include "kafka/registry.h"

namespace tidegate::kafka {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

using Say = std::function<void(const std::string&)>;

/// One setup's collaborators, and the wording that the two topics share.
struct Topics {
  const Options& options;
  const SetupOptions& wanted;
  const Say& say;
  rd_kafka_t* client;

  [[nodiscard]] std::string command(const std::string& topic, const std::string& change) const {
    return fmt::format(
        "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} --add-config "
        "{}",
        options.brokers, topic, change);
  }

  /// Makes the topic if it is missing and may be made; gives its partitions.
  [[nodiscard]] Result<std::int32_t> present(const NewTopic& topic) const {
    auto count = partition_count(options, client, topic.name, options.open_timeout);
    if (count.ok()) {
      say(fmt::format("topic {} is there, with {} partition{}", topic.name, *count, *count == 1 ? "" : "s"));
      return count;
    }
    if (count.error().fault != Fault::not_found) return count;
    if (wanted.check_only) {
      return Error{Fault::not_found,
                   fmt::format("topic {} does not exist: run `tidegate setup --kafka {} --topic {}`",
                               topic.name, options.brokers, options.topics.front())};
    }
    if (Status made = create_topic(options, client, topic); !made.ok()) return made.error();
    count = partition_count(options, client, topic.name, options.open_timeout);
    if (count.ok()) {
      say(fmt::format("made topic {} with {} partition{}", topic.name, *count, *count == 1 ? "" : "s"));
    }
    return count;
  }

  [[nodiscard]] Status diff_topic(const std::string& name) const {
    const auto count = present({name, wanted.partitions, wanted.replicas, {{"cleanup.policy", "delete"}}});
    if (!count.ok()) return count.error();
    const auto config = topic_config(options, client, name);
    if (!config.ok()) return config.error();
    if (value(*config, "cleanup.policy").find("compact") != std::string::npos) {
      return Error{
          Fault::invalid,
          fmt::format("topic {} compacts (cleanup.policy={}): diffs would disappear from it. "
                      "Type: {}",
                      name, value(*config, "cleanup.policy"), command(name, "cleanup.policy=delete"))};
    }
    const auto retention = parse_i64(value(*config, "retention.ms"));
    if (retention && *retention >= 0 && *retention < kHourMs) {
      say(fmt::format(
          "warning: topic {} keeps records for {} s only (retention.ms={}): clients that come back later "
          "get a fresh snapshot. Type: {}",
          name, *retention / 1000, *retention, command(name, "retention.ms=86400000")));
    }
    replication(name, *config);
    return {};
  }

  /// `called`: what messages call it.
  [[nodiscard]] Status compacted(std::string_view called, const std::string& name) const {
    const auto count = present({name, 1, wanted.replicas, {{"cleanup.policy", "compact"}}});
    if (!count.ok()) return count.error();
    if (*count != 1) {
      return Error{Fault::invalid,
                   fmt::format("{} {} has {} partitions, it must have one. Type: "
                               "kafka-topics.sh --bootstrap-server {} --delete --topic {}, and then "
                               "`tidegate setup` again",
                               called, name, *count, options.brokers, name)};
    }
    const auto config = topic_config(options, client, name);
    if (!config.ok()) return config.error();
    if (value(*config, "cleanup.policy") != "compact") {
      return Error{Fault::invalid, fmt::format("{} {} does not only compact (cleanup.policy={}): what it "
                                               "holds would be forgotten. Type: {}",
                                               called, name, value(*config, "cleanup.policy"),
                                               command(name, "cleanup.policy=compact"))};
    }
    replication(name, *config);
    return {};
  }

 private:
  static std::string value(const Properties& config, const std::string& name) {
    const auto found = config.find(name);
    return found == config.end() ? std::string() : found->second;
  }

  void replication(const std::string& name, const Properties& config) const {
    const auto in_sync = parse_u64(value(config, "min.insync.replicas"));
    if (in_sync && *in_sync < 2) {
      say(fmt::format(
          "warning: topic {} acknowledges a record when one replica has it (min.insync.replicas={}): a "
          "broker that is lost takes acknowledged records along. With three brokers type: {}",
          name, *in_sync, command(name, "min.insync.replicas=2")));
    }
    if (value(config, "unclean.leader.election.enable") == "true") {
      say(fmt::format("warning: topic {} may elect a leader that lacks acknowledged records. Type: {}", name,
                      command(name, "unclean.leader.election.enable=false")));
    }
  }
};

}  // namespace

Status setup(const Options& options, const SetupOptions& wanted, const Say& say) {
  if (options.topics.empty()) return Error{Fault::invalid, "no topic is named: type --topic NAME"};
  auto client = open_client(options, RD_KAFKA_PRODUCER, {{"allow.auto.create.topics", "false"}});
  if (!client.ok()) return client.error();
  if (Status status = answers(options, client->get(), options.open_timeout); !status.ok())
    return status.error();
  const Topics topics{options, wanted, say, client->get()};
  if (Status status = topics.diff_topic(options.topics.front()); !status.ok()) return status.error();
  const std::string& name = options.topics.front();
  if (Status status = topics.compacted("control topic", control_topic(name)); !status.ok()) return status;
  return topics.compacted("topic", revocation_topic(name));
}

}  // namespace tidegate::kafka
