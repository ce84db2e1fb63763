#include "rig/kafka.h"

#include <librdkafka/rdkafka.h>
#include <signal.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>

namespace tidegate::rig {
namespace {

using namespace std::chrono_literals;
constexpr int kAnswerMs = 60'000;

using Handle = std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)>;

rd_kafka_t* open_handle(rd_kafka_type_t type, const KafkaBroker::Settings& settings) {
  std::array<char, 512> error{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) !=
        RD_KAFKA_CONF_OK) {
      throw std::runtime_error(error.data());
    }
  }
  rd_kafka_t* handle = rd_kafka_new(type, conf, error.data(), error.size());
  if (handle == nullptr) throw std::runtime_error(error.data());
  return handle;
}

/// To ask for a topic makes none.
Handle client(const std::string& brokers) {
  return {open_handle(
              RD_KAFKA_PRODUCER,
              {{"bootstrap.servers", brokers}, {"log_level", "0"}, {"allow.auto.create.topics", "false"}}),
          &rd_kafka_destroy};
}

void check(rd_kafka_error_t* error, const char* what) {
  if (error == nullptr) return;
  const std::string message = std::string(what) + ": " + rd_kafka_error_string(error);
  rd_kafka_error_destroy(error);
  throw std::runtime_error(message);
}

/// Runs one admin request and throws for its error or that of a topic in it.
void administer(rd_kafka_t* handle,
                const std::function<void(rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& request,
                const std::function<void(rd_kafka_event_t*)>& results = {}) {
  std::array<char, 256> error{};
  rd_kafka_AdminOptions_t* options = rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_ANY);
  rd_kafka_AdminOptions_set_operation_timeout(options, kAnswerMs, error.data(), error.size());
  rd_kafka_AdminOptions_set_request_timeout(options, kAnswerMs, error.data(), error.size());
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle);
  request(options, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 2 * kAnswerMs);
  std::string fault;
  if (event == nullptr) {
    fault = "no answer to an admin request";
  } else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fault = rd_kafka_event_error_string(event);
  } else if (results) {
    try {
      results(event);
    } catch (const std::runtime_error& caught) {
      fault = caught.what();
    }
  }
  if (event != nullptr) rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_AdminOptions_destroy(options);
  if (!fault.empty()) throw std::runtime_error(fault);
}

/// Whether the topic was made; false where the controller has not heard of its broker for a moment, as on a
/// machine that is busy with something else. Throws for any other reason.
bool made(const rd_kafka_topic_result_t* result) {
  const auto error = rd_kafka_topic_result_error(result);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
  if (error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR) return false;
  const char* text = rd_kafka_topic_result_error_string(result);
  throw std::runtime_error(text != nullptr ? text : rd_kafka_err2str(error));
}

/// The broker learns of what the controller has done a little later: how many partitions the topic has, 0 for
/// one that is gone.
void wait_until_known(rd_kafka_t* handle, const std::string& name, int partitions) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kAnswerMs);
  while (std::chrono::steady_clock::now() < until) {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(handle, 1, nullptr, &metadata, kAnswerMs) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    int led = 0;
    for (int t = 0; t < metadata->topic_cnt; ++t) {
      if (metadata->topics[t].topic != name) continue;
      for (int i = 0; i < metadata->topics[t].partition_cnt; ++i) {
        led += metadata->topics[t].partitions[i].leader >= 0 || partitions == 0 ? 1 : 0;
      }
    }
    rd_kafka_metadata_destroy(metadata);
    if (led == partitions) return;
  }
  throw std::runtime_error("the broker does not know what became of topic " + name);
}

/// The only node of its cluster, or the one that others join.
std::string first_node(int port, int controller) {
  std::ostringstream out;
  out << "process.roles=broker,controller\nnode.id=1\n"
      << "listeners=PLAINTEXT://127.0.0.1:" << port << ",CONTROLLER://127.0.0.1:" << controller << "\n";
  return out.str();
}

std::string further_node(int node, int port) {
  std::ostringstream out;
  out << "process.roles=broker\nnode.id=" << node << "\nlisteners=PLAINTEXT://127.0.0.1:" << port << "\n";
  return out.str();
}

