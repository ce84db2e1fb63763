// What exactness costs, on a real PostgreSQL and a real Kafka broker with one matcher and two gateways: from
// a subscribe to its ack and its first rows, for a query that nobody had and for one that another gateway
// has, on an idle database and under writes, beside the floor (the same transaction on a connection of our
// own); how far V is behind the stream; and which records `progress` and leases add. Prints milliseconds and
// records a second. `bench_costs [queries]`.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "integration/watcher.h"
#include "kafka/log.h"
#include "kafka/registry.h"
#include "measured.h"
#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate {
namespace {

using namespace bench;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;
constexpr auto kPatience = 30s;

/// A deployment of a stranger's: database, broker, matcher, two gateways.
struct Deployment {
  Deployment() : url(server.create_database("shop")) {
    rig::Sql sql(url);
    sql.exec("create table orders (id integer primary key, qty integer not null, note text)");
    sql.exec(
        "insert into orders select i, i % 1000, 'some text that an order has' from generate_series(1, 20000) "
        "i");
    sql.exec("create index on orders (qty)");
    rig::Tidegate setup(command("setup"), {}, false);
    if (setup.process().wait(60s) != 0) end(setup.output());
    matcher = std::make_unique<rig::Tidegate>(command("match"));
    for (auto* gateway : {&first, &second}) {
      Words words = command("serve");
      words.insert(words.end(), {"--auth", "none"});
      *gateway = std::make_unique<rig::Tidegate>(words);
    }
    for (auto* each : {&matcher, &first, &second}) (*each)->wait_ready();
  }
  Words command(const std::string& verb) const {
    return {verb, "--database", url, "--kafka", broker.brokers(), "--topic", "shop.diffs", "--slot", "shop"};
  }
  rig::PostgresServer server;
  rig::KafkaBroker broker({}, rig::KafkaBroker::Jvm::as_shipped);
  std::string url;
  std::unique_ptr<rig::Tidegate> matcher, first, second;
};

/// Commits at a steady rate on a thread of its own.
class Writer {
 public:
  Writer(const std::string& url, int a_second) : thread_([this, url, a_second] { write(url, a_second); }) {}
  ~Writer() {
    stopping_ = true;
    thread_.join();
  }

 private:
  void write(const std::string& url, int a_second) {
    rig::Sql sql(url);
    auto due = Clock::now();
    for (int i = 0; !stopping_; ++i) {
      sql.exec("update orders set note = 'n" + std::to_string(i) +
               "' where id = " + std::to_string(1 + i % 20000));
      due += 1'000'000us / a_second;
      std::this_thread::sleep_until(due);
    }
  }
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

std::string query(int number) {
  return R"("sql":"select id, note from orders where qty = )" + std::to_string(number) + "\"";
}

/// Subscribes one after the other; from the connection's opening to the whole snapshot.
void subscribe(const std::string& name, client::Loop& loop, int port, int from, int count) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    test::Watcher watcher(loop, port, query(from + i), "json");
    if (!watcher.wait_whole(kPatience)) end("no rows came: " + watcher.fault());
    times.push_back(milliseconds_since(begin));
  }
  print(name, times);
}

void floor_select(const std::string& name, const std::string& url, int count) {
  rig::Sql sql(url);
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    sql.exec("begin isolation level repeatable read read only; lock table orders in access share mode");
    sql.exec("select id, note from orders where qty = " + std::to_string(i));
    sql.exec("commit");
    times.push_back(milliseconds_since(begin));
  }
  print(name, times);
}

/// A histogram's buckets as /metrics has them.
std::map<double, double> buckets(rig::Tidegate& program, const std::string& name) {
  const std::string text = program.metrics();
  const std::string head = name + "_bucket{le=\"";
  std::map<double, double> found;
  for (std::size_t at = text.find(head); at != std::string::npos; at = text.find(head, at + 1)) {
    const std::size_t bound = at + head.size();
    const std::string le = text.substr(bound, text.find('"', bound) - bound);
    found[le == "+Inf" ? 1e9 : std::stod(le)] = std::stod(text.substr(text.find(' ', bound)));
  }
  return found;
}

