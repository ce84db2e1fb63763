#include "kafka/client.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

namespace tidegate::kafka {
namespace {

constexpr std::chrono::seconds kEnding{10};  // of a client; without a reason to wait it takes milliseconds

void quiet(const rd_kafka_t*, int, const char*, const char*) {}  // what matters comes back as an Error

/// What goes with a client that `open_client` made, as its opaque: who is called, and what the brokers said.
class Listener {
 public:
  Listener(Callbacks callbacks, std::map<std::string, std::string> properties)
      : callbacks_(callbacks), properties_(std::move(properties)) {}

  static void delivered(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque) {
    const auto* self = static_cast<const Listener*>(opaque);
    const Callbacks& to = self->callbacks_;
    if (!self->silent_) to.delivered(client, message, to.opaque);
  }
  static void failed(rd_kafka_t* client, int code, const char* reason, void* opaque) {
    auto* self = static_cast<Listener*>(opaque);
    self->hear(code, reason);
    const Callbacks& to = self->callbacks_;
    if (to.failed != nullptr && !self->silent_) to.failed(client, code, reason, to.opaque);
  }
  /// Who is called is gone.
  void fall_silent() { silent_ = true; }
  /// Of a broker that is there, and would not talk to us.
  [[nodiscard]] std::string refusal() const {
    const std::lock_guard lock(mutex_);
    return refusal_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    refusal_.clear();
  }

 private:
  void hear(int code, std::string_view reason) {
    const bool credentials = code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
    const bool tls = code == RD_KAFKA_RESP_ERR__SSL;
    // librdkafka's guess where a broker hangs up at once: TLS on one side only.
    if (!credentials && !tls && reason.find("security.protocol") == std::string_view::npos) return;
    std::string words = without_secrets(properties_, std::string(reason));
    if (credentials)
      words += ": sasl.mechanism, sasl.username and sasl.password must be what the broker knows";
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(words);
  }

  const Callbacks callbacks_;
  const std::map<std::string, std::string> properties_;
  std::atomic<bool> silent_{false};
  mutable std::mutex mutex_;
  std::string refusal_;  // guarded by mutex_
};

Listener* listener_of(const rd_kafka_t* client) {
  return static_cast<Listener*>(rd_kafka_opaque(client));
}

Fault fault_of(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return Fault::not_found;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return Fault::denied;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return Fault::lost;
    case RD_KAFKA_RESP_ERR__FATAL:
      return Fault::fatal;
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return Fault::invalid;
    default:
      return Fault::unavailable;
  }
}

/// One admin request and its answer, or what went wrong with it as a whole.
Result<Owned<rd_kafka_event_t>> administer(
    const Options& options, rd_kafka_t* client, std::string_view doing,
    const std::function<void(rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& request) {
  std::array<char, 256> error{};
  const int timeout = milliseconds(options.open_timeout);
  const Owned<rd_kafka_AdminOptions_t> admin(rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_ANY));
  rd_kafka_AdminOptions_set_request_timeout(admin.get(), timeout, error.data(), error.size());
  rd_kafka_AdminOptions_set_operation_timeout(admin.get(), timeout, error.data(), error.size());
  const Owned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client));
  request(admin.get(), queue.get());
  Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), 2 * timeout));
  if (!event) return error_of(options, RD_KAFKA_RESP_ERR__TIMED_OUT, doing);
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(options, rd_kafka_event_error(event.get()), doing);
  }
  return event;
}

constexpr std::chrono::milliseconds kSlice{1'000};  // of a question that waits for a broker

/// Of all that a broker sends at once: librdkafka's own 50 MiB would nearly double what is held. A single
/// batch that is larger comes all the same.
constexpr std::size_t kResponseMin = 1 << 20;
constexpr std::size_t kResponseMax = 16 << 20;

/// Without the value, which may be a secret, and so without librdkafka's own words where they repeat it.
Error refused(const std::string& name, rd_kafka_conf_res_t result) {
  return {Fault::invalid, "Kafka property " + name +
                              (result == RD_KAFKA_CONF_UNKNOWN
                                   ? ": librdkafka knows none of that name"
                                   : ": librdkafka does not take its value (not shown: it may be secret)")};
}

}  // namespace