/// `node`: the lines that say who it is. `controller`: the port of the cluster's.
std::string properties(const std::string& node, int port, int controller, const std::string& data,
                       const KafkaBroker::Settings& settings) {
  std::ostringstream out;
  out << node << "controller.quorum.voters=1@127.0.0.1:" << controller << "\n"
      << "advertised.listeners=PLAINTEXT://127.0.0.1:" << port << "\n"
      << "controller.listener.names=CONTROLLER\n"
      << "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
      << "log.dirs=" << data << "\n"
      << "num.partitions=1\noffsets.topic.num.partitions=1\noffsets.topic.replication.factor=1\n"
      << "transaction.state.log.num.partitions=1\ntransaction.state.log.replication.factor=1\n"
      << "transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n"
      // A killed broker can't come back before its session is over.
      << "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n"
      << "controlled.shutdown.enable=false\nlog.cleaner.backoff.ms=200\nlog.retention.check.interval.ms="
         "1000\n";
  for (const auto& [name, value] : settings) out << name << "=" << value << "\n";
  return out.str();
}

/// One PEM file with the key and the certificate is what Java takes as a key store.
void write_key_store(const std::string& path, const KafkaBroker::Guard& guard) {
  std::ofstream(path) << std::ifstream(guard.key_file).rdbuf()
                      << std::ifstream(guard.certificate_file).rdbuf();
}

KafkaBroker::Settings guarded(int port, int guarded_port, int controller, const std::string& key_store) {
  const std::string loopback = "://127.0.0.1:";
  return {
      {"listeners", "PLAINTEXT" + loopback + std::to_string(port) + ",CONTROLLER" + loopback +
                        std::to_string(controller) + ",SASL_SSL" + loopback + std::to_string(guarded_port)},
      {"advertised.listeners", "PLAINTEXT" + loopback + std::to_string(port) +
                                   ",SASL_SSL://localhost:" + std::to_string(guarded_port)},
      {"listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL"},
      {"inter.broker.listener.name", "PLAINTEXT"},
      {"ssl.keystore.type", "PEM"},
      {"ssl.keystore.location", key_store},
      {"sasl.enabled.mechanisms", "SCRAM-SHA-512"},
      {"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
       "org.apache.kafka.common.security.scram.ScramLoginModule required;"}};
}

rd_kafka_AclOperation_t operation_of(const std::string& name) {
  if (name == "Read") return RD_KAFKA_ACL_OPERATION_READ;
  if (name == "Write") return RD_KAFKA_ACL_OPERATION_WRITE;
  if (name == "Create") return RD_KAFKA_ACL_OPERATION_CREATE;
  if (name == "Describe") return RD_KAFKA_ACL_OPERATION_DESCRIBE;
  if (name == "DescribeConfigs") return RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS;
  throw std::runtime_error("no such operation: " + name);
}

using Acl = std::unique_ptr<rd_kafka_AclBinding_t, decltype(&rd_kafka_AclBinding_destroy)>;

Acl acl(bool filter, const std::string& user, const std::string& operation, const std::string& topic) {
  std::array<char, 256> error{};
  const std::string principal = "User:" + user;
  auto* const make = filter ? &rd_kafka_AclBindingFilter_new : &rd_kafka_AclBinding_new;
  return {make(RD_KAFKA_RESOURCE_TOPIC, topic.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL, principal.c_str(),
               "*", operation_of(operation), RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, error.data(), error.size()),
          &rd_kafka_AclBinding_destroy};
}

std::string jar_directory() {
  const char* named = std::getenv("TIDEGATE_KAFKA_LIB");
  std::string lib = named != nullptr ? named : TIDEGATE_ROOT "/build/kafka/lib";
  if (!std::filesystem::is_directory(lib)) {
    throw std::runtime_error("no Kafka jars in " + lib +
                             ": run tools/kafka/fetch, or name them in TIDEGATE_KAFKA_LIB");
  }
  return lib;
}

}  // namespace

KafkaBroker::KafkaBroker(Settings settings, Jvm jvm) : KafkaBroker(Guard(), std::move(settings), jvm) {}

KafkaBroker::KafkaBroker(Guard guard, Settings settings, Jvm jvm)
    : lib_(jar_directory()), guard_(std::move(guard)), jvm_(jvm) {
  if (!guard_.users.empty()) {
    const std::string key_store = directory_.path() + "/key_store.pem";
    write_key_store(key_store, guard_);
    const Settings more =
        guarded(port_.number(), guarded_port_.number(), controller_port_.number(), key_store);
    settings.insert(settings.begin(), more.begin(), more.end());
  }
  const std::string path = directory_.path() + "/server.properties";
  std::ofstream(path) << properties(first_node(port_.number(), controller_port_.number()), port_.number(),
                                    controller_port_.number(), directory_.path() + "/data", settings);
  format();
  start();
}

