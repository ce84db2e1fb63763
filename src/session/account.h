#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/account.h"
#include "base/budget.h"
#include "metrics/metrics.h"
#include "session/options.h"
#include "session/share.h"

namespace tidegate::session {

/// What was gone over, for metrics and for people.
struct Limit {
  enum class Of : std::uint8_t { connection, principal, tenant, address };
  enum class What : std::uint8_t {
    messages,
    subscribes,
    connections,
    subscriptions,
    snapshot_rows,
    snapshot_ms,
    replayed_bytes,
    held_bytes,
    handshakes,
    openings,
  };
  Of of{};
  What what{};
  friend bool operator==(const Limit&, const Limit&) = default;
};

/// `tenant_messages`.
std::string name_of(Limit limit);

struct Limited {
  Limit limit{};
  std::chrono::milliseconds retry{0};  ///< when it may pass; 0: nobody knows
};

/// What each connection may, and how often each limit was met. Any thread.
class LimitCounters {
 public:
  LimitCounters(metrics::Registry& metrics, const Options::Limits::Of& of_connection);
  const Options::Limits::Of of_connection;
  Limited count(Limit limit, std::chrono::milliseconds retry = {}) const;

 private:
  static constexpr std::size_t kOf = 4;
  static constexpr std::size_t kWhat = 10;
  std::array<std::array<metrics::Counter*, kWhat>, kOf> counters_{};  // null where there is no such limit
};

/// One connection's account with its own rates and the shares of its principal and its tenant.
class ConnectionAccount final : public Account {
 public:
  /// The shares are null where nobody is verified.
  ConnectionAccount(std::shared_ptr<const LimitCounters> counters, std::shared_ptr<Share> principal,
                    std::shared_ptr<Share> tenant);

  void owe_reading(std::chrono::nanoseconds took, Steady now) override;
  void owe_rows(std::size_t rows, Steady now) override;
  void owe_replayed(std::size_t bytes, Steady now) override;
  [[nodiscard]] bool may_replay(Steady now) override;
  void hold_own(std::size_t bytes) override { hold_own(bytes, unfinished_); }
  [[nodiscard]] std::shared_ptr<const void> hold(std::shared_ptr<const void> snapshot,
                                                 std::size_t bytes) override;
  [[nodiscard]] bool holds_too_much() const override;
  void count_waiting(Steady now) override;

  /// So many pass, at every level, or none does at any: then what they are over, which is counted once, and
  /// when all levels have them.
  [[nodiscard]] std::optional<Limited> spend(Rate Rates::* rate, std::size_t Share::Of::* a_second,
                                             Limit::What what, std::size_t amount, Steady now);
  /// What is owed, or would be held with so many bytes more, so that nothing new may begin; counted.
  [[nodiscard]] std::optional<Limited> debt(std::size_t more, Steady now);
  /// Bytes of a message that has not come to its end. One thread with `hold_own`. False where there is no
  /// room.
  [[nodiscard]] bool hold_unfinished(std::size_t bytes);
  [[nodiscard]] const std::shared_ptr<Share>& principal() const { return principal_; }
  [[nodiscard]] const std::shared_ptr<Share>& tenant() const { return tenant_; }
  [[nodiscard]] const LimitCounters& counters() const { return *counters_; }

 private:
  struct Level {
    Limit::Of name;
    Rates* rates;
    const Share::Of* of;
  };
  [[nodiscard]] std::array<Level, 3> levels();
  void owe(Rate Rates::* rate, std::size_t Share::Of::* a_second, std::size_t amount, Steady now);
  void hold_own(std::size_t outbox, std::size_t unfinished);
  [[nodiscard]] std::optional<Limit> held_over(std::size_t more = 0) const;
  [[nodiscard]] std::optional<Limited> replay_debt(Steady now);

  const std::shared_ptr<const LimitCounters> counters_;
  Rates rates_;
  const std::shared_ptr<Share> principal_;
  const std::shared_ptr<Share> tenant_;
  Charge principal_held_;
  Charge tenant_held_;
  std::size_t outbox_ = 0;
  std::size_t unfinished_ = 0;
};

}  // namespace tidegate::session
