#include "kafka_steady.h"

#include <chrono>
#include <string>
#include <thread>

#include "kafka/log.h"
#include "measured.h"

namespace tidegate::bench {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 30s;

log::Append record_of(std::int32_t partition, const std::string& value) {
  return {.partition = Partition(partition), .key = "key", .value = value, .headers = {.lsn = Lsn(1)}};
}

/// Reads until `count` records have come; when each did.
std::vector<Clock::time_point> arrivals(log::Reader& reader, std::size_t count) {
  std::vector<Clock::time_point> times;
  while (times.size() < count) {
    const auto batch = must(reader.read(1s, 1 << 20));
    const auto now = Clock::now();
    for (const log::Record& record : batch.records) {
      if (record.value != "warm") times.push_back(now);
    }
  }
  return times;
}

}  // namespace

KafkaTimes steady_appends(const kafka::Options& options, std::size_t count, int a_second) {
  auto log = must(kafka::KafkaLog::open(options));
  auto appender = must(log->open_appender());
  const std::int32_t partition = 1;
  auto reader =
      must(log->open_reader({{Partition(partition), must(log->watermarks(Partition(partition))).end}}));
  must(appender->append(record_of(partition, "warm")));
  must(appender->flush(kPatience));
  std::vector<Clock::time_point> sent(count), acknowledged(count);
  std::vector<Clock::time_point> arrived;
  std::thread following([&] { arrived = arrivals(*reader, count); });
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    std::this_thread::sleep_until(begin + i * 1'000'000us / a_second);
    sent[i] = Clock::now();
    must(appender->append(record_of(partition, std::to_string(i)),
                          [&, i](Offset) { acknowledged[i] = Clock::now(); }));
  }
  must(appender->flush(kPatience));
  following.join();
  const auto between = [](Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
  };
  KafkaTimes times;
  for (std::size_t i = 0; i < count; ++i) {
    times.to_acknowledgement.push_back(between(sent[i], acknowledged[i]));
    times.to_reader.push_back(between(sent[i], arrived[i]));
  }
  return times;
}

}  // namespace tidegate::bench
