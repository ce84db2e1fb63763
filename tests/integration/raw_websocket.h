#pragma once

#include <string>

namespace tidegate::test {

/// A WebSocket connection that reads frames and answers nothing, not even pings.
class RawWebSocket {
 public:
  /// Opens, on loopback; a refusal is a std::runtime_error with the server's answer.
  explicit RawWebSocket(int port, const std::string& headers = {});
  ~RawWebSocket();
  RawWebSocket(const RawWebSocket&) = delete;
  RawWebSocket& operator=(const RawWebSocket&) = delete;

  /// The next frame, header and payload (below 126 bytes); empty: the server has closed the socket, or was
  /// silent for 90 s.
  std::string next();
  /// What the server answered to the upgrade.
  [[nodiscard]] const std::string& head() const { return head_; }

 private:
  bool fill(std::size_t bytes);

  int fd_;
  std::string head_;
  std::string buffer_;
};

}  // namespace tidegate::test
