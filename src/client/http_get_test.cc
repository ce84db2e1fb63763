// Fetching. What comes of https, redirects and bodies that are too long is seen from outside (tests/tokens).
#include "client/http_get.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace tidegate::client {
namespace {

using namespace std::chrono_literals;

/// A socket that listens on loopback; the kernel accepts, and nobody answers unless told to.
class Silent {
 public:
  Silent() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Silent() { ::close(socket_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/keys?x=1"; }
  /// Answers one request with these bytes, and gives it.
  [[nodiscard]] std::string answer(std::string_view bytes) const {
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

TEST(HttpGet, GivesTheBodyOf200) {
  const Silent server;
  std::string request;
  std::thread answering(
      [&] { request = server.answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"); });
  const auto got = http_get(server.url(), {});
  answering.join();
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(*got, "abc");
  EXPECT_TRUE(request.starts_with("GET /keys?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")) << request;
}

TEST(HttpGet, ABodyThatBreaksOffIsAnError) {
  const Silent server;
  std::thread answering([&] { (void)server.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"); });
  const auto got = http_get(server.url(), {});
  answering.join();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().fault, Fault::unavailable);
}

TEST(HttpGet, EndsAtItsTimeoutAndWhenItIsTold) {
  const Silent server;
  const auto late = http_get(server.url(), {.timeout = 50ms});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().message, "no answer within 50 ms");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(http_get(server.url(), {.timeout = 1h}, stop.get_token()).ok());
  std::jthread waiting(
      [&](std::stop_token told) { EXPECT_FALSE(http_get(server.url(), {.timeout = 1h}, told).ok()); });
}

TEST(HttpGet, WhatIsNoUrlIsRefused) {
  for (const char* url : {"", "x", "ftp://host/", "http://", "http:///path", "https://me:secret@host/"}) {
    const auto got = http_get(url, {});
    ASSERT_FALSE(got.ok()) << url;
    EXPECT_EQ(got.error().fault, Fault::invalid) << url;
  }
}

}  // namespace
}  // namespace tidegate::client
