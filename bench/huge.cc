// What one huge transaction costs everybody else: a table's rows are all updated at once while another table
// is written steadily, on one node and by way of Kafka. Prints how late the other table's diffs are before,
// while the transaction is open (and streamed) and after its commit, how long its matching took, when its own
// queries had it, and how much memory the processes held at most. `bench_huge [changes]`, 1,000,000 without.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "deployment.h"
#include "integration/watcher.h"
#include "measured.h"

namespace tidegate {
namespace {

using namespace bench;
using namespace std::chrono_literals;
constexpr auto kPatience = 600s;

/// In MiB.
double memory_of(rig::Tidegate& program, const std::string& name) {
  return bench::memory_of(program.process().pid(), name) / 1024;
}

double cpu_of(rig::Tidegate& program) {
  const Cpu cpu = bench::cpu_of(program.process().pid());
  return cpu.user + cpu.system;
}

/// Writes a counter fifty times a second and notes how long each value took from its commit to the client.
class Beat {
 public:
  Beat(const std::string& url, client::Loop& loop, int port)
      : watcher_(loop, port, R"("sql":"select n from beat where id = 1")", "json") {
    if (!watcher_.wait_whole(kPatience)) end("no rows came: " + watcher_.fault());
    writer_ = std::thread([this, url] { write(url); });
    reader_ = std::thread([this] { read(); });
  }
  ~Beat() {
    stopping_ = true;
    writer_.join();
    reader_.join();
  }
  /// The delays since the last call, milliseconds. Waits until what was committed so far has come.
  std::vector<double> take() {
    const std::size_t committed = committed_;
    const auto until = Clock::now() + kPatience;
    while (seen_ < committed && Clock::now() < until) std::this_thread::sleep_for(1ms);
    const std::lock_guard lock(mutex_);
    return std::exchange(delays_, {});
  }

 private:
  void write(const std::string& url) {
    rig::Sql sql(url);
    auto due = Clock::now();
    while (!stopping_) {
      const std::size_t next = committed_ + 1;
      sql.exec("update beat set n = " + std::to_string(next));
      {
        const std::lock_guard lock(mutex_);
        times_.push_back(Clock::now());
      }
      committed_ = next;
      due += 20ms;
      std::this_thread::sleep_until(due);
    }
  }
  void read() {
    while (!stopping_) {
      const auto rows = watcher_.rows();
      if (rows.empty()) continue;  // between two snapshots
      const std::string& row = rows.begin()->second;
      const std::size_t value = std::stoul(row.substr(row.find_first_of("0123456789", row.find("\"n\""))));
      const auto now = Clock::now();
      {
        const std::lock_guard lock(mutex_);
        for (std::size_t i = seen_; i < std::min(value, times_.size()); ++i)
          delays_.push_back(std::chrono::duration<double, std::milli>(now - times_[i]).count());
        seen_ = std::max<std::size_t>(seen_, std::min(value, times_.size()));
      }
      std::this_thread::sleep_for(500us);
    }
  }

  test::Watcher watcher_;
  std::mutex mutex_;  // guards the next two
  std::vector<Clock::time_point> times_;
  std::vector<double> delays_;
  std::atomic<std::size_t> committed_{0}, seen_{0};
  std::atomic<bool> stopping_{false};
  std::thread writer_, reader_;
};

template <class Condition>
double milliseconds_until(Clock::time_point begin, Condition condition) {
  const auto until = Clock::now() + kPatience;
  while (!condition()) {
    if (Clock::now() > until) end("it did not come");
    std::this_thread::sleep_for(2ms);
  }
  return milliseconds_since(begin);
}

void run(int changes, bool with_kafka) {
  fmt::print("\n{} changes in one transaction, {}\n", changes, with_kafka ? "by way of Kafka" : "one node");
  const Deployment deployed(
      fmt::format(
          "create table items (id integer primary key, part integer not null, n integer not null, note "
          "text); create table beat (id integer primary key, n bigint not null); "
          "insert into beat values (1, 0); insert into items select i, i % 1000, 0, "
          "'some text of an item' from generate_series(1, {}) i",
          changes),
      with_kafka);
  client::Loop loop;
  const int port = deployed.gateway->port();
  const auto watch = [&](const std::string& where) {
    auto made = std::make_unique<test::Watcher>(
        loop, port, R"("sql":"select id, n from items where )" + where + "\"", "");
    if (!made->wait_whole(kPatience)) end("no rows came: " + made->fault());
    return made;
  };
  const auto one = watch("id = 7");
  const auto some = watch("part = 7");
  const auto tenth = watch("part < 100");
  const auto all = watch("id > 0");
  Beat beat(deployed.url, loop, port);
  std::this_thread::sleep_for(10s);
  print("  beat before, milliseconds from commit to client", beat.take());

  rig::Tidegate& matching = deployed.matching();
  const double matched_before = matching.metric("tidegate_matcher_changes_total");
  const double cpu_before = cpu_of(matching);
  const double memory_before = memory_of(matching, "VmRSS");
  rig::Sql sql(deployed.url);
  sql.exec("begin");
  const auto writing = Clock::now();
  sql.exec("update items set n = 1");
  fmt::print("  the statement took {:.1f} s\n", milliseconds_since(writing) / 1000);
  print("  beat while the transaction is open", beat.take());
  const auto committing = Clock::now();
  sql.exec("commit");
  const double matched = milliseconds_until(committing, [&] {
    return matching.metric("tidegate_matcher_changes_total") - matched_before >= changes;
  });
  print("  beat from its commit until it is matched and a little on", beat.take());
  fmt::print(
      "  from its commit until it is matched: {:.1f} s; CPU of the process that matches, in all: {:.1f} s\n",
      matched / 1000, cpu_of(matching) - cpu_before);
  const auto has = [](const test::Watcher& watcher) {
    const auto rows = watcher.rows();
    return !rows.empty() && std::all_of(rows.begin(), rows.end(), [](const auto& row) {
      return row.second.find("\"n\":1") != std::string::npos;
    });
  };
  const std::vector<std::pair<std::string, const test::Watcher*>> queries{
      {"1 row", one.get()}, {"1/1000", some.get()}, {"1/10", tenth.get()}, {"all", all.get()}};
  for (const auto& [name, watcher] : queries) {
    const double late = milliseconds_until(committing, [&, w = watcher] { return has(*w); });
    fmt::print("  the query of {:7} had it {:5.1f} s after the commit ({} diffs, {} snapshots)\n", name,
               late / 1000, watcher->counts().diffs, watcher->counts().snapshots);
  }
  fmt::print("  memory, MiB: {} {:.0f} before, {:.0f} at most", with_kafka ? "matcher" : "gateway",
             memory_before, memory_of(matching, "VmHWM"));
  if (with_kafka) fmt::print("; gateway {:.0f} at most", memory_of(*deployed.gateway, "VmHWM"));
  fmt::print("\n");
}

}  // namespace
}  // namespace tidegate

int main(int argc, char** argv) {
  const int changes = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  if (changes < 1'000 || changes > 10'000'000) tidegate::bench::end("1,000 to 10,000,000 changes");
  tidegate::run(changes, false);
  tidegate::run(changes, true);
}
