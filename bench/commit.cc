// From a commit to the client: `bench_commit [--rounds N] [--seconds N] [--commits N]`. A hundred clients of
// a query each, commits at a steady rate from two connections, each of one row of one query; by way of Kafka,
// with bare Kafka's produce-to-consume at the same rate in the same round, and on one node. The age of a
// change is counted from the sending of its UPDATE, so that the statement itself is in it.

#include <algorithm>
#include <atomic>
#include <thread>

#include "deployment.h"
#include "kafka/setup.h"
#include "kafka_steady.h"
#include "round.h"

namespace tidegate::bench {
namespace {

using namespace std::chrono_literals;

constexpr int kQueries = 100;
constexpr int kRowsEach = 10;
constexpr int kWriters = 2;
constexpr int kWarmSeconds = 15;

struct Settings {
  int rounds = 3;
  int seconds = 5;
  int commits = 1'000;  // a second
};

std::string tables() {
  return fmt::format(
      "create table items (id integer primary key, part integer not null, note text); "
      "insert into items select i, i % {}, '' from generate_series(1, {}) i; create index on items (part)",
      kQueries, kQueries * kRowsEach);
}

SwarmSettings clients(const Deployment& deployed) {
  SwarmSettings settings{.port = deployed.gateway->port(), .sessions = kQueries, .subprotocol = "json"};
  settings.greeting = [](int i) {
    return fmt::format(
        R"({{"op":"subscribe","hashId":"q","sql":"select id, note from items where part = {}","frames":"json"}})",
        i);
  };
  settings.answer = R"("op":"snapshot")";
  settings.answers = 1;
  settings.records = SwarmSettings::Records::marks;
  return settings;
}

/// One connection that commits steadily until it is destroyed.
class Writer {
 public:
  Writer(const std::string& url, int first, int a_second)
      : thread_([this, url, first, a_second] {
          rig::Sql sql(url);
          int row = first;
          for (auto due = Clock::now(); !stopping_; std::this_thread::sleep_until(due)) {
            sql.exec(fmt::format("update items set note = '{}' where id = {}", mark(), row));
            row = (row + kWriters - 1) % (kQueries * kRowsEach) + 1;
            ++commits_;
            due += std::chrono::nanoseconds(1'000'000'000LL / a_second);
          }
        }) {}
  ~Writer() {
    stopping_ = true;
    thread_.join();
  }
  [[nodiscard]] std::uint64_t commits() const { return commits_; }

 private:
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> commits_{0};
  std::thread thread_;
};

std::string metrics_of(const rig::Tidegate& program) {
  return program.metrics();
}

/// The value behind `name{labels}` in /metrics; 0 where there is none.
double value_of(const std::string& metrics, const std::string& name, const std::string& labels) {
  const std::string line = "\n" + name + "{" + labels + "} ";
  const std::size_t at = metrics.find(line);
  return at == std::string::npos ? 0 : std::stod(metrics.substr(at + line.size()));
}

/// What the stages' histograms of one process tell between two looks: the mean, and bounds of p50 and p99.
std::string stages_between(const std::string& before, const std::string& after) {
  const std::string histogram = "tidegate_stage_seconds";
  std::string words;
  for (const char* name : {"received", "appended", "acknowledged", "logged", "posted", "taken", "written"}) {
    const std::string label = fmt::format("stage=\"{}\"", name);
    const auto within = [&](const std::string& what) {
      return value_of(after, histogram + what, label) - value_of(before, histogram + what, label);
    };
    if (within("_count") == 0) continue;
    const Buckets old = buckets_of(before, histogram, label), now = buckets_of(after, histogram, label);
    words += fmt::format(", {} {:.2f} (≤ {:g}, ≤ {:g})", name, within("_sum") / within("_count") * 1e3,
                         quantile(old, now, 0.5) * 1e3, quantile(old, now, 0.99) * 1e3);
  }
  return words;
}

struct Measured {
  Round round;         // CPU µs a commit, of both processes
  std::string stages;  // of the last round
};

Measured measure(const Deployment& deployed, const Settings& settings) {
  std::vector<const rig::Tidegate*> programs;  // in the order of a change's journey
  if (deployed.matcher) programs.push_back(deployed.matcher.get());
  programs.push_back(deployed.gateway.get());
  const auto spent = [&] {
    Cpu sum;
    for (rig::Tidegate* each : {deployed.gateway.get(), deployed.matcher.get()}) {
      if (each == nullptr) continue;
      const Cpu cpu = cpu_of(each->process().pid());
      sum.user += cpu.user;
      sum.system += cpu.system;
    }
    return sum;
  };
  Swarm swarm(clients(deployed));
  const Writer first(deployed.url, 1, settings.commits / kWriters);
  const Writer second(deployed.url, 2, settings.commits / kWriters);
  std::this_thread::sleep_for(1s);
  std::vector<std::string> before;
  for (const auto* program : programs) before.push_back(metrics_of(*program));
  const Cpu cpu = spent();
  const std::uint64_t frames_before = swarm.frames();
  (void)swarm.take_ages();
  const auto begin = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(settings.seconds));
  const double took = milliseconds_since(begin) / 1'000;
  const auto frames = static_cast<double>(swarm.frames() - frames_before);
  const Histogram ages = swarm.take_ages();
  const Cpu now = spent();
  Measured measured;
  measured.round = {.cpu = (now.user + now.system - cpu.user - cpu.system) / frames * 1e6,
                    .user = (now.user - cpu.user) / frames * 1e6,
                    .p50 = ages.milliseconds(0.5),
                    .p99 = ages.milliseconds(0.99),
                    .a_second = frames / took};
  for (std::size_t i = 0; i < programs.size(); ++i)
    measured.stages += stages_between(before[i], metrics_of(*programs[i]));
  return measured;
}

kafka::Options bare_topic(rig::KafkaBroker& broker) {
  kafka::Options options;
  options.brokers = broker.brokers();
  options.topics = {"bare"};
  must(kafka::setup(options, {.partitions = 2}, [](const std::string&) {}));
  return options;
}

double at(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0
                        : values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

void print_stages(const std::string& scenario, const std::string& stages) {
  if (!stages.empty())
    print_row(scenario, "its stages", "ms of the last round, mean (p50, p99): " + stages.substr(2));
}

void by_way_of_kafka(const Settings& settings) {
  const Deployment deployed(tables(), true);
  const kafka::Options bare = bare_topic(*deployed.broker);
  // A fresh broker is slow at first: its code is not compiled yet.
  (void)steady_appends(bare, static_cast<std::size_t>(kWarmSeconds * settings.commits), settings.commits);
  Settings warming = settings;
  warming.seconds = kWarmSeconds;
  (void)measure(deployed, warming);
  std::vector<Round> of_ours, of_kafka;
  std::string stages;
  std::vector<double> apart;
  for (int i = 0; i < settings.rounds; ++i) {
    const Measured measured = measure(deployed, settings);
    of_ours.push_back(measured.round);
    stages = measured.stages;
    const KafkaTimes times =
        steady_appends(bare, static_cast<std::size_t>(settings.seconds * settings.commits), settings.commits);
    of_kafka.push_back({.p50 = at(times.to_reader, 0.5),
                        .p99 = at(times.to_reader, 0.99),
                        .a_second = static_cast<double>(settings.commits)});
    apart.push_back(of_ours.back().p99 - of_kafka.back().p99);
  }
  print_row("commit to client", "Tidegate, by Kafka", median(of_ours),
            fmt::format("p99 {:.2f} ms above bare Kafka's", median(apart)));
  print_stages("commit to client", stages);
  print_row("commit to client", "bare Kafka, produce to consume", median(of_kafka));
}

void on_one_node(const Settings& settings) {
  const Deployment deployed(tables(), false);
  std::vector<Round> rounds;
  std::string stages;
  for (int i = 0; i < settings.rounds; ++i) {
    const Measured measured = measure(deployed, settings);
    rounds.push_back(measured.round);
    stages = measured.stages;
  }
  print_row("commit to client", "Tidegate, one node", median(rounds));
  print_stages("commit to client, one node", stages);
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  using namespace tidegate::bench;
  Settings settings;
  read_only_numbers(
      {argv + 1, argv + argc},
      {{"--rounds", &settings.rounds}, {"--seconds", &settings.seconds}, {"--commits", &settings.commits}});
  print_head();
  by_way_of_kafka(settings);
  on_one_node(settings);
}
