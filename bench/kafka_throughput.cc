// What our appender and our reader cost above bare librdkafka, which is given the same records, headers
// included, and the same settings, in the same run and in turn: with 1 and 64 partitions, uncompressed, lz4
// and zstd, against a broker of its own. Prints a table of medians: this process's CPU µs a record first (all
// of librdkafka's threads included), then records a second. `bench_kafka_throughput [--records N] [--rounds
// N] [--bytes N]`.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string>
#include <vector>

#include "kafka/consumer.h"
#include "kafka/headers.h"
#include "kafka/log.h"
#include "measured.h"
#include "rig/kafka.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
using bench::must;
constexpr auto kPatience = 120s;

struct Load {
  int records = 200'000;
  int rounds = 3;
  int bytes = 300;
};

/// What a stretch of work took.
struct Took {
  double cpu_us = 0;    ///< a record
  double a_second = 0;  ///< records
};
class Stretch {
 public:
  [[nodiscard]] Took took(int records) const {
    const double seconds = std::chrono::duration<double>(bench::Clock::now() - begin_).count();
    return {(cpu() - cpu_) * 1e6 / records, records / seconds};
  }

 private:
  static double cpu() {
    timespec spent{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
  }
  const bench::Clock::time_point begin_ = bench::Clock::now();
  const double cpu_ = cpu();
};

log::Headers headers() {
  return {.lsn = Lsn(1), .xid = Xid(2), .epoch = Epoch(3), .generation = Generation(4)};
}

/// Rows as JSON, no two the same: what compresses as diffs do.
std::string value_of(int number, int bytes) {
  std::string value;
  for (int i = 0; static_cast<int>(value.size()) < bytes; ++i) {
    value += fmt::format(R"({{"id":{},"status":"new","total":"{}.{:02}"}},)", number + i, number * 7 % 9973,
                         number % 100);
  }
  value.resize(static_cast<std::size_t>(bytes));
  return value;
}

kafka::Options options_of(const rig::KafkaBroker& broker, const std::string& topic,
                          const std::string& codec) {
  kafka::Options options;
  options.brokers = broker.brokers();
  options.topics = {topic};
  options.properties["compression.codec"] = codec;
  return options;
}

Took append_ours(const kafka::Options& options, const std::vector<std::string>& values, int partitions) {
  auto log = must(kafka::KafkaLog::open(options));
  auto appender = must(log->open_appender());
  const Stretch stretch;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Partition partition(static_cast<std::int32_t>(i) % partitions);
    must(appender->append({partition, "tenant/orders/0123456789abcdef", values[i], headers()}));
  }
  must(appender->flush(kPatience));
  return stretch.took(static_cast<int>(values.size()));
}

/// The settings of our producer; callbacks count, nothing else.
Took append_bare(const kafka::Options& options, const std::vector<std::string>& values, int partitions) {
  std::size_t delivered = 0;
  kafka::Callbacks callbacks{.opaque = &delivered,
                             .delivered = [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
                               if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) bench::end("not delivered");
                               ++*static_cast<std::size_t*>(opaque);
                             }};
  const auto client = must(kafka::open_client(options, RD_KAFKA_PRODUCER,
                                              {{"enable.idempotence", "true"},
                                               {"linger.ms", "0"},
                                               {"queue.buffering.max.kbytes", "65536"},
                                               {"queue.buffering.max.messages", "1000000"}},
                                              callbacks));
  must(kafka::partition_count(options, client.get(), options.topics.front(), 10s));
  const std::string key = "tenant/orders/0123456789abcdef";
  const Stretch stretch;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto partition = static_cast<std::int32_t>(i) % partitions;
    rd_kafka_headers_t* const with = kafka::to_wire(headers());
    auto code = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      code = rd_kafka_producev(client.get(), RD_KAFKA_V_TOPIC(options.topics.front().c_str()),
                               RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key.data(), key.size()),
                               RD_KAFKA_V_VALUE(const_cast<char*>(values[i].data()), values[i].size()),
                               RD_KAFKA_V_HEADERS(with), RD_KAFKA_V_END);
      rd_kafka_poll(client.get(), code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 10 : 0);
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) bench::end(rd_kafka_err2str(code));
  }
  while (delivered < values.size()) rd_kafka_poll(client.get(), 100);
  return stretch.took(static_cast<int>(values.size()));
}