KafkaBroker::KafkaBroker(const KafkaBroker& first, int node, const Settings& settings) : lib_(first.lib_) {
  std::ofstream(directory_.path() + "/server.properties")
      << properties(further_node(node, port_.number()), port_.number(), first.controller_port_.number(),
                    directory_.path() + "/data", settings);
  format();
  start();
}

void KafkaBroker::format() {
  // Any 22 characters of base64url with 16 bytes in them are a cluster id.
  std::vector<std::string> command{"java",
                                   "-Xmx128m",
                                   "-XX:+UseSerialGC",
                                   "-XX:TieredStopAtLevel=1",
                                   "-cp",
                                   lib_ + "/*",
                                   "kafka.tools.StorageTool",
                                   "format",
                                   "-t",
                                   "MkU3OEVBNTcwNTJENDM2Qg",
                                   "-c",
                                   directory_.path() + "/server.properties"};
  for (const auto& [name, password] : guard_.users)
    command.insert(command.end(),
                   {"--add-scram", "SCRAM-SHA-512=[name=" + name + ",password=" + password + "]"});
  run(std::move(command));
}

void KafkaBroker::lose_disk() {
  std::filesystem::remove_all(directory_.path() + "/data");
  format();
}

KafkaBroker::~KafkaBroker() = default;

std::string KafkaBroker::brokers() const {
  return "127.0.0.1:" + std::to_string(port_.number());
}

std::string KafkaBroker::guarded_brokers() const {
  return "localhost:" + std::to_string(guarded_port_.number());
}

std::string KafkaBroker::log() const {
  return process_ ? process_->output() : std::string();
}

void KafkaBroker::launch() {
  const std::string log4j = directory_.path() + "/log4j.properties";
  std::ofstream(log4j) << "log4j.rootLogger=WARN, out\nlog4j.logger.kafka.server.KafkaRaftServer=INFO\n"
                          "log4j.appender.out=org.apache.log4j.ConsoleAppender\n"
                          "log4j.appender.out.layout=org.apache.log4j.PatternLayout\n"
                          "log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n";
  std::vector<std::string> command{"java"};
  const std::vector<std::string> of_jvm =
      jvm_ == Jvm::quick
          ? std::vector<std::string>{"-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
          : std::vector<std::string>{"-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"};
  command.insert(command.end(), of_jvm.begin(), of_jvm.end());
  command.insert(command.end(), {"-Dlog4j.configuration=file:" + log4j, "-cp", lib_ + "/*", "kafka.Kafka",
                                 directory_.path() + "/server.properties"});
  process_ = std::make_unique<Process>(std::move(command), directory_.path() + "/broker.log");
}

void KafkaBroker::wait_until_it_answers() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  const Handle handle = client(brokers());
  while (std::chrono::steady_clock::now() < until && process_->running()) {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(handle.get(), 0, nullptr, &metadata, 500) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const bool ready = metadata->broker_cnt > 0;
      rd_kafka_metadata_destroy(metadata);
      if (ready) return;
    }
  }
  throw std::runtime_error("the broker does not answer: " + log());
}

void KafkaBroker::start() {
  launch();
  wait_until_it_answers();
}

void KafkaBroker::stop() {
  process_->signal(SIGTERM);
  if (!process_->wait(kPatience)) throw std::runtime_error("the broker does not stop: " + log());
}

void KafkaBroker::kill() {
  process_->signal(SIGKILL);
  process_->wait(kPatience);
}

void KafkaBroker::restart() {
  stop();
  start();
}

void KafkaBroker::create_topic(const std::string& name, int partitions, const Settings& config) {
  const Handle handle = client(brokers());
  std::array<char, 256> error{};
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, error.data(), error.size());
  for (const auto& [key, value] : config) rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
  bool done = false;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!done && std::chrono::steady_clock::now() < until) {
    administer(
        handle.get(),
        [&](auto* options, auto* queue) { rd_kafka_CreateTopics(handle.get(), &topic, 1, options, queue); },
        [&](rd_kafka_event_t* event) {
          size_t count = 0;
          done =
              made(*rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count));
        });
  }
  rd_kafka_NewTopic_destroy(topic);
  wait_until_known(handle.get(), name, partitions);
}

