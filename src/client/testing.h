#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace tidegate::client {

/// A socket that listens on loopback, or only keeps its port from others; the kernel accepts, and nobody
/// answers unless told to.
class Listening {
 public:
  explicit Listening(bool listens = true) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_TRUE(!listens || ::listen(socket_, 8) == 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listening() { ::close(socket_); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Takes one connection, reads its request and answers with `bytes`.
  std::string answer(std::string_view bytes) const {
    const int peer = ::accept(socket_, nullptr, nullptr);
    std::string request;
    char some[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const auto size = ::recv(peer, some, sizeof some, 0);
      if (size <= 0) break;
      request.append(some, static_cast<std::size_t>(size));
    }
    EXPECT_EQ(::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    ::close(peer);
    return request;
  }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

}  // namespace tidegate::client
