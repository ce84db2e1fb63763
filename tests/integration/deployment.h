#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "rig/kafka.h"
#include "rig/postgres.h"
#include "rig/tidegate.h"

namespace tidegate::test {

/// Our program as it runs in earnest: a matcher and two gateways (one node: one gateway), each started anew
/// whenever it has ended, as a supervisor would. A test stops one of them at a fault point
/// (src/base/fault_point.h) and then does what it likes. Any thread.
class Deployment {
 public:
  enum Who : std::size_t { first, second, matcher };
  using Words = std::vector<std::string>;

  struct Flags {
    Words gateways;
    Words matcher;
    Words setup = {};
  };
  /// `brokers` empty: one node. The database has its tables; `setup` is run here.
  Deployment(std::string url, std::string brokers, std::string name, const Flags& flags);
  ~Deployment();
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  void setup();
  /// 0 while it is away.
  [[nodiscard]] int port(Who who) const { return members_[who].port; }
  /// Where it has /readyz with its reasons, and /metrics.
  [[nodiscard]] int admin_port(Who who) const { return members_[who].admin_port; }
  /// Runs the command beside those that are there, once: a second matcher, say.
  std::unique_ptr<rig::Tidegate> beside(Who who);

  /// Ends the process and has it started with `fault` armed, until it stops there. False where it does not
  /// come to it in time. `meanwhile` is called again and again.
  bool stop_at(Who who, const std::string& fault, const std::function<void()>& meanwhile = {});
  void signal(Who who, int number);
  /// Of one that is not started anew: its exit code.
  std::optional<int> wait_ended(Who who);
  /// Whether it is started anew when it ends. At first each is.
  void supervise(Who who, bool wanted);
  /// Whether it is there and says so itself.
  [[nodiscard]] bool ready(Who who) const;
  bool wait_ready(Who who);
  /// What its /readyz says; empty while it is away.
  [[nodiscard]] std::string readyz(Who who) const;
  /// Counters of the gateways that are there now: a killed one takes its counts with it.
  [[nodiscard]] double dropped(const std::string& reason) const;
  [[nodiscard]] double resets(const std::string& reason) const;
  /// One of a process that is there, summed over its labels.
  [[nodiscard]] double metric(Who who, const std::string& name) const;
  /// What all processes said, for a failed test.
  [[nodiscard]] std::string output() const;
  /// What this one said, and those before it.
  [[nodiscard]] std::string output(Who who) const;

 private:
  struct Member {
    Words command;
    std::string fault;  // guarded by mutex_, like what follows
    bool supervised = true;
    std::unique_ptr<rig::Tidegate> program;  // the last one
    std::string said;                        // by those before
    std::atomic<int> port{0};
    std::atomic<int> admin_port{0};
  };
  Words command(const std::string& verb, const Words& more) const;
  void supervise();
  void start(Member& member);
  [[nodiscard]] double counted(const std::string& line) const;

  const std::string url_;
  const std::string brokers_;
  const std::string name_;
  const Words setup_;
  mutable std::mutex mutex_;
  std::array<Member, 3> members_;
  std::atomic<bool> stopping_{false};
  std::thread supervisor_;  // all processes are its children, and die with it
};

}  // namespace tidegate::test