std::vector<log::Start> starts(int partitions) {
  std::vector<log::Start> starts;
  for (std::int32_t each = 0; each < partitions; ++each) starts.push_back({Partition(each), Offset(0)});
  return starts;
}

Took read_ours(const kafka::Options& options, int records, int partitions) {
  auto log = must(kafka::KafkaLog::open(options));
  const Stretch stretch;
  auto reader = must(log->open_reader(starts(partitions)));
  for (std::size_t read = 0; read < static_cast<std::size_t>(records);) {
    read += must(reader->read(1s, 4 << 20)).records.size();
  }
  return stretch.took(records);
}

/// The same simple consumer without a reader above it: a message is taken and thrown away.
Took read_bare(const kafka::Options& options, int records, int partitions) {
  auto consumer = must(kafka::Consumer::open(options));
  const Stretch stretch;
  for (std::int32_t each = 0; each < partitions; ++each) {
    must(consumer->start(options.topics.front(), each, Offset(0)));
  }
  for (int read = 0; read < records;) {
    const auto message = consumer->next(1s);
    if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) ++read;
  }
  return stretch.took(records);
}

Took median(std::vector<Took> rounds) {
  const auto by = [&](double Took::* member) {
    std::sort(rounds.begin(), rounds.end(),
              [member](const Took& a, const Took& b) { return a.*member < b.*member; });
    return rounds[rounds.size() / 2].*member;
  };
  return {by(&Took::cpu_us), by(&Took::a_second)};
}

void measure(rig::KafkaBroker& broker, const Load& load, const std::vector<std::string>& values,
             int partitions, const std::string& codec) {
  std::array<std::vector<Took>, 4> took;
  for (int round = 0; round < load.rounds; ++round) {
    const auto topic = [&](const std::string& whose) {
      const std::string name = fmt::format("{}-{}-{}-{}", whose, partitions, codec, round);
      broker.create_topic(name, partitions);
      return name;
    };
    const auto ours = options_of(broker, topic("ours"), codec);
    const auto bare = options_of(broker, topic("bare"), codec);
    took[0].push_back(append_ours(ours, values, partitions));
    took[1].push_back(append_bare(bare, values, partitions));
    took[2].push_back(read_ours(ours, load.records, partitions));
    took[3].push_back(read_bare(bare, load.records, partitions));
    broker.delete_topic(ours.topics.front());
    broker.delete_topic(bare.topics.front());
  }
  for (const std::size_t first : {0U, 2U}) {
    const Took ours = median(took[first]);
    const Took bare = median(took[first + 1]);
    fmt::print("{:>10} {:>5} {:7} {:9.2f} {:9.2f} {:6.2f} {:11.0f} {:11.0f}\n", partitions, codec,
               first == 0 ? "append" : "read", ours.cpu_us, bare.cpu_us, ours.cpu_us / bare.cpu_us,
               ours.a_second, bare.a_second);
  }
}

}  // namespace
}  // namespace tidegate

int main(int argc, char** argv) {
  using namespace tidegate;
  Load load;
  bench::read_only_numbers(
      {argv + 1, argv + argc},
      {{"--records", &load.records}, {"--rounds", &load.rounds}, {"--bytes", &load.bytes}});
  std::vector<std::string> values;
  for (int i = 0; i < load.records; ++i) values.push_back(value_of(i, load.bytes));
  rig::KafkaBroker broker({}, rig::KafkaBroker::Jvm::as_shipped);
  fmt::print("{} records of {} bytes, {} rounds; CPU µs a record of this process, records a second\n",
             load.records, load.bytes, load.rounds);
  fmt::print("{:>10} {:>5} {:7} {:>9} {:>9} {:>6} {:>11} {:>11}\n", "partitions", "codec", "", "ours", "bare",
             "ratio", "ours/s", "bare/s");
  for (const int partitions : {1, 64}) {
    for (const char* codec : {"none", "lz4", "zstd"}) measure(broker, load, values, partitions, codec);
  }
}
