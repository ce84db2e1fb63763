#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "registry/registry.h"

namespace tidegate::matcher {

/// Which queries are wanted by whom, and where each one's activation stands (rules 14, 15), as the control
/// topic tells it. It decides, the reign acts: `take` says what is to be done next and the reign reports back
/// when it is done.
///
/// A key's life: idle -> beginning (the activation's record is under way) -> active -> ending (its end is
/// under way) -> idle. A registration during `ending` begins anew afterwards, under another activation: an
/// ended one never comes back.
///
/// Time is the lease clock's, which only runs while the control topic's end is being read, so that a renewal
/// that waits there unread ends nothing. Pure; one thread.
class Activations {
 public:
  using Time = std::chrono::milliseconds;

  struct Limits {
    bool leases = true;  ///< incarnations must renew
    Time lease{10'000};
    Time linger{10'000};  ///< how long a query that nobody wants any more stays active
  };

  enum class Step : std::uint8_t {
    begin,   ///< bind the query, write an activation; then `began` and `active`, or `refused`
    answer,  ///< append another `active`
    end,     ///< write the activation's end; then `ended`
  };
  struct Task {
    Step step;
    std::string key;
    bool operator==(const Task&) const = default;
  };

  explicit Activations(Limits limits) : limits_(limits) {}

  // The control topic, before and during the reign.
  void apply(const registry::Lease& lease, Time now);
  void apply(const registry::Registration& registration, Time now);
  /// Before the reign only: activations that an earlier generation left open. (Later ones are our own.)
  void apply(const registry::ActivationRecord& record);

  /// The control topic has been read whole: everybody gets one lease, open activations that are wanted are
  /// `kept`, those that nobody wants are to be ended (`abandoned`), the rest begins by tasks.
  struct Inherited {
    std::vector<std::string> kept;
    std::vector<std::string> abandoned;
  };
  Inherited reign(Time now);

  /// Ends leases and lingering that have run out.
  void tick(Time now);
  /// What to do, in order, each once.
  std::vector<Task> take();

  void began(const std::string& key, Activation activation);
  /// Its record is stored. False where that activation is not the one under way any more: nothing is to be
  /// done.
  [[nodiscard]] bool active(const std::string& key, Activation activation);
  /// It can't be matched: forgotten until it is registered again. Also where an active one is dropped.
  void refused(const std::string& key);
  /// Its end is stored. False as above.
  [[nodiscard]] bool ended(const std::string& key, Activation activation);

  [[nodiscard]] bool wanted(const std::string& key) const;
  [[nodiscard]] const std::string& canonical(const std::string& key) const;
  [[nodiscard]] Activation activation(const std::string& key) const;

 private:
  enum class Stage : std::uint8_t { idle, beginning, active, ending };
  struct Key {
    Stage stage = Stage::idle;
    Activation activation;
    std::string canonical;
    std::set<Incarnation> wanted_by;
  };
  struct Member {
    Time deadline{};
    std::set<std::string> keys;
  };
  void leave(Incarnation incarnation, const std::string& key, Time now);
  void depart(Incarnation incarnation, Time now);
  void forget_idle(const std::string& key);

  Limits limits_;
  bool reigning_ = false;
  std::unordered_map<std::string, Key> keys_;
  std::map<Incarnation, Member> members_;
  std::map<std::string, Time> unwanted_;  // active or beginning, since when
  std::vector<Task> tasks_;
};

}  // namespace tidegate::matcher
