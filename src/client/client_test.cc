#include "client/client.h"

#include <gtest/gtest.h>

#include <future>
#include <string>

#include "client/testing.h"

namespace tidegate::client {
namespace {

using namespace std::chrono_literals;

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
