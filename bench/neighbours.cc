// One tenant at its limits beside another: `bench_neighbours [--rounds N] [--seconds N]`. How old tenant B's
// changes are when they come, from before the statement: alone, while tenant A sends four times the messages
// and subscribes that it may, wants snapshots and reconnects, all of it at another gateway with a database of
// its own on the same cores (what sharing the machine costs), and then at B's own; with limits and without.
// A's clients run on the same cores too: their threads give way to the gateways' (nice).

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "auth/auth.h"
#include "base/clock.h"
#include "client/client.h"
#include "deployment.h"
#include "round.h"
#include "swarm.h"

namespace tidegate::bench {
namespace {

using namespace std::chrono_literals;
constexpr int kSessions = 50;  // of B, each with a query of its own
constexpr int kChangesASecond = 100;
constexpr int kFlooders = 40;  // connections of A
constexpr int kRowsOfA = 200;  // 100 snapshots a second are the rows that it may have
// What A may, and four times of it is what it does: ten seconds' worth are gone in three.
constexpr int kMessages = 2'000, kSubscribes = 100, kTimes = 4;
constexpr int kSpendingSeconds = 6;  // until A has spent what it had saved
constexpr auto kTick = 10ms;
constexpr int kTicksASecond = 100;
constexpr int kReconnectsATick = 2;

struct Settings {
  int rounds = 3;
  int seconds = 6;
};

std::string tables() {
  return fmt::format(
      "create table items (id integer primary key, tenant text not null, part integer not null, note text); "
      "insert into items select i, 'globex', i, '' from generate_series(0, {}) i; "
      "insert into items select i, 'acme', i, repeat('x', 100) from generate_series(1000, {}) i",
      kSessions - 1, 999 + kRowsOfA);
}

/// Tokens and the gateway's words for them.
class Tenants {
 public:
  Tenants() {
    options_.mode = auth::Options::Mode::jwt;
    options_.secret = std::string(32, 's');
    std::ofstream(directory_.path() + "/secret") << options_.secret;
    std::ofstream(directory_.path() + "/policies.toml")
        << "[[table]]\nname = \"items\"\ntenant_column = \"tenant\"\n";
  }
  [[nodiscard]] std::string bearer(const std::string& subject, const std::string& tenant) const {
    const auto now = unix_us(std::chrono::system_clock::now()) / 1'000'000;
    return "bearer." + auth::mint({subject, tenant, now + 3'600}, options_);
  }
  [[nodiscard]] Words words(bool limited) const {
    Words words{"--auth",
                "jwt",
                "--auth-secret-file",
                directory_.path() + "/secret",
                "--config",
                directory_.path() + "/policies.toml"};
    const auto limit = [&](const char* name, int value) {
      words.insert(words.end(), {std::string("--limit-tenant-") + name, std::to_string(limited ? value : 0)});
    };
    limit("messages", kMessages);
    limit("subscribes", kSubscribes);
    limit("snapshot-rows", 20'000);
    limit("snapshot-ms", 200);
    limit("replayed-bytes", 4 << 20);
    limit("held-bytes", 16 << 20);
    return words;
  }

 private:
  const rig::TemporaryDirectory directory_;
  auth::Options options_;
};

void give_way() {
  ::setpriority(PRIO_PROCESS, 0, 10);  // of this thread alone (Linux)
}

/// A's clients: pings, subscribes to ever new queries of all its rows, and back again when they are closed.
class Flood {
 public:
  Flood(int port, const Tenants& tenants) : port_(port), tenants_(tenants) {
    loop_.post(give_way);
    thread_ = std::thread([this] { run(); });
  }
  ~Flood() {
    stopping_ = true;
    thread_.join();
    for (One& one : all_) one.client.reset();
  }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;
  [[nodiscard]] int reconnects() const { return reconnects_; }
  [[nodiscard]] int sent() const { return sent_; }

 private:
  struct One {
    std::unique_ptr<client::Client> client;
    std::atomic<bool> over{true};
  };
  void open(std::size_t i) {
    One& one = all_.at(i);
    one.client.reset();
    one.over = false;
    client::Settings settings;
    settings.port = static_cast<std::uint16_t>(port_);
    settings.subprotocols = {"json", tenants_.bearer("a" + std::to_string(i), "acme")};
    client::Handlers handlers;
    handlers.on_close = [&one](std::uint16_t) { one.over = true; };
    handlers.on_error = [&one](const client::Failure&) { one.over = true; };
    one.client = std::make_unique<client::Client>(loop_, std::move(settings), std::move(handlers));
    ++reconnects_;
  }
  static void ask(One& one, int number) {
    const std::string name = "q" + std::to_string(number % 8);
    one.client->send_text(fmt::format(
        R"({{"op":"subscribe","hashId":"{}","sql":"select id, note from items where id > 0 and part <> {}"}})",
        name, number));
  }
  void run() {
    give_way();
    auto due = Clock::now();
    for (std::size_t tick = 0; !stopping_; ++tick) {
      int may_open = kReconnectsATick;
      for (std::size_t i = 0; i < all_.size(); ++i) {
        if (all_.at(i).over && may_open-- > 0) open(i);
      }
      for (int i = 0; i < kTimes * kMessages / kTicksASecond; ++i) {
        One& one = all_.at(static_cast<std::size_t>(sent_) % all_.size());
        ++sent_;
        if (!one.over) one.client->send_text(R"({"op":"ping"})");
      }
      for (int i = 0; i < kTimes * kSubscribes / kTicksASecond; ++i) {
        const int number = ++query_;
        One& one = all_.at(static_cast<std::size_t>(number) % all_.size());
        if (!one.over) ask(one, number);
      }
      std::this_thread::sleep_until(due += kTick);
    }
  }

  const int port_;
  const Tenants& tenants_;
  client::Loop loop_;
  std::array<One, kFlooders> all_;
  int query_ = 0;
  std::atomic<int> sent_{0}, reconnects_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// B's: each has one row, and one of them changes at a time.
class Neighbour {
 public:
  Neighbour(const Deployment& deployed, const Tenants& tenants)
      : sql_(deployed.url), swarm_(clients(deployed, tenants)) {}
  Round measure(int seconds) {
    (void)swarm_.take_ages();
    const std::uint64_t before = swarm_.frames();
    const auto begin = Clock::now();
    auto due = begin;
    std::uint64_t changes = 0;
    while (milliseconds_since(begin) < seconds * 1'000) {
      sql_.exec(fmt::format("update items set note = '{}' where id = {}", mark(), changes++ % kSessions));
      std::this_thread::sleep_until(due += std::chrono::milliseconds(1'000 / kChangesASecond));
    }
    if (!swarm_.wait_for(before + changes, 30)) end("not all of B's changes came");
    const Histogram ages = swarm_.take_ages();
    return {.p50 = ages.milliseconds(0.5),
            .p99 = ages.milliseconds(0.99),
            .a_second = static_cast<double>(changes) / seconds};
  }

 private:
  static SwarmSettings clients(const Deployment& deployed, const Tenants& tenants) {
    SwarmSettings settings{.port = deployed.gateway->port(),
                           .sessions = kSessions,
                           .subprotocol = "json, " + tenants.bearer("b", "globex")};
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
  rig::Sql sql_;
  Swarm swarm_;
};

double limited(const std::string& metrics) {
  double sum = 0;
  for (const char* what : {"messages", "subscribes", "snapshot_rows", "snapshot_ms"}) {
    const std::string line = std::string("tidegate_limited_total{limit=\"tenant_") + what + "\"} ";
    const std::size_t at = metrics.find(line);
    if (at != std::string::npos) sum += std::stod(metrics.substr(at + line.size()));
  }
  return sum;
}

struct Outcome {
  std::vector<Round> alone, elsewhere, beside;
  std::vector<double> quotients;  // of the p99s beside A, here and elsewhere
  double received = 0, snapshots = 0, refused = 0, reconnects = 0;  // a second, of the last round
};

double rate_of(const Deployment& deployed, const std::string& series, double before, int seconds) {
  return (deployed.gateway->metric(series) - before) / seconds;
}

void run_round(const Settings& settings, bool with_limits, Outcome& outcome) {
  constexpr const char* kReceived = "tidegate_messages_received_total{op=\"ping\"}";
  constexpr const char* kSnapshots = "tidegate_feed_snapshots_total";
  const Tenants tenants;
  const Deployment deployed(tables(), false, {}, tenants.words(with_limits));
  Neighbour neighbour(deployed, tenants);
  (void)neighbour.measure(1);
  outcome.alone.push_back(neighbour.measure(settings.seconds));
  {
    const Deployment other(tables(), false, {}, tenants.words(with_limits));
    const Flood flood(other.gateway->port(), tenants);
    (void)neighbour.measure(kSpendingSeconds);
    outcome.elsewhere.push_back(neighbour.measure(settings.seconds));
  }
  const Flood flood(deployed.gateway->port(), tenants);
  (void)neighbour.measure(kSpendingSeconds);
  const double received = deployed.gateway->metric(kReceived);
  const double snapshots = deployed.gateway->metric(kSnapshots);
  const double refused = limited(deployed.gateway->metrics());
  const int reconnects = flood.reconnects();
  outcome.beside.push_back(neighbour.measure(settings.seconds));
  outcome.received = rate_of(deployed, kReceived, received, settings.seconds);
  outcome.snapshots = rate_of(deployed, kSnapshots, snapshots, settings.seconds);
  outcome.refused = (limited(deployed.gateway->metrics()) - refused) / settings.seconds;
  outcome.reconnects = static_cast<double>(flood.reconnects() - reconnects) / settings.seconds;
  outcome.quotients.push_back(outcome.beside.back().p99 / outcome.elsewhere.back().p99);
}

void print(const std::string& with, const Outcome& outcome) {
  print_row("neighbours", "B alone" + with, median(outcome.alone));
  print_row("neighbours", "B, A at another gateway" + with, median(outcome.elsewhere));
  print_row(
      "neighbours", "B beside A" + with, median(outcome.beside),
      fmt::format(
          "p99 {:.2f} × that with A elsewhere; of A, a second: {:.0f} pings served, {:.0f} snapshots read, "
          "{:.0f} refused, {:.0f} reconnects",
          median(outcome.quotients), outcome.received, outcome.snapshots, outcome.refused,
          outcome.reconnects));
}

void run(const Settings& settings) {
  Outcome with, without;
  for (int i = 0; i < settings.rounds; ++i) {
    run_round(settings, true, with);
    run_round(settings, false, without);
  }
  print(", with limits", with);
  print(", without", without);
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  using namespace tidegate::bench;
  raise_open_files();
  Settings settings;
  read_only_numbers({argv + 1, argv + argc},
                    {{"--rounds", &settings.rounds}, {"--seconds", &settings.seconds}});
  print_head();
  run(settings);
}
