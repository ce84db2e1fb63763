#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "client/client.h"
#include "client/replica.h"
#include "rig/postgres.h"

namespace tidegate::test {

/// One connection of one tenant, with every byte that it got.
class Tenant {
 public:
  Tenant(client::Loop& loop, int port, const std::string& token, const std::string& query)
      : loop_(loop), replica_("q", true) {
    connect(port, token);
    if (!query.empty()) client_->send_text(R"({"op":"subscribe","hashId":"q",)" + query + "}");
  }
  /// Comes back with what it holds.
  void reconnect(int port, const std::string& token, const std::string& query) {
    client_.reset();
    std::string cursor;
    {
      const std::lock_guard lock(mutex_);
      cursor = replica_.cursor_json();
      replica_.resubscribed();
    }
    connect(port, token);
    client_->send_text(R"({"op":"subscribe","hashId":"q",)" + query + R"(,"cursor":)" + cursor + "}");
  }

  void send(const std::string& text) { client_->send_text(text); }
  template <class Condition>
  bool wait(Condition condition) const {
    return rig::eventually([&] {
      const std::lock_guard lock(mutex_);
      return condition(replica_);
    });
  }
  bool wait_rows(std::size_t count) const {
    return wait([&](const client::Replica& held) { return held.whole() && held.rows().size() == count; });
  }
  bool wait_error(const std::string& code) const {
    return wait([&](const client::Replica& held) { return held.error_code() == code; });
  }
  bool wait_refused() const {
    return rig::eventually([&] {
      const std::lock_guard lock(mutex_);
      return http_status_ == 401;
    });
  }
  [[nodiscard]] std::string frames() const {
    const std::lock_guard lock(mutex_);
    return frames_;
  }
  [[nodiscard]] bool has(const std::string& bytes) const { return frames().find(bytes) != std::string::npos; }
  [[nodiscard]] client::Replica held() const {
    const std::lock_guard lock(mutex_);
    return replica_;
  }

 private:
  void connect(int port, const std::string& token) {
    client::Settings settings;
    settings.port = static_cast<std::uint16_t>(port);
    settings.subprotocols = {"tidegate.v1"};
    if (!token.empty()) settings.headers = {{"Authorization", "Bearer " + token}};
    client::Handlers handlers;
    handlers.on_text = [this](std::string_view text) {
      const std::lock_guard lock(mutex_);
      frames_ += text;
      replica_.on_text(text);
    };
    handlers.on_binary = [this](std::string_view bytes) {
      const std::lock_guard lock(mutex_);
      frames_ += bytes;
      replica_.on_binary(bytes);
    };
    handlers.on_error = [this](const client::Failure& failure) {
      const std::lock_guard lock(mutex_);
      frames_ += failure.body;
      http_status_ = failure.http_status;
    };
    client_ = std::make_unique<client::Client>(loop_, std::move(settings), std::move(handlers));
  }

  client::Loop& loop_;
  mutable std::mutex mutex_;
  client::Replica replica_;
  std::string frames_;
  int http_status_ = 0;
  std::unique_ptr<client::Client> client_;
};

}  // namespace tidegate::test