void KafkaBroker::allow(const std::string& user, const std::string& operation, const std::string& topic) {
  const Handle handle = client(brokers());
  const Acl made = acl(false, user, operation, topic);
  rd_kafka_AclBinding_t* one = made.get();
  administer(
      handle.get(),
      [&](auto* options, auto* queue) { rd_kafka_CreateAcls(handle.get(), &one, 1, options, queue); },
      [](rd_kafka_event_t* event) {
        size_t count = 0;
        const auto* const* results =
            rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event), &count);
        const rd_kafka_error_t* error = count == 1 ? rd_kafka_acl_result_error(results[0]) : nullptr;
        if (error != nullptr) throw std::runtime_error(rd_kafka_error_string(error));
      });
}

void KafkaBroker::disallow(const std::string& user, const std::string& operation, const std::string& topic) {
  const Handle handle = client(brokers());
  const Acl matched = acl(true, user, operation, topic);
  rd_kafka_AclBinding_t* one = matched.get();
  administer(handle.get(),
             [&](auto* options, auto* queue) { rd_kafka_DeleteAcls(handle.get(), &one, 1, options, queue); });
}

void KafkaBroker::delete_topic(const std::string& name) {
  const Handle handle = client(brokers());
  rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
  administer(handle.get(), [&](auto* options, auto* queue) {
    rd_kafka_DeleteTopics(handle.get(), &topic, 1, options, queue);
  });
  rd_kafka_DeleteTopic_destroy(topic);
  wait_until_known(handle.get(), name, 0);
}

void KafkaBroker::add_partitions(const std::string& name, int total) {
  const Handle handle = client(brokers());
  std::array<char, 256> error{};
  rd_kafka_NewPartitions_t* more =
      rd_kafka_NewPartitions_new(name.c_str(), static_cast<size_t>(total), error.data(), error.size());
  administer(handle.get(), [&](auto* options, auto* queue) {
    rd_kafka_CreatePartitions(handle.get(), &more, 1, options, queue);
  });
  rd_kafka_NewPartitions_destroy(more);
  wait_until_known(handle.get(), name, total);
}

void KafkaBroker::delete_records_below(const std::string& topic, int partition, std::int64_t offset) {
  const Handle handle = client(brokers());
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list);
  rd_kafka_topic_partition_list_destroy(list);
  administer(handle.get(), [&](auto* options, auto* queue) {
    rd_kafka_DeleteRecords(handle.get(), &request, 1, options, queue);
  });
  rd_kafka_DeleteRecords_destroy(request);
}

KafkaProducer::KafkaProducer(const std::string& brokers, const std::string& transactional_id) {
  KafkaBroker::Settings settings = {{"bootstrap.servers", brokers}, {"linger.ms", "0"}, {"log_level", "0"}};
  if (!transactional_id.empty()) settings.emplace_back("transactional.id", transactional_id);
  producer_ = open_handle(RD_KAFKA_PRODUCER, settings);
  if (!transactional_id.empty()) check(rd_kafka_init_transactions(producer_, kAnswerMs), "init_transactions");
}

KafkaProducer::~KafkaProducer() {
  rd_kafka_destroy(producer_);
}

void KafkaProducer::produce(const KafkaRecord& record) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size());
  for (const auto& [name, value] : record.headers) {
    rd_kafka_header_add(headers, name.c_str(), -1, value ? value->data() : nullptr,
                        value ? static_cast<ssize_t>(value->size()) : 0);
  }
  // librdkafka takes an empty key or value that is not null only from a pointer that is not null.
  const void* key = record.key ? record.key->c_str() : nullptr;
  void* value = record.value ? const_cast<char*>(record.value->c_str()) : nullptr;
  const std::size_t key_size = record.key ? record.key->size() : 0;
  const std::size_t value_size = record.value ? record.value->size() : 0;
  const auto error = rd_kafka_producev(
      producer_, RD_KAFKA_V_TOPIC(record.topic.c_str()), RD_KAFKA_V_PARTITION(record.partition),
      RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_VALUE(value, value_size), RD_KAFKA_V_HEADERS(headers),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK), RD_KAFKA_V_END);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  rd_kafka_headers_destroy(headers);
  throw std::runtime_error(rd_kafka_err2str(error));
}

void KafkaProducer::flush() {
  if (rd_kafka_flush(producer_, kAnswerMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("not everything was acknowledged");
  }
}

void KafkaProducer::begin() {
  check(rd_kafka_begin_transaction(producer_), "begin_transaction");
}
void KafkaProducer::commit() {
  check(rd_kafka_commit_transaction(producer_, kAnswerMs), "commit_transaction");
}
void KafkaProducer::abort() {
  check(rd_kafka_abort_transaction(producer_, kAnswerMs), "abort_transaction");
}

}  // namespace tidegate::rig
