// Many WebSocket clients on one thread: opens them, says one thing over each, then counts the binary frames
// that come and how old they are. No library: what it costs is the least that a receiver can cost.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "histogram.h"

namespace tidegate::bench {

struct SwarmSettings {
  int port = 0;
  int sessions = 0;
  std::string subprotocol = "json";
  /// What session `i` sends once it is open; empty: nothing.
  std::function<std::string(int)> greeting;
  /// Text frames that end a session's opening (`ack`, `snapshot`); 0: it is open with the upgrade.
  int answers = 0;
};

/// The age of a binary frame is read from its payload's last 20 bytes: steady clock's nanoseconds in digits.
class Swarm {
 public:
  /// Opens all; ends the program with the reason where one can't.
  explicit Swarm(SwarmSettings settings);
  ~Swarm();
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  /// Binary frames so far. Any thread.
  [[nodiscard]] std::uint64_t frames() const { return frames_; }
  [[nodiscard]] std::uint64_t reads() const { return reads_; }
  /// The ages since the last call. Any thread.
  Histogram take_ages();
  /// Waits until `frames` have come; false after `seconds`.
  [[nodiscard]] bool wait_for(std::uint64_t frames, double seconds) const;

 private:
  struct Session {
    int fd = -1;
    int answers = 0;
    bool open = false;    // the upgrade was answered
    std::string pending;  // of a frame that is not whole
  };
  void connect(int number);
  void run();
  void read(Session& session);
  /// What it used of `bytes`.
  std::size_t take(Session& session, std::string_view bytes);
  void answer_ping(const Session& session, std::string_view payload) const;

  const SwarmSettings settings_;
  int poll_ = -1;
  std::vector<Session> sessions_;
  std::atomic<std::uint64_t> frames_{0}, reads_{0};
  std::atomic<int> ready_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // guards ages_
  Histogram ages_;
  std::vector<char> buffer_;
  std::uint64_t now_ = 0;
  std::thread thread_;
};

/// `payload` bytes that end in the time, for a frame whose age a swarm reads.
std::string stamped(std::size_t bytes);
std::uint64_t steady_nanoseconds();
/// A whole frame of a server.
std::string binary_frame(const std::string& payload);

}  // namespace tidegate::bench
