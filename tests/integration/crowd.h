#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "integration/judge.h"

namespace tidegate::test {

/// Clients as browsers are: some that stay, and come back with their cursor (to either gateway) whenever the
/// connection or the query is lost; and visitors, who subscribe to a query that nobody else has, look and
/// leave. Writers write all the time. At the end each of their histories is judged.
class Crowd {
 public:
  /// `port` gives a gateway's, or 0 while there is none to be had.
  Crowd(const std::string& url, std::function<int(std::size_t)> port, std::size_t gateways, int stayers);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Waits until each of those who stay has its rows.
  bool wait_whole();
  /// Waits until each of those who stay and are connected has been told, since `before` was asked, that its
  /// data is stale.
  [[nodiscard]] std::vector<int> told_stale() const;
  bool wait_stale(const std::vector<int>& before) const;
  [[nodiscard]] const std::vector<Watched>& stayers() const { return stayers_; }
  /// No more of them come.
  void end_visits() { visitors_ = false; }
  /// Ends the writing, waits until everybody has everything, and judges. Once.
  Verdict settle();

 private:
  struct Visit {
    Watched watched;
    std::chrono::steady_clock::time_point until;
    bool left = false;
  };
  void tend();
  void tend_stayers();
  void tend_visits();
  int any_port();
  void await_end(const Watched& stayer, Verdict& verdict) const;
  [[nodiscard]] std::size_t diffs() const;

  client::Loop loop_;
  const std::string url_;
  const std::function<int(std::size_t)> port_;
  const std::size_t gateways_;
  const std::uint32_t seed_;
  std::mt19937 random_;  // the constructor's, then the tending thread's
  Reference reference_;
  std::vector<Watched> stayers_;
  std::chrono::steady_clock::time_point moved_{};
  std::vector<std::chrono::steady_clock::time_point> retry_at_;  // by stayer
  std::vector<Visit> visits_;                                    // the tending thread's, until it is joined
  std::optional<Traffic> traffic_;
  std::atomic<std::size_t> visited_{0};
  std::atomic<bool> visitors_{true};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace tidegate::test
