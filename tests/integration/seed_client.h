#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/client.h"

namespace tidegate::test {

/// A data frame as it came.
struct Received {
  bool text = false;
  std::string bytes;
  bool operator==(const Received&) const = default;
};

inline Received text(std::string bytes) {
  return {true, std::move(bytes)};
}
inline Received binary(std::string bytes) {
  return {false, std::move(bytes)};
}

/// A client of the seed: keeps every frame that it gets, in order. Any thread.
class SeedClient {
 public:
  static constexpr std::chrono::seconds kPatience{90};

  /// `settings.port` is replaced by `port`.
  SeedClient(client::Loop& loop, int port, client::Settings settings = {});

  void send(std::string message) { client_->send_text(std::move(message)); }
  void send_binary(std::string bytes) { client_->send_binary(std::move(bytes)); }
  /// `extra` is what stands behind the seed's fields, e.g. `,"resumeFromVersion":7`.
  void subscribe(const std::string& hash_id, const std::string& extra = {});
  /// Subscribes, and waits for the ack and the snapshot.
  bool subscribed(const std::string& hash_id, const std::string& extra = {});

  /// Waits until this many frames have come, and no longer than kPatience.
  bool wait_count(std::size_t frames);
  bool wait_binaries(std::size_t frames);
  bool wait_text(const std::string& whole);
  /// The first text frame with this in it; empty where none comes.
  std::string wait_text_with(const std::string& part);
  /// The selected subprotocol once the handshake is over; nothing where it failed.
  std::optional<std::string> wait_open();
  /// The code of the Close; nothing where none came.
  std::optional<std::uint16_t> wait_closed();
  /// Says ping, and waits for a pong beyond those that came before: what the gateway had to say has come.
  bool settle();

  [[nodiscard]] std::vector<Received> received() const;
  [[nodiscard]] std::vector<std::string> binaries() const;
  [[nodiscard]] std::vector<std::string> texts() const;
  /// Why the connection broke or was not made; empty: it did not.
  [[nodiscard]] std::string failure() const;
  void pause_reading() { client_->pause_reading(); }
  void resume_reading() { client_->resume_reading(); }

 private:
  bool wait(const std::function<bool()>& condition);
  [[nodiscard]] std::vector<std::string> of_kind(bool text) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Received> received_;  // guarded by mutex_, like what follows
  std::size_t binaries_ = 0;
  std::size_t pongs_ = 0;
  std::optional<std::string> selected_;
  std::optional<std::uint16_t> closed_;
  std::string failure_;
  std::unique_ptr<client::Client> client_;
};

// The seed's messages, members in the order in which it wrote them.
std::string seed_ack(const std::string& hash_id);
std::string seed_snapshot(const std::string& hash_id, const std::string& lsn);
std::string seed_error(const std::string& code, const std::string& message);
inline const std::string kSeedPong = R"({"op":"pong"})";

}  // namespace tidegate::test
