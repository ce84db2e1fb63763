// What slow clients cost the others: `bench_slow [--rounds N] [--seconds N] [--clients N]`. All clients have
// one query, records of 4 kB come at 5 a second, and a tenth of the clients stops reading for the whole time
// (the issue's: 120 seconds); beside it the same without. Then they read again, and each must get every
// record.

#include <algorithm>
#include <thread>

#include "rig/tidegate.h"
#include "round.h"

namespace tidegate::bench {
namespace {

using namespace std::chrono_literals;
constexpr int kPayload = 4'096;
constexpr int kRecordsASecond = 5;
// A fraction of the default, so that who is stalled for some seconds falls behind it already.
constexpr int kOutboxBytesMax = 64 << 10;

struct Settings {
  int rounds = 3;
  int seconds = 120;
  int clients = 10'000;
};

struct Result {
  double p50 = 0, p99 = 0;  // ms, of those that read
  double grown = 0;         // MiB of RSS, at most
  double caught_up = 0;     // s until the stalled ones have everything
  double lagged = 0;        // times that an outbox had no room
  double held = 0;          // records a stalled client lacked when it read again
};

double metric(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? 0 : std::stod(text.substr(at + name.size() + 2));
}

Result round(rig::KafkaBroker& broker, const Settings& settings, bool stalling) {
  const Load load{.sessions = settings.clients, .a_second = kRecordsASecond, .payload = kPayload};
  // Who reads nothing answers no ping either: here it is not to be cut for that.
  const auto ours = make_ours(broker, load,
                              {"--idle-timeout-ms", "3600000", "--ping-interval-ms", "3600000",
                               "--outbox-bytes-max", std::to_string(kOutboxBytesMax)});
  SwarmSettings clients = ours->clients();
  clients.stalling = settings.clients / 10;  // in both runs the others' ages count
  Swarm swarm(clients);
  std::uint64_t fed = 0;
  const auto feed_for = [&](double seconds) {
    auto due = Clock::now();
    for (const auto begin = due; milliseconds_since(begin) < seconds * 1'000;
         std::this_thread::sleep_until(due)) {
      ours->feed(0);
      ++fed;
      due += std::chrono::milliseconds(1'000 / kRecordsASecond);
    }
  };
  const auto all = [&] { return fed * static_cast<std::uint64_t>(settings.clients); };
  feed_for(2);
  if (!swarm.wait_for(all(), 60)) end(fmt::format("{} of {} records came", swarm.frames(), all()));
  if (stalling) swarm.stall();
  (void)swarm.take_ages();
  const double before = memory_of(ours->pid(), "VmRSS");
  feed_for(settings.seconds);
  const Histogram ages = swarm.take_ages();
  Result result{.p50 = ages.milliseconds(0.5), .p99 = ages.milliseconds(0.99)};
  const auto stalled = static_cast<double>(std::max(1, clients.stalling));
  result.held = static_cast<double>(fed) - static_cast<double>(swarm.frames_of_stalling()) / stalled;
  result.lagged = metric(ours->metrics(), "tidegate_lagging_total");
  const auto begin = Clock::now();
  if (stalling) swarm.go_on();
  if (!swarm.wait_for(all(), 120)) end(fmt::format("{} of {} records came", swarm.frames(), all()));
  result.caught_up = milliseconds_since(begin) / 1'000;
  result.grown = (memory_of(ours->pid(), "VmHWM") - before) / 1'024;
  return result;
}

void run(const Settings& settings) {
  rig::KafkaBroker broker({}, rig::KafkaBroker::Jvm::as_shipped);
  std::vector<Result> with, without;
  std::vector<double> quotients;
  for (int i = 0; i < settings.rounds; ++i) {
    without.push_back(round(broker, settings, false));
    with.push_back(round(broker, settings, true));
    quotients.push_back(with.back().p99 / without.back().p99);
  }
  const auto of = [](const std::vector<Result>& results, double Result::* field) {
    std::vector<double> values;
    for (const Result& result : results) values.push_back(result.*field);
    return median(std::move(values));
  };
  const std::string who = fmt::format("{} clients, {} s", settings.clients, settings.seconds);
  const auto figures = [&](const std::vector<Result>& results) {
    return fmt::format("p50 {:.1f} ms, p99 {:.1f} ms, {:.1f} MiB more RSS", of(results, &Result::p50),
                       of(results, &Result::p99), of(results, &Result::grown));
  };
  print_row("slow clients", who, "none stalled: " + figures(without));
  print_row("slow clients", who,
            fmt::format("a tenth stalled: of the others {}; p99 {:.2f} × that without; the stalled ones fell "
                        "behind {:.0f} times, lacked {:.0f} "
                        "records and had all {:.1f} s after they read again",
                        figures(with), median(quotients), of(with, &Result::lagged), of(with, &Result::held),
                        of(with, &Result::caught_up)));
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  using namespace tidegate::bench;
  raise_open_files();
  Settings settings;
  read_only_numbers(
      {argv + 1, argv + argc},
      {{"--rounds", &settings.rounds}, {"--seconds", &settings.seconds}, {"--clients", &settings.clients}});
  print_head();
  run(settings);
}
