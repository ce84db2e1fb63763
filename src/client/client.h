#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::client {

/// One thread that serves any number of clients. Outlives them.
class Loop {
 public:
  Loop();
  /// Stops and joins.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// Any thread: runs `task` on the loop's.
  void post(std::function<void()> task);

 private:
  friend class Client;
  class State;
  std::unique_ptr<State> state_;
};

struct Settings {
  std::string host = "127.0.0.1";  ///< a name or an address
  std::uint16_t port = 8080;
  bool tls = false;
  std::string ca_file;  ///< with TLS: certificates (PEM) to trust; empty: the system's
  std::string target = "/";
  std::vector<std::string> subprotocols;
  std::vector<std::pair<std::string, std::string>> headers;
  std::size_t message_bytes_max = 64 << 20;
  /// Of the socket (SO_RCVBUF); 0: the system's. A small one plays a slow client sooner.
  int receive_buffer_bytes = 0;
};

struct Failure {
  std::string message;
  int http_status = 0;  ///< where the server answered with something else than an upgrade
  std::string body;     ///< and what it said
};

/// All are called on the loop's thread; any may be empty.
struct Handlers {
  std::function<void(std::string_view subprotocol)> on_open;
  std::function<void(std::string_view text)> on_text;
  std::function<void(std::string_view bytes)> on_binary;
  /// After a Close of either side; 1005 where it had no code. The last call.
  std::function<void(std::uint16_t code)> on_close;
  /// The connection could not be made, or broke without a Close. The last call.
  std::function<void(const Failure& failure)> on_error;
};

/// A WebSocket client: for `tail`, tests and benchmarks. Connects at once. Every call from any thread.
class Client {
 public:
  Client(Loop& loop, Settings settings, Handlers handlers);
  /// Cuts the connection. No handler runs during or after it (unless it is called from one).
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Before the connection is open they wait.
  void send_text(std::string text);
  void send_binary(std::string bytes);
  /// Reads no further (but for one message that may be on its way), so that the server sees a slow client.
  void pause_reading();
  void resume_reading();
  /// A Close behind what is queued.
  void close(std::uint16_t code = 1000);
  /// Closes the socket without a word.
  void abort();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::client
