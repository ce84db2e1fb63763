#include "integration/raw_websocket.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace tidegate::test {

RawWebSocket::RawWebSocket(int port, const std::string& headers) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{90, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string request =
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      headers + "\r\n";
  const bool sent = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    ::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) > 0;
  std::size_t end = std::string::npos;
  while (sent && (end = buffer_.find("\r\n\r\n")) == std::string::npos && fill(buffer_.size() + 1)) {
  }
  if (end == std::string::npos || !buffer_.starts_with("HTTP/1.1 101 ")) {
    ::close(fd_);
    throw std::runtime_error("no upgrade: " + buffer_);
  }
  head_ = buffer_.substr(0, end);
  buffer_.erase(0, end + 4);
}

RawWebSocket::~RawWebSocket() {
  ::close(fd_);
}

bool RawWebSocket::fill(std::size_t bytes) {
  char chunk[4096];
  while (buffer_.size() < bytes) {
    const ssize_t got = ::recv(fd_, chunk, sizeof chunk, 0);
    if (got <= 0) return false;
    buffer_.append(chunk, static_cast<std::size_t>(got));
  }
  return true;
}

std::string RawWebSocket::next() {
  if (!fill(2)) return {};
  const std::size_t size = 2 + static_cast<unsigned char>(buffer_[1]);
  if (!fill(size)) return {};
  std::string frame = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return frame;
}

}  // namespace tidegate::test
