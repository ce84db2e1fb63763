// Many WebSocket clients on one thread: opens them, says one thing over each, then counts the records that
// come and how old they are. No library: what it costs is the least that a receiver can cost.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "histogram.h"
#include "transport/channel.h"
#include "transport/trust.h"

namespace tidegate::bench {

struct SwarmSettings {
  int port = 0;
  int sessions = 0;
  std::string subprotocol;                   ///< empty: none is offered
  std::function<std::string(int)> target;    ///< of session `i`; none: `/`
  std::function<std::string(int)> greeting;  ///< what it sends once it is open; none: nothing
  /// What the server says when a session is ready: it is after so many of them; with 0 it is once it is open.
  std::string answer = R"("op":)";
  int answers = 0;
  /// A text that ends the program.
  std::string fault = R"("op":"error")";
  /// Where records stand: one in each binary frame, whose last 20 bytes are its time; or wherever there is a
  /// `~` and the time behind it, in frames of any kind, which may be cut anywhere.
  enum class Records : std::uint8_t { frames, marks } records = Records::frames;
  /// The server's own question for life, and the answer.
  std::string question, reply;
  /// Sees each text of sessions that are not ready, and of others too where records are marks.
  std::function<void(int, std::string_view)> on_text;
  std::string ca_file;   ///< certificates to trust, over TLS; empty: no TLS
  bool deflate = false;  ///< compressed frames are taken; the ages are those of every 16th session
  /// So many, from the first one on, can be told to read nothing; the kernel takes little for them.
  int stalling = 0;
};

/// Times are the steady clock's nanoseconds in 20 digits.
class Swarm {
 public:
  /// Opens all at once and waits until all are ready; ends the program with the reason where one can't.
  explicit Swarm(SwarmSettings settings);
  ~Swarm();
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  /// Records so far. Any thread, as all that follows.
  [[nodiscard]] std::uint64_t frames() const { return frames_; }
  /// Of these, what came to sessions that can stall.
  [[nodiscard]] std::uint64_t frames_of_stalling() const { return frames_of_stalling_; }
  /// The ages since the last call; not of those that can stall.
  Histogram take_ages();
  /// Waits until `frames` have come; false after `seconds`.
  [[nodiscard]] bool wait_for(std::uint64_t frames, double seconds) const;
  /// The sessions that can stall read nothing from now on; and go on.
  void stall();
  void go_on();

 private:
  struct Session {
    int fd = -1;
    int answers = 0;
    bool open = false;    // the upgrade was answered
    std::string pending;  // of a frame that is not whole
    std::string cut;      // of a mark that is not whole
    std::unique_ptr<transport::Channel> channel;
  };
  void connect(int number);
  void secure(Session& session) const;
  static void send(const Session& session, std::string_view bytes);
  void watch(int number, int operation);
  void run();
  void read(Session& session);
  std::size_t receive(const Session& session);
  void look(Session& session, std::string_view bytes);
  void open(Session& session, std::string_view& bytes);
  /// What it used of `bytes`.
  std::size_t take(Session& session, std::string_view bytes);
  void take_binary(const Session& session, std::string_view payload, bool deflated);
  void take_text(Session& session, std::string_view text);
  void take_marks(Session& session, std::string_view text);
  void take_record(const Session& session, std::string_view digits);
  [[nodiscard]] int number_of(const Session& session) const {
    return static_cast<int>(&session - sessions_.data());
  }

  const SwarmSettings settings_;
  std::optional<transport::Trust> trust_;
  int poll_ = -1;
  std::vector<Session> sessions_;
  std::atomic<std::uint64_t> frames_{0}, frames_of_stalling_{0};
  std::atomic<int> ready_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // guards ages_
  Histogram ages_;
  std::vector<char> buffer_;
  std::uint64_t now_ = 0;   // when what is being looked at was read
  std::uint64_t came_ = 0;  // records in it
  std::thread thread_;
};

/// As many sockets for this process, and for what it starts, as it may have.
void raise_open_files();
/// `payload` bytes that end in the time, for a frame whose age a swarm reads.
std::string stamped(std::size_t bytes);
/// `~` and the time.
std::string mark();
std::uint64_t steady_nanoseconds();
/// A whole frame of a server.
std::string binary_frame(const std::string& payload);

}  // namespace tidegate::bench