/// What came between two looks, as bounds of its quantiles.
void print_between(const std::string& name, const std::map<double, double>& before,
                   const std::map<double, double>& after) {
  const auto within = [&](double le) { return after.at(le) - (before.contains(le) ? before.at(le) : 0); };
  const double total = within(1e9);
  const auto quantile = [&](double share) {
    for (const auto& [le, count] : after) {
      if (within(le) >= share * total) return le;
    }
    return 1e9;
  };
  fmt::print("{:58} p50 <= {:5.1f}  p99 <= {:5.1f}  max <= {:5.1f}  ({:.0f})\n", name, quantile(0.5),
             quantile(0.99), quantile(1), total);
}

/// Counts what is appended to both topics within `window`.
void print_records(const std::string& name, const kafka::Options& options, std::chrono::seconds window) {
  auto log = must(kafka::KafkaLog::open(options));
  std::vector<log::Start> starts;
  for (std::int32_t p = 0; p < log->partitions(); ++p) {
    starts.push_back({Partition(p), must(log->watermarks(Partition(p))).end});
  }
  std::atomic<int> controls{0};
  std::atomic<bool> counting{false};
  auto registry = must(kafka::KafkaRegistry::open(options));
  auto following = must(registry->follow(
      [&](const registry::Entry&) {
        if (counting) ++controls;
      },
      [] {}));
  while (!following->at_end()) std::this_thread::sleep_for(10ms);
  auto reader = must(log->open_reader(starts));
  std::map<log::Kind, std::pair<int, std::size_t>> kinds;
  counting = true;
  const auto until = Clock::now() + window;
  while (Clock::now() < until) {
    const auto batch = must(reader->read(100ms, 1 << 20));
    for (const log::Record& record : batch.records) {
      auto& [count, bytes] = kinds[record.headers.kind];
      ++count;
      bytes += record.key.size() + record.value.size();
    }
  }
  counting = false;
  const auto a_second = [&](double count) { return count / static_cast<double>(window.count()); };
  const auto& [progress, progress_bytes] = kinds[log::Kind::progress];
  fmt::print(
      "{:58} progress {:.1f}/s ({:.0f} bytes/s of keys and values), control topic {:.1f}/s, {} partitions\n",
      name, a_second(progress), a_second(static_cast<double>(progress_bytes)), a_second(controls),
      log->partitions());
}

void run(int queries) {
  Deployment deployed;
  client::Loop loop;
  kafka::Options options;
  options.brokers = deployed.broker.brokers();
  options.topics = {"shop.diffs"};
  const int first = deployed.first->port();
  const int second = deployed.second->port();
  const std::string active = "tidegate_feed_active_after_milliseconds";
  const std::string visible = "tidegate_matcher_visible_after_milliseconds";

  subscribe("warming up", loop, first, 900, 20);
  fmt::print("\nIdle database, milliseconds\n");
  floor_select("  floor: lock, select and commit on an open connection", deployed.url, queries);
  auto before = buckets(*deployed.first, active);
  subscribe("  connect and subscribe to rows, a query that nobody had", loop, first, 0, queries);
  print_between("  of it: registration to active, at the gateway", before, buckets(*deployed.first, active));
  subscribe("  the same queries at the other gateway", loop, second, 0, queries);
  print_records("  records added", options, 10s);

  for (const int a_second : {100, 1000}) {
    fmt::print("\n{} commits a second, milliseconds\n", a_second);
    const Writer writer(deployed.url, a_second);
    floor_select("  floor: lock, select and commit on an open connection", deployed.url, queries);
    before = buckets(*deployed.first, active);
    const auto before_v = buckets(*deployed.matcher, visible);
    const int from = a_second == 100 ? 300 : 600;
    subscribe("  connect and subscribe to rows, a query that nobody had", loop, first, from, queries);
    print_between("  of it: registration to active, at the gateway", before,
                  buckets(*deployed.first, active));
    subscribe("  the same queries at the other gateway", loop, second, from, queries);
    print_records("  records added", options, 10s);
    print_between("  V behind the stream", before_v, buckets(*deployed.matcher, visible));
  }
}

}  // namespace
}  // namespace tidegate

int main(int argc, char** argv) {
  tidegate::run(std::min(300, argc > 1 ? std::atoi(argv[1]) : 200));
}
