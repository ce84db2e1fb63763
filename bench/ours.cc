// We ourselves and the floor, as contenders.

#include <cstdlib>

#include "contender.h"
#include "rig/tidegate.h"

namespace tidegate::bench {
namespace {

constexpr std::size_t kDigits = 20;

std::string eight_bytes(std::uint64_t number) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(number >> shift & 0xff));
  return bytes;
}

/// As a payload of `size` bytes would look like, of which the last 20 are its time.
std::string rows(std::size_t size, std::uint64_t number) {
  std::string text = R"({"op":"diff","changes":[)";
  for (std::uint64_t i = number; text.size() < size; ++i) {
    text += fmt::format(R"({{"kind":"update","row":{{"id":"{}","status":"{}","total":"{}.50"}}}},)",
                        i * 31 % 99'991, i % 3 == 0 ? "new" : "paid", i * 7 % 900);
  }
  return text.substr(0, size - kDigits) + stamped(kDigits);
}

class Ours final : public Contender {
 public:
  Ours(rig::KafkaBroker& broker, const Load& load, const std::vector<std::string>& more)
      : load_(load), topic_(next_topic(broker)), producer_(broker.brokers()) {
    std::vector<std::string> words{"serve", "--shards", "1"};
    words.insert(words.end(), more.begin(), more.end());
    if (load.deflate) words.emplace_back("--deflate");
    if (load.tls) {
      make_certificate();
      words.insert(words.end(),
                   {"--tls-certificate-file", certificate(), "--tls-key-file", certificate() + ".key"});
    }
    gateway_ = std::make_unique<rig::Tidegate>(
        words, std::vector<std::string>{"KAFKA_BROKERS=" + broker.brokers(), "KAFKA_TOPICS=" + topic_,
                                        "KAFKA_GROUP=g"});
    gateway_->wait_ready();
  }
  [[nodiscard]] SwarmSettings clients() const override {
    SwarmSettings settings{.port = gateway_->port(), .sessions = load_.sessions, .subprotocol = "json"};
    settings.greeting = [queries = load_.queries](int i) {
      return fmt::format(R"({{"op":"subscribe","hashId":"k{}","table":"t","queryFbB64":"AA=="}})",
                         i % queries);
    };
    settings.answers = 2;
    if (load_.tls) settings.ca_file = certificate();
    settings.deflate = load_.deflate;
    return settings;
  }
  [[nodiscard]] pid_t pid() const override { return gateway_->process().pid(); }
  void feed(int query) override {
    const auto size = static_cast<std::size_t>(load_.payload);
    ++number_;
    producer_.produce({topic_,
                       0,
                       "k" + std::to_string(query),
                       load_.deflate ? rows(size, number_) : stamped(size),
                       {{"lsn", eight_bytes(number_)}}});
  }
  [[nodiscard]] std::string metrics() const override { return gateway_->metrics(); }
  [[nodiscard]] double sends() const override {
    return load_.tls ? 0 : gateway_->metric("tidegate_sends_total");  // the rig speaks no TLS
  }

 private:
  [[nodiscard]] std::string certificate() const { return directory_.path() + "/certificate.pem"; }
  void make_certificate() const {
    const std::string command = fmt::format(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {0}.key -out {0} -days "
        "2 "
        "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null",
        certificate());
    if (std::system(command.c_str()) != 0) end("openssl makes no certificate");
  }

  const Load load_;
  const rig::TemporaryDirectory directory_;
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
                  std::to_string(load.a_second), std::to_string(batch), std::to_string(load.queries)},
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
