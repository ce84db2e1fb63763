// We ourselves and the floor, as contenders.

#include "contender.h"
#include "rig/tidegate.h"

namespace tidegate::bench {
namespace {

std::string eight_bytes(std::uint64_t number) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(number >> shift & 0xff));
  return bytes;
}

class Ours final : public Contender {
 public:
  Ours(rig::KafkaBroker& broker, const Load& load, const std::vector<std::string>& more)
      : load_(load), topic_(next_topic(broker)), producer_(broker.brokers()) {
    std::vector<std::string> words{"serve", "--shards", "1"};
    words.insert(words.end(), more.begin(), more.end());
    gateway_ = std::make_unique<rig::Tidegate>(
        words, std::vector<std::string>{"KAFKA_BROKERS=" + broker.brokers(), "KAFKA_TOPICS=" + topic_,
                                        "KAFKA_GROUP=g"});
    gateway_->wait_ready();
  }
  [[nodiscard]] SwarmSettings clients() const override {
    SwarmSettings settings{.port = gateway_->port(), .sessions = load_.sessions, .subprotocol = "json"};
    settings.greeting = [queries = load_.queries()](int i) {
      return fmt::format(R"({{"op":"subscribe","hashId":"k{}","table":"t","queryFbB64":"AA=="}})",
                         i % queries);
    };
    settings.answers = 2;
    return settings;
  }
  [[nodiscard]] pid_t pid() const override { return gateway_->process().pid(); }
  void feed(int query) override {
    producer_.produce({topic_,
                       0,
                       "k" + std::to_string(query),
                       stamped(static_cast<std::size_t>(load_.payload)),
                       {{"lsn", eight_bytes(++number_)}}});
  }
  [[nodiscard]] double sends() const override { return gateway_->metric("tidegate_sends_total"); }

 private:
  const Load load_;
  const std::string topic_;
  rig::KafkaProducer producer_;
  std::uint64_t number_ = 0;
  std::unique_ptr<rig::Tidegate> gateway_;
};

/// This program again, with `--floor` and its settings.
class Floor final : public Contender {
 public:
  Floor(const Load& load, int batch)
      : load_(load),
        process_({"/proc/self/exe", "--floor", std::to_string(load.sessions), std::to_string(load.payload),
                  std::to_string(load.a_second), std::to_string(batch), load.many ? "1" : "0"},
                 directory_.path() + "/log") {
    const std::string before = "listening on 127.0.0.1:";
    if (!process_.wait_for_output("\n")) end("the floor did not start");
    const std::string output = process_.output();
    port_ = std::stoi(output.substr(output.find(before) + before.size()));
  }
  [[nodiscard]] SwarmSettings clients() const override {
    return {.port = port_, .sessions = load_.sessions, .subprotocol = "json"};
  }
  [[nodiscard]] pid_t pid() const override { return process_.pid(); }
  void feed(int) override {}
  [[nodiscard]] bool feeds_itself() const override { return true; }

 private:
  const Load load_;
  rig::TemporaryDirectory directory_;
  rig::Process process_;
  int port_ = 0;
};

}  // namespace

std::string next_topic(rig::KafkaBroker& broker) {
  static int number = 0;
  const std::string topic = "bench." + std::to_string(++number);
  broker.create_topic(topic);
  return topic;
}

std::unique_ptr<Contender> make_ours(rig::KafkaBroker& broker, const Load& load,
                                     const std::vector<std::string>& more) {
  return std::make_unique<Ours>(broker, load, more);
}

std::unique_ptr<Contender> make_floor(const Load& load, int batch) {
  return std::make_unique<Floor>(load, batch);
}

}  // namespace tidegate::bench
