// What `progress`, leases and registrations add to the two topics, with 1, 10 and 100 gateways: records and
// bytes (keys, values and headers, without what a broker adds a batch). The numbers of docs/COSTS.md,
// "Simulated", are of TIDEGATE_LONG=1, with 100,000 queries; else there are 1,000.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "matcher/testing.h"
#include "simulation/processes.h"

namespace tidegate::simulation {
namespace {

using std::chrono::milliseconds;

constexpr std::int32_t kPartitions = 6;

struct Cost {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  Cost operator-(const Cost& other) const { return {records - other.records, bytes - other.bytes}; }
};

/// Names and values of docs/PROTOCOL.md's headers.
std::size_t header_bytes(const log::Headers& headers) {
  std::size_t bytes = (3 + 8) + (5 + 8) + (3 + 8) + (6 + 2);  // lsn, epoch, gen, format
  if (headers.xid) bytes += 3 + 8;
  if (headers.kind != log::Kind::diff) bytes += 4 + 8;
  return bytes;
}

class Costs : public testing::TestWithParam<std::size_t> {
 protected:
  void subscribe(std::size_t queries) {
    for (std::size_t i = 0; i < queries; ++i) {
      auto query =
          matcher::orders_query(fmt::format(R"({{"where":[{{"column":"id","op":"=","value":{}}}]}})", i));
      GatewayProcess& gateway = *gateways_[i % gateways_.size()];
      const SessionId session = gateway.hub(0).open({.v1 = true});
      gateway.hub(0).subscribe(session, {.hash_id = "q",
                                         .routing_key = query::routing_key("t", *query),
                                         .query = query,
                                         .query_hash = query->hash()});
    }
  }
  void run(milliseconds time, int commits_a_second) {
    constexpr milliseconds kStep{20};
    for (milliseconds passed{0}; passed < time; passed += kStep) {
      if (commits_a_second > 0 && passed % milliseconds(1'000 / commits_a_second) < kStep) {
        for (int i = 0; i < std::max(1, commits_a_second / 50); ++i) {
          world_.database.commit(Dice(++choice_), false);
        }
      }
      matcher_.stream.serve(100);
      matcher_.stream.look();
      for (int i = 0; i < 4; ++i) ASSERT_TRUE(matcher_.step());
      serve(matcher_.log, matcher_.registry);
      for (const auto& gateway : gateways_) {
        gateway->registry.store(SIZE_MAX);
        gateway->registry.acknowledge(SIZE_MAX);
        gateway->registry.deliver(SIZE_MAX);
        ASSERT_TRUE(gateway->step(SIZE_MAX));
        while (gateway->work()) {
        }
        gateway->handle(0, SIZE_MAX);
        gateway->handle(1, SIZE_MAX);
      }
      matcher_.registry.deliver(SIZE_MAX);
      world_.clock.advance(kStep);
    }
  }
  static void serve(BrokerView& log, ControlView& registry) {
    log.store(SIZE_MAX);
    log.acknowledge(SIZE_MAX);
    registry.store(SIZE_MAX);
    registry.acknowledge(SIZE_MAX);
    registry.deliver(SIZE_MAX);
  }
  [[nodiscard]] Cost control() const {
    Cost cost;
    for (const auto& entry : world_.control.entries()) {
      ++cost.records;
      cost.bytes +=
          registry::control_key(entry.record).size() + registry::encode_control(entry.record).size();
    }
    return cost;
  }
  [[nodiscard]] Cost diffs(bool data) const {
    Cost cost;
    for (const auto& part : world_.broker.parts()) {
      for (const auto& stored : part.records) {
        const log::Append& record = stored->record;
        if ((record.headers.kind == log::Kind::diff) != data) continue;
        ++cost.records;
        cost.bytes += record.key.size() + record.value.size() + header_bytes(record.headers);
      }
    }
    return cost;
  }
  void phase(const char* name, milliseconds time, int commits_a_second) {
    const Cost control_before = control(), words_before = diffs(false), diffs_before = diffs(true);
    run(time, commits_a_second);
    const double seconds = static_cast<double>(time.count()) / 1'000;
    const auto line = [&](const Cost& cost) {
      return fmt::format("{:8.1f} records/s {:9.0f} bytes/s", static_cast<double>(cost.records) / seconds,
                         static_cast<double>(cost.bytes) / seconds);
    };
    fmt::print("{:4} gateways, {:12}: control {} | diff topic without diffs {} | diffs {}\n",
               gateways_.size(), name, line(control() - control_before), line(diffs(false) - words_before),
               line(diffs(true) - diffs_before));
  }

  Surroundings world_{kPartitions, false};
  MatcherProcess matcher_{world_, {}, {}};
  std::vector<std::unique_ptr<GatewayProcess>> gateways_;
  std::uint64_t choice_ = 0;
};

TEST_P(Costs, of_progress_leases_and_registrations) {
  const std::size_t queries = std::getenv("TIDEGATE_LONG") != nullptr ? 100'000 : 1'000;
  world_.slot.confirmed = world_.database.wal_end();
  ASSERT_TRUE(matcher_.start());
  for (std::size_t i = 0; i < GetParam(); ++i) {
    gateways_.push_back(
        std::make_unique<GatewayProcess>(world_, feed::Options{.snapshot_threads = 0}, hub::Options{}));
    ASSERT_TRUE(gateways_.back()->start());
  }
  run(milliseconds(1'000), 0);
  const Cost control_before = control(), words_before = diffs(false);
  subscribe(queries);
  run(milliseconds(2'000), 0);
  const Cost control_after = control() - control_before, words_after = diffs(false) - words_before;
  fmt::print(
      "{:4} gateways, {} queries register: control {} records {} bytes | diff topic {} records {} bytes\n",
      gateways_.size(), queries, control_after.records, control_after.bytes, words_after.records,
      words_after.bytes);
  EXPECT_GE(control_after.records, 2 * queries) << "a registration and an activation each";
  phase("idle", milliseconds(20'000), 0);
  const Cost idle = control() - control_before - control_after;
  EXPECT_LT(idle.records, 20 * (kPartitions + GetParam())) << "idle costs do not grow with the queries";
  phase("100 commits/s", milliseconds(10'000), 100);
}

INSTANTIATE_TEST_SUITE_P(Gateways, Costs, testing::Values(1, 10, 100));

}  // namespace
}  // namespace tidegate::simulation
