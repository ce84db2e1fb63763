// What finding a change's queries costs, from 1 to 1,000,000 registered: CPU microseconds a change of the
// index alone (`probe`) and of the matcher's whole way to the effects (`match`: transactions of one change,
// of 100 changes), for predicates of equality, range, prefix, a mix of them and such that can't be indexed.
// Each change is an insert of a row of ten columns that hits one query as a rule. Beside it, in the same run,
// the floor: a look-up of the same keys in a std::unordered_map, and evaluating every query, one after the
// other. Then what a registered query holds in memory. `bench_matcher [queries_max [part of a name]]`.

#include <fmt/format.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "matcher/predicate_index.h"
#include "matcher/roster.h"
#include "query/query.h"
#include "source/source.h"

namespace tidegate {
namespace {

using matcher::PredicateIndex;
using matcher::QueryNumber;
using query::Op;
using query::ParsedCondition;
using query::ParsedLiteral;
using query::Type;
using QueryPtr = std::shared_ptr<const query::Query>;
using Random = std::mt19937_64;

constexpr std::size_t kBatch = 1'000;  // rows made before, so that making them is not measured

double cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

std::size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::shared_ptr<const query::TableSchema> make_table() {
  query::TableSchema table;
  table.schema = "public";
  table.name = "orders";
  table.relation = 1;
  const std::vector<std::pair<const char*, Type>> columns = {
      {"id", Type::int8},     {"customer", Type::int8},    {"qty", Type::int4},      {"title", Type::text},
      {"status", Type::text}, {"made", Type::timestamptz}, {"price", Type::numeric}, {"code", Type::text},
      {"note", Type::text},   {"done", Type::boolean}};
  for (const auto& [name, type] : columns) {
    query::ColumnSchema column;
    column.name = name;
    column.type = type;
    column.declared = std::string(query::type_name(type));
    column.bytewise = column.ascii_case = true;
    table.columns.push_back(column);
  }
  table.key = {0};
  return std::make_shared<const query::TableSchema>(std::move(table));
}

ParsedCondition leaf(const char* column, Op op, std::string value) {
  ParsedCondition leaf;
  leaf.column = column;
  leaf.op = op;
  leaf.values = {{ParsedLiteral::Kind::string, std::move(value)}};
  return leaf;
}

/// A way to make the i-th query, and a row that hits it.
struct Scenario {
  std::string name;
  std::function<std::vector<ParsedCondition>(std::size_t)> where;
  std::function<void(query::Row&, std::size_t)> hit;
  std::size_t queries_max = 1'000'000;
};

constexpr std::size_t kWidth = 10;  // of a range

std::string number(std::size_t i) {
  return std::to_string(i);
}
std::string code(std::size_t i) {
  return fmt::format("code-{:07}-", i);
}
std::string price(std::size_t i) {
  return fmt::format("{}.{:02}", i / 100, i % 100);
}

std::vector<ParsedCondition> range(const char* column, std::string low, std::string high) {
  return {leaf(column, Op::ge, std::move(low)), leaf(column, Op::lt, std::move(high))};
}

std::vector<Scenario> scenarios() {
  const Scenario equality{"equality, bigint",
                          [](std::size_t i) { return std::vector{leaf("customer", Op::eq, number(i))}; },
                          [](query::Row& row, std::size_t i) { row[1] = number(i); }};
  const Scenario text{"equality, text",
                      [](std::size_t i) { return std::vector{leaf("code", Op::eq, code(i))}; },
                      [](query::Row& row, std::size_t i) { row[7] = code(i); }};
  const Scenario whole{
      "range of 10, bigint",
      [](std::size_t i) { return range("customer", number(i * kWidth), number(i * kWidth + kWidth)); },
      [](query::Row& row, std::size_t i) { row[1] = number(i * kWidth + i % kWidth); }};
  const Scenario numeric{
      "range of 0.10, numeric",
      [](std::size_t i) { return range("price", price(i * kWidth), price(i * kWidth + kWidth)); },
      [](query::Row& row, std::size_t i) { row[6] = price(i * kWidth + i % kWidth); }};
  const Scenario prefix{"prefix",
                        [](std::size_t i) { return std::vector{leaf("code", Op::like, code(i) + "%")}; },
                        [](query::Row& row, std::size_t i) { row[7] = code(i) + "x"; }};
  const std::vector<Scenario> some = {equality, whole, prefix};
  const Scenario mixed{"mixed: each a third, and status = 'open'",
                       [some](std::size_t i) {
                         auto where = some[i % 3].where(i);
                         where.push_back(leaf("status", Op::eq, "open"));
                         return where;
                       },
                       [some](query::Row& row, std::size_t i) { some[i % 3].hit(row, i); }};
  const Scenario not_equal{
      "can't be indexed: note like '%i%'",
      [](std::size_t i) { return std::vector{leaf("note", Op::like, "%<" + number(i) + ">%")}; },
      [](query::Row& row, std::size_t i) { row[8] = "a note about <" + number(i) + "> and more"; }, 100'000};
  const Scenario shared{"can't be indexed, 100 conditions shared by all",
                        [](std::size_t i) {
                          return std::vector{leaf("note", Op::like, "%<" + number(i % 100) + ">%"),
                                             leaf("customer", Op::ne, number(i))};
                        },
                        [](query::Row& row, std::size_t) { row[8] = "a note about nothing"; }};
  return {equality, text, whole, numeric, prefix, mixed, not_equal, shared};
}

/// `select id, customer, title from orders where …`
QueryPtr make_query(const Scenario& scenario, std::size_t i, const query::Catalogue& catalogue) {
  auto bound =
      query::Query::bind({"orders", {"customer", "title"}, scenario.where(i)}, catalogue.find("orders"));
  if (!bound) {
    fmt::print(stderr, "{}\n", bound.error().message);
    std::exit(1);
  }
  return *bound;
}

/// The keys below 10,000,000 of a row that hits nothing are out of all queries' reach.
query::Row plain_row() {
  return {
      "1",    "99999999", "3", "a title of some words", "open", "2026-01-31 12:30:00.123456+00", "999999.99",
      "none", "a note",   "f"};
}

/// Gives CPU microseconds for each of the rows that `run` is called with, the least disturbed of some rounds'
/// median.
template <class F>
double measure(const Scenario& scenario, std::size_t queries, const F& run) {
  Random random(7);
  std::vector<double> rounds;
  std::vector<query::Row> rows;
  const double until = cpu_us() + 0.4e6;
  do {
    rows.assign(kBatch, plain_row());
    for (auto& row : rows) scenario.hit(row, random() % queries);
    const double begin = cpu_us();
    const std::size_t done = run(rows);
    rounds.push_back((cpu_us() - begin) / static_cast<double>(done));
  } while (cpu_us() < until || rounds.size() < 3);
  std::nth_element(rounds.begin(), rounds.begin() + static_cast<std::ptrdiff_t>(rounds.size() / 2),
                   rounds.end());
  return rounds[rounds.size() / 2];
}

std::size_t hits_seen = 0;  // so that nothing is optimised away

double measure_probe(const Scenario& scenario, PredicateIndex& index, std::size_t queries) {
  std::vector<matcher::Hit> hits;
  return measure(scenario, queries, [&](const std::vector<query::Row>& rows) {
    for (const auto& row : rows) {
      index.probe(1, nullptr, &row, hits);
      hits_seen += hits.size();
    }
    return rows.size();
  });
}

double measure_match(const Scenario& scenario, matcher::Roster& roster, std::size_t queries,
                     std::size_t changes, const std::shared_ptr<const query::TableSchema>& table) {
  std::vector<matcher::Reshaped> reshaped;
  std::vector<source::Transaction> transactions(kBatch / changes);
  return measure(scenario, queries, [&](std::vector<query::Row>& rows) {
    // Moving rows is a part of what is measured, some nanoseconds.
    matcher::Roster::Tally tally;
    for (std::size_t i = 0; i < transactions.size(); ++i) {
      source::Transaction transaction;
      std::vector<source::Change> list;
      for (std::size_t j = 0; j < changes; ++j)
        list.push_back({table, source::ChangeKind::insert, {}, std::move(rows[i * changes + j])});
      transaction.changes = std::move(list);
      auto effects = roster.match(transaction, tally, reshaped);
      hits_seen += effects->size();
    }
    return transactions.size() * changes;
  });
}

/// Evaluating all, one after the other: what an index must beat.
double measure_scan(const Scenario& scenario, const std::vector<QueryPtr>& queries) {
  return measure(scenario, queries.size(), [&](const std::vector<query::Row>& rows) {
    const std::size_t few = std::max<std::size_t>(1, std::min(rows.size(), 300'000 / queries.size()));
    for (std::size_t i = 0; i < few; ++i) {
      for (const auto& query : queries) hits_seen += query->matches(rows[i]) ? 1 : 0;
    }
    return few;
  });
}

double measure_map(std::size_t queries) {
  std::unordered_map<std::int64_t, std::uint64_t> map;
  for (std::size_t i = 0; i < queries; ++i) map.emplace(static_cast<std::int64_t>(i), i);
  const Scenario keys{"", {}, [](query::Row& row, std::size_t i) { row[1] = number(i); }};
  return measure(keys, queries, [&](const std::vector<query::Row>& rows) {
    for (const auto& row : rows) hits_seen += map.find(std::strtoll(row[1]->c_str(), nullptr, 10))->second;
    return rows.size();
  });
}

void run_scenario(const Scenario& scenario, std::size_t count) {
  const auto table = make_table();
  const query::Catalogue catalogue({table});

  matcher::Roster roster;
  std::vector<QueryPtr> queries;
  queries.reserve(count);
  const std::size_t before = heap_bytes();
  for (std::size_t i = 0; i < count; ++i)
    queries.push_back(*roster.bind(make_query(scenario, i, catalogue)->canonical(), catalogue));
  const std::size_t bound = heap_bytes();
  PredicateIndex index;
  for (std::size_t i = 0; i < count; ++i) index.add(QueryNumber(i + 1), queries[i]);
  const std::size_t indexed = heap_bytes();
  const double probe = measure_probe(scenario, index, count);
  const double scan = count <= 100'000 ? measure_scan(scenario, queries) : 0;
  index = {};
  const std::size_t without = heap_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = query::routing_key("tenant", *queries[i]);
    roster.add({.key = key,
                .partition = Partition(1),
                .activation = Activation(i + 1),
                .query = std::move(queries[i])});
  }
  const std::size_t registered = heap_bytes();
  const double one = measure_match(scenario, roster, count, 1, table);
  const double hundred = measure_match(scenario, roster, count, 100, table);
  const auto each = [&](std::size_t from, std::size_t to) {
    return (static_cast<double>(to) - static_cast<double>(from)) / static_cast<double>(count);
  };
  std::fflush(stdout);
  fmt::print("{:48} {:>9}  {:9.3f}  {:9.3f}  {:9.3f}  {:>12}  {:6.0f} + {:4.0f} + {:4.0f}\n", scenario.name,
             count, probe, hundred, one, scan > 0 ? fmt::format("{:.3f}", scan) : "", each(before, bound),
             each(bound, indexed), each(without, registered) - each(bound, indexed));
}

void run(std::size_t most, const std::string& only) {
  fmt::print("CPU microseconds a change; bytes a query: compiled + index + roster\n\n");
  fmt::print("{:48} {:>9}  {:>9}  {:>9}  {:>9}  {:>12}  {}\n", "", "queries", "probe", "match/100", "match/1",
             "evaluate all", "bytes");
  const std::vector<std::size_t> sizes = {1, 1'000, 100'000, 1'000'000};
  for (const std::size_t size : sizes) {
    if (size <= most)
      fmt::print("{:48} {:>9}  {:9.3f}\n", "floor: strtoll and std::unordered_map", size, measure_map(size));
  }
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name.find(only) == std::string::npos) continue;
    for (const std::size_t size : sizes) {
      if (size <= std::min(most, scenario.queries_max)) run_scenario(scenario, size);
    }
  }
  fmt::print("({} hits)\n", hits_seen);
}

}  // namespace
}  // namespace tidegate

int main(int argc, char** argv) {
  tidegate::run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000, argc > 2 ? argv[2] : "");
}
