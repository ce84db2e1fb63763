// What delivery costs: `bench_delivery [SCENARIO…] [--rounds N] [--seconds N]`, beside the floor (floor.h) in
// the same run, rounds in turn. The figures are the median round's: CPU time of the server a delivered frame,
// in all and in user space, its ages at the client, frames a second, frames a system call. The gateway is a
// release build with one shard in pass-through; it reads a real Kafka.

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "floor.h"
#include "measured.h"
#include "rig/kafka.h"
#include "rig/tidegate.h"
#include "swarm.h"

namespace tidegate::bench {
namespace {

using namespace std::chrono_literals;

struct Scenario {
  std::string name;
  int sessions = 0;
  int a_second = 0;  // records; 0: as fast as it takes
  int records = 0;   // of a flood; neither: the sessions do nothing
  [[nodiscard]] bool idle() const { return a_second == 0 && records == 0; }
};
const std::vector<Scenario> kScenarios{{"steady", 1'000, 100, 0}, {"flood", 1'000, 0, 4'000},
                                       {"wide", 10'000, 10, 0},   {"wide-flood", 10'000, 0, 400},
                                       {"idle", 10'000, 0, 0},    {"idle-19k", 19'000, 0, 0}};
constexpr std::size_t kPayload = 128;

struct Settings {
  int rounds = 3;
  int seconds = 10;  // of a steady round
};

struct Round {
  double cpu = 0, user = 0;  // µs a frame
  double p50 = 0, p99 = 0;   // ms
  double a_second = 0;       // frames
  double a_send = 0;         // frames a system call
};

/// What lies between its making and `end`.
class Window {
 public:
  Window(pid_t server, Swarm& swarm)
      : server_(server), swarm_(swarm), cpu_(cpu_of(server)), frames_(swarm.frames()), begin_(Clock::now()) {
    (void)swarm.take_ages();
  }
  [[nodiscard]] Round end() const {
    const double seconds = milliseconds_since(begin_) / 1'000;
    const auto frames = static_cast<double>(swarm_.frames() - frames_);
    const Cpu now = cpu_of(server_);
    const Histogram ages = swarm_.take_ages();
    const double user = now.user - cpu_.user;
    return {.cpu = (user + now.system - cpu_.system) / frames * 1e6,
            .user = user / frames * 1e6,
            .p50 = ages.milliseconds(0.5),
            .p99 = ages.milliseconds(0.99),
            .a_second = frames / seconds};
  }

 private:
  const pid_t server_;
  Swarm& swarm_;
  const Cpu cpu_;
  const std::uint64_t frames_;
  const Clock::time_point begin_;
};

/// Kafka, a topic of a round's own, and a gateway over it.
class Ours {
 public:
  explicit Ours(rig::KafkaBroker& broker) : topic_(next_topic()), producer_(broker.brokers()) {
    broker.create_topic(topic_);
    gateway_ =
        std::make_unique<rig::Tidegate>(std::vector<std::string>{"serve", "--shards", "1"},
                                        std::vector<std::string>{"KAFKA_BROKERS=" + broker.brokers(),
                                                                 "KAFKA_TOPICS=" + topic_, "KAFKA_GROUP=g"});
    gateway_->wait_ready();
  }
  [[nodiscard]] rig::Tidegate& gateway() const { return *gateway_; }
  [[nodiscard]] double sends() const { return gateway_->metric("tidegate_sends_total"); }
  SwarmSettings clients(int sessions) const {
    return {
        .port = gateway_->port(),
        .sessions = sessions,
        .greeting = [](int) { return R"({"op":"subscribe","hashId":"k","table":"t","queryFbB64":"AA=="})"; },
        .answers = 2};
  }
  void produce() {
    ++number_;
    std::string lsn;
    for (int shift = 56; shift >= 0; shift -= 8) lsn.push_back(static_cast<char>(number_ >> shift & 0xff));
    producer_.produce({topic_, 0, "k", stamped(kPayload), {{"lsn", lsn}}});
  }

 private:
  static std::string next_topic() {
    static int number = 0;
    return "bench." + std::to_string(++number);
  }
  const std::string topic_;
  rig::KafkaProducer producer_;
  std::uint64_t number_ = 0;
  std::unique_ptr<rig::Tidegate> gateway_;
};

/// Produces at a rate until it is destroyed.
class Pace {
 public:
  Pace(Ours& ours, int a_second)
      : thread_([this, &ours, a_second] {
          for (auto due = Clock::now(); !stopping_; std::this_thread::sleep_until(due)) {
            ours.produce();
            due += std::chrono::nanoseconds(1'000'000'000LL / a_second);
          }
        }) {}
  ~Pace() {
    stopping_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

Round ours(rig::KafkaBroker& broker, const Scenario& scenario, const Settings& settings) {
  Ours deployed(broker);
  Swarm swarm(deployed.clients(scenario.sessions));
  const pid_t server = deployed.gateway().process().pid();
  const auto sent_by = [&](const Window& window, double sends, std::uint64_t frames) {
    Round round = window.end();
    round.a_send = static_cast<double>(swarm.frames() - frames) / (deployed.sends() - sends);
    return round;
  };
  if (scenario.a_second > 0) {
    const Pace pace(deployed, scenario.a_second);
    std::this_thread::sleep_for(2s);
    const double sends = deployed.sends();
    const std::uint64_t frames = swarm.frames();
    const Window window(server, swarm);
    std::this_thread::sleep_for(std::chrono::seconds(settings.seconds));
    return sent_by(window, sends, frames);
  }
  const double sends = deployed.sends();
  const Window window(server, swarm);
  for (int i = 0; i < scenario.records; ++i) deployed.produce();
  const auto expected =
      static_cast<std::uint64_t>(scenario.records) * static_cast<std::uint64_t>(scenario.sessions);
  if (!swarm.wait_for(expected, 120)) {
    end(fmt::format("{} of {} frames came\n{}", swarm.frames(), expected,
                    rig::http(deployed.gateway().port(), "GET", "/metrics").body));
  }
  return sent_by(window, sends, 0);
}

Round floor(const Scenario& scenario, const Settings& settings, int batch) {
  rig::TemporaryDirectory directory;
  const bool flood = scenario.a_second == 0;
  const int records = flood ? scenario.records / batch * batch : 0;
  rig::Process process({"/proc/self/exe", "--floor", std::to_string(scenario.sessions),
                        std::to_string(scenario.a_second), std::to_string(batch), std::to_string(records)},
                       directory.path() + "/floor.log");
  const std::string said = "listening on 127.0.0.1:";
  if (!process.wait_for_output(said, 10s)) end(process.output());
  const std::string output = process.output();
  const int port = std::stoi(output.substr(output.find(said) + said.size()));
  Swarm swarm({.port = port, .sessions = scenario.sessions});
  Window window(process.pid(), swarm);
  Round round;
  if (flood) {
    // It waits two seconds; they count from the first frame.
    if (!swarm.wait_for(1, 30)) end("the floor says nothing");
    const auto begin = Clock::now();
    const auto expected = static_cast<std::uint64_t>(records) * static_cast<std::uint64_t>(scenario.sessions);
    if (!swarm.wait_for(expected, 120)) end("the floor has lost frames");
    const double seconds = milliseconds_since(begin) / 1'000;
    round = window.end();
    round.a_second = static_cast<double>(expected) / seconds;
  } else {
    std::this_thread::sleep_for(4s);
    const Window steady(process.pid(), swarm);
    std::this_thread::sleep_for(std::chrono::seconds(settings.seconds));
    round = steady.end();
  }
  round.a_send = batch;
  return round;
}

/// kB of resident memory that a subscribed session without traffic adds.
double idle(rig::KafkaBroker& broker, const Scenario& scenario) {
  Ours deployed(broker);
  const pid_t server = deployed.gateway().process().pid();
  const double before = memory_of(server, "VmRSS");
  const Swarm swarm(deployed.clients(scenario.sessions));
  std::this_thread::sleep_for(2s);
  return (memory_of(server, "VmRSS") - before) / scenario.sessions;
}

Round median(const std::vector<Round>& rounds) {
  Round middle;
  for (double Round::* field :
       {&Round::cpu, &Round::user, &Round::p50, &Round::p99, &Round::a_second, &Round::a_send}) {
    std::vector<double> values;
    for (const Round& round : rounds) values.push_back(round.*field);
    std::sort(values.begin(), values.end());
    middle.*field = values[values.size() / 2];
  }
  return middle;
}

void print(const std::string& name, const Round& round) {
  fmt::print("| {:24} | {:6.2f} | {:6.2f} | {:7.2f} | {:7.2f} | {:10.0f} | {:6.1f} |\n", name, round.cpu,
             round.user, round.p50, round.p99, round.a_second, round.a_send);
  std::fflush(stdout);
}

void run(const std::vector<Scenario>& scenarios, const Settings& settings) {
  rig::KafkaBroker broker;
  fmt::print(
      "| scenario                 | CPU µs | user µs | p50 ms | p99 ms | frames/s | frames/send "
      "|\n|---|---|---|---|---|---|---|\n");
  for (const Scenario& scenario : scenarios) {
    if (scenario.idle()) {
      fmt::print("| {:24} | {:.2f} kB of RSS a session, {} sessions\n", scenario.name, idle(broker, scenario),
                 scenario.sessions);
      continue;
    }
    std::vector<Round> of_ours, of_floor;
    for (int i = 0; i < settings.rounds; ++i) {
      of_ours.push_back(ours(broker, scenario, settings));
      const int batch =
          std::clamp(static_cast<int>(of_ours.back().a_send + 0.5), 1, std::max(1, scenario.records));
      of_floor.push_back(floor(scenario, settings, batch));
    }
    const Round mine = median(of_ours), least = median(of_floor);
    print(scenario.name, mine);
    print(scenario.name + ", floor", least);
    fmt::print("| {:24} | {:6.2f} | | | | {:10.2f} | |\n", scenario.name + ", ratio", mine.cpu / least.cpu,
               mine.a_second / least.a_second);
  }
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  using namespace tidegate::bench;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 5 && words[0] == "--floor") {
    serve_floor({.sessions = std::stoi(words[1]),
                 .a_second = std::stoi(words[2]),
                 .batch = std::stoi(words[3]),
                 .records = std::stoi(words[4])});
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  Settings settings;
  std::vector<Scenario> wanted;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--rounds" && i + 1 < words.size()) {
      settings.rounds = std::stoi(words[++i]);
    } else if (words[i] == "--seconds" && i + 1 < words.size()) {
      settings.seconds = std::stoi(words[++i]);
    } else {
      const auto found = std::find_if(kScenarios.begin(), kScenarios.end(),
                                      [&](const Scenario& scenario) { return scenario.name == words[i]; });
      if (found == kScenarios.end()) end("no scenario is named " + words[i]);
      wanted.push_back(*found);
    }
  }
  run(wanted.empty() ? kScenarios : wanted, settings);
}
