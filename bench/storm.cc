// A reconnect storm: `bench_storm [--rounds N] [--clients N]`. Clients of 100 queries are cut off, each query
// changes once, and all come back at once: with their cursors, with cursors that no longer count (of another
// epoch), and with none. How long until each holds the change, what the database was asked, what the gateway
// spent; beside the time of as many upgrades alone.

#include <algorithm>
#include <mutex>
#include <regex>
#include <thread>

#include "deployment.h"
#include "round.h"

namespace tidegate::bench {
namespace {

using namespace std::chrono_literals;
constexpr int kQueries = 100;
constexpr int kRowsEach = 10;

struct Settings {
  int rounds = 3;
  int clients = 10'000;
};

enum class Kind : std::uint8_t { cursors, stale, none };
constexpr const char* kKinds[] = {"all with cursors", "all with cursors that no longer count", "all new"};

std::string tables() {
  return fmt::format(
      "create extension pg_stat_statements; "
      "create table items (id integer primary key, part integer not null, note text); "
      "insert into items select i, i % {}, '' from generate_series(1, {}) i; create index on items (part)",
      kQueries, kQueries * kRowsEach);
}

/// The last cursor of each client. The swarm's thread writes, nobody reads before it has ended.
class Cursors {
 public:
  explicit Cursors(int clients) : cursors_(static_cast<std::size_t>(clients)) {}
  void see(int client, std::string_view text) {
    const std::size_t at = text.find(R"("cursor":{)");
    if (at == std::string_view::npos) return;
    const std::size_t begin = at + 9;
    cursors_[static_cast<std::size_t>(client)] = text.substr(begin, text.find('}', begin) + 1 - begin);
  }
  [[nodiscard]] const std::string& of(int client) const { return cursors_[static_cast<std::size_t>(client)]; }
  /// Another epoch's, that is.
  void spoil() {
    for (std::string& cursor : cursors_) {
      const std::size_t at = cursor.find(R"("epoch":")") + 9;
      cursor[at] = cursor[at] == '0' ? '1' : '0';
    }
  }

 private:
  std::vector<std::string> cursors_;
};

SwarmSettings clients(const Deployment& deployed, int count, Cursors& cursors, bool with_cursors,
                      const std::string& until) {
  SwarmSettings settings{.port = deployed.gateway->port(), .sessions = count, .subprotocol = "json"};
  settings.greeting = [&cursors, with_cursors](int i) {
    return fmt::format(
        R"({{"op":"subscribe","hashId":"q","sql":"select id, note from items where part = {}","frames":"json"{}}})",
        i % kQueries, with_cursors ? ",\"cursor\":" + cursors.of(i) : "");
  };
  settings.answer = until;
  settings.answers = 1;
  settings.records = SwarmSettings::Records::marks;
  settings.on_text = [&cursors](int i, std::string_view text) { cursors.see(i, text); };
  return settings;
}

/// Statements that read the table, since the last reset.
double statements(const std::string& url) {
  return std::stod(
      rig::Sql(url).value("select coalesce(sum(calls), 0) from pg_stat_statements where query ilike "
                          "'%items%' and query not ilike 'update%' and query not ilike '%lock table%'"));
}

struct Result {
  double seconds = 0, upgrades = 0, cpu = 0, statements = 0;
};

/// The sessions of a swarm that is gone have ended.
void wait_until_gone(const Deployment& deployed) {
  while (deployed.gateway->metric("tidegate_connections") > 0) std::this_thread::sleep_for(10ms);
}

Result storm(const Deployment& deployed, Kind kind, int count, const std::string& note) {
  Cursors cursors(count);
  {
    const Swarm before(clients(deployed, count, cursors, false, R"("op":"snapshot")"));
  }
  wait_until_gone(deployed);
  if (kind == Kind::stale) cursors.spoil();
  rig::Sql sql(deployed.url);
  sql.exec("update items set note = '" + note + "'");
  // What nobody asked about would be counted with the storm's: the reuse of the first snapshots is over.
  std::this_thread::sleep_for(6s);
  sql.exec("select pg_stat_statements_reset()");
  const pid_t gateway = deployed.gateway->process().pid();
  Result result;
  const Cpu cpu = cpu_of(gateway);
  auto begin = Clock::now();
  {
    const Swarm again(clients(deployed, count, cursors, kind != Kind::none, note));
    result.seconds = milliseconds_since(begin) / 1'000;
  }
  const Cpu now = cpu_of(gateway);
  result.cpu = now.user + now.system - cpu.user - cpu.system;
  result.statements = statements(deployed.url);
  wait_until_gone(deployed);
  begin = Clock::now();
  {
    const Swarm bare({.port = deployed.gateway->port(), .sessions = count, .subprotocol = "json"});
    result.upgrades = milliseconds_since(begin) / 1'000;
  }
  wait_until_gone(deployed);
  return result;
}

void run(const Settings& settings) {
  const Deployment deployed(tables(), true,
                            {{"shared_preload_libraries", "pg_stat_statements"}, {"track_io_timing", "off"}},
                            {"--limit-address-handshakes", "0"});  // all of them have one address
  std::vector<std::vector<Result>> results(std::size(kKinds));
  int number = 0;
  for (int i = 0; i < settings.rounds; ++i) {
    for (std::size_t kind = 0; kind < results.size(); ++kind)
      results[kind].push_back(
          storm(deployed, static_cast<Kind>(kind), settings.clients, fmt::format("storm {} ", ++number)));
  }
  for (std::size_t kind = 0; kind < results.size(); ++kind) {
    const auto of = [&](double Result::* field) {
      std::vector<double> values;
      for (const Result& result : results[kind]) values.push_back(result.*field);
      return median(std::move(values));
    };
    print_row(
        "reconnect storm", kKinds[kind],
        fmt::format(
            "{} clients of {} queries: {:.2f} s until all hold what changed meanwhile ({:.2f} s for as many "
            "upgrades alone), {:.0f} SQL statements, {:.0f} µs of the gateway's CPU a client",
            settings.clients, kQueries, of(&Result::seconds), of(&Result::upgrades), of(&Result::statements),
            of(&Result::cpu) / settings.clients * 1e6));
  }
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  using namespace tidegate::bench;
  raise_open_files();
  Settings settings;
  read_only_numbers({argv + 1, argv + argc},
                    {{"--rounds", &settings.rounds}, {"--clients", &settings.clients}});
  print_head();
  run(settings);
}
