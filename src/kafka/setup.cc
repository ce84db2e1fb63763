#include "kafka/setup.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>
#include <utility>

#include "base/encoding.h"
#include "kafka/bulletin.h"
#include "kafka/client.h"
#include "kafka/registry.h"

namespace tidegate::kafka {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::chrono::milliseconds kAskAgain{20};
/// With so many, each record can be on two brokers and one of them be away.
constexpr std::int32_t kReplicasToLoseOne = 3;

using Say = std::function<void(const std::string&)>;

/// What a question about a topic is answered with that is there, or was just made: a broker learns of it a
/// little later than the controller that made it, each by itself, and the next question may reach another
/// one.
template <class Question>
auto once_known(const Options& options, Question question) {
  const auto until = std::chrono::steady_clock::now() + options.open_timeout;
  for (;;) {
    auto answer = question();
    const bool unknown = !answer.ok() && answer.error().fault == Fault::not_found;
    if (!unknown || std::chrono::steady_clock::now() >= until) return answer;
    std::this_thread::sleep_for(kAskAgain);
  }
}

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
  [[nodiscard]] Result<std::int32_t> present(NewTopic topic) const {
    const auto found = topic_shape(options, client, topic.name, options.open_timeout);
    if (found.ok()) {
      say(fmt::format("topic {} is there, with {} partition{}", topic.name, found->partitions,
                      found->partitions == 1 ? "" : "s"));
      if (found->replicas < wanted.replicas) too_few_replicas(topic.name, found->replicas);
      return found->partitions;
    }
    if (found.error().fault != Fault::not_found) return found.error();
    if (wanted.check_only) {
      return Error{Fault::not_found,
                   fmt::format("topic {} does not exist: run `tidegate setup --kafka {} --topic {}`",
                               topic.name, options.brokers, options.topics.front())};
    }
    if (topic.replicas >= kReplicasToLoseOne) topic.config["min.insync.replicas"] = std::string("2");
    if (Status made = create_topic(options, client, topic); !made.ok()) return made.error();
    const auto count = once_known(
        options, [&] { return partition_count(options, client, topic.name, options.open_timeout); });
    if (count.ok()) {
      say(fmt::format("made topic {} with {} partition{}", topic.name, *count, *count == 1 ? "" : "s"));
    }
    return count;
  }

  [[nodiscard]] Status diff_topic(const std::string& name) const {
    const auto count = present({name, wanted.partitions, wanted.replicas, {{"cleanup.policy", "delete"}}});
    if (!count.ok()) return count.error();
    const auto config = config_of(name);
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
    const auto config = config_of(name);
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
  [[nodiscard]] Result<Properties> config_of(const std::string& name) const {
    return once_known(options, [&] { return topic_config(options, client, name); });
  }
  static std::string value(const Properties& config, const std::string& name) {
    const auto found = config.find(name);
    return found == config.end() ? std::string() : found->second;
  }

  void too_few_replicas(const std::string& name, std::int32_t replicas) const {
    say(fmt::format(
        "warning: topic {} has {} replica{}, {} are wanted: setup moves nothing between brokers. "
        "kafka-reassign-partitions.sh --bootstrap-server {} --execute --reassignment-json-file FILE does, "
        "with "
        "{} brokers for each partition in FILE",
        name, replicas, replicas == 1 ? "" : "s", wanted.replicas, options.brokers, wanted.replicas));
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
