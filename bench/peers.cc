// Centrifugo, NATS and nchan as contenders, each with its own client protocol over WebSocket, as its makers
// document it, and its own defaults but for bounds that would cut a flood's clients off.

#include "contender.h"
#include "peer_process.h"

namespace tidegate::bench {
namespace {

/// Reads Kafka itself; a record's header names the channels, its value is JSON.
class Centrifugo final : public Contender {
 public:
  Centrifugo(rig::KafkaBroker& broker, const Load& load)
      : load_(load), topic_(next_topic(broker)), producer_(broker.brokers()) {
    const std::string configuration = fmt::format(
        R"({{"http_server": {{"address": "127.0.0.1", "port": {}}}, "log": {{"level": "warn"}},
"client": {{"insecure": true, "queue_max_size": 67108864}},
"consumers": [{{"enabled": true, "name": "bench", "type": "kafka", "kafka": {{"brokers": ["{}"],
"topics": ["{}"], "consumer_group": "bench.{}", "publication_data_mode": {{"enabled": true}}}}}}]}})",
        process_.port(), broker.brokers(), topic_, topic_);
    process_.start("config.json", configuration,
                   {peer_path("centrifugo"), "-c", process_.directory() + "/config.json"});
  }
  [[nodiscard]] SwarmSettings clients() const override {
    SwarmSettings settings{.port = process_.port(), .sessions = load_.sessions};
    settings.target = [](int) { return "/connection/websocket"; };
    settings.greeting = [queries = load_.queries](int i) {
      return fmt::format("{{\"id\":1,\"connect\":{{}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"k{}\"}}}}",
                         i % queries);
    };
    settings.answer = "\"subscribe\":";
    settings.answers = 1;
    settings.fault = "\"error\":";
    settings.records = SwarmSettings::Records::marks;
    settings.question = settings.reply = "{}";
    return settings;
  }
  [[nodiscard]] pid_t pid() const override { return process_.pid(); }
  void feed(int query) override {
    producer_.produce({topic_,
                       0,
                       "k" + std::to_string(query),
                       '"' + marked(load_.payload - 2) + '"',
                       {{"centrifugo-channels", "k" + std::to_string(query)}}});
  }

 private:
  const Load load_;
  const std::string topic_;
  rig::KafkaProducer producer_;
  PeerProcess process_;
};

/// Its text protocol over WebSocket; fed over TCP.
class Nats final : public Contender {
 public:
  explicit Nats(const Load& load) : load_(load) {
    const std::string configuration = fmt::format(
        "listen: \"127.0.0.1:{}\"\nwebsocket {{ listen: \"127.0.0.1:{}\", no_tls: true }}\n"
        "max_connections: 30000\nping_interval: \"10m\"\nwrite_deadline: \"60s\"\n",
        process_.other_port(), process_.port());
    process_.start("nats.conf", configuration,
                   {peer_path("nats-server"), "-c", process_.directory() + "/nats.conf"});
    if (!line_.open(process_.other_port())) end("NATS takes no records");
    line_.send("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
  }
  [[nodiscard]] SwarmSettings clients() const override {
    SwarmSettings settings{.port = process_.port(), .sessions = load_.sessions};
    settings.greeting = [queries = load_.queries](int i) {
      return fmt::format("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB k{} 1\r\nPING\r\n",
                         i % queries);
    };
    settings.answer = "PONG";
    settings.answers = 1;
    settings.fault = "-ERR";
    settings.records = SwarmSettings::Records::marks;
    settings.question = "PING\r\n";
    settings.reply = "PONG\r\n";
    return settings;
  }
  [[nodiscard]] pid_t pid() const override { return process_.pid(); }
  void feed(int query) override {
    line_.send(fmt::format("PUB k{} {}\r\n{}\r\n", query, load_.payload, marked(load_.payload)));
  }

 private:
  const Load load_;
  PeerProcess process_;
  Line line_;
};

constexpr const char* kNginx = "/usr/sbin/nginx";
constexpr const char* kNchan = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// A module of nginx; fed by HTTP.
class Nchan final : public Contender {
 public:
  explicit Nchan(const Load& load) : load_(load) {
    const std::string configuration = fmt::format(
        "load_module {};\ndaemon off;\nmaster_process off;\nworker_processes 1;\nworker_rlimit_nofile "
        "20000;\n"
        "pid {}/pid;\nerror_log stderr warn;\nevents {{ worker_connections 19990; }}\n"
        "http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;\n"
        "  nchan_shared_memory_size 1g;\n  server {{ listen 127.0.0.1:{} backlog=4096;\n"
        "    location ~ ^/pub/(.+)$ {{ nchan_publisher; nchan_channel_id $1;\n"
        "      nchan_message_buffer_length 20000; nchan_message_timeout 1m; }}\n"
        "    location ~ ^/sub/(.+)$ {{ nchan_subscriber websocket; nchan_channel_id $1;\n"
        "      nchan_subscriber_first_message newest; }} }} }}\n",
        kNchan, process_.directory(), process_.port());
    const std::string path = process_.directory() + "/nginx.conf";
    process_.start("nginx.conf", configuration, {kNginx, "-p", process_.directory(), "-c", path});
    if (!line_.open(process_.port())) end("nchan takes no records");
  }
  [[nodiscard]] SwarmSettings clients() const override {
    SwarmSettings settings{.port = process_.port(), .sessions = load_.sessions};
    settings.target = [queries = load_.queries](int i) { return fmt::format("/sub/k{}", i % queries); };
    settings.records = SwarmSettings::Records::marks;
    return settings;
  }
  [[nodiscard]] pid_t pid() const override { return process_.pid(); }
  void feed(int query) override {
    line_.send(fmt::format("POST /pub/k{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", query,
                           load_.payload, marked(load_.payload)));
  }

 private:
  const Load load_;
  PeerProcess process_;
  Line line_;
};

}  // namespace

std::vector<Peer> peers(rig::KafkaBroker& broker) {
  std::vector<Peer> all{{"Centrifugo (Kafka, JSON)", {}}, {"NATS (no Kafka)", {}}, {"nchan (no Kafka)", {}}};
  if (exists(peer_path("centrifugo")))
    all[0].make = [&broker](const Load& load) { return std::make_unique<Centrifugo>(broker, load); };
  if (exists(peer_path("nats-server")))
    all[1].make = [](const Load& load) { return std::make_unique<Nats>(load); };
  if (exists(kNginx) && exists(kNchan))
    all[2].make = [](const Load& load) { return std::make_unique<Nchan>(load); };
  return all;
}

}  // namespace tidegate::bench
