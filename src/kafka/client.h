#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kafka/options.h"

/// What the adapter's own parts share of librdkafka: owning pointers, one way to open a client, one way to
/// say what is wrong. Not for other modules.
namespace tidegate::kafka {

struct Destroy {
  void operator()(rd_kafka_t* client) const;  // and what `open_client` keeps with it
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
  void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
  void operator()(rd_kafka_AdminOptions_t* options) const { rd_kafka_AdminOptions_destroy(options); }
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
  void operator()(rd_kafka_ConfigResource_t* resource) const { rd_kafka_ConfigResource_destroy(resource); }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;
using Client = Owned<rd_kafka_t>;
using Message = Owned<rd_kafka_message_t>;

using Properties = std::map<std::string, std::string>;

/// Called by librdkafka where the client polls.
struct Callbacks {
  void* opaque = nullptr;
  void (*delivered)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr;
  void (*failed)(rd_kafka_t*, int, const char*, void*) = nullptr;
};

/// `properties` under those of `options`. `invalid` names a property that librdkafka refuses, never its
/// value.
Result<Client> open_client(const Options& options, rd_kafka_type_t type, Properties properties,
                           const Callbacks& callbacks = {});
/// What every consumer here is: no group, committed records only, latency before throughput, bounded.
Properties consumer_properties(const Options& options);

/// `unavailable`, `denied`, `not_found`, `lost` or `fatal`, after librdkafka's code; the message names the
/// brokers. `right`: the operation of an ACL that this takes, for where it is lacking.
Error error_of(const Options& options, rd_kafka_resp_err_t code, std::string_view doing,
               std::string_view right = {});

/// For topics that `setup` makes and that are not there.
std::string what_to_type(const Options& options);

inline int milliseconds(std::chrono::milliseconds time) {
  return static_cast<int>(time.count());
}

struct TopicShape {
  std::int32_t partitions = 0;
  std::int32_t replicas = 0;  ///< of that partition which has the fewest; also those on brokers that are away
};
/// Asks the brokers; `not_found` if they don't know the topic.
Result<TopicShape> topic_shape(const Options& options, rd_kafka_t* client, const std::string& topic,
                               std::chrono::milliseconds timeout);
/// The same, of the partitions alone.
Result<std::int32_t> partition_count(const Options& options, rd_kafka_t* client, const std::string& topic,
                                     std::chrono::milliseconds timeout);
/// Whether any broker answers. The error says why one that is there would not talk to us (TLS, SASL), as far
/// as that is known.
Status answers(const Options& options, rd_kafka_t* client, std::chrono::milliseconds timeout);

/// A topic to make. 0 partitions or replicas: the broker's default.
struct NewTopic {
  std::string name;
  std::int32_t partitions = 0;
  std::int32_t replicas = 0;
  Properties config;
};
/// Makes it and waits until it is known; success also where somebody else was faster.
Status create_topic(const Options& options, rd_kafka_t* client, const NewTopic& topic);
/// Its effective configuration.
Result<Properties> topic_config(const Options& options, rd_kafka_t* client, const std::string& topic);

}  // namespace tidegate::kafka
