// What delivery costs: `bench_delivery [SCENARIO…] [--rounds N] [--seconds N] [--without-peers]`: ours beside
// the floor (floor.h) and the peers that are installed, in turns. The figures are the rounds' medians: CPU
// time of the server a delivered frame, in all and in user space, its age at the client, frames a second,
// frames a system call. Ours is a release build with one shard in pass-through; it reads a real Kafka.

#include <algorithm>
#include <map>

#include "floor.h"
#include "round.h"

namespace tidegate::bench {
namespace {

struct Scenario {
  std::string name;
  Load load;
  bool idle = false;
  bool with_peers = true;
};
const std::vector<Scenario> kScenarios{
    {"steady", {.sessions = 1'000, .a_second = 100}},
    {"flood", {.sessions = 1'000}},
    {"wide", {.sessions = 10'000, .a_second = 10}},
    {"wide-flood", {.sessions = 10'000}, false, false},
    {"many-1k", {.sessions = 1'000, .queries = 1'000, .a_second = 5'000}, false, false},
    {"many", {.sessions = 5'000, .queries = 5'000, .a_second = 5'000}},
    {"many-10k", {.sessions = 10'000, .queries = 10'000, .a_second = 5'000}, false, false},
    {"many-19k", {.sessions = 19'000, .queries = 19'000, .a_second = 5'000}, false, false},
    {"tens", {.sessions = 6'000, .queries = 300, .a_second = 2'000, .payload = 256}, false, false},
    // What docs/OPERATING.md's formula is checked against.
    {"sized", {.sessions = 9'000, .queries = 180, .a_second = 600, .payload = 512}, false, false},
    {"steady-1k", {.sessions = 1'000, .a_second = 100, .payload = 1'024}, false, false},
    {"steady-tls", {.sessions = 1'000, .a_second = 100, .tls = true}, false, false},
    {"steady-deflate", {.sessions = 1'000, .a_second = 100, .payload = 1'024, .deflate = true}, false, false},
    {"idle", {.sessions = 10'000}, true},
    {"idle-tls", {.sessions = 10'000, .tls = true}, true, false},
    {"idle-19k", {.sessions = 19'000}, true, false}};

struct Settings {
  int rounds = 3;
  int seconds = 5;  // of a round
  bool with_peers = true;
};

std::vector<Peer> wanted_peers(rig::KafkaBroker& broker, const Scenario& scenario, const Settings& settings) {
  return settings.with_peers && scenario.with_peers ? peers(broker) : std::vector<Peer>();
}

void run_idle(rig::KafkaBroker& broker, const Scenario& scenario, const Settings& settings) {
  std::vector<Peer> all = wanted_peers(broker, scenario, settings);
  all.insert(all.begin(), {"Tidegate", [&](const Load& load) { return make_ours(broker, load); }});
  for (const Peer& peer : all) {
    if (!peer.make) {
      print_row(scenario.name, peer.name, "not installed");
      continue;
    }
    std::vector<double> values;
    for (int i = 0; i < settings.rounds; ++i) {
      const auto contender = peer.make(scenario.load);
      values.push_back(idle_kilobytes(*contender, scenario.load));
    }
    print_row(scenario.name, peer.name,
              fmt::format("{:.2f} kB of RSS a session, {} sessions", median(values), scenario.load.sessions));
  }
}

void run(rig::KafkaBroker& broker, const Scenario& scenario, const Settings& settings) {
  const std::vector<Peer> others = wanted_peers(broker, scenario, settings);
  std::vector<Round> of_ours, of_floor;
  std::map<std::string, std::vector<Round>> of_peers;
  const auto round = [&](Contender& contender) {
    return measure(contender, scenario.load, settings.seconds);
  };
  for (int i = 0; i < settings.rounds; ++i) {
    of_ours.push_back(round(*make_ours(broker, scenario.load)));
    // As many records a write as ours had.
    const int batch =
        scenario.load.a_second > 0 ? 1 : std::max(1, static_cast<int>(of_ours.back().a_send + 0.5));
    of_floor.push_back(round(*make_floor(scenario.load, batch)));
    if (scenario.load.a_second == 0)
      of_floor.back().p50 = of_floor.back().p99 = 0;  // its records have no age
    for (const Peer& peer : others) {
      if (peer.make) of_peers[peer.name].push_back(round(*peer.make(scenario.load)));
    }
  }
  print_row(
      scenario.name, "Tidegate", median(of_ours),
      scenario.load.a_second > 0
          ? fmt::format("{:.2f} × the floor's CPU, {:.0f} MiB of RSS", paired(of_ours, of_floor, &Round::cpu),
                        median(of_ours).memory)
          : fmt::format("{:.2f} × the floor's frames/s, {:.2f} × its CPU",
                        paired(of_ours, of_floor, &Round::a_second), paired(of_ours, of_floor, &Round::cpu)));
  print_row(scenario.name, "floor", median(of_floor));
  for (const Peer& peer : others) {
    if (peer.make) {
      print_row(scenario.name, peer.name, median(of_peers[peer.name]));
    } else {
      print_row(scenario.name, peer.name, "not installed");
    }
  }
}

/// A fresh broker is slow at first: its code is not compiled yet.
void warm(rig::KafkaBroker& broker) {
  const Load load{.sessions = 100, .queries = 100, .a_second = 5'000};
  (void)measure(*make_ours(broker, load), load, 15);
}

/// Of `words`; the scenarios that they name go to `wanted`.
Settings read(const std::vector<std::string>& words, std::vector<Scenario>& wanted) {
  Settings settings;
  for (const std::string& word :
       read_numbers(words, {{"--rounds", &settings.rounds}, {"--seconds", &settings.seconds}})) {
    if (word == "--without-peers") {
      settings.with_peers = false;
      continue;
    }
    const auto found = std::find_if(kScenarios.begin(), kScenarios.end(),
                                    [&](const Scenario& scenario) { return scenario.name == word; });
    if (found == kScenarios.end()) end("no scenario is named " + word);
    wanted.push_back(*found);
  }
  return settings;
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  using namespace tidegate::bench;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 6 && words[0] == "--floor") {
    serve_floor({.sessions = std::stoi(words[1]),
                 .payload = std::stoi(words[2]),
                 .a_second = std::stoi(words[3]),
                 .batch = std::stoi(words[4]),
                 .queries = std::stoi(words[5])});
  }
  raise_open_files();
  std::vector<Scenario> wanted;
  const Settings settings = read(words, wanted);
  tidegate::rig::KafkaBroker broker({}, tidegate::rig::KafkaBroker::Jvm::as_shipped);
  warm(broker);
  print_head();
  for (const Scenario& scenario : wanted.empty() ? kScenarios : wanted) {
    scenario.idle ? run_idle(broker, scenario, settings) : run(broker, scenario, settings);
  }
}
