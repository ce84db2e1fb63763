#include "client/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>

namespace tidegate::client {
namespace {

using namespace std::chrono_literals;

/// A socket of loopback that speaks no WebSocket, and listens, or only keeps its port from others.
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

class ClientTest : public ::testing::Test {
 protected:
  Handlers handlers() {
    Handlers handlers;
    handlers.on_error = [this](const Failure& failure) { failed_.set_value(failure); };
    return handlers;
  }
  Failure failure() {
    auto future = failed_.get_future();
    if (future.wait_for(120s) == std::future_status::ready) return future.get();
    ADD_FAILURE() << "no failure";
    return {};
  }
  std::promise<Failure> failed_;
  Loop loop;
};

TEST_F(ClientTest, APortWhereNobodyListensIsAnError) {
  Listening silent(false);
  Settings settings;
  settings.port = silent.port();
  Client client(loop, settings, handlers());
  EXPECT_NE(failure().message.find("cannot connect to 127.0.0.1:"), std::string::npos);
}

TEST_F(ClientTest, ANameThatDoesNotResolveIsAnError) {
  Settings settings;
  settings.host = "no.such.name.invalid";
  Client client(loop, settings, handlers());
  EXPECT_NE(failure().message.find("cannot resolve no.such.name.invalid"), std::string::npos);
}

TEST_F(ClientTest, AnAnswerThatIsNoUpgradeIsReportedWithItsStatusAndBody) {
  Listening server;
  Settings settings;
  settings.port = server.port();
  settings.target = "/live";
  settings.subprotocols = {"json", "bearer.x"};
  settings.headers = {{"X-Tenant", "acme"}};
  Client client(loop, settings, handlers());
  const auto request = server.answer("HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nwhy?");
  const auto failed = failure();
  EXPECT_EQ(failed.http_status, 401);
  EXPECT_EQ(failed.body, "why?");
  EXPECT_TRUE(request.starts_with("GET /live HTTP/1.1\r\n"));
  EXPECT_NE(request.find("Sec-WebSocket-Protocol: json, bearer.x\r\n"), std::string::npos);
  EXPECT_NE(request.find("X-Tenant: acme\r\n"), std::string::npos);
}

TEST_F(ClientTest, AfterItsEndNothingIsCalled) {
  Listening server;
  Settings settings;
  settings.port = server.port();
  int calls = 0;
  Handlers counting;
  counting.on_error = [&](const Failure&) { ++calls; };
  {
    Client client(loop, settings, counting);
  }
  std::promise<void> later;
  loop.post([&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace tidegate::client
