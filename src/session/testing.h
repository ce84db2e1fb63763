#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/client.h"
#include "protocol/frames.h"
#include "session/edge.h"
#include "transport/testing.h"
#include "transport/trust.h"

/// For this module's tests: a real edge on loopback, a feed that a test plays, clients and bare sockets.
namespace tidegate::session::testing {

using namespace std::chrono_literals;
constexpr auto kPatience = 90s;

/// The machine's clocks, which a test may put forward.
class ForwardClock final : public Clock {
 public:
  [[nodiscard]] Steady steady() const override {
    return std::chrono::steady_clock::now() + steady_forward_.load();
  }
  [[nodiscard]] Wall wall() const override { return std::chrono::system_clock::now() + forward_.load(); }
  void forward(std::chrono::seconds by) { forward_ = forward_.load() + by; }
  void forward_steady(std::chrono::seconds by) { steady_forward_ = steady_forward_.load() + by; }

 private:
  std::atomic<std::chrono::seconds> forward_{std::chrono::seconds(0)};
  std::atomic<std::chrono::seconds> steady_forward_{std::chrono::seconds(0)};
};

/// Answers every subscribe at once with an empty snapshot, and has records when the test says so.
class PlayedFeed {
 public:
  void set_ports(std::vector<feed::ShardPort> ports) { ports_ = std::move(ports); }
  bool take(const feed::Command& command);
  /// Waits until so many subscriptions in all went live; their commands, in the order of arrival.
  std::vector<feed::SubscribeCommand> wait_live(std::size_t count);
  std::size_t wait_unsubscribed(std::size_t count);
  /// Waits until so many subscribes were answered.
  void wait_subscribed(std::size_t count);
  /// One batch of records, to one shard or to all.
  void deliver(const std::vector<std::string>& payloads, std::uint32_t channel = 1);
  /// Who catches up has missed this.
  void miss(std::vector<std::string> payloads);
  void post(std::size_t shard, feed::Event event, std::size_t bytes = 1) {
    ports_.at(shard).post(std::move(event), bytes);
  }
  [[nodiscard]] std::size_t backlog(std::size_t shard) const { return ports_.at(shard).backlog_bytes(); }
  /// What each snapshot is, from the next subscribe on, and how long it was read for.
  void snapshots_are(std::shared_ptr<const feed::Spool> spool, std::chrono::nanoseconds read = {});
  /// Subscribes are answered with this instead.
  void refuse_with(feed::Refused refusal) { refusal_ = std::move(refusal); }

 private:
  void on(const feed::SubscribeCommand& command);
  void on(const feed::UnsubscribeCommand&);
  void on(const feed::CatchUpCommand& command);
  static void on(const feed::InspectCommand& command) { command.answer({}); }
  feed::FrameRun run_of(const std::vector<std::string>& payloads, std::uint32_t channel);
  std::vector<feed::ShardPort> ports_;
  std::optional<feed::Refused> refusal_;
  std::shared_ptr<const feed::Spool> spool_;  // guarded by mutex_, as is all that follows
  std::chrono::nanoseconds read_{0};
  std::vector<std::string> missed_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<feed::SubscribeCommand> subscribed_;
  std::size_t live_ = 0;
  std::size_t unsubscribed_ = 0;
  std::uint64_t seq_ = 0;
};

/// A client whose messages wait to be looked at.
class Listener {
 public:
  Listener(client::Loop& loop, client::Settings settings);
  client::Client& client() { return *client_; }
  /// The selected subprotocol, or nothing where the connection failed.
  std::optional<std::string> opened();
  /// The next message, of either kind.
  std::string next();
  /// The next one, which must be a text with this in it.
  void expect(std::string_view part);
  /// Its Close code; 0 where the connection broke.
  std::uint16_t closed();
  client::Failure failure();
  std::size_t received();
  void wait_received(std::size_t count);