/// A consumer whose question about offsets was answered that there is no such topic may never end
/// (librdkafka's issues 3007 and 3954: a broker's thread waits for a reference that nobody gives back). It is
/// left behind then, with a few threads that do nothing: a gateway that begins anew must not wait for them.
void Destroy::operator()(rd_kafka_t* client) const {
  std::unique_ptr<Listener> listener(listener_of(client));  // is called until the client is gone
  std::promise<void> gone;
  std::future<void> ended = gone.get_future();
  std::thread ending([client, gone = std::move(gone)]() mutable {
    rd_kafka_destroy(client);
    gone.set_value();
  });
  if (ended.wait_for(kEnding) == std::future_status::ready) return ending.join();
  listener.release()->fall_silent();
  ending.detach();
}

Result<Client> open_client(const Options& options, rd_kafka_type_t type, Properties properties,
                           const Callbacks& callbacks) {
  properties["bootstrap.servers"] = options.brokers;
  properties["client.id"] = options.client_id;
  properties.emplace("socket.keepalive.enable", "true");
  properties.emplace("reconnect.backoff.ms", "20");
  properties.emplace("reconnect.backoff.max.ms", "1000");
  for (const auto& [name, value] : options.properties) properties[name] = value;
  std::array<char, 512> error{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : properties) {
    const auto set = rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size());
    if (set != RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return refused(name, set);
    }
  }
  auto listener = std::make_unique<Listener>(callbacks, options.properties);
  rd_kafka_conf_set_log_cb(conf, &quiet);
  rd_kafka_conf_set_opaque(conf, listener.get());
  if (callbacks.delivered != nullptr) rd_kafka_conf_set_dr_msg_cb(conf, &Listener::delivered);
  rd_kafka_conf_set_error_cb(conf, &Listener::failed);
  Client client(rd_kafka_new(type, conf, error.data(), error.size()));
  if (!client) {
    rd_kafka_conf_destroy(conf);
    return Error{Fault::invalid, "Kafka client: " + without_secrets(options.properties, error.data())};
  }
  (void)listener.release();  // it ends with the client
  return client;
}

Properties consumer_properties(const Options& options) {
  const std::size_t kilobytes = std::max<std::size_t>(options.fetch_bytes_max / 1024, 1);
  std::size_t response = std::clamp(options.fetch_bytes_max, kResponseMin, kResponseMax);
  if (const auto message = options.properties.find("message.max.bytes");
      message != options.properties.end()) {
    // librdkafka refuses a client whose fetches are smaller; what is no number it refuses by itself.
    response = std::max<std::size_t>(response, std::strtoull(message->second.c_str(), nullptr, 10));
  }
  return {{"auto.offset.reset", "error"},  // else a position that is out of range would jump to the end
          {"isolation.level", "read_committed"},
          {"fetch.min.bytes", "1"},
          {"fetch.wait.max.ms", "50"},  // also what a seek waits for, behind a fetch that is under way
          {"fetch.error.backoff.ms", "50"},
          {"queued.min.messages", "100000"},
          {"queued.max.messages.kbytes", std::to_string(kilobytes)},
          {"fetch.max.bytes", std::to_string(response)},  // comes on top of what is queued
          {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"},
          {"allow.auto.create.topics", "false"}};
}

Error error_of(const Options& options, rd_kafka_resp_err_t code, std::string_view doing,
               std::string_view right) {
  std::string message =
      std::string(doing) + ": " + rd_kafka_err2str(code) + " (Kafka at " + options.brokers + ")";
  if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED && !right.empty()) {
    message += ": our principal lacks the operation " + std::string(right) +
               " of it: kafka-acls.sh --add --allow-principal User:… --operation " + std::string(right) +
               " --topic …";
  }
  return {fault_of(code), std::move(message)};
}

std::string what_to_type(const Options& options) {
  return ": run `tidegate setup --kafka " + options.brokers + " --topic " + options.topics.front() + "`";
}

Result<std::int32_t> partition_count(const Options& options, rd_kafka_t* client, const std::string& topic,
                                     std::chrono::milliseconds timeout) {
  const auto shape = topic_shape(options, client, topic, timeout);
  if (!shape.ok()) return shape.error();
  return shape->partitions;
}

