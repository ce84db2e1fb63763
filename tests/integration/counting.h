#pragma once

#include <sys/types.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "client/client.h"
#include "client/replica.h"
#include "rig/postgres.h"

namespace tidegate::test {

inline constexpr std::string_view kCountedQuery = R"("sql":"select id, n, body from items")";

/// A client whose row 0 counts the transactions: each diff must raise it by one or, where it wants the last
/// states alone, by one or more.
class Counting {
 public:
  Counting(client::Loop& loop, int port, const std::string& frames, int receive_buffer = 0,
           bool latest = false)
      : latest_(latest), replica_("q", true) {
    client::Settings settings;
    settings.port = static_cast<std::uint16_t>(port);
    settings.subprotocols = {"tidegate.v1"};
    settings.receive_buffer_bytes = receive_buffer;
    client::Handlers handlers;
    handlers.on_text = [this](std::string_view text) {
      const std::lock_guard lock(mutex_);
      replica_.on_text(text);
      received();
    };
    handlers.on_binary = [this](std::string_view bytes) {
      const std::lock_guard lock(mutex_);
      replica_.on_binary(bytes);
      received();
    };
    handlers.on_close = [this](std::uint16_t code) {
      const std::lock_guard lock(mutex_);
      fault_ += " closed with " + std::to_string(code);
    };
    client_ = std::make_unique<client::Client>(loop, std::move(settings), std::move(handlers));
    if (!frames.empty()) how_ += R"("frames":")" + frames + R"(",)";
    if (latest) how_ += R"("deliver":"latest",)";
    client_->send_text(R"({"op":"subscribe","hashId":"q",)" + how_ + std::string(kCountedQuery) + "}");
  }
  /// Asks for what came after its cursor, under its name.
  void resume() {
    const std::lock_guard lock(mutex_);
    const std::string cursor = replica_.cursor_json();
    replica_.resubscribed();
    fault_.clear();
    client_->send_text(R"({"op":"subscribe","hashId":"q",)" + how_ + R"("cursor":)" + cursor + "," +
                       std::string(kCountedQuery) + "}");
  }

  client::Client& client() { return *client_; }
  bool wait_count(int transactions) const {
    return rig::eventually([&] { return count() >= transactions || !fault().empty(); }) && fault().empty();
  }
  /// Where it is told `unavailable` it asks again, with its cursor.
  bool wait_count_returning(int transactions) {
    return rig::eventually([&] {
             if (fault() == kUnavailable) resume();
             return count() >= transactions || !(fault().empty() || fault() == kUnavailable);
           }) &&
           fault().empty();
  }
  [[nodiscard]] int count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  [[nodiscard]] std::string fault() const {
    const std::lock_guard lock(mutex_);
    return fault_;
  }
  [[nodiscard]] client::Replica held() const {
    const std::lock_guard lock(mutex_);
    return replica_;
  }

 private:
  void received() {
    if (!replica_.error_code().empty()) fault_ = "error " + replica_.error_code();
    const client::ReplicaCounts& seen = replica_.counts();
    if (!replica_.whole() || (seen.snapshots == snapshots_ && seen.diffs == diffs_)) return;
    const auto row = replica_.rows().find("[0]");
    if (row == replica_.rows().end()) return;
    const std::size_t at = row->second.find(R"("n":)") + 4;
    const int now = std::stoi(row->second.substr(at));
    const bool snapshot = seen.snapshots > snapshots_;
    if (snapshot ? now < count_ : latest_ ? now <= count_ : now != count_ + 1) {
      fault_ += " " + std::to_string(now) + " after " + std::to_string(count_);
    }
    count_ = now;
    snapshots_ = seen.snapshots;
    diffs_ = seen.diffs;
  }

  static constexpr std::string_view kUnavailable = "error unavailable";
  const bool latest_;
  std::string how_;  // it asks
  mutable std::mutex mutex_;
  client::Replica replica_;  // guarded by mutex_, like what follows
  int count_ = -1;
  std::uint64_t snapshots_ = 0;
  std::uint64_t diffs_ = 0;
  std::string fault_;
  std::unique_ptr<client::Client> client_;
};

/// In KiB, of /proc/<pid>/status.
inline long memory_of(pid_t process, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
  }
  return -1;
}

}  // namespace tidegate::test
