#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulation/client.h"
#include "simulation/processes.h"
#include "simulation/step.h"

namespace tidegate::simulation {

/// What happened in some worlds together: to see that a run of many schedules was about something.
struct Tally {
  std::uint64_t schedules = 0;
  std::uint64_t steps = 0;
  std::array<std::uint64_t, kKinds> done{};  ///< steps of a kind that did something
  std::uint64_t snapshots = 0, diffs = 0, changes = 0;
  std::uint64_t errors = 0;  ///< that clients were told
  std::uint64_t debtors = 0;
  std::uint64_t epochs = 0;
  std::map<std::string, std::uint64_t> metrics;  ///< of gateways and matchers, summed
};

/// Everything on one thread: a database, the log, the control topic, up to two matchers, two gateways, some
/// clients; time passes when a step says so. Every step is judged by the clients' models.
class World {
 public:
  static constexpr std::size_t kMatchers = 2;
  static constexpr std::size_t kGateways = 2;

  World(Sizes sizes, Tally& tally);
  ~World();

  /// Performs a schedule's steps, then mends everything and waits until all clients are up to date. Empty, or
  /// what went wrong.
  std::string run(const std::vector<Step>& steps);

  // ---- for schedules written by hand ----

  /// False where it did nothing.
  bool perform(Step step);
  bool perform(Kind kind, std::uint32_t who = 0, std::uint32_t much = 0) {
    return perform(Step{kind, who, much});
  }
  /// Rounds of 50 ms. Without `reveal` nothing doubtful becomes visible.
  void rounds(int count, bool reveal = true);
  /// No more faults; until everybody is up to date. Empty, or who is not.
  std::string converge();
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

  Sizes sizes;
  Surroundings surroundings;
  std::array<std::unique_ptr<MatcherProcess>, kMatchers> matchers;
  std::array<std::unique_ptr<GatewayProcess>, kGateways> gateways;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<Asked> asked;
  /// Called after each word of a matcher that starts, instead of the schedule's next steps.
  std::function<void()> between;
  /// Where set, whatever ends and why is written there.
  bool tells = false;

 private:
  bool step_database(Step step);
  bool step_matcher(Step step);
  bool step_gateway(Step step);
  bool step_client(Step step);
  bool step_log(Step step);
  bool step_control(Step step);
  bool fault(Step step);
  bool fault_of_matcher(Step step);
  bool fault_of_gateway(Step step);
  bool fault_of_control(Step step);
  void tell(const std::string& what) const;
  void fail_appends(const std::string& what);

  bool start_matcher(std::size_t which, std::uint32_t much);
  bool run_matcher(std::size_t which);
  bool start_gateway(std::size_t which);
  bool run_gateway(std::size_t which, std::size_t read_max);
  void end_gateway(std::size_t which);
  void end_matcher(std::size_t which);
  bool connect(Client& client, std::uint32_t where, Dice dice);
  bool read(Client& client, std::size_t bytes);
  [[nodiscard]] GatewayProcess* gateway_of(const Client& client);
  void handle(std::size_t which, std::uint16_t shard, std::size_t count);
  void round(bool reveal);
  void repair();
  void nested();
  void collect(metrics::Registry& metrics);
  ControlView* control_of(std::uint32_t who);
  BrokerView* log_of(std::uint32_t who);
  [[nodiscard]] bool frozen(std::uint32_t who) const;
  [[nodiscard]] bool paused(Steady until) const { return surroundings.clock.steady() < until; }

  Tally& tally_;
  std::string wrong_;
  TimelineOf timeline_of_;
  std::array<Steady, kMatchers> matcher_paused_{};
  std::array<Steady, kGateways> gateway_paused_{};
  std::array<bool, kMatchers> starting_{};
  const std::vector<Step>* steps_ = nullptr;  // of `run`
  std::size_t next_ = 0;
  Dice nested_{0};
};

/// Metrics of which a run adds up the values.
extern const std::vector<std::string> kCounted;

}  // namespace tidegate::simulation