Result<TopicShape> topic_shape(const Options& options, rd_kafka_t* client, const std::string& topic,
                               std::chrono::milliseconds timeout) {
  const std::string doing = "topic " + topic;
  const Owned<rd_kafka_topic_t> handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
  if (!handle) return error_of(options, rd_kafka_last_error(), doing);
  const rd_kafka_metadata_t* raw = nullptr;
  const auto code = rd_kafka_metadata(client, 0, handle.get(), &raw, milliseconds(timeout));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(options, code, doing);
  const Owned<const rd_kafka_metadata_t> metadata(raw);
  if (metadata->topic_cnt != 1) return error_of(options, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, doing);
  const rd_kafka_metadata_topic_t& found = metadata->topics[0];
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(options, found.err, doing, "Describe");
  TopicShape shape{found.partition_cnt, found.partition_cnt > 0 ? found.partitions[0].replica_cnt : 0};
  for (int i = 0; i < found.partition_cnt; ++i)
    shape.replicas = std::min(shape.replicas, found.partitions[i].replica_cnt);
  return shape;
}

Status answers(const Options& options, rd_kafka_t* client, std::chrono::milliseconds timeout) {
  Listener& listener = *listener_of(client);
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (std::chrono::milliseconds left = timeout;;) {
    const rd_kafka_metadata_t* raw = nullptr;
    auto code = rd_kafka_metadata(client, 0, nullptr, &raw, milliseconds(std::min(left, kSlice)));
    const Owned<const rd_kafka_metadata_t> metadata(raw);
    rd_kafka_poll(client, 0);  // what the brokers said meanwhile
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->broker_cnt == 0)
      code = RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      listener.forget();
      return {};
    }
    const std::string refusal = listener.refusal();
    left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() > 0 && refusal.empty()) continue;  // who was refused is refused again
    Error error = error_of(options, code, "no broker answers");
    if (!refusal.empty()) error.message += ": " + refusal;
    return error;
  }
}

Status create_topic(const Options& options, rd_kafka_t* client, const NewTopic& topic) {
  const std::string doing = "making topic " + topic.name;
  std::array<char, 256> error{};
  const Owned<rd_kafka_NewTopic_t> request(
      rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions > 0 ? topic.partitions : -1,
                            topic.replicas > 0 ? topic.replicas : -1, error.data(), error.size()));
  if (!request) return Error{Fault::invalid, doing + ": " + error.data()};
  for (const auto& [name, value] : topic.config) {
    rd_kafka_NewTopic_set_config(request.get(), name.c_str(), value.c_str());
  }
  rd_kafka_NewTopic_t* one = request.get();
  auto event = administer(options, client, doing, [&](auto* admin, auto* queue) {
    rd_kafka_CreateTopics(client, &one, 1, admin, queue);
  });
  if (!event.ok()) return event.error();
  size_t count = 0;
  const auto* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event->get()), &count);
  const auto code = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    const char* text = count == 1 ? rd_kafka_topic_result_error_string(results[0]) : nullptr;
    return error_of(options, code, text != nullptr ? doing + ": " + text : doing, "Create");
  }
  const auto until = std::chrono::steady_clock::now() + options.open_timeout;
  for (;;) {  // the broker that is asked learns of it a little later than the controller that made it
    const auto known = partition_count(options, client, topic.name, options.answer_timeout);
    if (known.ok() && *known > 0) return {};
    if (std::chrono::steady_clock::now() >= until) {
      return known.ok() ? error_of(options, RD_KAFKA_RESP_ERR__TIMED_OUT, doing) : known.error();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Result<Properties> topic_config(const Options& options, rd_kafka_t* client, const std::string& topic) {
  const std::string doing = "reading the configuration of topic " + topic;
  const Owned<rd_kafka_ConfigResource_t> request(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  rd_kafka_ConfigResource_t* one = request.get();
  auto event = administer(options, client, doing, [&](auto* admin, auto* queue) {
    rd_kafka_DescribeConfigs(client, &one, 1, admin, queue);
  });
  if (!event.ok()) return event.error();
  size_t count = 0;
  const auto* resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event->get()), &count);
  if (count != 1) return error_of(options, RD_KAFKA_RESP_ERR_UNKNOWN, doing);
  if (const auto code = rd_kafka_ConfigResource_error(resources[0]); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(options, code, doing, "DescribeConfigs");
  }
  Properties config;
  const auto* entries = rd_kafka_ConfigResource_configs(resources[0], &count);
  for (size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    config[rd_kafka_ConfigEntry_name(entries[i])] = value != nullptr ? value : "";
  }
  return config;
}

}  // namespace tidegate::kafka
