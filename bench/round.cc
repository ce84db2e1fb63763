#include "round.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "floor.h"

namespace tidegate::bench {
namespace {

using namespace std::chrono_literals;

/// What is under way in a flood, over all sessions: enough that nobody waits for the next record, little
/// enough that no server puts a session behind.
constexpr std::int64_t kFramesUnderWay = 2'000'000;
constexpr std::int64_t kRecordsUnderWayMax = 2'000;

/// Feeds on a thread of its own until it is destroyed: at the load's rate, or as fast as it is delivered.
class Feeder {
 public:
  Feeder(Contender& contender, const Load& load, const Swarm& swarm)
      : contender_(contender), load_(load), swarm_(swarm) {
    if (contender.feeds_itself()) return;
    thread_ = std::thread([this] { load_.a_second > 0 ? pace() : flood(); });
  }
  ~Feeder() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  void feed() { contender_.feed(static_cast<int>(fed_++ % load_.queries)); }
  void pace() {
    const int at_once = records_at_once(load_.a_second);
    for (auto due = Clock::now(); !stopping_; std::this_thread::sleep_until(due)) {
      for (int i = 0; i < at_once; ++i) feed();
      due += std::chrono::nanoseconds(1'000'000'000LL * at_once / load_.a_second);
    }
  }
  [[nodiscard]] std::int64_t came() const {
    return static_cast<std::int64_t>(swarm_.frames()) / load_.fan_out();
  }
  void flood() {
    // A consumer that has not found its place yet passes over what is fed.
    while (!stopping_ && swarm_.frames() == 0) {
      feed();
      std::this_thread::sleep_for(20ms);
    }
    std::this_thread::sleep_for(500ms);
    const std::int64_t lost = fed_ - came();
    const std::int64_t most = std::min(kFramesUnderWay / load_.fan_out(), kRecordsUnderWayMax);
    while (!stopping_) {
      // Half of it at once, as records come that nobody waits for.
      if (fed_ - lost - came() <= most / 2) {
        for (std::int64_t i = 0; i < most / 2; ++i) feed();
      } else {
        std::this_thread::sleep_for(20us);
      }
    }
  }
  Contender& contender_;
  const Load load_;
  const Swarm& swarm_;
  std::int64_t fed_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace

Round measure(Contender& contender, const Load& load, int seconds) {
  Swarm swarm(contender.clients());
  const Feeder feeder(contender, load, swarm);
  if (!swarm.wait_for(1, 30)) end("no record came");
  std::this_thread::sleep_for(1500ms);
  const double sends = contender.sends();
  const Cpu before = cpu_of(contender.pid());
  const std::uint64_t frames_before = swarm.frames();
  (void)swarm.take_ages();
  const auto begin = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const double took = milliseconds_since(begin) / 1'000;
  const auto frames = static_cast<double>(swarm.frames() - frames_before);
  const Cpu after = cpu_of(contender.pid());
  const Histogram ages = swarm.take_ages();
  const double sent = contender.sends() - sends;
  const double user = after.user - before.user;
  return {.cpu = (user + after.system - before.system) / frames * 1e6,
          .user = user / frames * 1e6,
          .p50 = ages.milliseconds(0.5),
          .p99 = ages.milliseconds(0.99),
          .a_second = frames / took,
          .a_send = sent > 0 ? frames / sent : 0,
          .memory = memory_of(contender.pid(), "VmRSS") / 1'024};
}

double idle_kilobytes(Contender& contender, const Load& load) {
  const double before = memory_of(contender.pid(), "VmRSS");
  const Swarm swarm(contender.clients());
  std::this_thread::sleep_for(2s);
  return (memory_of(contender.pid(), "VmRSS") - before) / load.sessions;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

Round median(const std::vector<Round>& rounds) {
  Round middle;
  for (double Round::* field : {&Round::cpu, &Round::user, &Round::p50, &Round::p99, &Round::a_second,
                                &Round::a_send, &Round::memory}) {
    std::vector<double> values;
    for (const Round& round : rounds) values.push_back(round.*field);
    middle.*field = median(std::move(values));
  }
  return middle;
}

double paired(const std::vector<Round>& mine, const std::vector<Round>& least, double Round::* field) {
  std::vector<double> quotients;
  for (std::size_t i = 0; i < std::min(mine.size(), least.size()); ++i)
    quotients.push_back(mine[i].*field / (least[i].*field));
  return median(std::move(quotients));
}

void print_head() {
  fmt::print(
      "| scenario | who | CPU µs a frame | of it user | p50 ms | p99 ms | frames/s | frames a send | |\n"
      "|---|---|---|---|---|---|---|---|---|\n");
}

void print_row(const std::string& scenario, const std::string& who, const Round& round,
               const std::string& words) {
  const auto figure = [](double value, int digits) {  // 0: was not measured
    return value > 0 ? fmt::format("{:.{}f}", value, digits) : std::string();
  };
  fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", scenario, who, figure(round.cpu, 2),
             figure(round.user, 2), figure(round.p50, 2), figure(round.p99, 2), figure(round.a_second, 0),
             figure(round.a_send, 1), words);
  std::fflush(stdout);
}

void print_row(const std::string& scenario, const std::string& who, const std::string& words) {
  fmt::print("| {} | {} | | | | | | | {} |\n", scenario, who, words);
  std::fflush(stdout);
}

}  // namespace tidegate::bench