 private:
  template <class Ready>
  bool wait(Ready ready);
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> subprotocol_;
  std::deque<std::string> messages_;
  std::size_t received_ = 0;
  std::optional<std::uint16_t> code_;
  std::optional<client::Failure> failure_;
  std::unique_ptr<client::Client> client_;  // last: its handlers use the others
};

/// Where an edge listens, and whom to trust where it speaks TLS.
struct Place {
  Place(std::uint16_t given, const transport::Trust* tls = nullptr)  // NOLINT(google-explicit-constructor)
      : port(given), trust(tls) {}
  std::uint16_t port;
  const transport::Trust* trust;
};

/// A bare TCP socket, or TLS over one, for what a well-behaved client does not do. One thread may send while
/// another reads.
class RawPeer {
 public:
  /// `from`: which of loopback's addresses it has; null: any.
  explicit RawPeer(Place place, int receive_buffer = 0, const char* from = nullptr);
  ~RawPeer() { ::close(socket_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void send(std::string_view bytes);
  /// A masked frame of a client.
  static std::string frame(int opcode, std::string_view payload, bool fin = true);
  /// Asks for an upgrade; the answer's head.
  std::string upgrade(const std::string& more_headers = "");
  /// An HTTP answer's head, up to and with the empty line.
  std::string head();
  std::string body(std::string_view head);
  struct Frame {
    int opcode = 0;
    std::string payload;
    [[nodiscard]] int close_code() const;
  };
  /// The next frame; nothing where the connection ended.
  std::optional<Frame> next();
  /// Takes something that has come, at most so many bytes, and how many.
  std::size_t trickle(std::size_t bytes_max);
  /// Reads until the peer closes; true if it did.
  bool ended();
  /// Of one that ended: by a reset, so that what the server's kernel still held is lost.
  [[nodiscard]] bool was_reset() const { return reset_; }
  /// Sends no more (FIN).
  void finish() { ::shutdown(socket_, SHUT_WR); }

 private:
  bool fill(std::size_t bytes_max = 65'536);
  void shake_hands();
  void wait(short events) const;
  void send_plain(std::string_view bytes) const;
  std::string take(std::size_t size);
  int socket_;
  bool reset_ = false;
  std::mutex mutex_;                             // of the channel
  std::unique_ptr<transport::Channel> channel_;  // null: plain
  std::string read_;
};

/// An edge with its feed. `options` and the rest may be changed before `start`.
class EdgeTest : public ::testing::Test {
 protected:
  EdgeTest();
  void start();
  /// To be called before `start`: clients must speak TLS.
  void speak_tls();
  [[nodiscard]] Place place() const { return {edge->port(), trust ? &*trust : nullptr}; }
  /// One table, `orders`, of `id` and `status`.
  void set_catalogue();
  client::Settings settings(std::vector<std::string> subprotocols = {}) const;
  std::unique_ptr<Listener> connect(std::vector<std::string> subprotocols = {}) {
    return std::make_unique<Listener>(loop, settings(std::move(subprotocols)));
  }
  /// Value of a metric in the registry's text; 0 where there is no such line.
  [[nodiscard]] double metric(const std::string& series) const;
  /// Waits until it has this value.
  void wait_metric(const std::string& series, double value) const;

  ForwardClock clock;
  metrics::Registry metrics;
  std::map<std::string, HttpHandler> routes;
  Options options;
  hub::Options hub;
  auth::Options auth;  ///< its keys make the ring that tokens are verified with
  policy::Options policy;
  std::optional<transport::testing::Certificate> certificate;
  std::shared_ptr<transport::Credentials> credentials;
  std::optional<transport::Trust> trust;
  std::shared_ptr<Budget> memory;                  ///< null: nobody counts
  std::shared_ptr<auth::Revocations> revocations;  ///< null: nothing is revoked
  PlayedFeed feed;
  std::optional<Edge> edge;
  client::Loop loop;
};

inline const std::string kSubscribe = R"({"op":"subscribe","table":"t","hashId":"a","queryFbB64":"AA=="})";

}  // namespace tidegate::session::testing
