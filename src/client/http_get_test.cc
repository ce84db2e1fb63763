// Fetching. What comes of https, redirects and bodies that are too long is seen from outside (tests/tokens).
#include "client/http_get.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "client/testing.h"

namespace tidegate::client {
namespace {

using namespace std::chrono_literals;

std::string url_of(const Listening& server) {
  return "http://127.0.0.1:" + std::to_string(server.port()) + "/keys?x=1";
}

TEST(HttpGet, GivesTheBodyOf200) {
  const Listening server;
  std::string request;
  std::thread answering(
      [&] { request = server.answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"); });
  const auto got = http_get(url_of(server), {});
  answering.join();
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(*got, "abc");
  EXPECT_TRUE(request.starts_with("GET /keys?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")) << request;
}

TEST(HttpGet, ABodyThatBreaksOffIsAnError) {
  const Listening server;
  std::thread answering([&] { (void)server.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"); });
  const auto got = http_get(url_of(server), {});
  answering.join();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().fault, Fault::unavailable);
}

TEST(HttpGet, EndsAtItsTimeoutAndWhenItIsTold) {
  const Listening server;
  const auto late = http_get(url_of(server), {.timeout = 50ms});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().message, "no answer within 50 ms");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(http_get(url_of(server), {.timeout = 1h}, stop.get_token()).ok());
  std::jthread waiting(
      [&](std::stop_token told) { EXPECT_FALSE(http_get(url_of(server), {.timeout = 1h}, told).ok()); });
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
