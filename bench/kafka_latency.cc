// How long Kafka takes on this machine, with a broker of its own: the first append of a fresh appender and of
// a fresh registry (open included and not), then single appends at a steady rate, to their acknowledgement
// and to their arrival at one reader. Prints milliseconds. `bench_kafka_latency [appends] [appends a
// second]`.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kafka/log.h"
#include "kafka/registry.h"
#include "kafka/setup.h"
#include "kafka_steady.h"
#include "measured.h"
#include "rig/kafka.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
using bench::milliseconds_since, bench::must, bench::print;
constexpr int kFirsts = 40;
constexpr auto kPatience = 30s;

/// Waits for one answer that comes on another thread.
class Answer {
 public:
  void give() {
    const std::lock_guard lock(mutex_);
    given_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kPatience, [this] { return given_; })) return;
    fmt::print(stderr, "no answer within {} s\n", kPatience.count());
    std::exit(1);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool given_ = false;
};

log::Append record_of(std::int32_t partition, const std::string& value) {
  return {.partition = Partition(partition), .key = "key", .value = value, .headers = {.lsn = Lsn(1)}};
}

std::vector<double> first_reads(const kafka::Options& options) {
  std::vector<double> times;
  auto log = must(kafka::KafkaLog::open(options));
  for (int i = 0; i < kFirsts; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    auto reader = must(log->open_reader({{Partition(0), Offset(0)}}));
    while (must(reader->read(1s, 1)).records.empty()) {
    }
    times.push_back(milliseconds_since(begin));
  }
  return times;
}

void first_appends(const kafka::Options& options) {
  std::vector<double> opened, stored, registered, noted;
  for (int i = 0; i < kFirsts; ++i) {
    auto log = must(kafka::KafkaLog::open(options));
    auto begin = std::chrono::steady_clock::now();
    auto appender = must(log->open_appender());
    opened.push_back(milliseconds_since(begin));
    begin = std::chrono::steady_clock::now();
    Answer answer;
    must(appender->append(record_of(0, "v"), [&](Offset) { answer.give(); }));
    answer.wait();
    stored.push_back(milliseconds_since(begin));
  }
  for (int i = 0; i < kFirsts; ++i) {
    auto begin = std::chrono::steady_clock::now();
    auto registry = must(kafka::KafkaRegistry::open(options));
    registered.push_back(milliseconds_since(begin));
    begin = std::chrono::steady_clock::now();
    Answer answer;
    registry->append(registry::MatcherStart{7}, [&](const Result<Offset>& offset) {
      if (offset.ok()) answer.give();
    });
    answer.wait();
    noted.push_back(milliseconds_since(begin));
  }
  const auto read = first_reads(options);
  print("open an appender", opened);
  print("first append", stored);
  print("open a registry", registered);
  print("first append to a registry", noted);
  print("open a reader to first record", read);
}

void print_steady(const kafka::Options& options, std::size_t count, int a_second) {
  const bench::KafkaTimes times = bench::steady_appends(options, count, a_second);
  print(fmt::format("append to acknowledged, {}/s", a_second), times.to_acknowledgement);
  print(fmt::format("append to read, {}/s", a_second), times.to_reader);
}

}  // namespace
}  // namespace tidegate

int main(int argc, char** argv) {
  using namespace tidegate;
  const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000;
  const int a_second = argc > 2 ? std::atoi(argv[2]) : 100;
  rig::KafkaBroker broker({}, rig::KafkaBroker::Jvm::as_shipped);
  kafka::Options options;
  options.brokers = broker.brokers();
  options.topics = {"latency"};
  must(kafka::setup(options, {.partitions = 2}, [](const std::string&) {}));
  first_appends(options);
  print_steady(options, count, a_second);
}
